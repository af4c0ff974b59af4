"""Shows people what waits in quarantine, and takes back what they corrected."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.deployments.sync import read_specs
from prefect_mlops.tasks import (
    announce_intake,
    load_places,
    load_quarantined,
    load_suite,
    pin_versions,
    release_quarantined,
)

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import DeltaTables

__all__ = ["release_file", "write_quarantined"]


def write_quarantined(project: Path, model: str, output: Path, batch: str = "", environment: str = "default") -> int:
    """Write the rows that wait in a model's quarantine into a CSV or Parquet file.

    Args:
        project: The folder that holds the specs.
        model: The model.
        output: The file, `.csv` or `.parquet`.
        batch: Only the rows of this batch; all when empty.
        environment: Name of the block documents to use.

    Returns:
        How many rows wait; nothing is written where none does.

    Raises:
        NotFound: There is no such model or environment.
        DataError: The file's ending is unknown.
    """
    writers = {".csv": "to_csv", ".parquet": "to_parquet"}
    if output.suffix not in writers:
        raise DataError(f"{output.name!r} has an unknown ending", f"Use one of {', '.join(writers)}")
    rows = load_quarantined.fn(load_places(environment).tables, _spec_of(project, model), batch)
    if len(rows):
        getattr(rows, writers[output.suffix])(output, index=False)
    return len(rows)


def release_file(project: Path, model: str, file: Path, as_of: datetime, environment: str = "default") -> str:
    """Accept the corrected rows of a file that `write_quarantined` wrote, and announce them.

    Args:
        project: The folder that holds the specs.
        model: The model.
        file: The rows, corrected; those that are left out stay in quarantine.
        as_of: The time of the release.
        environment: Name of the block documents to use.

    Returns:
        One sentence: what became of them.

    Raises:
        NotFound: There is no such file, model or environment.
        DataError: The rows cannot be read, are not in quarantine, or still do not fit; nothing was changed.
    """
    if not file.is_file():
        raise NotFound("file", str(file), "Write one with `prefect-mlops quarantine`")
    spec, places = _spec_of(project, model), load_places(environment)
    rows = _corrected(file, places.tables, f"{spec.name}-accepted")
    suite = load_suite.fn(places.suites, spec)
    intake = release_quarantined.fn(places, places.source, spec, suite, rows, as_of)
    announce_intake.fn(spec, [intake], as_of, pin_versions.fn(places.tables, spec))
    return intake.reason


def _corrected(file: Path, tables: "DeltaTables", table: str) -> "pd.DataFrame":
    """The rows of a file; those of CSV in the types of the table that they shall join, since CSV tells none."""
    import pandas as pd

    from prefect_mlops.core.quarantine import in_types
    from prefect_mlops.core.rowfiles import read_rows

    rows = read_rows(file.read_bytes(), file.name)
    if file.suffix.lower() != ".csv":
        return rows
    named = {name: rows[name] for name in map(str, rows) if name.startswith("quarantine_")}
    texts = pd.read_csv(file, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    known = tables.types_of(table) if tables.exists(table) else ()
    return in_types(texts, known).assign(**named)


def _spec_of(project: Path, model: str) -> ModelSpec:
    specs = {spec.name: spec for spec in read_specs(project)}
    if model not in specs:
        raise NotFound("model", model, f"The project has {', '.join(specs)}")
    return specs[model]
