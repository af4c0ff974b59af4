"""Where servers log their predictions, and how these reach the model's table."""

from __future__ import annotations

import logging
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.blocks.spools import BucketSpool, DiskSpool, Segment, Spool
from prefect_mlops.core.errors import DataError, StorageError

if TYPE_CHECKING:
    import pyarrow as pa

    from prefect_mlops.blocks.tables import DeltaTables

__all__ = ["PredictionLog"]

logger = logging.getLogger(__name__)

ATTEMPTS = 10
READ_AT_ONCE = 64 * 2**20
LOOKS_FOR_A_GAP, GAP_SECONDS = 3, 0.2


class Gathered(NamedTuple):
    """What one look at the segments brought.

    Attributes:
        rows: The predictions, as they go into the table.
        positions: How far each stream is read by them.
        more: Whether there is more to read.
        gaps: Streams whose next segment is not there although later ones are, with the byte that is missed.
    """

    rows: list[pa.Table]
    positions: dict[str, int]
    more: bool
    gaps: list[tuple[str, int]]


class PredictionLog(Block):
    """A spool of JSON lines that servers append to: segments on this machine, or sent to a bucket.

    Example:
        Load a saved log and see where servers write to:
        ```python
        from prefect_mlops.blocks import PredictionLog

        predictions = PredictionLog.load("BLOCK_NAME")
        where = predictions.address()
        ```
    """

    _block_type_name = "MLOps Predictions"
    _block_type_slug = "mlops-predictions"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    spool: str = Field(
        default="", description="The folder of the spool, or s3://bucket/prefix; `spool` under the home when empty."
    )
    storage_options: dict[str, SecretStr] = Field(
        default={}, description="Keys, region and endpoint of the bucket, as for tables, such as aws_access_key_id."
    )

    def address(self) -> str:
        """What a server is told by `MLOPS_SPOOL`: a folder, or an `s3://` address."""
        return self.spool if "://" in self.spool else str(self.folder())

    def folder(self) -> Path:
        """The folder that servers of this machine write to; each model has a folder in it.

        Raises:
            DataError: The spool is a bucket.
        """
        if "://" in self.spool:
            raise DataError(f"The prediction log {self.spool} is no folder", "Tell servers its `address()` instead")
        return place(self.spool, "spool")

    def collect(self, model: str, tables: DeltaTables) -> int:
        """Move complete lines into the table `<model>-predictions`, each exactly once.

        How far each server's stream was read lies in the very commit that appends its rows, so that a crash between
        two steps, or two collectors at once, lose and double nothing. A segment is removed when its rows are in the
        table and nobody writes it any more. A last line without its end waits for it, unless its server is dead.
        Lines that are no predictions are copied into `broken`, and stop nothing.

        Returns:
            How many predictions were new.

        Raises:
            StorageError: The spool or the table cannot be read or written now; what waits is kept.
        """
        new, table, spool = 0, f"{model}-predictions", self._spool(model)
        missed: Counter[tuple[str, int]] = Counter()
        for _ in range(ATTEMPTS):
            lost = {gap for gap, looks in missed.items() if looks >= LOOKS_FOR_A_GAP}
            try:
                found = self._collect_once(spool, table, tables, lost)
            except StorageError:
                raise
            except OSError as error:
                raise StorageError(f"of the prediction log of {model}", str(error)) from error
            if found is None:  # another collector was faster: look again from where it ended
                continue
            new += sum(rows.num_rows for rows in found.rows)
            missed.update(found.gaps)
            if found.gaps:
                time.sleep(GAP_SECONDS)
            elif not found.more:
                break
        return new

    def broken(self, model: str) -> int:
        """How many lines that are no predictions were set aside so far."""
        return sum(content.count(b"\n") for content in self._spool(model).aside())

    def _spool(self, model: str) -> Spool:
        if "://" in self.spool:
            options = {name: value.get_secret_value() for name, value in self.storage_options.items()}
            return BucketSpool(self.spool, model, options)
        return DiskSpool(self.folder() / model)

    def _collect_once(
        self, spool: Spool, table: str, tables: DeltaTables, lost: set[tuple[str, int]]
    ) -> Gathered | None:
        """One commit; None where it came too late. Segments first: what is not listed cannot have been skipped."""
        import pyarrow as pa

        segments = spool.segments()
        known = tables.spool_offsets(table, sorted({_application(segment.stream) for segment in segments}))
        found = _gather(spool, segments, known, lost)
        if found.positions and not tables.append_spool(table, pa.concat_tables(found.rows), found.positions, known):
            return None
        reached = known | found.positions
        for segment in segments:
            if segment.end <= reached[_application(segment.stream)]:
                spool.delete(segment)
        return found


def _application(stream: str) -> str:
    """Under which name the table remembers how far a stream was read."""
    return f"spool:{stream}.jsonl"


def _gather(spool: Spool, segments: list[Segment], known: dict[str, int], lost: set[tuple[str, int]]) -> Gathered:
    """Read each stream on from where it was read, up to a size that fits into memory."""
    from prefect_mlops.core.predictions import parse_predictions

    at, left = dict(known), READ_AT_ONCE
    rows, gaps, stuck, more = [], [], set(), False
    for segment in segments:
        name = _application(segment.stream)
        if name in stuck or segment.end <= at[name]:
            continue
        if left <= 0:
            more = True
            break
        if segment.start > at[name] and (name, at[name]) not in lost:
            gaps.append((name, at[name]))
            stuck.add(name)
            continue
        if segment.start > at[name]:
            logger.warning("Bytes %d to %d of stream %s are lost.", at[name], segment.start, segment.stream)
        begin = max(at[name], segment.start)
        piece = spool.read(segment, begin - segment.start, left)
        if piece is None:
            stuck.add(name)
            continue
        whole = piece.content[: piece.content.rfind(b"\n") + 1]
        content = piece.content if piece.closed else whole
        if not content:
            stuck.add(name)
            continue
        parsed, broken = parse_predictions(line for line in content.split(b"\n") if line.strip())
        if broken:
            where = spool.set_aside(f"{segment.stream}.{begin:012d}.txt", b"\n".join(broken) + b"\n")
            said = "%d lines of %s are no predictions; they are copied into %s."
            logger.warning(said, len(broken), segment.name, where)
        rows.append(parsed)
        at[name] = begin + len(content)
        left -= len(content)
        more |= begin + len(piece.content) < segment.end
        if not piece.closed:
            stuck.add(name)
    return Gathered(rows, {name: end for name, end in at.items() if end != known[name]}, more, gaps)
