"""From what each row adds to an estimate: its standard error, how it leans, and the rows that a share counts as."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from prefect_mlops.core.gates.confidence import Estimate
from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.metric import Metric

__all__ = ["Drawn", "compared", "drawn", "measured"]

MOST_BENT = 100_000
"""Above so many rows the curvature of a metric moves no bound by a hundredth of its width, and is left out."""

BEND, SHIFT = 2.6, 0.8
"""What a curvature and a shift add to the skewness, so that bounds between 95% and 97.5% are right to second order.

A BCa bound lies `shift + skewness * (1 + 2 * z * z) / 6 + curvature * z * z` standard errors beyond a symmetric one;
with `z * z` at 3.2 between the two levels the last term equals 2.6 times the curvature in place of skewness, and the
first 0.8 times.
"""


class Drawn(NamedTuple):
    """A metric of one model on some rows, with each row's influence.

    Attributes:
        answered: The rows.
        value: The metric.
        influence: Shape `(rows,)`, summing to zero.
        trials: Of a share: which rows it is a share of; None for all.
        bias: By how much the value is too large on average; None where its curvature alone makes it so.
        units: What varies as a whole, a number a row; None where each row does.
    """

    answered: Answered
    value: float
    influence: np.ndarray
    trials: np.ndarray | None
    bias: float | None
    units: np.ndarray | None


def drawn(metric: Metric, answered: Answered) -> Drawn:
    """Look once, so that one look serves a measurement and every comparison."""
    found = metric.sample(answered)
    units = answered.blocks if found.units is None else found.units
    return Drawn(answered, float(found.value), found.influence(), found.trials, found.bias, units)


def measured(metric: Metric, one: Drawn) -> Estimate:
    """A metric's value with all that its bounds need.

    Args:
        metric: What was looked at.
        one: What was found.

    References:
        Kish (1965), Survey Sampling, for what weighted rows count as; Korn and Graubard (1998), Survey Methodology
        24, 193-201, for those that come in blocks.
    """
    error, freedom, skewness = _spread(one.influence, one.units)
    counted = None
    if metric.scale == "wilson":
        skewness, counted = 0.0, _counted(one, error)
    elif not metric.leans:
        skewness = 0.0
    elif metric.curved:
        bend = _curvature(lambda rows: metric.sample(rows).value, one, (one.answered,), one.influence, error)
        shift = bend - one.bias / error if one.bias is not None and error > 0 else 0.0
        if metric.scale == "logit" and 0.0 < one.value < 1.0:
            bend -= 0.5 * (1.0 - 2.0 * one.value) / (one.value * (1.0 - one.value)) * error
        skewness += BEND * bend + SHIFT * shift
    return Estimate(
        value=one.value,
        standard_error=error,
        degrees_of_freedom=freedom,
        rows=len(one.answered),
        scale=metric.scale,
        skewness=_finite(skewness),
        effective_rows=counted,
    )


def compared(metric: Metric, one: Drawn, other: Drawn) -> Estimate:
    """How much better one model is than another on the same rows, from the paired difference of influences."""
    sign = 1.0 if metric.higher_is_better else -1.0
    influence = sign * (one.influence - other.influence)
    error, freedom, skewness = _spread(influence, one.units)
    if metric.scale == "wilson" or not metric.leans:
        # Where two models are equal, the rows on which they differ favour neither.
        skewness = 0.0
    elif metric.curved:
        looks = (one.answered, other.answered)
        bend = _curvature(lambda rows: sign * metric.sample(rows).value, one, looks, influence, error)
        shift = 0.0
        if one.bias is not None and other.bias is not None and error > 0:
            shift = bend - sign * (one.bias - other.bias) / error
        skewness += BEND * bend + SHIFT * shift
    return Estimate(
        value=sign * (one.value - other.value),
        standard_error=error,
        degrees_of_freedom=freedom,
        rows=len(one.answered),
        skewness=_finite(skewness),
    )


def _spread(influence: np.ndarray, units: np.ndarray | None) -> tuple[float, int, float]:
    """Standard error of the mean influence, its degrees of freedom, and the skewness of the mean."""
    sums = _summed(influence, units)
    freedom = len(sums) - 1
    if freedom < 1:
        return float("nan"), 0, 0.0
    apart = sums - sums.mean()
    squares = apart * apart
    total = float(squares.sum())
    error = float(np.sqrt(len(sums) / freedom * total)) / len(influence)
    return error, freedom, float(squares @ apart) / total**1.5 if total > 0 else 0.0


def _summed(influence: np.ndarray, units: np.ndarray | None) -> np.ndarray:
    if units is None:
        return influence
    if np.issubdtype(units.dtype, np.integer) and units.min(initial=0) >= 0 and units.max(initial=0) < 2 * len(units):
        held = np.bincount(units) > 0
        return np.bincount(units, weights=influence)[held]
    return np.bincount(np.unique(units, return_inverse=True)[1], weights=influence)


def _counted(one: Drawn, error: float) -> float:
    """How many equal and independent trials a share is as sure as."""
    rows, trials, weight = one.answered, one.trials, one.answered.weight
    if weight is None:
        kish = float(len(rows) if trials is None else np.count_nonzero(trials))
    else:
        weight = weight if trials is None else weight[trials]
        kish = float(weight.sum() ** 2 / (weight @ weight)) if len(weight) else 0.0
    if weight is None and one.units is None:
        return kish
    if error > 0:
        return min(kish, one.value * (1.0 - one.value) / error**2)
    if one.units is None:
        return kish
    return float(len(np.unique(one.units if trials is None else one.units[trials])))


def _curvature(
    value: Callable[[Answered], float], one: Drawn, looks: tuple[Answered, ...], influence: np.ndarray, error: float
) -> float:
    """How far the estimate bends, in standard errors, along the direction in which the data say most about it.

    The rows' weights are moved along their influences to both sides; that is `c_q` of DiCiccio and Efron (1992),
    Biometrika 79(2), 231-245.
    """
    if not error > 0 or len(influence) > MOST_BENT:
        return 0.0
    if one.units is None:
        along = influence / (len(influence) * error)
    else:
        codes = np.unique(one.units, return_inverse=True)[1]
        along = np.bincount(codes, weights=influence)[codes] / (len(influence) * error)
    step = min(0.5, 0.9 / float(np.abs(along).max()))
    ahead, behind, here = (
        value(looks[0].reweighted(1.0 + side * along))
        - (value(looks[1].reweighted(1.0 + side * along)) if len(looks) > 1 else 0.0)
        for side in (step, -step, 0.0)
    )
    return (ahead + behind - 2.0 * here) / (2.0 * step * step * error)


def _finite(number: float) -> float:
    return number if np.isfinite(number) else 0.0
