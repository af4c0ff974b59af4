"""`validate_data` answers what plain Great Expectations answers on pandas: verdict, counts, values, exceptions."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from prefect_mlops.core.counting import open_table
from prefect_mlops.core.errors import SpecError
from prefect_mlops.core.spec import Suite
from prefect_mlops.tasks.expectations import compile_suite, judge
from prefect_mlops.tasks.expectations.reading import raised
from tests.tasks.validation_cases import asked_plainly, expectations, frames

EXAMPLES = settings(deadline=None, suppress_health_check=list(HealthCheck))


def told(result: Any) -> dict[str, Any]:
    """All that GX says but where in the frame it looked, in a form in which NaN equals NaN."""
    error = raised(result)
    details = {} if error else {key: value for key, value in (result.result or {}).items() if "index" not in key}
    return {"success": bool(result.success), "error": error, **{key: _text(value) for key, value in details.items()}}


def _text(value: Any) -> str:
    """A number is the same number in NumPy's type and in Python's."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def answers(rows: Any, suite: Suite) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [told(result) for result in judge(open_table(rows), compile_suite(suite)).results]


def plain_answers(rows: pd.DataFrame, suite: Suite) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = asked_plainly(rows, list(enumerate(suite.expectations)))
        except (TypeError, ValueError):
            assume(False)  # plain GX takes no fingerprint of tuples beside numbers, and so no batch
    return [told(found[position]) for position in range(len(suite.expectations))]


@st.composite
def cases(draw: st.DrawFn) -> tuple[pd.DataFrame, Suite]:
    rows = draw(frames())
    asked = draw(st.lists(expectations(list(rows.columns)), min_size=3, max_size=8))
    suite = Suite(expectations=tuple(asked))
    try:
        compile_suite(suite)
    except SpecError:
        assume(False)
    return rows, suite


@given(cases())
@settings(EXAMPLES, max_examples=60)
def test_a_frame_is_judged_as_plain_great_expectations_judges_it(case: tuple[pd.DataFrame, Suite]) -> None:
    rows, suite = case

    assert answers(rows, suite) == plain_answers(rows, suite)


@given(cases(), st.booleans())
@settings(EXAMPLES, max_examples=40)
def test_a_file_is_judged_as_the_frame_that_pandas_reads_from_it(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[pd.DataFrame, Suite], written_by_pandas: bool
) -> None:
    rows, suite = case
    path = tmp_path_factory.mktemp("batch") / "rows.parquet"
    try:
        table = pa.Table.from_pandas(rows)
        pq.write_table(table if written_by_pandas else table.replace_schema_metadata(None), path)
    except (pa.ArrowException, TypeError):
        assume(False)

    assert answers(path, suite) == plain_answers(pd.read_parquet(path), suite)
