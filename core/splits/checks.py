"""What rows must be before they can be split: there, dated with a zone, and told apart by their key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.splits.keys import key_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

__all__ = ["aware", "dated", "newest", "refuse_empty", "rows_until"]


def rows_until(rows: pd.DataFrame, key: Sequence[str], time: str | None, as_of: datetime) -> pd.DataFrame:
    """The rows up to `as_of`, refused where they cannot be split.

    Raises:
        DataError: There are none, a time is missing or has no zone, or a key stands there twice.
    """
    end = aware(as_of, "as_of")
    refuse_empty(rows, "There are no labelled rows to split", "Ingest rows and their labels before training")
    if time is not None:
        rows = rows[dated(rows, time) <= end]
        refuse_empty(rows, f"No labelled row is as old as {end.isoformat()}", "Look at `as_of` and at data.time")
    twice = int(key_text(rows, key).duplicated().sum())
    if twice:
        raise DataError(
            f"{twice:,} of {len(rows):,} rows repeat the key ({', '.join(key)}) of another",
            "Name enough columns in data.key to tell rows apart, or remove the repeated rows",
        )
    return rows


def dated(rows: pd.DataFrame, time: str) -> pd.Series:
    """The time of each row.

    Raises:
        DataError: There is no such column, its times have no zone, or one is missing.
    """
    import pandas as pd

    if time not in rows.columns:
        raise DataError(f"The rows have no time column {time!r}", "Correct data.time in the spec, or the rows")
    if not isinstance(rows[time].dtype, pd.DatetimeTZDtype) and not _arrow_zoned(rows[time]):
        raise DataError(
            f"Column {time!r} holds {rows[time].dtype}, not timestamps with a time zone",
            "Convert it where rows are read, such as pd.to_datetime(..., utc=True)",
        )
    missing = int(rows[time].isna().sum())
    if missing:
        raise DataError(f"Column {time!r} is missing in {missing:,} rows", "Let the suite block missing times")
    return rows[time]


def newest(rows: pd.DataFrame, time: str | None) -> str:
    """The newest time of some rows, ISO 8601; empty where rows have no time."""
    return "" if time is None else str(rows[time].max().isoformat())


def aware(moment: datetime, name: str) -> datetime:
    """A moment, refused without a time zone.

    Raises:
        DataError: It has none.
    """
    if moment.tzinfo is None:
        raise DataError(f"`{name}` is {moment.isoformat()}, a time without a zone", "Give it with one, such as +00:00")
    return moment


def refuse_empty(rows: pd.DataFrame, what: str, cure: str) -> None:
    """Refuse a set without rows.

    Raises:
        DataError: It has none.
    """
    if rows.empty:
        raise DataError(what, cure)


def _arrow_zoned(times: pd.Series) -> bool:
    arrow = getattr(times.dtype, "pyarrow_dtype", None)
    return getattr(arrow, "tz", None) is not None
