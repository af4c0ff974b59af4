"""What a metric is: a value, its influence function, and how its bounds are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from prefect_mlops.core.evidence import Scale
from prefect_mlops.core.metrics.answered import Answered

if TYPE_CHECKING:
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["Metric", "Problem", "Sampled"]

Problem = Literal["binary", "multiclass", "regression"]


class Sampled(NamedTuple):
    """A metric on some rows, with what is needed to say how far chance may have moved it.

    Attributes:
        value: The point value; NaN where it is not defined.
        influence: Gives shape `(rows,)`, summing to zero: the value's sampling error is, to first order, their mean.
        trials: Of a share: which rows it is a share of.
        bias: By how much the value is too large on average, where more than its curvature makes it so.
        units: What varies as a whole where that is coarser than rows and blocks: a number a row.
    """

    value: float
    influence: Callable[[], np.ndarray]
    trials: np.ndarray | None = None
    bias: float | None = None
    units: np.ndarray | None = None


@dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are, with what each row adds to its sampling error.

    Everywhere `y` and predictions are in one code: for classes their index, `(negative, positive)` in a binary
    problem, with probabilities of shape `(rows, classes)` in that order; for regression the values themselves.
    `weight` says what each row counts, None where all count the same; a row of weight zero is as good as absent.

    Attributes:
        name: As specs write it, such as `roc_auc` or `f1@0.3`.
        problems: The problems it fits.
        higher_is_better: Its direction.
        sample: The metric on some rows.
        rests: How many rows it rests on: those of the rarest class where each class counts by itself.
        scale: How its confidence bounds are found.
        leans: Whether bounds follow the skewness of its sampling distribution.
        curved: Whether it is more than a mean over rows, so that its curvature adds to that skewness.
    """

    name: str
    problems: tuple[Problem, ...]
    higher_is_better: bool
    sample: Callable[[Answered], Sampled]
    rests: Callable[[Answered], int] = len
    scale: Scale = "identity"
    leans: bool = True
    curved: bool = False

    def value(self, y: np.ndarray, predictions: Predictions, weight: np.ndarray | None = None) -> float:
        """The point value, equal to scikit-learn's; NaN where it is not defined.

        Raises:
            DataError: A weight is negative or no number.
        """
        return self.sample(Answered(y, predictions, weight)).value

    def influence(self, y: np.ndarray, predictions: Predictions, weight: np.ndarray | None = None) -> np.ndarray:
        """What each row adds to the value's sampling error, shape `(rows,)`, summing to zero.

        Raises:
            DataError: A weight is negative or no number.
        """
        answered = Answered(y, predictions, weight)
        found = self.sample(answered).influence()
        if answered.kept is None:
            return found
        whole = np.zeros(len(y))
        whole[answered.kept] = found * (len(y) / max(len(answered), 1))
        return whole

    def rests_on(self, y: np.ndarray, predictions: Predictions, weight: np.ndarray | None = None) -> int:
        """How many rows the value rests on: those of the rarest class where each class counts by itself."""
        return self.rests(Answered(y, predictions, weight))
