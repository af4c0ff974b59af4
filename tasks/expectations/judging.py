"""Great Expectations judges what Polars has counted, and is asked plainly about the rest."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from prefect_mlops.core.errors import DataError
from prefect_mlops.tasks.expectations.compiled import RESULT_FORMAT, Compiled, columns_of, empty_engine
from prefect_mlops.tasks.expectations.plain import ask_plainly, unanswered

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.counting import Counted, Table, Wanted

__all__ = ["Judged", "judge", "of_rows"]

COUNT = ".unexpected_count"
NULLS = f"column_values.nonnull{COUNT}"
"""Asked by all expectations about a column's values, since nulls are never unexpected; one has it as its own count."""


class Judged(NamedTuple):
    """What Great Expectations says of a batch.

    Attributes:
        rows: The batch's rows.
        results: GX's result of each expectation, in the suite's order.
        plainly: Positions of the expectations that plain GX was asked about.
    """

    rows: int
    results: tuple[Any, ...]
    plainly: tuple[int, ...]


def judge(table: Table, suite: Sequence[Compiled], secret: Sequence[str] = ()) -> Judged:
    """Ask a compiled suite of a batch.

    Args:
        table: The batch, with at least one row.
        suite: What is asked.
        secret: Columns of which no value needs to be fetched, since none may be shown.

    Raises:
        DataError: The batch has no rows, or cannot be read.
    """
    from prefect_mlops.core.counting import Counted, count

    whole = table.frame() if table.plain else None
    counted = count(table, needs(suite)) if whole is None else Counted(len(whole), {}, {})
    if not counted.rows:
        raise DataError("The batch has no rows", "Drop a file with at least one row")
    known = list(table.columns) if whole is None else list(whole.columns)
    results: dict[int, Any] = {}
    for position, each in enumerate(suite):
        missing = sorted(set(columns_of(each.expectation)) - set(known))
        if missing:
            results[position] = unanswered(position, each.expectation, f"the batch has no column {', '.join(missing)}")
        elif (result := _judged(table, position, each, counted, secret)) is not None:
            results[position] = result
    plainly = tuple(position for position in range(len(suite)) if position not in results)
    if plainly:
        asked = [(position, suite[position].expectation) for position in plainly]
        rows = table.frame(_read_by(suite, plainly, known)) if whole is None else whole
        results |= ask_plainly(rows, asked)
    return Judged(counted.rows, tuple(results[position] for position in range(len(suite))), plainly)


def needs(suite: Sequence[Compiled]) -> dict[tuple[int, str], Wanted]:
    """The metrics that a suite needs, each under the position and the name by which it is looked for."""
    return {
        (position, name): wanted for position, each in enumerate(suite) for name, wanted in (each.metrics or {}).items()
    }


def of_rows(each: Compiled) -> Wanted | None:
    """The metric that counts the rows that do not fit; None where there is none, or plain GX has to be asked."""
    counts = [wanted for name, wanted in (each.metrics or {}).items() if name.endswith(COUNT)]
    own = [wanted for wanted in counts if wanted.metric != NULLS]
    return next(iter(own or counts), None)


def _judged(table: Table, position: int, each: Compiled, counted: Counted, secret: Sequence[str]) -> Any:
    """GX's result from what was counted; None where something is missing, or where GX raises."""
    if each.metrics is None or any((position, name) not in counted.values for name in each.metrics):
        return None
    metrics = {name: counted.values[position, name] for name in each.metrics}
    failing = of_rows(each)
    if failing is not None:
        values = _examples(table, failing, counted, metrics[failing.metric], secret)
        if values is None:
            return None
        metrics[failing.metric.removesuffix(COUNT) + ".unexpected_values"] = values
    try:
        told = each.asked._validate(metrics, {"result_format": deepcopy(RESULT_FORMAT)}, empty_engine())
        return each.asked._build_evr(raw_response=told)
    except Exception:  # plain GX raises it too, and tells it in its own words
        return None


def _examples(
    table: Table, wanted: Wanted, counted: Counted, unexpected: int, secret: Sequence[str]
) -> list[Any] | None:
    """The first values that do not fit, in the shape that GX gives them; None where they cannot be had."""
    from prefect_mlops.core.counting import unexpected_rows

    limit = RESULT_FORMAT["partial_unexpected_count"]
    assert isinstance(limit, int)
    about = [wanted.domain[key] for key in ("column", "column_A", "column_B") if key in wanted.domain]
    about.extend(wanted.domain.get("column_list", ()))
    if not unexpected or set(about) & set(secret):
        return []
    rows = unexpected_rows(table, wanted, counted.dtypes, limit)
    return None if rows is None else _shaped(rows, about, wanted)


def _shaped(rows: pd.DataFrame, about: list[str], wanted: Wanted) -> list[Any]:
    if "column" in wanted.domain:
        return list(rows[about[0]])
    if "column_A" in wanted.domain:
        return list(zip(rows[about[0]].values, rows[about[1]].values, strict=True))
    return rows[about].to_dict("records")


def _read_by(suite: Sequence[Compiled], positions: Sequence[int], known: list[str]) -> list[str] | None:
    """The columns that plain GX needs to see; all (None) where nobody knows which an expectation looks at."""
    wanted: set[str] = set()
    for position in positions:
        expectation = suite[position].expectation
        named = columns_of(expectation)
        if not named or not type(suite[position].asked).__module__.startswith("great_expectations."):
            return None
        wanted |= set(named)
        condition = repr(expectation.kwargs.get("row_condition") or "")
        wanted |= {name for name in known if condition and name in condition}
    return [name for name in known if name in wanted]
