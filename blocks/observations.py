"""Where servers log their predictions, and how these reach the model's table."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place

if TYPE_CHECKING:
    from prefect_mlops.blocks.tables import DeltaTables

__all__ = ["PredictionLog"]

logger = logging.getLogger(__name__)

ATTEMPTS = 10
READ_AT_ONCE = 64 * 2**20


class PredictionLog(Block):
    """A spool of JSON lines that servers append to, one file a server process.

    Example:
        Load a saved log and see where servers write to:
        ```python
        from prefect_mlops.blocks import PredictionLog

        predictions = PredictionLog.load("BLOCK_NAME")
        folder = predictions.folder()
        ```
    """

    _block_type_name = "MLOps Predictions"
    _block_type_slug = "mlops-predictions"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    spool: str = Field(default="", description="The folder of the spool; `spool` under the home when empty.")

    def folder(self) -> Path:
        """Where the servers write; each model has a folder in it."""
        return place(self.spool, "spool")

    def collect(self, model: str, tables: DeltaTables) -> int:
        """Move complete lines into the table `<model>-predictions`, each exactly once.

        How far each file was read lies in the very commit that appends its rows, so that a crash between two
        steps, or two collectors at once, lose and double nothing. A last line without its end waits for the
        next time. Lines that are no predictions are copied into `broken/` beside the files, and stop nothing.

        Returns:
            How many predictions were new.
        """
        new = 0
        for _ in range(ATTEMPTS):
            found = self._collect_once(model, tables)
            if found is None:  # another collector was faster: look again from where it ended
                continue
            new += found[0]
            if not found[1]:
                break
        return new

    def broken(self, model: str) -> int:
        """How many lines that are no predictions were set aside so far."""
        return sum(path.read_bytes().count(b"\n") for path in (self.folder() / model / "broken").glob("*.txt"))

    def _collect_once(self, model: str, tables: DeltaTables) -> tuple[int, bool] | None:
        """One commit: the new rows and whether there is more to read, or None where it came too late."""
        import pyarrow as pa

        from prefect_mlops.core.predictions import parse_predictions

        table = f"{model}-predictions"
        files = {f"spool:{path.name}": path for path in sorted((self.folder() / model).glob("*.jsonl"))}
        starts = tables.spool_offsets(table, list(files))
        rows, offsets, left = [], {}, READ_AT_ONCE
        for name, path in files.items():
            lines, end = _complete_lines(path, starts[name], left)
            if not lines:
                continue
            parsed, broken = parse_predictions(lines)
            if broken:
                self._set_aside(path, starts[name], broken)
            rows.append(parsed)
            offsets[name] = end
            left -= end - starts[name]
            if left <= 0:
                break
        if not offsets:
            return 0, False
        gathered = pa.concat_tables(rows)
        return (gathered.num_rows, left <= 0) if tables.append_spool(table, gathered, offsets) else None

    def _set_aside(self, path: Path, start: int, broken: list[bytes]) -> None:
        """Copy broken lines under a name that a second try writes again, not beside."""
        folder = path.parent / "broken"
        folder.mkdir(exist_ok=True)
        aside = folder / f"{path.stem}-{start}.txt"
        partial = aside.with_suffix(".part")
        partial.write_bytes(b"\n".join(broken) + b"\n")
        partial.replace(aside)
        logger.warning("%d lines of %s are no predictions; they are copied into %s.", len(broken), path.name, aside)


def _complete_lines(path: Path, start: int, most: int) -> tuple[list[bytes], int]:
    """The complete lines of a file from a byte on, and where the last of them ends."""
    with path.open("rb") as spool:
        spool.seek(start)
        content = spool.read(max(most, 0))
        if b"\n" not in content:
            content += spool.readline()
    content = content[: content.rfind(b"\n") + 1]
    return [line for line in content.split(b"\n") if line.strip()], start + len(content)
