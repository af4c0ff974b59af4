"""Which rows stand behind a failure: Great Expectations' unexpected index list, as positions in the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prefect_mlops.core.spec import Suite
from prefect_mlops.tasks.expectations.compiled import compile_suite
from prefect_mlops.tasks.expectations.judging import of_rows
from prefect_mlops.tasks.expectations.plain import ask_plainly

if TYPE_CHECKING:
    import numpy as np

    from prefect_mlops.core.counting import Table
    from prefect_mlops.core.validation import ValidationReport

__all__ = ["FailingRows", "failing_rows"]


class FailingRows(NamedTuple):
    """The rows that do not fit one expectation.

    Attributes:
        result: Which entry of the report's results they belong to.
        positions: The rows, counted from 0, rising.
    """

    result: int
    positions: np.ndarray


def failing_rows(table: Table, suite: Suite, report: ValidationReport) -> tuple[FailingRows, ...]:
    """The rows behind every failure of a report whose action is `quarantine` and that counts rows."""
    from prefect_mlops.core.counting import count, unexpected_rows

    compiled = compile_suite(suite)
    wanted = {}
    for position, result in enumerate(report.results):
        if not result.success and not result.error and result.action == "quarantine" and result.unexpected_count:
            wanted[position] = None if table.plain else of_rows(compiled[position])
    counted = count(table, {position: need for position, need in wanted.items() if need is not None})
    found: dict[int, Any] = {}
    for position, need in wanted.items():
        if need is not None and position in counted.values:
            rows = unexpected_rows(table, need, counted.dtypes)
            found[position] = None if rows is None else rows.index.to_numpy()
    plainly = [(position, suite.expectations[position]) for position in wanted if found.get(position) is None]
    if plainly:
        found |= _plainly(table, plainly)
    return tuple(FailingRows(position, found[position]) for position in sorted(found))


def _plainly(table: Table, expectations: list[tuple[int, Any]]) -> dict[int, Any]:
    import numpy as np

    rows = table.frame().reset_index(drop=True)  # positions, whatever the index was
    results = ask_plainly(rows, expectations, complete=True)
    listed = {position: (result.result or {}).get("unexpected_index_list") for position, result in results.items()}
    return {position: np.sort(np.array(rows, dtype=np.int64)) for position, rows in listed.items() if rows}
