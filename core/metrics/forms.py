"""The forms that most metrics have: a mean over rows, a share of some rows, a ratio of two sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.metric import Sampled

__all__ = ["mean_of", "ratio_of", "share_of", "undefined"]

NAN = float("nan")
Sample = Callable[[Answered], Sampled]


def mean_of(number: Callable[[Answered], np.ndarray]) -> Sample:
    """The mean of a number a row.

    Args:
        number: Gives shape `(rows,)`.
    """

    def sample(answered: Answered) -> Sampled:
        numbers = number(answered)
        value = answered.mean(numbers)
        return Sampled(value, lambda: answered.weighed(numbers - value))

    return sample


def share_of(hits: Callable[[Answered], np.ndarray], trials: Callable[[Answered], np.ndarray] | None = None) -> Sample:
    """The share of hits among trials.

    Args:
        hits: Which rows are hits, all of them trials.
        trials: Which rows are trials; None for all.
    """
    if trials is None:
        return mean_of(hits)
    among = ratio_of(hits, trials)
    return lambda answered: among(answered)._replace(trials=np.asarray(trials(answered), dtype=bool))


def ratio_of(above: Callable[[Answered], np.ndarray], below: Callable[[Answered], np.ndarray]) -> Sample:
    """The ratio of two sums, with its influence by the delta method; NaN over nothing.

    Args:
        above: A number a row, shape `(rows,)`.
        below: Likewise, zero or more.
    """

    def sample(answered: Answered) -> Sampled:
        over, under = above(answered), below(answered)
        total = answered.sum(under)
        if not total > 0:
            return undefined(answered)
        value = answered.sum(over) / total
        mean = total / answered.whole
        return Sampled(value, lambda: answered.weighed((over - value * under) / mean))

    return sample


def undefined(answered: Answered) -> Sampled:
    """A value that the rows do not give."""
    return Sampled(NAN, lambda: np.full(len(answered), NAN))
