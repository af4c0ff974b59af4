"""A version of a table read piece by piece, so that memory does not grow with its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError, NotFound

if TYPE_CHECKING:
    import pyarrow as pa

    from prefect_mlops.blocks.tables import DeltaTables

__all__ = ["PART_ROWS", "stream_rows"]

PART_ROWS = 65_536


def stream_rows(
    tables: DeltaTables,
    table: str,
    version: int,
    columns: Sequence[str],
    *,
    clock: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Iterator[pa.Table]:
    """Read a version in pieces of some 65,536 rows, in the order of its files.

    Args:
        tables: Where the table is.
        table: Its name.
        version: The version to read.
        columns: The columns wanted.
        clock: The column of times that `start` and `end` are about.
        start: Rows from this moment on.
        end: Rows before this moment.

    Raises:
        NotFound: There is no such table or version.
        DataError: A column is not there.
        StorageError: The table cannot be read.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds
    from deltalake.exceptions import DeltaError

    with tables._reaching(table):
        if not tables.exists(table):
            raise NotFound("table", table, "Ingest a batch first; flows create tables by themselves")
        try:
            found = tables._open(table, version)
        except DeltaError as error:
            newest = tables.version(table)
            raise NotFound("version", f"{table} {version}", f"Ask for one up to {newest}") from error
        # Read through Python, a disk's reads may outlive a failed one and abort a process that ends then.
        disk = None if "://" in tables.root else tables._store(tables.path(table))
        rows = found.to_pyarrow_dataset(filesystem=disk)
        missing = sorted({*columns, *([clock] if clock else [])} - {*rows.schema.names})
        if missing:
            raise DataError(
                f"Table {table!r} has no column {', '.join(missing)}", f"It has {', '.join(rows.schema.names)}"
            )
        kept = None
        for bound in (start, end) if clock else ():
            if bound is not None:
                moment = pa.scalar(bound, pa.timestamp("us", "UTC"))
                more = ds.field(clock) >= moment if bound is start else ds.field(clock) < moment
                kept = more if kept is None else kept & more
        # Group by group: the scan of a whole table holds up to four groups of rows beside the one that is read.
        groups = (group for file in rows.get_fragments(kept) for group in file.split_by_row_group(kept, rows.schema))
        asked = {"schema": rows.schema, "columns": [*columns], "filter": kept, "batch_size": PART_ROWS}
        yield from _pieces(batch for group in groups for batch in group.to_batches(**asked))


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """A filter leaves small batches: they are joined again, a call for each would cost more than its rows."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows:
            held.append(batch)
        if sum(each.num_rows for each in held) >= PART_ROWS:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)
