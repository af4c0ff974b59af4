"""Metrics of binary problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.calibration import squared_error
from prefect_mlops.core.metrics.forms import mean_of, ratio_of, share_of, undefined
from prefect_mlops.core.metrics.metric import Metric, Sampled
from prefect_mlops.core.metrics.ranking import area_and_influence, precision_and_influence

if TYPE_CHECKING:
    from prefect_mlops.core.spec import Costs

__all__ = ["BINARY", "CALIBRATION", "at_threshold", "cost_metric"]


def _rarest(answered: Answered) -> int:
    positives = int(np.count_nonzero(answered.positive))
    return min(positives, len(answered) - positives)


def _positives(answered: Answered) -> int:
    return int(np.count_nonzero(answered.positive))


def _said_positive(answered: Answered) -> int:
    return int(np.count_nonzero(answered.labels))


def _hits(answered: Answered) -> np.ndarray:
    return np.asarray(answered.y * answered.labels)


def _area(answered: Answered) -> Sampled:
    value, influence = area_and_influence(answered.positive, answered.ranking, answered.weight)
    return Sampled(value, lambda: influence)


def _precision(answered: Answered) -> Sampled:
    value, influence, bias = precision_and_influence(answered.positive, answered.ranking, answered.weight)
    return Sampled(value, lambda: influence, bias=bias)


def at_threshold(metric: Metric, threshold: float, name: str) -> Metric:
    """A metric of labels where a row is judged positive if its probability reaches a threshold.

    Args:
        metric: Such as `f1`, which judges the labels that the model says itself.
        threshold: Between 0 and 1.
        name: As the spec writes it, such as `f1@0.3`.

    Returns:
        The metric; NaN for a model that says no probabilities.
    """

    def sample(answered: Answered) -> Sampled:
        if np.isnan(answered.score).any():
            return undefined(answered)
        return metric.sample(answered.at(threshold))

    return Metric(
        name=name,
        problems=("binary",),
        higher_is_better=metric.higher_is_better,
        sample=sample,
        rests=lambda answered: metric.rests(answered.at(threshold)),
        scale=metric.scale,
        leans=metric.leans,
        curved=metric.curved,
    )


def cost_metric(costs: Costs | None) -> Metric:
    """The mean cost of a row: what the spec says that each kind of error costs.

    Args:
        costs: The spec's `purpose.costs`; None counts every error as 1.
    """
    false_positive, false_negative = (costs.false_positive, costs.false_negative) if costs else (1.0, 1.0)

    def cost(answered: Answered) -> np.ndarray:
        missed = answered.y > answered.labels
        return np.asarray(false_positive * (answered.y < answered.labels) + false_negative * missed)

    return Metric(name="cost", problems=("binary",), higher_is_better=False, sample=mean_of(cost))


def _calibration_error(answered: Answered) -> Sampled:
    """Only a value: near perfection no interval holds, and the test of calibration answers instead."""
    if not len(answered) or np.isnan(answered.score).any():
        return undefined(answered)
    squared = squared_error(answered.y, answered.score, answered.weight)
    return undefined(answered)._replace(value=float(np.sqrt(max(0.0, squared))))


BINARY = (
    Metric(
        name="roc_auc",
        problems=("binary",),
        higher_is_better=True,
        sample=_area,
        rests=_rarest,
        scale="logit",
        leans=False,
    ),
    Metric(
        name="average_precision",
        problems=("binary",),
        higher_is_better=True,
        sample=_precision,
        rests=_rarest,
        scale="logit",
        curved=True,
    ),
    Metric(
        name="brier",
        problems=("binary",),
        higher_is_better=False,
        sample=mean_of(lambda answered: (answered.score - answered.y) ** 2),
    ),
    Metric(
        name="f1",
        problems=("binary",),
        higher_is_better=True,
        sample=ratio_of(lambda answered: 2 * _hits(answered), lambda answered: answered.y + answered.labels),
        rests=_positives,
        scale="logit",
        curved=True,
    ),
    Metric(
        name="precision",
        problems=("binary",),
        higher_is_better=True,
        sample=share_of(_hits, lambda answered: answered.labels),
        rests=_said_positive,
        scale="wilson",
    ),
    Metric(
        name="recall",
        problems=("binary",),
        higher_is_better=True,
        sample=share_of(_hits, lambda answered: answered.y),
        rests=_positives,
        scale="wilson",
    ),
)

CALIBRATION = Metric(
    name="calibration_error",
    problems=("binary",),
    higher_is_better=False,
    sample=_calibration_error,
    rests=_rarest,
)
