"""Joins rows as they were known: for each event the newest feature row before it, and nothing from its future."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError

if TYPE_CHECKING:
    from datetime import timedelta

    import pandas as pd

__all__ = ["join_as_of"]


def join_as_of(
    events: pd.DataFrame,
    features: pd.DataFrame,
    *,
    by: str | Sequence[str],
    time: str,
    feature_time: str = "",
    tolerance: timedelta | None = None,
    exact: bool = False,
) -> pd.DataFrame:
    """Give each event the newest feature row of its key that was there before it.

    A feature that is stamped with the event's very moment is left out: who writes both in one go cannot say which
    came first. Of feature rows with one key and one stamp the last one counts. An event without key or time, and one
    before which nothing was known, has nulls.

    Args:
        events: One row an event, in any order, such as labels or what `load_data` read of accepted rows.
        features: What was known when, in any order; rows without key or time are passed over.
        by: The columns that name whose events and features they are, in both frames.
        time: When an event happened, with a zone.
        feature_time: When a feature was known (not: what time it is about), with a zone; `time` when empty.
        tolerance: How old a feature may be at most; any age when None.
        exact: Let a feature of the very moment count too.

    Returns:
        All columns of the events, in their order and with their index, then the other columns of the features. Whole
        numbers and bools that some event lacks become nullable (`Int64`, `boolean`): none of them is rounded.

    Raises:
        DataError: A column is missing, there twice or in both frames, times have no zone, keys are of different kinds,
            or the tolerance is not positive.

    Example:
        In a flow, on versions of tables that are on record:
        ```python
        calls = load_data(tables, "churn-accepted", version=12, columns=["customer", "at"]).rows
        known = load_data(tables, "balances", columns=["customer", "booked_at", "balance"]).rows
        rows = join_as_of(calls, known, by="customer", time="at", feature_time="booked_at")
        ```

    Examples:
        >>> import pandas as pd
        >>> at = pd.to_datetime(["2026-01-02T00:00Z", "2026-01-05T00:00Z"])
        >>> calls = pd.DataFrame({"customer": ["a", "a"], "at": at})
        >>> known = pd.DataFrame({"customer": ["a", "a"], "at": at, "balance": [10, 20]})
        >>> join_as_of(calls, known, by="customer", time="at")["balance"].tolist()
        [<NA>, 10]
        >>> join_as_of(calls, known, by="customer", time="at", exact=True)["balance"].tolist()
        [10, 20]
    """
    import numpy as np
    import pandas as pd

    by = [by] if isinstance(by, str) else list(by)
    stamp = feature_time or time
    others = [name for name in features.columns if name not in (*by, stamp)]
    _require_columns(events, features, by, time, stamp, others)
    if tolerance is not None and tolerance <= pd.Timedelta(0):
        raise DataError(f"A tolerance of {tolerance} lets no feature in", "Give a positive one, or none")
    left = _keyed(events, features, by, time, stamp)
    right = left.iloc[len(events) :].dropna().astype({"whose": np.int64})
    left = left.iloc[: len(events)].dropna().astype({"whose": np.int64})
    found = pd.merge_asof(
        left.sort_values("when", kind="stable"),
        right.sort_values("when", kind="stable"),
        on="when",
        by="whose",
        tolerance=None if tolerance is None else pd.Timedelta(tolerance),
        allow_exact_matches=exact,
        suffixes=("_event", "_feature"),
    ).dropna(subset="row_feature")
    rows = np.full(len(events), -1)
    rows[found["row_event"].to_numpy()] = found["row_feature"].to_numpy(dtype=np.int64)
    taken = features[others].reset_index(drop=True)
    if (rows < 0).any():
        nullable = taken.select_dtypes(["integer", "bool"]).convert_dtypes()
        taken = taken.astype(nullable.dtypes.to_dict())
    taken = taken.reindex(rows)
    return pd.concat([events, taken.set_axis(events.index)], axis=1)


def _keyed(events: pd.DataFrame, features: pd.DataFrame, by: Sequence[str], time: str, stamp: str) -> pd.DataFrame:
    """Both frames below each other: row number, time, and one number for each different key; null without one."""
    import numpy as np
    import pandas as pd

    codes = []
    for name in by:
        values = pd.concat([events[name].astype(object), features[name].astype(object)], ignore_index=True)
        codes.append(pd.Series(pd.factorize(values)[0]).where(values.notna()))
    whose = pd.DataFrame(dict(enumerate(codes))).groupby(list(range(len(by))), dropna=True).ngroup()
    times = [_moments(events, time), _moments(features, stamp)]
    # Microseconds reach as far as a "valid until 9999"; nanoseconds end in 2262 and are taken where they are needed.
    unit = "ns" if "ns" in {times[0].dt.unit, times[1].dt.unit} else "us"
    try:
        times = [moments.dt.as_unit(unit) for moments in times]
    except pd.errors.OutOfBoundsDatetime as error:
        what = f"Times in {time!r} or {stamp!r} lie beyond what nanoseconds can hold"
        raise DataError(what, "Bring both columns to microseconds with .dt.as_unit('us')") from error
    return pd.DataFrame(
        {
            "row": np.concatenate([np.arange(len(events)), np.arange(len(features))]),
            "when": pd.concat(times, ignore_index=True),
            "whose": whose.where(whose >= 0),
        }
    )


def _moments(rows: pd.DataFrame, time: str) -> pd.Series:
    import pandas as pd

    if not isinstance(rows[time].dtype, pd.DatetimeTZDtype):
        raise DataError(
            f"Column {time!r} holds {rows[time].dtype}, not times with a zone",
            f"Say which zone they are in, for example frame[{time!r}].dt.tz_localize('UTC')",
        )
    moments: pd.Series = rows[time].dt.tz_convert("UTC")
    return moments


def _require_columns(
    events: pd.DataFrame, features: pd.DataFrame, by: Sequence[str], time: str, stamp: str, others: Sequence[str]
) -> None:
    import pandas as pd

    if not by:
        raise DataError("A join needs a key", "Name at least one column with `by`")
    for what, rows, wanted in (("events", events, (*by, time)), ("features", features, (*by, stamp))):
        missing = sorted(set(wanted) - set(rows.columns))
        if missing:
            has = ", ".join(map(str, rows.columns))
            raise DataError(f"The {what} have no column {', '.join(missing)}", f"They have {has}")
        twice = sorted({str(name) for name in rows.columns[rows.columns.duplicated()]})
        if twice:
            raise DataError(f"The {what} have {', '.join(twice)} twice", "Rename or drop one of each")
    both = sorted(set(others) & set(events.columns))
    if both:
        raise DataError(f"Events and features both have {', '.join(both)}", "Rename or drop it in one of them")
    for name in by:
        kinds = [pd.api.types.infer_dtype(rows[name], skipna=True) for rows in (events, features)]
        numbers = [kind in ("integer", "floating", "mixed-integer-float", "decimal", "boolean") for kind in kinds]
        if "empty" not in kinds and numbers[0] != numbers[1]:
            what = f"The key {name!r} is {kinds[0]} in the events and {kinds[1]} in the features"
            raise DataError(what, "Bring both to one type; they would never meet")
