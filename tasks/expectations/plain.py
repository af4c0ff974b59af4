"""Plain Great Expectations on a pandas frame: what counting is held against, and who answers where it is not equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prefect_mlops.core.spec import Expectation
from prefect_mlops.tasks.expectations.compiled import POSITION, RESULT_FORMAT, domain_object
from prefect_mlops.tasks.expectations.quiet import quiet_context

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ask_plainly", "unanswered"]


def ask_plainly(
    rows: pd.DataFrame, expectations: Sequence[tuple[int, Expectation]], *, complete: bool = False
) -> dict[int, Any]:
    """What Great Expectations answers on a pandas frame.

    Args:
        rows: The frame.
        expectations: What is asked, each with its position in the suite.
        complete: Whether every row that does not fit is listed, by its index.

    Returns:
        GX's result of each, under its position. What raises, even where GX would let it through and answer nothing
        at all, is a result with an exception.
    """
    result_format = {**RESULT_FORMAT, "result_format": "COMPLETE"} if complete else RESULT_FORMAT
    try:
        return _asked(rows, expectations, result_format)
    except Exception as error:  # GX lets through what an expectation raises before its metrics are computed
        if len(expectations) == 1:
            ((position, expectation),) = expectations
            return {position: unanswered(position, expectation, " ".join(str(error).split()) or type(error).__name__)}
        found: dict[int, Any] = {}
        for each in expectations:
            found |= ask_plainly(rows, [each], complete=complete)
        return found


def unanswered(position: int, expectation: Expectation, message: str) -> Any:
    """GX's result of an expectation that could not be computed."""
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.validator.exception_info import ExceptionInfo

    told = ExceptionInfo(exception_traceback=message, exception_message=message)
    configuration = domain_object(position, expectation).configuration
    return ExpectationValidationResult(success=False, exception_info=told, expectation_config=configuration)


def _asked(
    rows: pd.DataFrame, expectations: Sequence[tuple[int, Expectation]], result_format: dict[str, Any]
) -> dict[int, Any]:
    """GX's own validator on a batch of its own: its data sources would read every value twice for a fingerprint."""
    context = quiet_context()
    import great_expectations as gx
    from great_expectations.core.batch import Batch
    from great_expectations.execution_engine.pandas_batch_data import PandasBatchData
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.validator.validator import Validator

    engine = PandasExecutionEngine()
    batch = Batch(data=PandasBatchData(engine, rows))
    validator = Validator(execution_engine=engine, data_context=context, batches=[batch])
    suite = gx.ExpectationSuite(name="suite", expectations=[domain_object(*each) for each in expectations])
    configurations = validator.process_expectations_for_validation(suite.expectation_configurations, {})
    results = validator.graph_validate(configurations, runtime_configuration={"result_format": dict(result_format)})
    return {result.expectation_config.meta[POSITION]: result for result in results}
