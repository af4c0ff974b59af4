"""Find every metric that is wanted of a batch in one streaming pass, and the rows behind a failure in another."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import pandas as pd
import polars as pl
import pyarrow as pa

from prefect_mlops.core.counting.columns import Column, with_nulls
from prefect_mlops.core.counting.conditions import Condition, condition_of
from prefect_mlops.core.counting.metrics import GROUPS, REPEATED, ROWS, Answer, Wanted, answer_to
from prefect_mlops.core.counting.tables import POSITION, Held, Table

__all__ = ["Counted", "count", "unexpected_rows"]

Key = TypeVar("Key", bound=Hashable)
REFUSED = (pl.exceptions.PolarsError, pa.ArrowException, TypeError, ValueError, OverflowError)
"""What Polars or pandas raise where a value is not what the column's type promises."""


class Counted(NamedTuple):
    """What was found in a batch.

    Attributes:
        rows: Its rows.
        values: The metrics that could be answered, under the keys they were asked by. What is missing here is not
            provably what plain Great Expectations would answer.
        dtypes: The pandas dtypes of the columns that were looked at, nulls considered.
    """

    rows: int
    values: dict[Any, Any]
    dtypes: dict[str, Any]


def count(table: Table, wanted: Mapping[Key, Wanted]) -> Counted:
    """Answer metrics of a batch, all aggregates in one streaming pass.

    Args:
        table: The batch.
        wanted: The metrics, under any keys.
    """
    answers = {key: answer for key, each in wanted.items() if (answer := answer_to(each, table.columns)) is not None}
    names = sorted({name for answer in answers.values() for name in answer.columns if not answer.of_column})
    parts: dict[str, pl.Expr] = {} if isinstance(table, Held) else {ROWS: pl.len()}
    for name in names:
        parts |= _reveals_dtype(table.columns[name])
    for answer in answers.values():
        parts |= answer.parts
        parts |= answer.doubts
    try:
        found = _collected(table, names, parts)
        if isinstance(table, Held):
            found[ROWS] = len(table.rows)
    except REFUSED:
        return Counted(len(table.frame(list(table.columns)[:1])), {}, {})
    sure = {key: answer for key, answer in answers.items() if not any(found[doubt] for doubt in answer.doubts)}
    values = {key: answer.value(found) for key, answer in sure.items() if not answer.groups and not answer.of_column}
    values |= _by_grouping(table, sure, found)
    values |= _by_pandas(table, sure)
    dtypes = {}
    for name in names:
        column = table.columns[name]
        dtypes[name] = with_nulls(column) if found.get(f"{name} nulls") else column.dtype
    return Counted(found[ROWS], values, dtypes)


def unexpected_rows(
    table: Table, wanted: Wanted, dtypes: Mapping[str, Any], limit: int | None = None
) -> pd.DataFrame | None:
    """The rows that do not fit, by their position from 0, with the columns that the metric is about.

    Args:
        table: The batch.
        wanted: A metric that ends in `.unexpected_count` and was answered.
        dtypes: As `count` found them.
        limit: How many, from the first on; all when None.
    """
    condition = condition_of(wanted.metric.rpartition(".")[0], table.columns, wanted.domain, wanted.values)
    if condition is None:
        return None
    names = list(condition.columns)
    rows = table.plan(names).with_row_index(POSITION)
    if condition.unexpected is not None:
        chosen = rows.filter(condition.unexpected)
        found = chosen if limit is None else chosen.head(limit)
    else:
        considered = rows.filter(condition.considered)
        repeated = considered.group_by(names).len().filter(pl.col("len") > 1)
        chosen = considered.join(repeated, on=names, how="semi", nulls_equal=True)
        found = (chosen if limit is None else chosen.bottom_k(limit, by=POSITION)).sort(POSITION)
    try:
        return table.rows_of(found.collect(engine="streaming"), dict(dtypes))
    except REFUSED:
        return None


def _collected(table: Table, names: list[str], parts: dict[str, pl.Expr]) -> dict[str, Any]:
    if not parts:
        return {}
    keys = list(parts)
    chosen = [parts[key].alias(str(number)) for number, key in enumerate(keys)]
    plan = table.plan(names or list(table.columns)[:1])  # without a column there would be no rows to count
    row = plan.select(chosen).collect(engine="streaming").row(0)
    return dict(zip(keys, row, strict=True))


def _by_grouping(table: Table, answers: Mapping[Key, Answer], found: Mapping[str, Any]) -> dict[Key, Any]:
    """The answers that need rows grouped by their values.

    Each set of columns is a query of its own, so that its groups are gone before the next ones are made.
    """
    grouped: dict[str, dict[str, Any]] = {}
    values = {}
    for key, answer in answers.items():
        if answer.groups is None:
            continue
        same = f"{answer.groups.columns} {answer.groups.considered}"
        if same not in grouped:
            grouped[same] = _groups(table, answer.groups)
        values[key] = answer.value({**found, **grouped[same]})
    return values


def _groups(table: Table, condition: Condition) -> dict[str, Any]:
    sizes = table.plan(condition.columns).filter(condition.considered).group_by(condition.columns).len()
    size = pl.col("len")
    told = [pl.len().alias(GROUPS), size.filter(size > 1).sum().alias(REPEATED)]
    return sizes.select(told).collect(engine="streaming").row(0, named=True)


def _by_pandas(table: Table, answers: Mapping[Key, Answer]) -> dict[Key, Any]:
    """The answers that pandas computes on one column, which is let go before the next one is read."""
    asked: dict[str, list[Key]] = {}
    for key, answer in answers.items():
        if answer.of_column:
            asked.setdefault(answer.columns[0], []).append(key)
    values = {}
    for name, keys in asked.items():
        column = table.frame([name])[name]
        for key in keys:
            with suppress(*REFUSED):
                values[key] = answers[key].value(column)
    return values


def _reveals_dtype(column: Column) -> dict[str, pl.Expr]:
    changes = with_nulls(column) != column.dtype
    return {f"{column.name} nulls": pl.col(column.name).null_count()} if changes else {}
