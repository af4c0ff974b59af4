"""Where servers log their predictions, and how these reach the model's table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks.tables import DeltaTables

__all__ = ["PredictionLog"]

TEXTS = ("prediction_id", "model", "slot", "key", "prediction", "probabilities", "features")
TIMES = ("predicted_at", "event_time")


class PredictionLog(Block):
    """A spool of JSON lines that servers append to, one file a server process.

    Example:
        Load a saved log and move what is new into the model's table:
        ```python
        from prefect_mlops.blocks import DeltaTables, PredictionLog

        new = PredictionLog.load("default").collect("flights-late", DeltaTables.load("default"))
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

        How far each file was read lies in the table's own commits, so that a crash between two steps loses and
        doubles nothing. Lines that are no predictions go to `broken.txt` beside the files.

        Returns:
            How many predictions were new.
        """
        read = []
        for path in sorted((self.folder() / model).glob("*.jsonl")):
            read.append((path, *_new_lines(path, tables, f"{model}-predictions")))
        read = [(path, lines, end) for path, lines, end in read if lines]
        if not read:
            return 0
        frame = self._parse(model, [line for _, lines, _ in read for line in lines])
        if frame.empty:
            return 0
        tables.append_spool(f"{model}-predictions", frame, {f"spool:{path.name}": end for path, _, end in read})
        return len(frame)

    def _parse(self, model: str, lines: list[bytes]) -> pd.DataFrame:
        import orjson
        import pandas as pd

        good, broken = [], []
        for line in lines:
            try:
                entry = orjson.loads(line)
                good.append({name: entry[name] for name in (*TEXTS, *TIMES, "version", "score", "latency_ms")})
            except (orjson.JSONDecodeError, KeyError, TypeError):
                broken.append(line)
        if broken:
            with (self.folder() / model / "broken.txt").open("ab") as aside:
                aside.writelines(line + b"\n" for line in broken)
        frame = pd.DataFrame(good)
        if frame.empty:
            return frame
        for name in TEXTS:
            frame[name] = frame[name].astype("string")
        for name in TIMES:
            frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
        frame["version"] = frame["version"].astype("int64")
        return frame.astype({"score": "float64", "latency_ms": "float64"})


def _new_lines(path: Path, tables: DeltaTables, table: str) -> tuple[list[bytes], int]:
    """The complete lines of a file that the table has not seen, and where the last of them ends."""
    start = tables.spool_offset(table, f"spool:{path.name}")
    with path.open("rb") as spool:
        spool.seek(start)
        content = spool.read()
    complete = content[: content.rfind(b"\n") + 1]
    return complete.splitlines(), start + len(complete)
