"""What a regression leaves unexplained: the distance of truth from prediction, over what was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from prefect_mlops.core.experiments.intervals import LEVEL, from_influence

if TYPE_CHECKING:
    from prefect_mlops.core.search.results import Estimate
    from prefect_mlops.core.studies.beside import Judged
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["Residuals", "residuals_of"]

MOST_BINS, ROWS_A_BIN = 10, 20


class Residuals(NamedTuple):
    """Truth less prediction.

    Attributes:
        predicted: Shape `(rows,)`.
        left: Truth less prediction, shape `(rows,)`.
        bias: The mean of what is left, with its interval.
        low: A twentieth of the rows lies below it.
        high: A twentieth of the rows lies above it.
        binned: Mean prediction in at most ten bins of about equally many rows, shape `(bins,)`.
        means: What is left in each bin; the intervals hold for all bins together.
    """

    predicted: np.ndarray
    left: np.ndarray
    bias: Estimate
    low: float
    high: float
    binned: np.ndarray
    means: tuple[Estimate, ...]

    @property
    def missed(self) -> int:
        """Bins whose interval does not hold zero: there the model is shown to be too low or too high."""
        return sum(mean.low > 0 or mean.high < 0 for mean in self.means)


def residuals_of(judged: Judged, predictions: Predictions) -> Residuals:
    """What a regression leaves unexplained of the judging rows.

    Args:
        judged: The judging rows of a regression.
        predictions: Encoded predictions.
    """
    predicted = np.asarray(predictions.labels, dtype=np.float64)
    left = judged.target - predicted
    count = max(min(MOST_BINS, len(left) // ROWS_A_BIN), 1)
    inner = np.unique(np.quantile(predicted, np.arange(1, count) / count))
    _, place = np.unique(np.searchsorted(inner, predicted, side="left"), return_inverse=True)
    bins = int(place.max()) + 1
    level = 1 - (1 - LEVEL) / bins
    means = []
    for number in range(bins):
        inside = place == number
        days = None if judged.blocks is None else judged.blocks[inside]
        mean = float(left[inside].mean())
        means.append(from_influence(mean, left[inside] - mean, days, level=level))
    mean = float(left.mean())
    low, high = np.quantile(left, [0.05, 0.95])
    return Residuals(
        predicted=predicted,
        left=left,
        bias=from_influence(mean, left - mean, judged.blocks),
        low=float(low),
        high=float(high),
        binned=np.bincount(place, weights=predicted) / np.bincount(place),
        means=tuple(means),
    )
