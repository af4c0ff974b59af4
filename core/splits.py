"""Which rows a model learns from, which give its reference, and which judge it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

__all__ = ["ByKey", "ByTime", "RowSets", "key_text"]


class RowSets(NamedTuple):
    """The labelled rows of one training, in three disjoint sets (reference and judging may coincide).

    Attributes:
        training: Rows that the model learns from.
        reference: Rows from the same time that it never sees, for its reference profile.
        judging: Rows on which it is judged.
        judged_on: The judging rows in words.
        cutoff: The newest time among training and reference rows, ISO 8601; empty without a time column.
    """

    training: pd.DataFrame
    reference: pd.DataFrame
    judging: pd.DataFrame
    judged_on: str
    cutoff: str


class ByTime(Frozen):
    """Judge on the newest days, which neither model learned from; hold a random share of the rest as reference."""

    kind: Literal["by-time"] = "by-time"
    judge_days: Annotated[int, Field(gt=0, description="Days before the window's end that judge a candidate.")] = 10
    reference_share: Annotated[float, Field(gt=0, lt=0.9, description="Share of the older rows kept as reference.")] = (
        0.2
    )

    def split(
        self, rows: pd.DataFrame, *, key: Sequence[str], time: str | None, as_of: datetime, after: datetime | None
    ) -> RowSets:
        """Split labelled rows, whatever their order; rows newer than `as_of` are left out.

        Args:
            rows: Labelled rows with their key and time columns.
            key: The columns that name a row.
            time: The column that says when a row happened, with a time zone.
            as_of: The end of the window, with a time zone, itself within it.
            after: The champion's own cut-off; None without a champion. Then nothing newer needs to be kept for a
                comparison, the model learns from all times, and the reference judges it.

        Returns:
            With a champion, every judging row is newer than `cutoff` and than `after`. A row falls to the reference
            by a hash of its key, in this training and in every later one.

        Raises:
            DataError: No time column or no time zone, a missing time, a key that stands there twice, or an empty set.
        """
        if time is None:
            raise DataError("A split by time needs a time column", "Name it as data.time in the spec, or split by-key")
        seen = _seen(rows, key, time, as_of)
        start = as_of if after is None else max(as_of - timedelta(days=self.judge_days), _aware(after, "after"))
        older = seen[seen[time] <= start]
        held = _held_out(older, key, self.reference_share)
        training, reference = older[~held], older[held]
        judging = reference if after is None else seen[seen[time] > start]
        period = "older than the judging days" if after is not None else f"up to {as_of.isoformat()}"
        _refuse_empty(training, f"No rows {period} are left to learn from", "Load more history before training")
        _refuse_empty(
            reference,
            f"None of {len(older):,} rows {period} falls to the reference",
            "Load more history, or raise split.reference_share",
        )
        _refuse_empty(
            judging,
            f"No labelled row is newer than {start.isoformat()}, up to which the champion or the candidate learned",
            "Wait for labels of newer rows, or raise split.judge_days",
        )
        if after is None:
            judged_on = f"a random {self.reference_share:.0%} of {len(older):,} rows up to {_day(older[time].max())}"
        else:
            days = judging[time].dt.tz_convert("UTC").dt.floor("D").nunique()
            judged_on = f"{days} days from {_day(judging[time].min())}"
        return RowSets(training, reference, judging, judged_on, older[time].max().isoformat())


class ByKey(Frozen):
    """Hold out a share of the rows by a hash of their key: a row once held out is never trained on."""

    kind: Literal["by-key"] = "by-key"
    judge_share: Annotated[float, Field(gt=0, lt=0.9, description="Share of rows that judge a candidate.")] = 0.25

    def split(
        self, rows: pd.DataFrame, *, key: Sequence[str], time: str | None, as_of: datetime, after: datetime | None
    ) -> RowSets:
        """Split labelled rows, whatever their order; rows newer than `as_of` are left out where rows have a time.

        Args:
            rows: Labelled rows with their key columns.
            key: The columns that name a row.
            time: The column that says when a row happened, with a time zone; None where rows have none.
            as_of: The end of the window, with a time zone, itself within it.
            after: The champion's own cut-off. It changes nothing: no champion ever learned from a held-out row.

        Returns:
            The held-out rows are both reference and judging rows.

        Raises:
            DataError: A time without a zone, a missing time, a key that stands there twice, or an empty set.
        """
        del after
        seen = _seen(rows, key, time, as_of)
        held = _held_out(seen, key, self.judge_share)
        training, judging = seen[~held], seen[held]
        _refuse_empty(training, f"None of {len(seen):,} rows is left to learn from", "Load more rows before training")
        _refuse_empty(
            judging,
            f"None of {len(seen):,} rows falls to the judging set",
            "Load more rows, or raise split.judge_share",
        )
        judged_on = f"a fixed {self.judge_share:.0%} of {len(seen):,} rows by key"
        return RowSets(training, judging, judging, judged_on, "" if time is None else seen[time].max().isoformat())


def key_text(rows: pd.DataFrame, key: Sequence[str]) -> pd.Series:
    """What names each row, as text: the bare value of one key column, a JSON list of the texts of several.

    Args:
        rows: Rows with the key columns.
        key: Their names, at least one.

    Raises:
        DataError: A key column is missing, or holds missing values.

    Examples:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"carrier": ["UA", "B6"], "flight": [1545, 725]})
        >>> key_text(rows, ["flight"]).tolist(), key_text(rows, ["carrier", "flight"])[0]
        (['1545', '725'], '["UA", "1545"]')
    """
    import pandas as pd

    absent = [name for name in key if name not in rows.columns]
    if absent:
        raise DataError(f"The rows have no key column {', '.join(absent)}", "Correct data.key in the spec, or the rows")
    for name in key:
        missing = int(rows[name].isna().sum())
        if missing:
            cure = "A key names its row: let the suite block missing keys"
            raise DataError(f"Key column {name!r} is missing in {missing:,} rows", cure)
    columns = [[_text(value) for value in rows[name]] for name in key]
    joined = columns[0] if len(columns) == 1 else [json.dumps(values) for values in zip(*columns, strict=True)]
    return pd.Series(joined, index=rows.index, dtype=object)


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _seen(rows: pd.DataFrame, key: Sequence[str], time: str | None, as_of: datetime) -> pd.DataFrame:
    """The rows up to `as_of`, refused where they cannot be split."""
    import pandas as pd

    end = _aware(as_of, "as_of")
    _refuse_empty(rows, "There are no labelled rows to split", "Ingest rows and their labels before training")
    if time is not None:
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
        rows = rows[rows[time] <= end]
        _refuse_empty(rows, f"No labelled row is as old as {end.isoformat()}", "Look at `as_of` and at data.time")
    twice = int(key_text(rows, key).duplicated().sum())
    if twice:
        raise DataError(
            f"{twice:,} of {len(rows):,} rows repeat the key ({', '.join(key)}) of another",
            "Name enough columns in data.key to tell rows apart, or remove the repeated rows",
        )
    return rows


def _held_out(rows: pd.DataFrame, key: Sequence[str], share: float) -> np.ndarray:
    """Whether a hash of each row's key lies in the lowest share of all hashes."""
    import numpy as np

    below = int(share * 2**64)
    texts = key_text(rows, key)
    digests = (hashlib.blake2b(text.encode(), digest_size=8, person=b"prefect-mlops").digest() for text in texts)
    return np.array([int.from_bytes(digest, "big") < below for digest in digests], dtype=bool)


def _arrow_zoned(times: pd.Series) -> bool:
    arrow = getattr(times.dtype, "pyarrow_dtype", None)
    return getattr(arrow, "tz", None) is not None


def _aware(moment: datetime, name: str) -> datetime:
    if moment.tzinfo is None:
        raise DataError(f"`{name}` is {moment.isoformat()}, a time without a zone", "Give it with one, such as +00:00")
    return moment


def _refuse_empty(rows: pd.DataFrame, what: str, cure: str) -> None:
    if rows.empty:
        raise DataError(what, cure)


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
