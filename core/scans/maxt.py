"""Many questions to the same rows: how sure each answer is once all of them are counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

__all__ = ["Corrected", "Loss", "detectable", "half_width", "power_of", "step_down", "tail_chance"]

DRAWS = 2_000
FARTHEST = 37.0
"""Standard deviations beyond which a tail is nothing in floating point."""


class Loss(NamedTuple):
    """Something that should not be large, as some rows show it.

    Attributes:
        value: How large it is.
        standard_error: Of the value.
        degrees_of_freedom: Of that error: rows or blocks less one.
        skewness: Of its sampling distribution.
        rows: How many rows it rests on.
        hands: What each hand of rows adds to its sampling error, shape `(hands,)`; every loss from the same deal.
        own: The metric of what is judged, where the loss is one of a metric.
    """

    value: float
    standard_error: float
    degrees_of_freedom: int
    skewness: float
    rows: int
    hands: np.ndarray
    own: float = float("nan")


class Corrected(NamedTuple):
    """What a family of losses says.

    Attributes:
        p_values: Of each loss by itself.
        adjusted: The same, corrected over the family.
        critical: How many standard errors beyond its bound some loss of the family lies by chance at the level asked.
    """

    p_values: np.ndarray
    adjusted: np.ndarray
    critical: float


def tail_chance(distance: float, standard_error: float, degrees_of_freedom: int, skewness: float = 0.0) -> float:
    """Chance of a mean so far above its bound, or farther, where it truly lies at the bound.

    Student's t, made more careful where rare rows would pull the mean down and have not come yet: there the plain tail
    is too thin by a factor of 3.7 at 1 in 4,000 (500 rows, exponential), with the correction by 1.06. It is never made
    less careful: a sample that strays far by chance is skewed by the same chance, and a correction that follows it
    is too bold by a factor of 3 where 6% of pairs are discordant.

    Args:
        distance: The mean less its bound.
        standard_error: Of the mean; without one the rows all say the same, and the chance is that of as many equal
            throws of a coin.
        degrees_of_freedom: Of that error, at least 1.
        skewness: Of the mean's sampling distribution.

    References:
        Hall (1992), Journal of the Royal Statistical Society B 54(1), 221-228.

    Examples:
        Without skewness it is Student's: 2.015 at 5 degrees of freedom leaves 5%.

        >>> round(tail_chance(2.015, 1.0, 5), 4)
        0.05
        >>> tail_chance(0.1, 0.0, 3)
        0.0625
    """
    if standard_error <= 0.0:
        return 0.5 ** (degrees_of_freedom + 1) if distance > 1e-12 else 1.0
    return float(special.stdtr(degrees_of_freedom, -_straightened(distance / standard_error, min(skewness, 0.0))))


def power_of(loss: Loss, critical: float, distance: float) -> float:
    """How surely rows like these would find a loss that truly lies so far above its bound.

    Args:
        loss: With its error.
        critical: As `step_down` gives it.
        distance: From the bound.

    Examples:
        Four standard errors above a bound where two are asked for: a deviate of -2 is exceeded in 98%.

        >>> round(power_of(Loss(0.0, 0.5, 10**9, 0.0, 100, np.zeros(0)), 2.0, 2.0), 3)
        0.977
    """
    if loss.standard_error <= 0.0:
        return 1.0 if distance > 0.0 else 0.0
    beyond = (half_width(loss, critical) - distance) / loss.standard_error
    return float(special.stdtr(loss.degrees_of_freedom, -_straightened(beyond, loss.skewness)))


def detectable(loss: Loss, critical: float, power: float = 0.80) -> float:
    """The distance from its bound that rows like these would find in a share of cases.

    Args:
        loss: With its error.
        critical: As `step_down` gives it.
        power: That share.
    """
    quantile = float(special.stdtrit(loss.degrees_of_freedom, 1.0 - power))
    return half_width(loss, critical) - _bent(quantile, loss.skewness) * loss.standard_error


def half_width(loss: Loss, critical: float) -> float:
    """How far above its bound a loss must be seen to be proved.

    Args:
        loss: With its error.
        critical: As `step_down` gives it.
    """
    quantile = float(special.stdtrit(loss.degrees_of_freedom, special.ndtr(critical)))
    return _bent(quantile, min(loss.skewness, 0.0)) * loss.standard_error


def _straightened(far: float, skewness: float) -> float:
    """A studentised skewed mean as a deviate: Hall's cubic."""
    return far + skewness * far**2 / 3.0 + skewness**2 * far**3 / 27.0 + skewness / 6.0


def _bent(deviate: float, skewness: float) -> float:
    """The inverse."""
    if abs(skewness) < 1e-6:
        return deviate
    return 3.0 / skewness * (math.cbrt(1.0 + skewness * (deviate - skewness / 6.0)) - 1.0)


def step_down(p_values: Sequence[float], losses: Sequence[Loss], level: float, seed: int) -> Corrected:
    """P-values corrected over a family whose members share rows, metrics and days.

    Step-down max-T on common draws. Each p-value becomes a normal deviate, and the deviates' joint distribution is
    drawn from what each hand of rows adds to every loss: one normal number a hand and draw. The most extreme deviate is
    held against the largest of all, the next against the largest of the rest. So the marginal tails are those of the
    tests themselves, and only their dependence is drawn; beyond the reach of the draws Holm's bound takes over.

    Args:
        p_values: Of each loss by itself, shape `(losses,)`.
        losses: With their hands.
        level: For the critical distance, such as 0.05.
        seed: Of the draws.

    References:
        Romano and Wolf (2005), Journal of the American Statistical Association 100(469), 94-108; Westfall and Young
        (1993), Resampling-Based Multiple Testing, section 2.6, for p-values in place of statistics.

    Examples:
        Two losses that are one and the same count as one.

        >>> hands = np.array([1.0, -1.0, 2.0, -2.0])
        >>> twice = [Loss(0.1, 0.05, 3, 0.0, 4, hands)] * 2
        >>> one, two = step_down([0.03, 0.03], twice, 0.05, seed=0).adjusted
        >>> bool(one == two), bool(0.02 < one < 0.04)
        (True, True)
    """
    alone = np.asarray(p_values, dtype=np.float64)
    if not len(alone):
        return Corrected(alone, alone, float("nan"))
    far = np.clip(-special.ndtri(np.clip(alone, 1e-300, 1.0)), -FARTHEST, FARTHEST)
    drawn = _drawn(np.stack([loss.hands for loss in losses], axis=1), seed)
    upward = np.argsort(far, kind="stable")
    largest = np.maximum.accumulate(drawn[:, upward], axis=1)
    beyond = np.count_nonzero(largest >= far[upward].astype(np.float32), axis=0)
    steps = np.minimum((1.0 + beyond) / (1.0 + len(drawn)), 1.0)
    # Of those not more extreme than it there are as many as its place: Holm's factor.
    steps = np.minimum(steps, np.arange(1, len(alone) + 1) * alone[upward])
    downward = np.maximum.accumulate(np.maximum(steps, alone[upward])[::-1])
    adjusted = np.empty(len(alone))
    adjusted[upward[::-1]] = np.minimum(downward, 1.0)
    return Corrected(alone, adjusted, float(np.quantile(largest[:, -1], 1.0 - level)))


def _drawn(hands: np.ndarray, seed: int) -> np.ndarray:
    """Normal deviates with the losses' correlation, shape `(draws, losses)`."""
    length = np.sqrt(np.sum(hands**2, axis=0))
    still = length == 0.0
    standard = (hands / np.where(still, 1.0, length)).astype(np.float32)
    chance = np.random.default_rng(seed)
    drawn = chance.standard_normal((DRAWS, len(hands)), dtype=np.float32) @ standard
    if still.any():
        drawn[:, still] = chance.standard_normal((DRAWS, int(still.sum())), dtype=np.float32)
    return np.asarray(drawn)
