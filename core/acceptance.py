"""What a batch must be before it may become a version of a table: its columns, its keys and its times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError, SchemaMismatch

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["ACCEPTED_AT", "LABELLED_AT", "require_joinable", "require_labels", "require_rows"]

ACCEPTED_AT = "accepted_at"
LABELLED_AT = "labelled_at"
"""The columns in which a table says when its rows came in."""
ZONED = "Write times as 2013-05-01T00:00:00Z, or say their zone in the spec: `data: {timezone: Europe/Berlin}`"


def require_rows(spec: ModelSpec, rows: pd.DataFrame, batch: str, as_of: datetime) -> None:
    """Refuse a batch of rows that training and monitors could not read as it is.

    Columns beyond those of the spec may be there.

    Args:
        spec: Says key, time, features and target.
        rows: The batch.
        batch: Its name, for messages.
        as_of: The time that it belongs to; no row may be later by more than `data.ahead_days`.

    Raises:
        DataError: The batch has no rows, lacks a column that the spec names, has one twice or one of ours, keys that
            are null or there twice, or times that are missing, without a zone, or in the future.
    """
    wanted = [*spec.data.key, *([spec.data.time] if spec.data.time else []), *spec.features.names]
    if spec.data.labels == "with-rows":
        wanted.append(spec.target.column)
    _require_columns(rows, wanted, batch, ACCEPTED_AT)
    _require_keys(rows, spec.data.key, batch)
    _require_zone(as_of)
    if spec.data.time:
        latest = as_of.astimezone(UTC) + timedelta(days=spec.data.ahead_days)
        _require_times(rows, spec.data.time, batch, latest)


def require_labels(spec: ModelSpec, labels: pd.DataFrame, batch: str, as_of: datetime) -> None:
    """Refuse a batch of labels that cannot be joined to rows; a row whose label is not known yet may be among them.

    Args:
        spec: Says key and target.
        labels: The batch.
        batch: Its name, for messages.
        as_of: The time that it belongs to.

    Raises:
        DataError: The batch has no rows, lacks a key column or the target, has other columns, keys that are null or
            there twice, or no label that is known.
    """
    target = spec.target.column
    columns = [*spec.data.key, target]
    _require_columns(labels, columns, batch, LABELLED_AT)
    more = [repr(name) for name in labels.columns if name not in columns]
    if more:
        what = f"Batch {batch!r} has columns beside the labels and their key: {', '.join(more)}"
        raise DataError(what, f"Send {', '.join(columns)} alone")
    known = labels[labels[target].notna()]
    if known.empty:
        raise DataError(f"Batch {batch!r} holds no label in {target!r}", "Send labels once they are known")
    _require_keys(known, spec.data.key, batch)
    _require_zone(as_of)


def require_joinable(spec: ModelSpec, rows: pd.DataFrame, known: pa.Schema, table: str) -> None:
    """Refuse keys of another type than those of the table that is joined by them: they would never meet.

    Args:
        spec: Says the key.
        rows: The rows or labels of a batch.
        known: The columns of the table of labels or rows.
        table: Its name, for messages.

    Raises:
        SchemaMismatch: A key column is of another type; whole numbers of any width are one.
    """
    import pyarrow as pa

    from prefect_mlops.core.batches import plain_type

    types = {field.name: plain_type(field.type) for field in known}
    differences = []
    for name in spec.data.key:
        there, found = types.get(name), plain_type(_arrow(rows[name], name).type)
        if found != there and not (there and pa.types.is_integer(there) and pa.types.is_integer(found)):
            differences.append(f"{name}: the table has {there or 'none'}, the batch {found}")
    if differences:
        raise SchemaMismatch(table, tuple(differences))


def _require_columns(rows: pd.DataFrame, wanted: list[str], batch: str, ours: str) -> None:
    twice = sorted({str(name) for name in rows.columns[rows.columns.duplicated()]})
    if twice:
        raise DataError(f"Batch {batch!r} has columns that stand there twice: {', '.join(twice)}", "Send each once")
    missing = sorted(set(wanted) - set(rows.columns))
    if missing:
        raise DataError(
            f"Batch {batch!r} lacks the columns {', '.join(missing)} that the spec names",
            f"Send them, or correct the spec; the batch has {', '.join(map(str, rows.columns))}",
        )
    if ours in rows.columns:
        raise DataError(f"Batch {batch!r} has a column {ours!r}, which is ours to write", "Rename it or leave it out")
    if rows.empty:
        raise DataError(f"Batch {batch!r} has no rows", "Drop a file with at least one row")


def _require_keys(rows: pd.DataFrame, key: tuple[str, ...], batch: str) -> None:
    keys, named = rows[list(key)], ", ".join(key)
    nameless = int(keys.isna().any(axis=1).sum())
    if nameless:
        raise DataError(f"Batch {batch!r} has {nameless:,} rows without {named}", "Give every row its key")
    objects = [name for name in key if keys[name].dtype == object]
    if any(keys[name].map(lambda value: isinstance(value, list | dict | set)).any() for name in objects):
        cure = "Use text, whole numbers, dates or times"
        raise DataError(f"The key {named} of batch {batch!r} holds lists or dictionaries", cure)
    twice = int(keys.duplicated().sum())
    if twice:
        raise DataError(f"Batch {batch!r} has {twice:,} keys that stand there twice", "Send each row once")


def _require_times(rows: pd.DataFrame, time: str, batch: str, latest: datetime) -> None:
    """Rows whose time is missing would never be read, those from the future too early."""
    import pyarrow as pa
    import pyarrow.compute as pc

    times = _arrow(rows[time], time)
    if times.null_count:
        raise DataError(f"Batch {batch!r} has {times.null_count:,} rows without {time}", "Give every row its time")
    if not pa.types.is_timestamp(times.type):
        raise DataError(f"Column {time!r} of batch {batch!r} holds no times but {times.type}", ZONED)
    if times.type.tz is None:
        cure = f"{ZONED}; in pandas, frame[{time!r}].dt.tz_localize('Europe/Berlin')"
        raise DataError(f"The times in {time!r} of batch {batch!r} have no time zone", cure)
    ahead = pc.sum(pc.greater(times.cast(pa.timestamp(times.type.unit, "UTC")), pa.scalar(latest))).as_py()
    if ahead:
        raise DataError(
            f"Batch {batch!r} has {ahead:,} rows whose {time} lies after {latest.isoformat()}",
            "Correct them, send the batch later, or allow it with `data.ahead_days`",
        )


def _require_zone(as_of: datetime) -> None:
    if as_of.tzinfo is None:
        raise DataError(f"as_of {as_of.isoformat()} has no time zone", "Give it one, such as UTC")


def _arrow(values: pd.Series, name: str) -> pa.ChunkedArray:
    from prefect_mlops.core.columns import arrow_column

    try:
        return arrow_column(values)
    except ValueError as error:
        what = f"Column {name!r} holds values of several types, or of one that no table holds ({error})"
        raise DataError(what, "Give it one type before") from error
