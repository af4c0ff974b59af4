"""Metrics by name, each with a value and the influence function that its standard error comes from."""

from difflib import get_close_matches

from prefect_mlops.core.errors import PartError
from prefect_mlops.core.metrics.binary import BINARY
from prefect_mlops.core.metrics.classes import CLASSES
from prefect_mlops.core.metrics.measuring import compare, measure
from prefect_mlops.core.metrics.metric import Metric, Problem
from prefect_mlops.core.metrics.regression import REGRESSION

__all__ = ["Metric", "compare", "measure", "metric_named", "metrics_for"]

_METRICS = {metric.name: metric for metric in (*BINARY, *CLASSES, *REGRESSION)}


def metrics_for(problem: Problem) -> tuple[Metric, ...]:
    """All metrics that fit a problem, the most usual first.

    Examples:
        >>> [metric.name for metric in metrics_for("regression")]
        ['rmse', 'mae', 'r2']
    """
    return tuple(metric for metric in _METRICS.values() if problem in metric.problems)


def metric_named(name: str, problem: Problem) -> Metric:
    """The metric that a gate or monitor names.

    Args:
        name: As the spec writes it.
        problem: The spec's problem.

    Raises:
        PartError: There is no such metric, or it does not fit the problem; the near or fitting names are told.

    Examples:
        >>> metric_named("rmse", "regression").higher_is_better
        False
    """
    fitting = tuple(metric.name for metric in metrics_for(problem))
    if name in fitting:
        return _METRICS[name]
    if name in _METRICS:
        raise PartError(
            name, f"it is a metric of {' and '.join(_METRICS[name].problems)} problems, not of {problem}", fitting
        )
    near = get_close_matches(name.lower().replace("-", "_").replace(" ", "_"), fitting, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}" if near else ""
    raise PartError(name, f"there is no such metric of {problem} problems{hint}", fitting)
