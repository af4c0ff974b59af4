"""Which rows make a slice: by the values of a column, by its quantiles, or by two columns at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = ["Aside", "Slice", "Sliced", "slice_rows"]

FEW_VALUES = 12
"""Numbers with at most so many values, such as months, are told apart one by one."""
TOLD = 10
"""So many small slices of a column are named, the others counted."""
LONGEST = 40


class Slice(NamedTuple):
    """Rows that have something in common.

    Attributes:
        name: What that is, such as `carrier = AA` or `distance in (500, 1200]`.
        rows: Their positions, ascending.
    """

    name: str
    rows: np.ndarray


class Aside(NamedTuple):
    """A slice, a column or several slices that are not looked at, and why."""

    name: str
    rows: int
    reason: str


class Sliced(NamedTuple):
    """Slices, those with the most rows first, and what was left out."""

    slices: tuple[Slice, ...]
    aside: tuple[Aside, ...]


class _Cut(NamedTuple):
    """A column as codes; -1 belongs to no slice."""

    column: str
    codes: np.ndarray
    names: list[str]


def slice_rows(
    rows: pd.DataFrame,
    columns: Sequence[str],
    *,
    personal: Collection[str] = (),
    categories: Collection[str] = (),
    bins: int = 4,
    minimum_rows: int = 100,
    intersections: bool = False,
    most: int = 200,
) -> Sliced:
    """Cut rows by their columns.

    A column of texts, of truth values or of few numbers has a slice a value, another column of numbers one a quantile
    bin. Missing values are a slice of their own.

    Args:
        rows: The rows.
        columns: The columns to cut by.
        personal: Columns whose values may not be named; they are left out.
        categories: Columns of numbers that are names.
        bins: Quantile bins of a column of numbers; fewer where values repeat.
        minimum_rows: Rows without which a slice is left out.
        intersections: Whether to cut by each two columns too.
        most: Slices at most; those with the fewest rows are left out.

    Examples:
        >>> rows = pd.DataFrame({"town": ["Ulm", "Bonn", "Ulm"], "size": [1.0, 2.0, None]})
        >>> found = slice_rows(rows, ["town", "size", "age"], minimum_rows=2)
        >>> [(one.name, one.rows.tolist()) for one in found.slices]
        [('town = Ulm', [0, 2])]
        >>> [one.name for one in found.aside][:2], found.aside[-1].reason
        (['town = Bonn', 'size = 1'], "the judging rows have no column 'age'")
    """
    cuts: list[_Cut] = []
    unfit: list[Aside] = []
    for column in dict.fromkeys(columns):
        cut = _cut(rows, column, bins, column in categories, column in personal)
        if isinstance(cut, _Cut):
            cuts.append(cut)
        else:
            unfit.append(Aside(column, 0, cut))
    slices, aside = [], []
    for cut in cuts:
        held, small = _large(cut, minimum_rows)
        slices += held
        aside += small
    if intersections:
        for one, other in combinations(cuts, 2):
            held, small = _large(_crossed(one, other, minimum_rows), minimum_rows)
            slices += held
            aside += _summed(small, f"{one.column} and {other.column}", minimum_rows)
    slices.sort(key=lambda one: -len(one.rows))
    aside += [Aside(f"{len(slices) - most:,} more slices", 0, f"only the {most} with the most rows are looked at")] * (
        len(slices) > most
    )
    return Sliced(tuple(slices[:most]), (*aside, *unfit))


def _cut(rows: pd.DataFrame, column: str, bins: int, category: bool, personal: bool) -> _Cut | str:
    """A column as codes, or why it cannot be cut by."""
    if personal:
        return f"{column!r} is personal (data.personal), so its values may not be named; take it out of the gate"
    if column not in rows.columns:
        return f"the judging rows have no column {column!r}"
    values = rows[column]
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return f"{column!r} holds times; derive a number or a category from it, such as the month"
    numeric = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    if numeric and not category:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        if pd.unique(values).size > FEW_VALUES:
            return _binned(
                column, numbers, np.unique(np.nanquantile(numbers, np.arange(1, bins) / bins, method="inverted_cdf"))
            )
    try:
        codes, found = pd.factorize(values)
    except TypeError:
        return f"{column!r} holds lists or mappings, which are no values to cut by"
    names = [f"{column} = {_text(value)}" for value in found]
    return _with_missing(_Cut(column, codes, names))


def _binned(column: str, numbers: np.ndarray, edges: np.ndarray) -> _Cut:
    edges = edges[edges < np.nanmax(numbers)]
    codes = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="left"))
    told = _texts(edges)
    inner = [f"{column} in ({low}, {high}]" for low, high in pairwise(told)]
    return _with_missing(_Cut(column, codes, [f"{column} <= {told[0]}", *inner, f"{column} > {told[-1]}"]))


def _texts(edges: np.ndarray) -> list[str]:
    """Edges as short as they can be while they differ."""
    for digits in (4, 6, 9):
        told = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(told)) == len(told) and all("e" not in text for text in told):
            break
    else:
        told = [repr(float(edge)) for edge in edges]
    return told


def _with_missing(cut: _Cut) -> _Cut:
    missing = cut.codes < 0
    if not missing.any():
        return cut
    codes = np.where(missing, len(cut.names), cut.codes)
    return _Cut(cut.column, codes, [*cut.names, f"{cut.column} is missing"])


def _crossed(one: _Cut, other: _Cut, minimum_rows: int) -> _Cut:
    """Both columns at once; values that are rare in one column cannot be frequent in both."""
    kept = []
    for cut in (one, other):
        counts = np.bincount(cut.codes, minlength=len(cut.names))
        places = np.flatnonzero(counts >= minimum_rows)
        codes = np.full(len(cut.names), -1)
        codes[places] = np.arange(len(places))
        kept.append(_Cut(cut.column, codes[cut.codes], [cut.names[place] for place in places]))
    first, second = kept
    both = np.where((first.codes < 0) | (second.codes < 0), -1, first.codes * len(second.names) + second.codes)
    return _Cut("", both, [f"{left} and {right}" for left in first.names for right in second.names])


def _large(cut: _Cut, minimum_rows: int) -> tuple[list[Slice], list[Aside]]:
    """The slices that have enough rows, and the others: the largest by name, the rest as a count."""
    counts = np.bincount(cut.codes[cut.codes >= 0], minlength=len(cut.names))
    order = np.argsort(cut.codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)]) + np.count_nonzero(cut.codes < 0)
    held = [
        Slice(cut.names[code], order[starts[code] : starts[code + 1]])
        for code in np.flatnonzero(counts >= minimum_rows)
    ]
    few = [code for code in np.argsort(-counts, kind="stable") if 0 < counts[code] < minimum_rows]
    small = [
        Aside(cut.names[code], int(counts[code]), f"{counts[code]:,} rows, fewer than {minimum_rows}")
        for code in few[:TOLD]
    ]
    rest = few[TOLD:]
    if rest:
        total = int(counts[rest].sum())
        told = f"{total:,} rows in all, each fewer than {minimum_rows}"
        small.append(Aside(f"{len(rest):,} more values of {cut.column}".removesuffix(" of "), total, told))
    return held, small


def _summed(small: list[Aside], columns: str, minimum_rows: int) -> list[Aside]:
    if not small:
        return []
    total = sum(one.rows for one in small)
    return [Aside(f"small intersections of {columns}", total, f"{total:,} rows, each fewer than {minimum_rows}")]


def _text(value: object) -> str:
    told = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return told if len(told) <= LONGEST else told[: LONGEST - 3] + "..."
