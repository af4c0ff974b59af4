"""Columns that were computed from the target: of later rows, or of rows that this one is part of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from prefect_mlops.core.survey.problem import Posed

__all__ = ["echoes_of_target"]

LATER = (*range(1, 31), 48, 72, 96, 168)
"""How many rows later a target may stand that a column repeats."""
WINDOWS = (*range(2, 31), 48, 72, 96, 168)
MOST_ROWS = 100_000
SAME = 1e-4
"""What a correlation of computed values may lack to one, for values that were rounded."""
FEWEST_GROUPS = 10


class Made(NamedTuple):
    """Something made from the target, row by row, and what it is in words; compared as it is, or by its steps."""

    words: str
    values: np.ndarray
    steps: bool = False


def echoes_of_target(rows: pd.DataFrame, posed: Posed, time: str | None, groups: tuple[str, ...]) -> dict[str, str]:
    """Columns that repeat something made from the target which is not known at the time of their row.

    Looked for are the target of a later row, means and sums of the target over later rows (this one with them or
    not), what is still to come of it, its running total with this row in it, and means, sums and counts of it over
    all rows of a group, of a day, week or month, the row itself left out or not. A target of *earlier* rows is known
    by then, and is not told.

    Args:
        rows: The table, of which at most the first 100,000 rows in time are looked at.
        posed: The problem, for the same rows.
        time: The column that orders the rows; they stand in their order where it is None.
        groups: Columns whose values may be groups.

    Returns:
        What each such column repeats, in words.

    Examples:
        >>> from prefect_mlops.core.survey.problem import pose
        >>> target = pd.Series(np.random.default_rng(0).integers(0, 2, 90), name="late")
        >>> rows = pd.DataFrame({"next": target.shift(-1), "before": target.shift(1)})
        >>> echoes_of_target(rows, pose(target), None, ())
        {'next': 'the target of 1 row later'}
    """
    order = np.arange(len(rows)) if time is None else np.argsort(rows[time].to_numpy(), kind="stable")
    order = order[:MOST_ROWS]
    seen = rows.iloc[order].reset_index(drop=True)
    columns = {
        name: values for name in rows.columns if name != time and (values := _numbers(seen[name], posed)) is not None
    }
    found: dict[str, str] = {}
    for target in _targets(posed, order):
        for made in _before(target):  # a periodic target repeats itself
            columns = {name: values for name, values in columns.items() if not _same(values, made)}
        for made in _everything(target, seen, time, groups):
            for name, values in columns.items():
                if name not in found and _same(values, made):
                    found[name] = made.words
    return found


def _targets(posed: Posed, order: np.ndarray) -> Iterator[np.ndarray]:
    values = posed.values[order]
    if len(posed.classes) <= 2:
        yield values.astype(np.float64)
        return
    for code in range(min(len(posed.classes), 5)):
        yield (values == code).astype(np.float64)


def _numbers(column: pd.Series, posed: Posed) -> np.ndarray | None:
    """The values as numbers; texts only where they are the target's own."""
    kind = column.dtype
    if pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    elif posed.classes:
        codes = {str(label): code for code, label in enumerate(posed.classes)}
        values = column.astype(str).map(codes).to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        return None
    known = np.isfinite(values)
    return values if known.sum() >= 30 and np.ptp(values[known]) > 0 else None


def _everything(target: np.ndarray, seen: pd.DataFrame, time: str | None, groups: tuple[str, ...]) -> Iterator[Made]:
    yield from _along(target)
    for words, labels in _grouped_by(seen, time, groups):
        yield from _in_groups(target, labels, words)


def _before(target: np.ndarray) -> Iterator[Made]:
    for rows in LATER:
        yield Made(f"the target of {rows} rows before", pd.Series(target).shift(rows).to_numpy())


def _along(target: np.ndarray) -> Iterator[Made]:
    series = pd.Series(target)
    backwards = series[::-1]
    for rows in LATER:
        yield Made(f"the target of {rows} row{'s' * (rows > 1)} later", series.shift(-rows).to_numpy())
    for width in WINDOWS:
        ahead = backwards.rolling(width).mean()[::-1]
        yield Made(f"the mean of the target over this row and the {width - 1} after it", ahead.to_numpy())
        yield Made(f"the mean of the target over the {width} rows after this one", ahead.shift(-1).to_numpy())
        middle = series.rolling(width, center=True).mean()
        yield Made(f"the mean of the target over the {width} rows around this one", middle.to_numpy())
    yield Made("the running total of the target with this row in it", target, steps=True)
    yield Made("what is still to come of the target", -series.shift(1).to_numpy(), steps=True)
    yield Made("what is still to come of the target after this row", -target, steps=True)


def _grouped_by(seen: pd.DataFrame, time: str | None, groups: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    for name in groups:
        yield f"of the same {name}", pd.factorize(seen[name])[0]
    if time is not None:
        moments = seen[time].dt.tz_localize(None)
        for word, frequency in (("day", "D"), ("week", "W"), ("month", "M")):
            yield f"of the same {word}", pd.factorize(moments.dt.to_period(frequency))[0]


def _in_groups(target: np.ndarray, labels: np.ndarray, words: str) -> Iterator[Made]:
    sizes = np.bincount(labels[labels >= 0]) if (labels >= 0).any() else np.zeros(0)
    if np.count_nonzero(sizes > 1) < FEWEST_GROUPS:
        return
    grouped = pd.Series(target).groupby(pd.Series(np.where(labels < 0, np.nan, labels)))
    total, count = grouped.transform("sum").to_numpy(), grouped.transform("count").to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        yield Made(f"the mean of the target over all rows {words}", total / count)
        yield Made(f"the sum of the target over all rows {words}", total)
        yield Made(f"the mean of the target over all other rows {words}", (total - target) / (count - 1))
        yield Made(f"the sum of the target over all other rows {words}", total - target)
    yield Made(f"the target of the next row {words}", grouped.shift(-1).to_numpy())
    for word in ("max", "min"):
        yield Made(f"the {word}imum of the target over all rows {words}", grouped.transform(word).to_numpy())
    before = grouped.cumsum().to_numpy()
    yield Made(f"what is still to come of the target in rows {words}", total - before)
    yield Made(f"the running total of the target in rows {words}, this one in it", before)


def _same(values: np.ndarray, made: Made) -> bool:
    compared = np.append(np.nan, np.diff(values)) if made.steps else values
    both = np.isfinite(compared) & np.isfinite(made.values)
    if both.sum() < max(30, len(values) // 3):
        return False
    one, other = compared[both], made.values[both]
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return False
    likeness = float(np.corrcoef(one, other)[0, 1])
    return likeness > 1 - SAME
