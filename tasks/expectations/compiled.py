"""A suite made ready to be asked of many batches: Great Expectations' own objects, and the metrics that each needs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from prefect_mlops.core.errors import SpecError, SpecProblem
from prefect_mlops.core.spec import Expectation, Suite
from prefect_mlops.tasks.expectations.quiet import quiet_gx

if TYPE_CHECKING:
    from prefect_mlops.core.counting import Wanted

__all__ = ["POSITION", "RESULT_FORMAT", "Compiled", "compile_suite"]

POSITION = "mlops_position"
RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": 20}
OWN = "great_expectations.expectations.core."
"""Where the expectations live whose `_validate` looks at metrics and at nothing else."""
OF_FAILURES = ("unexpected_values", "unexpected_index_list", "unexpected_index_query")


class Compiled(NamedTuple):
    """An expectation, ready to be asked.

    Attributes:
        expectation: As the suite has it.
        asked: Great Expectations' object of it.
        metrics: What it needs to know, under the names by which it looks for them; None where it has to be asked
            plainly.
    """

    expectation: Expectation
    asked: Any
    metrics: dict[str, Wanted] | None


def compile_suite(suite: Suite) -> tuple[Compiled, ...]:
    """Make a suite ready; suites that were seen lately are kept.

    Raises:
        SpecError: GX does not know an expectation, or refuses its arguments.
    """
    return _compiled(_Same(suite.expectations))


def domain_object(position: int, expectation: Expectation) -> Any:
    """Great Expectations' object of an expectation, which remembers its position in the suite.

    Raises:
        SpecError: GX does not know it, or refuses its arguments.
    """
    quiet_gx()
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    meta = {**expectation.meta, POSITION: position}
    try:
        configuration = ExpectationConfiguration(
            type=expectation.type, kwargs=dict(expectation.kwargs), meta=meta, severity=expectation.severity
        )
        return configuration.to_domain_obj()
    except (GreatExpectationsError, ValueError, TypeError) as error:
        key, message = "kwargs", f"{expectation.type} refuses its kwargs ({' '.join(str(error).split())[:300]})."
        if type(error).__name__ == "ExpectationNotFoundError":
            key, message = "type", f"Great Expectations has no expectation {expectation.type!r}."
        raise SpecError("suite", (SpecProblem(f"expectations[{position}].{key}", message),)) from error


def columns_of(expectation: Expectation) -> list[str]:
    """The columns that an expectation cannot do without."""
    if expectation.type == "expect_column_to_exist" or expectation.type.startswith("expect_table_"):
        return []
    named = [expectation.kwargs.get(key) for key in ("column", "column_A", "column_B")]
    listed = expectation.kwargs.get("column_list")
    named.extend(listed if isinstance(listed, (list, tuple)) else ())
    return [str(name) for name in named if name is not None]


class _Same:
    """Expectations that are told apart by how they are written, types included: `1` is not `1.0`."""

    def __init__(self, expectations: tuple[Expectation, ...]) -> None:
        self.expectations, self._written = expectations, repr(expectations)

    def __hash__(self) -> int:
        return hash(self._written)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._written == self._written


@lru_cache(maxsize=64)
def _compiled(same: _Same) -> tuple[Compiled, ...]:
    asked = [domain_object(position, each) for position, each in enumerate(same.expectations)]
    pairs = zip(same.expectations, asked, strict=True)
    return tuple(Compiled(expectation, each, _metrics(each)) for expectation, each in pairs)


@lru_cache(maxsize=1)
def empty_engine() -> Any:
    """An engine of Great Expectations with an empty batch: expectations ask only what kind of engine it is."""
    import pandas as pd
    from great_expectations.execution_engine import PandasExecutionEngine

    engine = PandasExecutionEngine()
    engine.load_batch_data("batch", pd.DataFrame())
    return engine


def _metrics(asked: Any) -> dict[str, Wanted] | None:
    from prefect_mlops.core.counting import Wanted

    if not type(asked).__module__.startswith(OWN):
        return None
    try:
        needs = asked.get_validation_dependencies(
            empty_engine(), {"result_format": RESULT_FORMAT}
        ).metric_configurations
    except Exception:  # whatever a suite may contain; plain GX will raise it again, where it is caught and told
        return None
    metrics = {}
    for name, need in needs.items():
        if name.rpartition(".")[2] in OF_FAILURES:
            continue
        about = {key: value for key, value in need.metric_domain_kwargs.items() if value is not None}
        if name == "table.column_types":
            about["column"] = getattr(asked, "column", None)
        metrics[name] = Wanted(need.metric_name, about, dict(need.metric_value_kwargs or {}))
    return metrics
