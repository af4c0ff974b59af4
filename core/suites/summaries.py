"""What a batch looks like in numbers few enough to keep hundreds of batches in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

__all__ = ["BatchSummary", "ColumnSummary", "Kind", "summarise"]

Kind = Literal["whole", "number", "text", "flag", "time", "other"]
MOST_VALUES = 1000
"""A column with more distinct values in a batch holds no categories."""
MOST_PAIRED = 30


class ColumnSummary(NamedTuple):
    """One column of one batch.

    Attributes:
        kind: Whole numbers, numbers, text, flags, times, or anything else.
        type: The frame's own word for it, such as `int64`.
        nulls: Share of rows without a value.
        distinct: Different values.
        counts: Rows of each value, where there are at most a thousand; never for personal columns.
        low: Least value, or the shortest text's length; NaN where there is none.
        high: Greatest value, or the longest text's length.
        mean: Of numbers.
        deviation: Standard deviation of numbers.
    """

    kind: Kind
    type: str
    nulls: float
    distinct: int
    counts: dict[object, int] | None = None
    low: float = np.nan
    high: float = np.nan
    mean: float = np.nan
    deviation: float = np.nan


class BatchSummary(NamedTuple):
    """One batch.

    Attributes:
        rows: Its rows.
        columns: One entry a column, in order.
        breaches: For each ordered pair of numeric columns, the share of rows in which the first is less.
        by_chance: The same with the second column shuffled.
        keys_repeat: Whether two rows have the same key.
    """

    rows: int
    columns: dict[str, ColumnSummary]
    breaches: dict[tuple[str, str], float]
    by_chance: dict[tuple[str, str], float]
    keys_repeat: bool


def summarise(
    batch: pd.DataFrame, *, key: Sequence[str] = (), personal: Sequence[str] = (), seed: int = 0
) -> BatchSummary:
    """Summarise a batch of at least one row.

    Args:
        batch: The rows.
        key: Columns that name a row.
        personal: Columns of which no value may be kept: only their kind, nulls and number of values are.
        seed: Shuffles the second column of each pair.
    """
    columns = {str(name): _column(batch[name], str(name) in personal) for name in batch.columns}
    paired = [name for name, found in columns.items() if found.kind in ("whole", "number") and name not in personal]
    breaches, by_chance = _pairs(batch, paired[:MOST_PAIRED], np.random.default_rng(seed))
    repeat = bool(key) and bool(batch.duplicated(list(key)).any())
    return BatchSummary(len(batch), columns, breaches, by_chance, repeat)


def kind_of_values(values: pd.Series) -> Kind:
    """What a column holds.

    Examples:
        >>> kind_of_values(pd.Series([1, 2])), kind_of_values(pd.Series(["a", None])), kind_of_values(pd.Series([[]]))
        ('whole', 'text', 'other')
    """
    types = pd.api.types
    if types.is_bool_dtype(values.dtype):
        return "flag"
    if types.is_integer_dtype(values.dtype):
        return "whole"
    if types.is_float_dtype(values.dtype):
        return "number"
    if types.is_datetime64_any_dtype(values.dtype):
        return "time"
    return "text" if types.infer_dtype(values, skipna=True) == "string" else "other"


def _column(values: pd.Series, personal: bool) -> ColumnSummary:
    kind = kind_of_values(values)
    nulls = float(values.isna().mean())
    known = values.dropna()
    if kind == "other":
        return ColumnSummary(kind, str(values.dtype), nulls, 0)
    if personal:
        return ColumnSummary(kind, str(values.dtype), nulls, int(known.nunique()))
    counted = known.value_counts()
    few = kind != "time" and len(counted) <= MOST_VALUES
    counts = {_plain(value): int(count) for value, count in counted.items()} if few else None
    found = ColumnSummary(kind, str(values.dtype), nulls, len(counted), counts)
    if not len(known) or kind in ("flag", "time"):
        return found
    measured = known.str.len() if kind == "text" else known
    numbers = measured.to_numpy(dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return found
    found = found._replace(low=float(numbers.min()), high=float(numbers.max()))
    if kind == "text":
        return found
    return found._replace(mean=float(numbers.mean()), deviation=float(numbers.std(ddof=1)) if len(numbers) > 1 else 0.0)


def _plain(value: object) -> object:
    """A value as JSON and YAML can hold it, instead of numpy's own types."""
    return value.item() if isinstance(value, np.generic) else value


def _pairs(
    batch: pd.DataFrame, names: Sequence[str], chance: np.random.Generator
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    breaches: dict[tuple[str, str], float] = {}
    by_chance: dict[tuple[str, str], float] = {}
    numbers = {name: batch[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in names}
    for first in names:
        for second in names:
            both = ~np.isnan(numbers[first]) & ~np.isnan(numbers[second]) if first != second else np.zeros(1, bool)
            if not both.any():
                continue
            left, right = numbers[first][both], numbers[second][both]
            breaches[first, second] = float((left < right).mean())
            # Only an order that chance would break often is worth an expectation.
            if not breaches[first, second]:
                by_chance[first, second] = float((left < chance.permutation(right)).mean())
    return breaches, by_chance
