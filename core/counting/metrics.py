"""How each of Great Expectations' metrics is answered: in the one pass, by grouping, or by pandas on one column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl

from prefect_mlops.core.counting.columns import OBJECT, Column, Kind, unit_of, with_nulls
from prefect_mlops.core.counting.conditions import Condition, condition_of, doubts_of

__all__ = ["ROWS", "Answer", "Wanted", "answer_to"]

ROWS = "rows"
GROUPS, REPEATED = "groups", "rows in groups of two and more"
NUMBERS: tuple[Kind, ...] = ("integer", "float", "boolean")
VALUES: tuple[Kind, ...] = (*NUMBERS, "text")


class Wanted(NamedTuple):
    """One metric that Great Expectations wants to know of a batch.

    Attributes:
        metric: Its name, such as `column_values.between.unexpected_count`.
        domain: What it is about, such as `column` and `row_condition`.
        values: Its other arguments.
    """

    metric: str
    domain: Mapping[str, Any]
    values: Mapping[str, Any]


class Answer(NamedTuple):
    """How a metric is answered.

    Attributes:
        value: The metric, from what was found.
        columns: The columns that it is about.
        parts: Aggregates of the one pass, by a key under which `value` finds them. Equal keys are computed once.
        doubts: Aggregates that must be false, or nothing is answered.
        groups: Rows to be grouped by their columns; `value` finds the groups and the rows that share one.
        of_column: Whether `value` takes the column as pandas holds it instead.
    """

    value: Callable[[Any], Any]
    columns: tuple[str, ...] = ()
    parts: dict[str, pl.Expr] = {}  # noqa: RUF012 - never written to
    doubts: dict[str, pl.Expr] = {}  # noqa: RUF012
    groups: Condition | None = None
    of_column: bool = False


def answer_to(wanted: Wanted, columns: Mapping[str, Column]) -> Answer | None:
    """How a metric is answered of a batch with these columns; None where plain Great Expectations has to be asked."""
    if wanted.domain.get("row_condition"):
        return None
    if wanted.metric.startswith("table."):
        return _of_table(wanted, columns)
    name, _, suffix = wanted.metric.rpartition(".")
    if suffix in ("unexpected_count", "filtered_row_count"):
        condition = condition_of(name, columns, wanted.domain, wanted.values)
        return condition and _of_rows(condition, wanted, suffix)
    column = columns.get(str(wanted.domain.get("column")))
    return column and _of_column(wanted, column)


def _of_table(wanted: Wanted, columns: Mapping[str, Column]) -> Answer | None:
    if wanted.metric == "table.row_count":
        return Answer(lambda found: found[ROWS])
    if wanted.metric == "table.columns":
        return Answer(lambda _: list(columns))
    if wanted.metric == "table.column_count":
        return Answer(lambda _: len(columns))
    about = columns.get(str(wanted.domain.get("column")))
    if wanted.metric != "table.column_types" or about is None or about.dtype == OBJECT:
        return None  # of objects, Great Expectations looks at every value's own type
    doubts: dict[str, pl.Expr] = {}
    parts: dict[str, pl.Expr] = {}
    if with_nulls(about) == OBJECT:
        doubts = {f"{about.name} turns into objects": pl.col(about.name).null_count() > 0}
    elif with_nulls(about) != about.dtype:
        parts = _nulls(about.name)

    def types(found: Mapping[str, Any]) -> list[dict[str, Any]]:
        dtypes = {each.name: each.dtype for each in columns.values()}
        dtypes[about.name] = with_nulls(about) if found.get(f"{about.name} nulls") else about.dtype
        return [{"name": name, "type": dtype} for name, dtype in dtypes.items()]

    return Answer(types, (about.name,) if doubts or parts else (), parts, doubts)


def _of_rows(condition: Condition, wanted: Wanted, suffix: str) -> Answer:
    key = f"{wanted.metric} {dict(wanted.domain)} {dict(wanted.values)}"
    if suffix == "filtered_row_count":
        parts = {key: condition.considered.sum()}
        # Without any row there is nothing to agree on: pandas' own answer depends on the types of empty columns.
        return Answer(
            lambda found: found[key], condition.columns, parts, {f"no {key}": condition.considered.sum() == 0}
        )
    if condition.unexpected is not None:
        parts = {key: condition.unexpected.sum()}
        return Answer(lambda found: found[key], condition.columns, parts, condition.doubts)
    return Answer(lambda found: found[REPEATED], condition.columns, {}, condition.doubts, condition)


def _of_column(wanted: Wanted, column: Column) -> Answer | None:
    name, metric = column.name, wanted.metric
    values = pl.col(name)
    if metric == "column.non_null_proportion" and column.kind != "other":
        return Answer(lambda found: 1 * (found[ROWS] - found[f"{name} nulls"]) / found[ROWS], (name,), _nulls(name))
    if column.kind == "other":
        return None
    doubts = doubts_of(column)
    if metric in ("column.max", "column.min"):
        key = f"{name} {metric}"
        parts = {key: values.max() if metric == "column.max" else values.min(), **_nulls(name)}
        return Answer(lambda found: _scalar(found[key], column, found[f"{name} nulls"]), (name,), parts, doubts)
    if metric in ("column.distinct_values.count", "column.unique_proportion"):
        groups = Condition((name,), values.is_not_null(), None, {})
        share = metric == "column.unique_proportion"

        def distinct(found: Mapping[str, Any]) -> Any:
            return found[GROUPS] / (found[ROWS] - found[f"{name} nulls"]) if share else found[GROUPS]

        return Answer(distinct, (name,), _nulls(name), doubts, groups)
    kinds, compute = BY_PANDAS.get(metric, ((), None))
    if compute is None or column.kind not in kinds:
        return None
    return Answer(lambda whole: compute(whole, **wanted.values), (name,), of_column=True)


def _nulls(name: str) -> dict[str, pl.Expr]:
    return {f"{name} nulls": pl.col(name).null_count()}


def _scalar(value: Any, column: Column, nulls: int) -> Any:
    """A value as pandas would give it out."""
    if column.kind == "text":
        return value
    if column.kind == "time":
        moment = pd.Timestamp(np.datetime64(value, unit_of(column.dtype)))
        return moment.tz_localize("UTC").tz_convert(column.dtype.tz) if hasattr(column.dtype, "tz") else moment
    return (with_nulls(column) if nulls else column.dtype).type(value)


def _quantiles(column: pd.Series[Any], quantiles: Any, allow_relative_error: Any) -> list[float]:
    return column.quantile(quantiles, interpolation=allow_relative_error or "nearest").tolist()  # type: ignore[no-any-return]


def _not_in_set(column: pd.Series[Any], value_set: Any, limit: int | None = None) -> list[Any]:
    return sorted(set(column.dropna().unique()) - set(value_set or ()))[:limit]


def _missing(column: pd.Series[Any], value_set: Any, limit: int | None = None) -> list[Any]:
    return list(set(value_set or ()) - set(column.dropna().unique()))[:limit]


BY_PANDAS: dict[str, tuple[tuple[Kind, ...], Callable[..., Any]]] = {
    "column.mean": (NUMBERS, lambda column: column.mean()),
    "column.median": (NUMBERS, lambda column: column[~column.isnull()].median()),
    "column.standard_deviation": (NUMBERS, lambda column: column.std()),
    "column.sum": (NUMBERS, lambda column: column.sum()),
    "column.quantile_values": (NUMBERS, _quantiles),
    "column.distinct_values.not_in_set": (VALUES, _not_in_set),
    "column.distinct_values.not_in_set.count": (VALUES, lambda *asked, **how: len(_not_in_set(*asked, **how))),
    "column.distinct_values.missing_from_column": (VALUES, _missing),
    "column.distinct_values.missing_from_column.count": (VALUES, lambda *asked, **how: len(_missing(*asked, **how))),
}
"""What depends on the order of summation, or on how a quantile between two values is rounded: pandas computes it on the
one column, in the words that Great Expectations uses, so it is equal to the last digit."""
