"""Proposes a suite from files of clean rows, and says what changed between two suites."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prefect_mlops.core.errors import DataError, NotFound

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import Suite
    from prefect_mlops.core.suites.diff import SuiteDiff
    from prefect_mlops.core.suites.propose import Proposal

__all__ = ["compare", "propose_from_files"]


def propose_from_files(
    files: Sequence[Path],
    output: Path,
    spec: Path | None = None,
    time: str = "",
    every: Literal["day", "week", "month"] = "day",
    key: Sequence[str] = (),
    personal: Sequence[str] = (),
    false_alarm_rate: float = 0.01,
) -> "Proposal":
    """Propose a suite from clean rows and write it as YAML, to be reviewed.

    Args:
        files: CSV, Parquet or JSON lines, oldest first. Each is a batch, unless a time column cuts all their rows.
        output: Where to write the suite; a file that is there is not touched.
        spec: A model's spec, whose key, time and personal columns are taken where none are named.
        time: The column to cut by.
        every: How long a batch is.
        key: Columns that name a row.
        personal: Columns of which no value may stand in the suite.
        false_alarm_rate: The share of clean next batches in which any expectation may fail.

    Raises:
        NotFound: A file is not there.
        DataError: The output is there already, a file cannot be read, or the rows are too few.
        SpecError: The spec is not valid.
    """
    import pandas as pd

    from prefect_mlops.core.specfile import load_spec
    from prefect_mlops.core.suites.propose import propose_suite

    if output.exists():
        raise DataError(f"{output} is there already", "Choose another --output, and compare with `suite diff`")
    if not 0 < false_alarm_rate < 0.5:
        raise DataError(f"{false_alarm_rate} is no false-alarm rate", "Give one above 0 and below 0.5, such as 0.01")
    if spec is not None:
        data = load_spec(spec).data
        key, time, personal = key or data.key, time or data.time or "", personal or data.personal
    batches = [_rows(file) for file in files]
    rows: Any = pd.concat(batches, ignore_index=True) if time or len(batches) == 1 else batches
    proposal = propose_suite(
        rows, time=time or None, every=every, key=key, personal=personal, false_alarm_rate=false_alarm_rate
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f"{output.name}.part")
    partial.write_text(proposal.yaml, encoding="utf-8")
    partial.replace(output)
    return proposal


def compare(old: str, new: str) -> "SuiteDiff":
    """What changed between two suites, each a file, a spec with a suite of its own, or an import path.

    Raises:
        SpecError: One is no suite.
        PartError: An import path leads nowhere.
    """
    from prefect_mlops.core.suites.diff import diff_suites

    return diff_suites(_suite(old), _suite(new))


def _rows(file: Path) -> "pd.DataFrame":
    from prefect_mlops.core.rowfiles import read_rows

    if not file.is_file():
        raise NotFound("file", str(file), "Correct the path")
    return read_rows(file.read_bytes(), file.name)


def _suite(source: str) -> "Suite":
    from prefect_mlops.core.specfile import load_spec
    from prefect_mlops.core.suites.written import suite_from

    path = Path(source)
    if path.suffix in (".yaml", ".yml") and path.is_file() and "spec_version:" in path.read_text(errors="replace"):
        return load_spec(path).suite
    return suite_from(source)
