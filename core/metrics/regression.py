"""Metrics of regression problems."""

from __future__ import annotations

import numpy as np

from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.forms import mean_of, undefined
from prefect_mlops.core.metrics.metric import Metric, Sampled

__all__ = ["MAPE", "REGRESSION", "pinball_metric"]


def _squares(answered: Answered) -> np.ndarray:
    return np.asarray((answered.y - answered.labels) ** 2)


def _distances(answered: Answered) -> np.ndarray:
    return np.asarray(np.abs(answered.y - answered.labels))


def _rmse(answered: Answered) -> Sampled:
    squares = _squares(answered)
    mean = answered.mean(squares)
    root = float(np.sqrt(mean))
    return Sampled(
        root, lambda: answered.weighed((squares - mean) / (2.0 * root)) if root > 0 else np.zeros(len(answered))
    )


def _r2(answered: Answered) -> Sampled:
    """The delta method on both means of the ratio; the mean of `y` drops out, its derivative is zero."""
    away = (answered.y - answered.mean(answered.y)) ** 2
    spread = answered.mean(away)
    if not spread > 0:
        return undefined(answered)
    squares = _squares(answered)
    lost = answered.mean(squares) / spread
    return Sampled(1.0 - lost, lambda: answered.weighed((lost * away - squares) / spread))


def _relative(answered: Answered) -> np.ndarray:
    return np.asarray(_distances(answered) / np.maximum(np.abs(answered.y), np.finfo(np.float64).eps))


def pinball_metric(quantile: float, name: str) -> Metric:
    """The loss of which a quantile is the best guess: a miss below it costs `quantile`, one above it the rest.

    Args:
        quantile: Between 0 and 1.
        name: As the spec writes it, such as `pinball@0.9`.

    Returns:
        The metric, of the label that a model says.

    Examples:
        A truth of 3 told as 1 is missed by 2 from below, which costs 0.9 each.

        >>> from prefect_mlops.core.trainers.fitted import Predictions
        >>> round(pinball_metric(0.9, "pinball@0.9").value(np.array([3.0]), Predictions(np.array([1.0]), None)), 6)
        1.8
    """

    def loss(answered: Answered) -> np.ndarray:
        missed = answered.y - answered.labels
        return np.asarray(np.maximum(quantile * missed, (quantile - 1.0) * missed))

    return Metric(name=name, problems=("regression",), higher_is_better=False, sample=mean_of(loss))


REGRESSION = (
    Metric(name="rmse", problems=("regression",), higher_is_better=False, sample=_rmse, curved=True),
    Metric(name="mae", problems=("regression",), higher_is_better=False, sample=mean_of(_distances)),
    Metric(name="r2", problems=("regression",), higher_is_better=True, sample=_r2, curved=True),
)

MAPE = Metric(name="mape", problems=("regression",), higher_is_better=False, sample=mean_of(_relative))
