"""Between which bounds the next value of a short history will lie, at a stated chance of being wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

__all__ = ["Bounds", "Scale", "next_value"]

Scale = Literal["plain", "root", "log", "share"]
STEADY = 60
"""Values after which the range of a history grows seldom: the next one lies beyond it once in `n / 2` times."""


class Bounds(NamedTuple):
    """Both ends belong to the bounds."""

    low: float
    high: float


def next_value(history: np.ndarray, miss: float, scale: Scale = "plain") -> Bounds:
    """Bounds for the value that follows a history, oldest value first.

    They are the hull of three answers, because batches wobble, drift and now and then are extreme: the prediction
    interval of a normal sample, `mean ± t s √(1 + 1/n)`; a step from the newest value, `last ± t d` with `d` the
    root mean square of past steps, for series that wander; and the range of the history with a part of it on either
    side: all of it up to `STEADY` values, then less, `STEADY / n` of it, as a long history leaves less to be seen.

    Args:
        history: At least two finite values.
        miss: The chance on each side that the next value lies beyond, for normal values; from 0 to 0.5.
        scale: Where the values are about normal: `plain`; `root` for what is never negative; `log` for counts;
            `share` (arc sine of the root) for shares from 0 to 1.

    References:
        Hahn and Meeker (1991), Statistical Intervals, section 4.8, for the first interval.

    Examples:
        Four values around 10 at 5% a side: t with 3 degrees of freedom is 2.353, s = 1.155, so 10 ± 3.04; the
        second answer reaches from 11 to 11 ± 4.71, the third from 7 to 13.

        >>> low, high = next_value(np.array([9.0, 9.0, 11.0, 11.0]), 0.05)
        >>> round(low, 2), round(high, 2)
        (6.96, 13.72)
    """
    there, back = SCALES[scale]
    values = there(np.asarray(history, dtype=np.float64))
    reach = float(stats.t.isf(miss, len(values) - 1))
    spread = reach * float(values.std(ddof=1)) * np.sqrt(1 + 1 / len(values))
    step = reach * float(np.sqrt((np.diff(values) ** 2).mean()))
    span = float(np.ptp(values)) * min(1.0, STEADY / len(values))
    low = min(values.mean() - spread, values[-1] - step, values.min() - span)
    high = max(values.mean() + spread, values[-1] + step, values.max() + span)
    return Bounds(back(float(low)), back(float(high)))


SCALES: dict[Scale, tuple[Callable[[np.ndarray], np.ndarray], Callable[[float], float]]] = {
    "plain": (lambda values: values, lambda value: value),
    "root": (lambda values: np.sqrt(np.maximum(values, 0)), lambda value: max(value, 0.0) ** 2),
    "log": (lambda values: np.log(np.maximum(values, 1e-9)), lambda value: math.exp(min(value, 700.0))),
    "share": (
        lambda values: np.arcsin(np.sqrt(values)),
        lambda value: math.sin(min(max(value, 0.0), math.pi / 2)) ** 2,
    ),
}
