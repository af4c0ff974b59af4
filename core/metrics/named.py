"""Metrics by the names that specs give them, with what stands behind an `@` or a colon."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import PartError
from prefect_mlops.core.metrics.binary import BINARY, CALIBRATION, at_threshold, cost_metric
from prefect_mlops.core.metrics.classes import CLASSES, MANY_CLASSES
from prefect_mlops.core.metrics.custom import custom_metric
from prefect_mlops.core.metrics.metric import Metric, Problem
from prefect_mlops.core.metrics.regression import MAPE, REGRESSION, pinball_metric

if TYPE_CHECKING:
    from prefect_mlops.core.spec import Costs

__all__ = ["metric_named", "metrics_for"]

AT_THRESHOLD = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "cost")
USUAL = (*BINARY, *CLASSES, *REGRESSION)


def metrics_for(problem: Problem) -> tuple[Metric, ...]:
    """The metrics that every evaluation measures, the most usual first; more can be named.

    Examples:
        >>> [metric.name for metric in metrics_for("regression")]
        ['rmse', 'mae', 'r2']
    """
    return tuple(metric for metric in USUAL if problem in metric.problems)


def metric_named(name: str, problem: Problem, costs: Costs | None = None) -> Metric:
    """The metric that a gate or monitor names.

    Args:
        name: As the spec writes it: a plain name, one at a threshold of the probability (`f1@0.3`), of a quantile
            (`pinball@0.9`), or the import path of a function (`acme.metrics:profit`).
        problem: The spec's problem.
        costs: The spec's `purpose.costs`, for `cost`; every error costs 1 if None.

    Raises:
        PartError: There is no such metric, or it does not fit the problem; the near or fitting names are told.

    Examples:
        >>> metric_named("rmse", "regression").higher_is_better
        False
        >>> metric_named("f1@0.30", "binary").name
        'f1@0.30'
    """
    if ":" in name:
        return custom_metric(name)
    known = {metric.name: metric for metric in (*USUAL, CALIBRATION, cost_metric(costs), *MANY_CLASSES, MAPE)}
    fitting = (
        *(metric.name for metric in known.values() if problem in metric.problems),
        *(("pinball@0.9",) if problem == "regression" else ()),
    )
    base, at, number = name.partition("@")
    if base == "pinball" or (at and base in known):
        return _numbered(name, problem, known, fitting)
    if name in known and problem in known[name].problems:
        return known[name]
    if name in known:
        raise PartError(
            name, f"it is a metric of {' and '.join(known[name].problems)} problems, not of {problem}", fitting
        )
    near = get_close_matches(re.sub(r"[- ]", "_", base.lower()).removesuffix("_score"), fitting, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0] + at + number!r}" if near else ""
    raise PartError(name, f"there is no such metric of {problem} problems{hint}", fitting)


def _numbered(name: str, problem: Problem, known: dict[str, Metric], fitting: tuple[str, ...]) -> Metric:
    base, _, text = name.partition("@")
    wanted: Problem = "regression" if base == "pinball" else "binary"
    if problem != wanted:
        raise PartError(name, f"it is a metric of {wanted} problems, not of {problem}", fitting)
    if base not in ("pinball", *AT_THRESHOLD):
        raise PartError(
            name, f"{base} looks at no threshold; name it alone", tuple(f"{one}@0.3" for one in AT_THRESHOLD)
        )
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0.0 < number < 1.0:
        raise PartError(
            name,
            f"{text!r} is no {'quantile' if base == 'pinball' else 'threshold'}; write a number between 0 and 1",
            (f"{base}@0.9" if base == "pinball" else f"{base}@0.3",),
        )
    return pinball_metric(number, name) if base == "pinball" else at_threshold(known[base], number, name)
