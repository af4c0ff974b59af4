"""How often groups are answered yes, and between which of them the gap is proved too large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from prefect_mlops.core.evidence import Check
from prefect_mlops.core.metrics.measuring import MINIMUM_ROWS
from prefect_mlops.core.scans.losses import Judging, loss_from
from prefect_mlops.core.scans.maxt import Loss, detectable, step_down

if TYPE_CHECKING:
    from prefect_mlops.core.scans.slicing import Slice

__all__ = ["Asked", "gaps", "newcombe_interval", "score_deviate"]


class Asked(NamedTuple):
    """Between whom, and how far apart, rates are compared.

    Attributes:
        groups: Rows of each group, two groups at least.
        conditions: Which rows each rate is a share of: its name, and shape `(rows,)`.
        max_gap: The gap that is no alarm.
        level: The chance that any gap is named where none is larger.
        seed: Of the draws.
    """

    groups: Sequence[Slice]
    conditions: Sequence[tuple[str, np.ndarray]]
    max_gap: float
    level: float
    seed: int


class _Rate(NamedTuple):
    """A rate in one group; `influence` is of all rows, zero outside of the group."""

    group: str
    value: float
    trials: int
    influence: np.ndarray


class _Pair(NamedTuple):
    """Two groups, the one with the higher rate first."""

    condition: str
    high: _Rate
    low: _Rate
    loss: Loss
    trials: tuple[float, float]


def gaps(rows: Judging, asked: Asked) -> tuple[Check, ...]:
    """One check for each pair of groups and each rate.

    Each gap is tested against the largest allowed by the score test, with trials that count less where rows weigh
    differently or come in blocks; the p-values are corrected over all pairs, in both directions, by step-down max-T.
    Intervals are Newcombe's and hold for all pairs together.

    Args:
        rows: The judging rows; the candidate's label 1 is a yes.
        asked: What is compared.

    Returns:
        Checks whose values are gaps, zero or more; groups with fewer than 20 rows for a rate are listed with the
        reason.
    """
    pairs: list[_Pair] = []
    untold: list[Check] = []
    for condition, counted in asked.conditions:
        rates: list[_Rate] = []
        for group in asked.groups:
            inside = group.rows[counted[group.rows]]
            if len(inside) < MINIMUM_ROWS:
                few = f"its {condition} rests on {len(inside):,} rows, fewer than {MINIMUM_ROWS}"
                untold.append(Check(name=group.name, metric=condition, rows=len(inside), reason=few))
            else:
                rates.append(_rate(rows, group.name, inside))
        for one, other in combinations(rates, 2):
            high, low = (one, other) if one.value >= other.value else (other, one)
            loss = loss_from(high.value - low.value, high.influence - low.influence, rows, rows.blocks)
            if isinstance(loss, str):
                untold.append(Check(name=_name(high, low), metric=condition, reason=loss))
            else:
                pairs.append(_Pair(condition, high, low, loss, _effective(high, low, loss.standard_error)))
    # The direction was chosen by looking, so that the other one counts as a test too.
    alone = [_chance(pair, asked.max_gap, sign, rows) for pair in pairs for sign in (1, -1)]
    both = [pair.loss._replace(hands=sign * pair.loss.hands) for pair in pairs for sign in (1, -1)]
    corrected = step_down(alone, both, asked.level, asked.seed)
    told = [
        _check(pair, asked, alone[2 * place], float(corrected.adjusted[2 * place]), corrected.critical)
        for place, pair in enumerate(pairs)
    ]
    return (*told, *untold)


def score_deviate(rates: tuple[float, float], trials: tuple[float, float], gap: float) -> float:
    """How many standard errors the difference of two rates lies above a gap, by the score test.

    The error is that of the rates which are likeliest among those exactly so far apart.

    Args:
        rates: Two shares.
        trials: How many trials each is of.
        gap: Between -1 and 1.

    References:
        Farrington and Manning (1990), Statistics in Medicine 9(12), 1447-1454.

    Examples:
        Without a gap it is the pooled test: 0.2 / sqrt(0.5 * 0.5 * 2 / 100) by hand.

        >>> round(score_deviate((0.6, 0.4), (100, 100), 0.0), 4)
        2.8284
    """
    first, second = rates
    ratio = trials[1] / trials[0]
    a = 1.0 + ratio
    b = -(1.0 + ratio + first + ratio * second + gap * (ratio + 2.0))
    c = gap**2 + gap * (2.0 * first + ratio + 1.0) + first + ratio * second
    d = -first * gap * (1.0 + gap)
    v = (b / (3.0 * a)) ** 3 - b * c / (6.0 * a**2) + d / (2.0 * a)
    u = math.copysign(math.sqrt(max(0.0, (b / (3.0 * a)) ** 2 - c / (3.0 * a))), v)
    angle = math.acos(min(1.0, max(-1.0, v / u**3))) if u else math.pi / 2
    likeliest = 2.0 * u * math.cos((math.pi + angle) / 3.0) - b / (3.0 * a)
    likeliest = min(max(likeliest, 0.0, gap), 1.0, 1.0 + gap)
    other = likeliest - gap
    variance = likeliest * (1.0 - likeliest) / trials[0] + other * (1.0 - other) / trials[1]
    distance = first - second - gap
    if variance <= 0.0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def newcombe_interval(rates: tuple[float, float], trials: tuple[float, float], deviate: float) -> tuple[float, float]:
    """Interval of a difference of two rates, from Wilson's of each.

    Args:
        rates: Two shares.
        trials: How many trials each is of.
        deviate: Normal deviates to each side, 1.96 for 95%.

    References:
        Newcombe (1998), Statistics in Medicine 17(8), 873-890, method 10.

    Examples:
        His first example, 56 of 70 and 48 of 80.

        >>> low, high = newcombe_interval((56 / 70, 48 / 80), (70, 80), 1.959964)
        >>> round(low, 4), round(high, 4)
        (0.0524, 0.3339)
    """
    (low, high), (other_low, other_high) = (
        _wilson(rate, count, deviate) for rate, count in zip(rates, trials, strict=True)
    )
    gap = rates[0] - rates[1]
    down = math.hypot(rates[0] - low, other_high - rates[1])
    up = math.hypot(high - rates[0], rates[1] - other_low)
    return gap - down, gap + up


def _wilson(rate: float, trials: float, deviate: float) -> tuple[float, float]:
    square = deviate**2
    middle = (rate + square / (2.0 * trials)) / (1.0 + square / trials)
    half = deviate * math.sqrt(rate * (1.0 - rate) / trials + square / (4.0 * trials**2)) / (1.0 + square / trials)
    return middle - half, middle + half


def _rate(rows: Judging, group: str, inside: np.ndarray) -> _Rate:
    yes = (rows.said["candidate"].labels[inside] == 1).astype(np.float64)
    weight = np.ones(len(inside)) if rows.weight is None else rows.weight[inside]
    value = float(weight @ yes / weight.sum())
    influence = np.zeros(len(rows.y))
    influence[inside] = (yes - value) * weight * (len(rows.y) / weight.sum())
    return _Rate(group, value, len(inside), influence)


def _effective(high: _Rate, low: _Rate, error: float) -> tuple[float, float]:
    """Trials that count less where weights or blocks make the gap less sure than as many equal, independent ones."""
    plain = sum(rate.value * (1.0 - rate.value) / rate.trials for rate in (high, low))
    design = max(1.0, error**2 / plain) if plain > 0 else 1.0
    return high.trials / design, low.trials / design


def _chance(pair: _Pair, max_gap: float, sign: int, rows: Judging) -> float:
    ordered = (pair.high, pair.low) if sign > 0 else (pair.low, pair.high)
    rates = (ordered[0].value, ordered[1].value)
    deviate = score_deviate(rates, pair.trials if sign > 0 else pair.trials[::-1], max_gap)
    if rows.blocks is None:
        return float(special.ndtr(-deviate))
    return float(special.stdtr(pair.loss.degrees_of_freedom, -deviate))


def _check(pair: _Pair, asked: Asked, p_value: float, adjusted: float, critical: float) -> Check:
    gap = pair.loss.value
    freedom = pair.loss.degrees_of_freedom
    deviate = float(special.stdtrit(freedom, special.ndtr(critical)))
    low, high = newcombe_interval((pair.high.value, pair.low.value), pair.trials, deviate)
    return Check(
        name=_name(pair.high, pair.low),
        metric=pair.condition,
        value=gap,
        bound=asked.max_gap,
        low=low,
        high=high,
        rows=pair.high.trials + pair.low.trials,
        p_value=p_value,
        adjusted_p=adjusted,
        minimum_detectable=detectable(pair.loss._replace(skewness=0.0), critical),
        reason=(
            f"The {pair.condition} is {pair.high.value:.1%} for {pair.high.group} ({pair.high.trials:,} rows) and "
            f"{pair.low.value:.1%} for {pair.low.group} ({pair.low.trials:,} rows): a gap of {gap:.3g}, between "
            f"{low:.3g} and {high:.3g}, where {asked.max_gap:g} is allowed (p = {p_value:.2g}, corrected "
            f"{adjusted:.2g})."
        ),
    )


def _name(high: _Rate, low: _Rate) -> str:
    return f"{high.group} and {low.group}"
