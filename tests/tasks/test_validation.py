"""Great Expectations judges a batch; what it cannot judge is never a pass."""

import pandas as pd
import pytest

from prefect_mlops.core.errors import DataError, SpecError
from prefect_mlops.core.spec import Expectation, Suite
from prefect_mlops.core.validation import ValidationReport
from prefect_mlops.tasks import validate_data


def suite(*expectations: Expectation) -> Suite:
    return Suite(expectations=expectations)


def between(column: str, low: float, high: float, **keys: object) -> Expectation:
    kwargs = {"column": column, "min_value": low, "max_value": high}
    return Expectation.model_validate({"type": "expect_column_values_to_be_between", "kwargs": kwargs, **keys})


def validated(rows: pd.DataFrame, *expectations: Expectation, personal: tuple[str, ...] = ()) -> ValidationReport:
    return validate_data.fn(rows, suite(*expectations), personal=personal)


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame({"age": [20, 30, 400], "name": ["ann", "bob", "cy"]})


def test_results_come_in_the_suites_order(rows: pd.DataFrame) -> None:
    report = validated(
        rows, between("age", 0, 500), Expectation(type="expect_column_to_exist", kwargs={"column": "name"})
    )

    assert [result.expectation for result in report.results] == [
        "expect_column_values_to_be_between",
        "expect_column_to_exist",
    ]
    assert not report.blocked


def test_a_failure_counts_and_quotes_the_rows_that_do_not_fit(rows: pd.DataFrame) -> None:
    (result,) = validated(rows, between("age", 0, 120)).results

    assert not result.success
    assert (result.unexpected_count, result.examples) == (1, ("400",))
    assert result.unexpected_share == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("keys", "blocked"),
    [
        ({}, True),
        ({"severity": "warning"}, False),
        ({"meta": {"action": "warn"}}, False),
        ({"severity": "info", "meta": {"action": "block"}}, True),
    ],
)
def test_the_action_decides_else_the_severity(rows: pd.DataFrame, keys: dict[str, object], blocked: bool) -> None:
    assert validated(rows, between("age", 0, 120, **keys)).blocked is blocked


def test_a_column_that_is_not_there_is_an_error_and_never_a_pass(rows: pd.DataFrame) -> None:
    report = validated(rows, between("height", 0, 3))

    assert report.blocked
    assert report.results[0].error == "the batch has no column height"


def test_an_expectation_that_raises_inside_is_an_error_and_never_a_pass() -> None:
    rows = pd.DataFrame({"mixed": ["a", 1, None]})

    report = validated(rows, between("mixed", 0, 3))

    assert report.blocked
    assert report.results[0].error


def test_personal_values_are_counted_and_never_quoted(rows: pd.DataFrame) -> None:
    expectation = Expectation(type="expect_column_values_to_be_in_set", kwargs={"column": "name", "value_set": ["ann"]})

    report = validated(rows, expectation, personal=("name",))

    assert report.results[0].unexpected_count == 2
    assert "bob" not in report.model_dump_json()


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        validated(pd.DataFrame({"age": []}), between("age", 0, 1))


def test_an_expectation_that_gx_does_not_know_is_named(rows: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match="expect_column_values_to_be_funny"):
        validated(rows, Expectation(type="expect_column_values_to_be_funny", kwargs={"column": "age"}))


def test_arguments_that_gx_refuses_are_named(rows: pd.DataFrame) -> None:
    wrong = Expectation(type="expect_column_values_to_be_between", kwargs={"column": "age", "min_valu": 3})

    with pytest.raises(SpecError, match="min_valu"):
        validated(rows, wrong)
