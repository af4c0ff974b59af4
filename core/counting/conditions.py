"""When a row does not fit, said in Polars as Great Expectations says it in pandas; None where that is not provable."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd
import polars as pl

from prefect_mlops.core.counting.columns import EXACT, Column, Kind, unit_of, with_nulls
from prefect_mlops.core.counting.patterns import as_polars

__all__ = ["Condition", "condition_of"]

MANY_PAIRS = 64
"""Beyond it, telling the pairs one by one costs more than plain pandas."""


class Condition(NamedTuple):
    """Which rows are looked at and which of these do not fit.

    Attributes:
        columns: The columns that it is about.
        considered: The rows looked at.
        unexpected: The rows looked at that do not fit; None for rows that are not unique, which no row tells alone.
        doubts: Aggregates, by a key, that must all be false, or the answer may differ from plain pandas.
    """

    columns: tuple[str, ...]
    considered: pl.Expr
    unexpected: pl.Expr | None
    doubts: dict[str, pl.Expr]


def condition_of(
    name: str, columns: Mapping[str, Column], domain: Mapping[str, Any], values: Mapping[str, Any]
) -> Condition | None:
    """The condition behind one of Great Expectations' map metrics.

    Args:
        name: The metric without its last word, such as `column_values.between`.
        columns: The batch's columns.
        domain: The metric's domain, such as `column` and `row_condition`.
        values: Its other arguments.

    Returns:
        The condition, or None where it is unknown, or not provably what plain Great Expectations answers.
    """
    named = [domain[key] for key in ("column", "column_A", "column_B") if domain.get(key)]
    named.extend(domain.get("column_list") or ())
    about = [columns[each] for each in named if each in columns and columns[each].kind != "other"]
    if domain.get("row_condition") or not named or len({each.name for each in about}) < len(named):
        return None
    if domain.get("column"):
        return _of_values(name, about[0], values)
    if domain.get("ignore_row_if") not in CONSIDERED or (name not in OF_PAIRS and name != "compound_columns.unique"):
        return None
    considered = CONSIDERED[domain["ignore_row_if"]]([pl.col(each) for each in named])
    unexpected = None
    if name in OF_PAIRS:
        fits = OF_PAIRS[name](about[0], about[1], values)
        if fits is None:
            return None
        unexpected = considered & ~fits.fill_null(value=False)
    doubts: dict[str, pl.Expr] = {}
    for each in about:
        doubts |= doubts_of(each)
    return Condition(tuple(named), considered, unexpected, doubts)


def doubts_of(column: Column) -> dict[str, pl.Expr]:
    """What would make pandas see a column otherwise than Polars: no value at all, or nulls that change its type."""
    values, name = pl.col(column.name), column.name
    doubts = {f"{name} is empty": values.count() == 0}
    if column.settled:
        return doubts
    holes = values.null_count() > 0
    if column.kind == "integer":
        doubts[f"{name} loses digits"] = holes & ((values.max() > EXACT) | (values.min() < -EXACT))
    elif with_nulls(column) != column.dtype:
        doubts[f"{name} turns into objects"] = holes
    return doubts


def _of_values(name: str, column: Column, values: Mapping[str, Any]) -> Condition | None:
    value = pl.col(column.name)
    if name == "column_values.nonnull":
        return Condition((column.name,), pl.lit(value=True), value.is_null(), {})
    if name == "column_values.null":
        return Condition((column.name,), pl.lit(value=True), value.is_not_null(), {})
    doubts = doubts_of(column)
    if name == "column_values.unique":
        return Condition((column.name,), value.is_not_null(), None, doubts)
    fits = OF_VALUES[name](column, values) if name in OF_VALUES else None
    if fits is None:
        return None
    if "regex" in name:
        pattern = as_polars(values["regex"])
        if pattern is not None and pattern.ascii_only:
            doubts[f"{column.name} is not ASCII"] = (value.str.len_bytes() != value.str.len_chars()).any()
    return Condition((column.name,), value.is_not_null(), ~fits.fill_null(value=True), doubts)


def _between(column: Column, values: Mapping[str, Any]) -> pl.Expr | None:
    low, high = values.get("min_value"), values.get("max_value")
    value = pl.col(column.name)
    if column.kind == "time":
        ticks = [None if bound is None else _ticks(column.dtype, bound) for bound in (low, high)]
        if any(tick is None and bound is not None for tick, bound in zip(ticks, (low, high), strict=True)):
            return None
        low, high = ticks
    elif column.kind in ("integer", "float"):
        if any(bound is not None and not _is_number(bound) for bound in (low, high)):
            return None
        value = value.cast(pl.Float64)
    else:
        return None
    return _within(value, low, high, values)


def _lengths_between(column: Column, values: Mapping[str, Any]) -> pl.Expr | None:
    low, high = values.get("min_value"), values.get("max_value")
    if column.kind != "text" or any(bound is not None and not _is_number(bound) for bound in (low, high)):
        return None
    return _within(pl.col(column.name).str.len_chars().cast(pl.Float64), low, high, values, ordered=False)


def _within(value: pl.Expr, low: Any, high: Any, values: Mapping[str, Any], *, ordered: bool = True) -> pl.Expr | None:
    if (low is None and high is None) or (ordered and low is not None and high is not None and low > high):
        return None  # plain GX raises
    above = operator.gt if values.get("strict_min") else operator.ge
    below = operator.lt if values.get("strict_max") else operator.le
    parts = [test(value, pl.lit(bound)) for test, bound in ((above, low), (below, high)) if bound is not None]
    return pl.all_horizontal(parts)


def _length_equals(column: Column, values: Mapping[str, Any]) -> pl.Expr | None:
    if column.kind != "text" or not _is_number(values.get("value")):
        return None
    return pl.col(column.name).str.len_chars().cast(pl.Float64) == float(values["value"])


def _in_set(column: Column, values: Mapping[str, Any]) -> pl.Expr | None:
    wanted = values.get("value_set")
    if not isinstance(wanted, (list, tuple)) or not all(_belongs(column.kind, each) for each in wanted):
        return None
    dtype = {"integer": pl.Int64, "float": pl.Float64, "text": pl.String, "boolean": pl.Boolean}[column.kind]
    value = pl.col(column.name).cast(dtype) if column.kind == "integer" else pl.col(column.name)
    return value.is_in(pl.Series(values=list(wanted), dtype=dtype).implode())


def _not_in_set(column: Column, values: Mapping[str, Any]) -> pl.Expr | None:
    fits = _in_set(column, values)
    return None if fits is None else ~fits


def _matches(column: Column, values: Mapping[str, Any]) -> pl.Expr | None:
    pattern = as_polars(values["regex"]) if isinstance(values.get("regex"), str) else None
    if column.kind != "text" or pattern is None:
        return None
    return pl.col(column.name).str.contains(pattern.text)


def _not_matches(column: Column, values: Mapping[str, Any]) -> pl.Expr | None:
    fits = _matches(column, values)
    return None if fits is None else ~fits


def _compared(test: Callable[[Any, Any], Any]) -> Callable[[Column, Column, Mapping[str, Any]], pl.Expr | None]:
    def fits(first: Column, second: Column, values: Mapping[str, Any]) -> pl.Expr | None:
        left, right = pl.col(first.name), pl.col(second.name)
        kinds = {first.kind, second.kind}
        if kinds == {"integer", "float"}:
            left, right = left.cast(pl.Float64), right.cast(pl.Float64)
        elif len(kinds) > 1 or (first.kind == "time" and first.dtype != second.dtype):
            return None
        if test is operator.eq:
            return left == right
        return left >= right if values.get("or_equal") else left > right

    return fits


def _pair_in_set(first: Column, second: Column, values: Mapping[str, Any]) -> pl.Expr | None:
    pairs = values.get("value_pairs_set")
    if not isinstance(pairs, (list, tuple)) or not 0 < len(pairs) <= MANY_PAIRS:
        return None
    parts = []
    for pair in pairs:
        told = zip((first, second), pair, strict=False)
        if len(pair) != 2 or not all(
            column.kind in ("text", "integer") and (value is None or _belongs(column.kind, value))
            for column, value in told
        ):
            return None
        parts.append(pl.col(first.name).eq_missing(pl.lit(pair[0])) & pl.col(second.name).eq_missing(pl.lit(pair[1])))
    return pl.any_horizontal(parts)


def _ticks(dtype: Any, bound: Any) -> int | None:
    """A bound as an integer in the column's unit; None where pandas would not compare or the unit is too coarse."""
    zoned = isinstance(dtype, pd.DatetimeTZDtype)
    if type(bound) is not datetime or (bound.tzinfo is not None) != zoned:
        return None
    try:
        return int(pd.Timestamp(bound).as_unit(unit_of(dtype), round_ok=False).to_numpy().astype("int64"))
    except ValueError:
        return None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= 1e300


def _belongs(kind: Kind, value: Any) -> bool:
    """Whether a value of a set is of the very type that the column's values are."""
    if kind in ("integer", "float"):
        wanted = (int,) if kind == "integer" else (int, float)
        return type(value) in wanted and math.isfinite(value) and (type(value) is float or abs(value) <= EXACT)
    return type(value) is {"text": str, "boolean": bool}.get(kind)


def _all_missing(columns: Sequence[pl.Expr]) -> pl.Expr:
    return ~pl.all_horizontal([column.is_null() for column in columns])


def _any_missing(columns: Sequence[pl.Expr]) -> pl.Expr:
    return pl.all_horizontal([column.is_not_null() for column in columns])


def _never(columns: Sequence[pl.Expr]) -> pl.Expr:
    return columns[0].is_null() | columns[0].is_not_null()


CONSIDERED: dict[str, Callable[[Sequence[pl.Expr]], pl.Expr]] = {
    "both_values_are_missing": _all_missing,
    "either_value_is_missing": _any_missing,
    "neither": _never,
    "all_values_are_missing": _all_missing,
    "any_value_is_missing": _any_missing,
    "never": _never,
}
"""Which rows remain, by what Great Expectations' `ignore_row_if` leaves out."""

OF_VALUES: dict[str, Callable[[Column, Mapping[str, Any]], pl.Expr | None]] = {
    "column_values.between": _between,
    "column_values.in_set": _in_set,
    "column_values.not_in_set": _not_in_set,
    "column_values.match_regex": _matches,
    "column_values.not_match_regex": _not_matches,
    "column_values.value_length.between": _lengths_between,
    "column_values.value_length.equals": _length_equals,
}
OF_PAIRS: dict[str, Callable[[Column, Column, Mapping[str, Any]], pl.Expr | None]] = {
    "column_pair_values.equal": _compared(operator.eq),
    "column_pair_values.a_greater_than_b": _compared(operator.gt),
    "column_pair_values.in_set": _pair_in_set,
}
