"""How a metric is measured: its value with a standard error that holds where rows of one day resemble each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.metrics.metric import Metric
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["MINIMUM_ROWS", "compare", "days_of", "measure", "rests_on_enough"]

MINIMUM_ROWS = 20
"""Rows, or rows of the rarest class where a metric counts classes one by one, below which nothing is said."""


def measure(
    metric: Metric, y: np.ndarray, predictions: Predictions, blocks: np.ndarray | None = None
) -> tuple[float, float, int]:
    """A metric's value, its standard error and that error's degrees of freedom.

    The influence values are summed within blocks, and the sums' variance is taken with the factor `B / (B - 1)`:
    rows of one block may depend on each other in any way, blocks may not.

    Args:
        metric: What to measure.
        y: Encoded truth, shape `(rows,)`.
        predictions: Encoded predictions.
        blocks: A number per row, shape `(rows,)`, equal for rows of one block; each row its own block if None.

    Returns:
        Value, standard error (NaN with a single block) and degrees of freedom (blocks less one).

    References:
        Liang and Zeger (1986), Biometrika 73(1), 13-22.

    Examples:
        Three of four right: the variance of a share is 0.75 * 0.25 / 3, its root a quarter.

        >>> from prefect_mlops.core.metrics import metric_named
        >>> from prefect_mlops.core.trainers.fitted import Predictions
        >>> said = Predictions(labels=np.array([0, 1, 1, 1]), probabilities=None)
        >>> measure(metric_named("accuracy", "binary"), np.array([0, 1, 1, 0]), said)
        (0.75, 0.25, 3)
    """
    error, freedom = _clustered(metric.influence(y, predictions), blocks)
    return float(metric.value(y, predictions)), error, freedom


def compare(
    metric: Metric, y: np.ndarray, candidate: Predictions, other: Predictions, blocks: np.ndarray | None = None
) -> tuple[float, float, int]:
    """How much better a candidate is than another model on the same rows, with the paired standard error.

    Args:
        metric: What to compare.
        y: Encoded truth, shape `(rows,)`.
        candidate: Encoded predictions of the one.
        other: Encoded predictions of the other.
        blocks: As in `measure`.

    Returns:
        The advantage, positive where the candidate is better whatever the metric's direction, its standard error
        and degrees of freedom. Two models that say the same of every row have an advantage and an error of zero.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    advantage = sign * (metric.value(y, candidate) - metric.value(y, other))
    error, freedom = _clustered(metric.influence(y, candidate) - metric.influence(y, other), blocks)
    return float(advantage), error, freedom


def rests_on_enough(metric: Metric, y: np.ndarray, predictions: Predictions) -> bool:
    """Whether a metric's value rests on enough rows for its standard error to mean something."""
    return len(y) >= MINIMUM_ROWS and metric.rests_on(y, predictions) >= MINIMUM_ROWS


def days_of(times: pd.Series) -> np.ndarray:
    """The calendar day (UTC) of each row as a number, for use as blocks.

    Args:
        times: Timestamps with a time zone, none missing.

    Examples:
        >>> import pandas as pd
        >>> days_of(pd.Series(pd.to_datetime(["2013-01-02T23:00Z", "2013-01-03T01:00Z", "2013-01-02T00:00Z"])))
        array([0, 1, 0])
    """
    days = times.dt.tz_convert("UTC").dt.floor("D").to_numpy()
    return np.asarray(np.unique(days, return_inverse=True)[1])


def _clustered(influence: np.ndarray, blocks: np.ndarray | None) -> tuple[float, int]:
    sums = influence if blocks is None else np.bincount(np.unique(blocks, return_inverse=True)[1], weights=influence)
    freedom = len(sums) - 1
    if freedom < 1:
        return float("nan"), 0
    variance = (len(sums) / freedom) * float(np.sum((sums - sums.mean()) ** 2)) / len(influence) ** 2
    return float(np.sqrt(variance)), freedom
