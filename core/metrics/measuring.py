"""How a metric is measured: its value with a standard error that holds where rows of one day resemble each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.gates.confidence import Estimate
from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.sampling import compared, drawn, measured

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.metrics.metric import Metric
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["MINIMUM_ROWS", "compare", "days_of", "measure", "rests_on_enough"]

MINIMUM_ROWS = 20
"""Rows, or rows of the rarest class where a metric counts classes one by one, below which nothing is said."""


def measure(
    metric: Metric,
    y: np.ndarray,
    predictions: Predictions,
    blocks: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Estimate:
    """A metric's value with all that its bounds need.

    The influence values are summed within blocks, and the sums' variance is taken with the factor `B / (B - 1)`:
    rows of one block may depend on each other in any way, blocks may not.

    Args:
        metric: What to measure.
        y: Encoded truth, shape `(rows,)`.
        predictions: Encoded predictions.
        blocks: A number per row, shape `(rows,)`, equal for rows of one block; each row its own block if None.
        weight: What each row counts, shape `(rows,)`, zero or more; all the same if None. Rows of weight zero are
            left out of all counts.

    Returns:
        Value, standard error (NaN with a single block), degrees of freedom (blocks less one), and how bounds lean.

    Raises:
        DataError: A weight is negative or no number.
        PartError: A metric of somebody else's failed, or gave no number.

    References:
        Liang and Zeger (1986), Biometrika 73(1), 13-22.

    Examples:
        Three of four right: the variance of a share is 0.75 * 0.25 / 3, its root a quarter.

        >>> from prefect_mlops.core.metrics import metric_named
        >>> from prefect_mlops.core.trainers.fitted import Predictions
        >>> said = Predictions(labels=np.array([0, 1, 1, 1]), probabilities=None)
        >>> found = measure(metric_named("accuracy", "binary"), np.array([0, 1, 1, 0]), said)
        >>> found.value, found.standard_error, found.degrees_of_freedom
        (0.75, 0.25, 3)
    """
    return measured(metric, drawn(metric, Answered(y, predictions, weight, blocks)))


def compare(
    metric: Metric,
    y: np.ndarray,
    candidate: Predictions,
    other: Predictions,
    blocks: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Estimate:
    """How much better a candidate is than another model on the same rows, with the paired standard error.

    Args:
        metric: What to compare.
        y: Encoded truth, shape `(rows,)`.
        candidate: Encoded predictions of the one.
        other: Encoded predictions of the other.
        blocks: As in `measure`.
        weight: As in `measure`.

    Returns:
        The advantage, positive where the candidate is better whatever the metric's direction, its standard error
        and degrees of freedom. Two models that say the same of every row have an advantage and an error of zero.

    Raises:
        DataError: A weight is negative or no number.
        PartError: A metric of somebody else's failed, or gave no number.
    """
    one, two = (drawn(metric, Answered(y, said, weight, blocks)) for said in (candidate, other))
    return compared(metric, one, two)


def rests_on_enough(metric: Metric, y: np.ndarray, predictions: Predictions, weight: np.ndarray | None = None) -> bool:
    """Whether a metric's value rests on enough rows for its standard error to mean something."""
    answered = Answered(y, predictions, weight)
    return len(answered) >= MINIMUM_ROWS and metric.rests(answered) >= MINIMUM_ROWS


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
