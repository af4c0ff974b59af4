"""What a table's commit says of the batch that it holds, and what a batch and a window must be for a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from prefect_mlops.core.batches import as_frame
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.lineage import DataVersion, digest_rows

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

__all__ = ["Commit", "describe", "read_commit", "require_same", "require_types", "window"]

BATCH, DESCRIPTION, ROWS_DIGEST = "mlops.batch", "mlops.data-version", "mlops.rows-digest"


class Commit(NamedTuple):
    """A batch's commit: the version it made, and the digest of its rows without their stamps."""

    version: DataVersion
    rows_digest: str


def describe(table: str, rows: pa.Table, batch: str, time: str | None, stamps: Sequence[str]) -> dict[str, str]:
    """What a commit says of its batch.

    Args:
        table: The table's name.
        rows: The batch as the table holds it.
        batch: Its name.
        time: The column whose oldest and newest value are told.
        stamps: Columns that say when rows were written, and are no part of what the batch is.
    """
    said = DataVersion.of(as_frame(rows), table, -1, time)
    identity = _rows_digest(rows, stamps) if stamps else said.digest
    return {BATCH: batch, DESCRIPTION: said.model_dump_json(), ROWS_DIGEST: identity}


def read_commit(actions: Sequence[Mapping[str, Any]], batch: str, version: int) -> Commit | None:
    """The commit of a batch, out of the actions of one version's log; None where it is another's."""
    said: Mapping[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    if said.get(BATCH) != batch:
        return None
    described = DataVersion.model_validate_json(said[DESCRIPTION])
    return Commit(described.model_copy(update={"version": version}), said.get(ROWS_DIGEST, ""))


def _rows_digest(rows: pa.Table, stamps: Sequence[str]) -> str:
    """`digest_rows` of a batch without its stamps."""
    return digest_rows(as_frame(rows.drop_columns(list(stamps))))


def require_same(rows: pa.Table, batch: str, known: Commit, stamps: Sequence[str]) -> None:
    """Rows that come under a known name must be the ones it stands for, or they would be lost in silence.

    Raises:
        DataError: They are others.
    """
    if known.rows_digest and known.rows_digest != _rows_digest(rows, stamps):
        version = known.version
        raise DataError(
            f"Other rows were appended to table {version.table!r} under the name {batch!r} before, as version "
            f"{version.version}",
            "Give these a name of their own",
        )


def require_types(rows: pa.Table, table: str) -> None:
    """A column without any value has no type, and the first batch settles the table's types for good."""
    import pyarrow as pa

    bare = [name for name in rows.schema.names if pa.types.is_null(rows.schema.field(name).type)]
    if bare:
        raise DataError(
            f"Columns without any value in the first batch of table {table!r}: {', '.join(bare)}",
            f"Give them a type, for example frame[{bare[0]!r}].astype('string'), or leave them out",
        )


def window(types: pa.Schema, time: str | None, after: datetime | None, before: datetime | None) -> object:
    """A time window as a filter of Arrow; the moment `after` is not part of it, `before` is.

    Raises:
        DataError: The window has no time column or no zone, or the column holds no times.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = None
    for moment, keeps in ((after, pc.greater), (before, pc.less_equal)):
        if moment is None:
            continue
        if time is None:
            raise DataError("A time window was asked for without its time column", "Name the column with `time`")
        if moment.tzinfo is None:
            raise DataError(f"The moment {moment.isoformat()} has no time zone", "Give it one, such as UTC")
        if not pa.types.is_timestamp(types.field(time).type):
            raise DataError(f"Column {time!r} holds {types.field(time).type}, not times", "Name a column of times")
        condition = keeps(pc.field(time), pa.scalar(moment, pa.timestamp("us", "UTC")))
        found = condition if found is None else found & condition
    return found
