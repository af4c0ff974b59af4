"""What a metric is: a value, its influence function, and where its bounds are symmetric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prefect_mlops.core.evidence import Scale

if TYPE_CHECKING:
    import numpy as np

    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["Metric", "Problem"]

Problem = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are, with what each row adds to its sampling error.

    All functions take `y` and predictions in one code: for classes their index, `(negative, positive)` in a binary
    problem, with probabilities of shape `(rows, classes)` in that order; for regression the values themselves.

    Attributes:
        name: As specs write it, such as `roc_auc`.
        problems: The problems it fits.
        higher_is_better: Its direction.
        value: The point value, equal to scikit-learn's; NaN where it is not defined.
        influence: Shape `(rows,)`, summing to zero: the value's sampling error is, to first order, its mean.
        rests_on: How many rows the value rests on: those of the rarest class where each class counts by itself.
        scale: Where its confidence bounds are symmetric.
    """

    name: str
    problems: tuple[Problem, ...]
    higher_is_better: bool
    value: Callable[[np.ndarray, Predictions], float]
    influence: Callable[[np.ndarray, Predictions], np.ndarray]
    rests_on: Callable[[np.ndarray, Predictions], int]
    scale: Scale = "identity"
