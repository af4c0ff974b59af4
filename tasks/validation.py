"""Ask Great Expectations what it thinks of a batch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from prefect import task

from prefect_mlops.core.errors import DataError, SpecError, SpecProblem
from prefect_mlops.core.spec import Expectation, Suite
from prefect_mlops.core.validation import ExpectationResult, ValidationReport, action_of

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import SuiteStore
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["load_suite", "validate_data"]

POSITION = "mlops_position"
COLUMN_KEYS = ("column", "column_A", "column_B")
EXAMPLES = 3


@task
def load_suite(suites: SuiteStore, spec: ModelSpec) -> Suite:
    """The suite that a spec asks for: its own expectations, or one of the suite store by name.

    Raises:
        NotFound: The store has no suite of that name.
    """
    return suites.get(spec.suite.stored) if spec.suite.stored else spec.suite


@task
def validate_data(rows: pd.DataFrame, suite: Suite, personal: tuple[str, ...] = ()) -> ValidationReport:
    """Validate a batch with Great Expectations, without telemetry and without files.

    Args:
        rows: The batch, at least one row.
        suite: What it must look like; an empty suite finds nothing.
        personal: Columns whose values are never quoted in the report.

    Returns:
        One result an expectation, in the suite's order. An expectation that names a column that is not there,
        or that raises inside GX, is a failure with an error, never a pass.

    Raises:
        DataError: The batch has no rows.
        SpecError: GX does not know an expectation, or refuses its arguments.
    """
    if rows.empty:
        raise DataError("The batch has no rows", "Drop a file with at least one row")
    configurations = [_configuration(position, expectation) for position, expectation in enumerate(suite.expectations)]
    found: dict[int, ExpectationResult] = {}
    askable = []
    for position, (expectation, configuration) in enumerate(zip(suite.expectations, configurations, strict=True)):
        missing = sorted(set(_columns(expectation)) - set(rows.columns))
        if missing:
            found[position] = _unanswered(expectation, f"the batch has no column {', '.join(missing)}")
        else:
            askable.append(configuration)
    if askable:
        for position, result in _ask(rows, askable):
            found[position] = _read(suite.expectations[position], result, personal)
    results = tuple(found[position] for position in range(len(suite.expectations)))
    return ValidationReport(rows=len(rows), suite_digest=suite.digest, results=results)


def _ask(rows: pd.DataFrame, expectations: list[Any]) -> list[tuple[int, Any]]:
    """Run the expectations in an in-memory context; GX returns results in an order of its own."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("batch")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})
    suite = gx.ExpectationSuite(name="suite", expectations=expectations)
    answer = batch.validate(suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": 20})
    return [(result.expectation_config.meta[POSITION], result) for result in answer.results]


def _configuration(position: int, expectation: Expectation) -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    meta = {**expectation.meta, POSITION: position}
    try:
        asked = ExpectationConfiguration(type=expectation.type, kwargs=dict(expectation.kwargs), meta=meta)
        return asked.to_domain_obj()
    except ExpectationNotFoundError as error:
        message = f"Great Expectations has no expectation {expectation.type!r}."
        raise SpecError("suite", (SpecProblem(f"expectations[{position}].type", message),)) from error
    except ValueError as error:
        refused = f"{expectation.type} refuses its kwargs ({_one_line(error)})."
        raise SpecError("suite", (SpecProblem(f"expectations[{position}].kwargs", refused),)) from error


def _columns(expectation: Expectation) -> list[str]:
    named = [expectation.kwargs[key] for key in COLUMN_KEYS if key in expectation.kwargs]
    if expectation.type == "expect_column_to_exist":
        return []
    return [*named, *expectation.kwargs.get("column_list", ())]


def _read(expectation: Expectation, result: Any, personal: tuple[str, ...]) -> ExpectationResult:
    error = _raised(result.exception_info)
    if error:
        return _unanswered(expectation, error)
    details = result.result or {}
    columns = _columns(expectation)
    values = details.get("partial_unexpected_list") or ()
    quoted = tuple(dict.fromkeys(str(value) for value in values))[:EXAMPLES]
    observed = details.get("observed_value")
    hidden = any(column in personal for column in columns)
    return ExpectationResult(
        expectation=expectation.type,
        subject=_subject(expectation),
        success=bool(result.success),
        action=action_of(expectation.severity, expectation.meta),
        observed="" if observed is None or hidden else _one_line(observed),
        unexpected_count=int(details.get("unexpected_count") or 0),
        unexpected_share=float(details.get("unexpected_percent") or 0.0) / 100,
        examples=() if hidden else quoted,
    )


def _unanswered(expectation: Expectation, error: str) -> ExpectationResult:
    return ExpectationResult(
        expectation=expectation.type,
        subject=_subject(expectation),
        success=False,
        action=action_of(expectation.severity, expectation.meta),
        error=error,
    )


def _subject(expectation: Expectation) -> str:
    columns = _columns(expectation) or [expectation.kwargs[key] for key in COLUMN_KEYS if key in expectation.kwargs]
    return ", ".join(columns) or "table"


def _raised(information: dict[str, Any] | None) -> str:
    """What an expectation raised inside GX: flat, or nested by metric; truthy on passing ones too."""
    entries = [information or {}, *(entry for entry in (information or {}).values() if isinstance(entry, dict))]
    for entry in entries:
        if entry.get("raised_exception"):
            return _one_line(entry.get("exception_message"))
    return ""


def _one_line(value: object) -> str:
    return " ".join(str(value).split())[:300]
