"""Intervals that hold at all times at once, so that whoever looks, and how often, costs nothing.

Where an outcome is yes or no the interval is exact: of all users with a "yes" some share met the second version, and
that share tells the ratio of the two rates. For other numbers it is the difference of means, asymptotic.

References:
    Lindon and Malek (2022), Anytime-valid inference for multinomial count data, NeurIPS 35.
    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory and asymptotic
    confidence sequences, Ann. Statist. 52(6), 2613-2640.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, expit, gammaln, logit

from prefect_mlops.core.abtest.plan import Comparison

__all__ = ["Outcomes", "effects_over_time", "half_width", "relative_evidence", "relative_interval", "split_evidence"]

NARROWEST = 1_000
"""Users of two arms at which the asymptotic interval is narrowest, beside one that is looked at only then."""
PRIOR = 10.0
"""How many users with a "yes" the exact bets are worth before any came."""
SPLIT_PRIOR = 1_000.0
"""Likewise for the split: a mismatch of a point is looked for, and not one of twenty."""
SKEWED = 5.0
"""Users of the smaller arm for each squared unit of skewness, before means are compared: with fewer the few who spend
much are all in one arm, and 10% of the traffic told equal versions apart in 12% of tests at an alpha of 5%."""
HALVINGS = 50
MEASURED = ("cost", "error")
"""Metrics whose first outcomes may all be 0 or 1 by chance; the form of a test must not change while it goes on."""
FAR = 25.0
"""In log odds: beyond it nothing bounds a share."""
Path = npt.NDArray[np.float64]


class Outcomes(NamedTuple):
    """Users with a known outcome, in the order in which it became known; each of shape `(users,)`.

    Attributes:
        arm: Place of the version they met in the plan's arms.
        value: The metric of their first request.
    """

    arm: npt.NDArray[np.intp]
    value: npt.NDArray[np.float64]


def half_width(users: Path, alpha: float) -> Path:
    """Half the width of the asymptotic interval, in standard deviations of one user's part in the estimate.

    With `t` users it is `sqrt(2 (t r + 1) / (t**2 r) ln(sqrt(t r + 1) / alpha))`, where `r` is chosen so that it is
    narrowest at a thousand users (Waudby-Smith et al. 2024, theorem 2.2).

    Args:
        users: Of the arms that are compared, more than 0, shape `(...)`.
        alpha: Chance that it ever misses the truth.

    Examples:
        A fixed interval at 10,000 users has 1.96 / 100; one that may be looked at all the time is 1.7 times as wide.

        >>> float(half_width(np.array(10_000.0), 0.05).round(4))
        0.0326
    """
    told = -2 * math.log(alpha)
    rho = (told + math.log(told) + 1) / NARROWEST
    spread = users * rho + 1
    return np.asarray(np.sqrt(2 * spread / (users**2 * rho) * np.log(np.sqrt(spread) / alpha)))


def relative_evidence(yes: Path, others: Path, share: float, ratio: float = 1.0) -> Path:
    """Log E that the rates of two versions do not have a given ratio; exact, whoever looks and when.

    A user with a "yes" met the second version with a probability of `w r / (w r + 1 - w)` at a ratio of `r`. The bets
    on other probabilities are mixed by a Beta distribution around the even one.

    Args:
        yes: Users of the second version with a "yes", shape `(...)`.
        others: Users of the first one with a "yes", same shape.
        share: Of the second version among users of the two.
        ratio: Of the second version's rate to the first one's, more than 0.

    Examples:
        At half the traffic three of three were wagered on with 5/10, 6/11 and 7/12, and had 1/2 each: 1.27.

        >>> float(np.exp(relative_evidence(np.array(3.0), np.array(0.0), 0.5)).round(2))
        1.27
    """
    return _against(yes, others, share, np.asarray(math.log(ratio) + math.log(share) - math.log1p(-share)))


def relative_interval(yes: Path, others: Path, share: float, alpha: float) -> tuple[Path, Path]:
    """Between which ratios, less 1, the rates of two versions lie: those whose E has not reached `1 / alpha`.

    Args:
        yes: As in `relative_evidence`.
        others: Likewise.
        share: Likewise.
        alpha: Chance that the interval ever misses the truth.

    Returns:
        Lower and upper ends; -1 and infinity where nothing bounds them.

    Examples:
        Three of three at an alpha of 1/2: 7/44 / p**3 reaches 2 at p = 0.43, and 0.43 / 0.57 is 0.245 below 1.

        >>> low, high = relative_interval(np.array([3.0]), np.array([0.0]), 0.5, 0.5)
        >>> low.round(3), high
        (array([-0.245]), array([inf]))
    """
    seen = np.where(yes + others > 0, yes / np.maximum(yes + others, 1), share)
    # The bets are worth least at the share that was seen, and more on either side of it.
    middle = logit(np.clip(seen, 1e-9, 1 - 1e-9))
    ends = []
    for far in (-FAR, FAR):
        inner, outer = middle, np.full(np.shape(yes), far)
        for _ in range(HALVINGS):
            tried = (inner + outer) / 2
            kept = _against(yes, others, share, tried) < -math.log(alpha)
            inner, outer = np.where(kept, tried, inner), np.where(kept, outer, tried)
        ratio = np.exp(outer) * (1 - share) / share - 1
        ends.append(np.where(np.abs(outer) > FAR - 1, np.inf if far > 0 else -1.0, ratio))
    return ends[0], ends[1]


def effects_over_time(
    plan: Comparison, outcomes: Outcomes, place: int, most: int | None = None
) -> dict[str, npt.NDArray[np.float64]]:
    """One arm's effect after its and the first arm's users: for the picture, and the last of them for a look.

    Args:
        plan: The plan.
        outcomes: In the order in which they became known.
        place: The arm's place in the plan.
        most: At how many of the users, evenly and with the last one; at each when None.

    Returns:
        `users`, `estimate`, `low` and `high`, each of shape `(points,)`; NaN where nothing is known.
    """
    two = (outcomes.arm == 0) | (outcomes.arm == place)
    mine, value = (outcomes.arm[two] == place).astype(float), outcomes.value[two]
    at = np.arange(len(value)) if most is None else _evenly(len(value), most)
    arms = np.stack([1 - mine, mine])
    users, totals = arms.cumsum(axis=1)[:, at], (arms * value).cumsum(axis=1)[:, at]
    share = plan.arms[place].percent / (plan.arms[0].percent + plan.arms[place].percent)
    enough = users.min(axis=0) >= plan.least_users
    with np.errstate(divide="ignore", invalid="ignore"):
        means = totals / users
        if counts_events(plan, outcomes):
            estimate = means[1] / means[0] - 1
            low, high = relative_interval(totals[1], totals[0], share, plan.level)
        else:
            squares = (arms * value**2).cumsum(axis=1)[:, at]
            spread = np.maximum(squares / users - means**2, 0) * users / np.maximum(users - 1, 1)
            estimate = means[1] - means[0]
            seen = users.sum(axis=0)
            wide = np.sqrt(seen * (spread / users).sum(axis=0)) * half_width(seen, plan.level)
            low, high = estimate - wide, estimate + wide
            enough &= users.min(axis=0) >= SKEWED * _skewness(value)[at] ** 2
    named = {"estimate": estimate, "low": low, "high": high}
    return {"users": users.sum(axis=0)} | {name: np.where(enough, path, np.nan) for name, path in named.items()}


def split_evidence(arm: npt.NDArray[np.intp], shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log E that users are not assigned by the shares, after each user; a split is wrong where it reaches log(1/alpha).

    The counts under the shares against their mean under a Dirichlet around them, which no look can make larger by
    chance in the mean (Lindon and Malek 2022).

    Args:
        arm: Each user's arm in the order of their first request, shape `(users,)`.
        shares: Of each arm, shape `(arms,)`, adding up to 1.

    Examples:
        A user in one of two equal arms tells nothing: the Dirichlet is as even as the shares.

        >>> split_evidence(np.array([1]), np.array([0.5, 0.5])).round(3) + 0.0
        array([0.])
    """
    counts = (arm[:, None] == np.arange(len(shares))).cumsum(axis=0)
    prior, seen = SPLIT_PRIOR * shares, np.arange(1, len(arm) + 1)
    mixed = gammaln(SPLIT_PRIOR) - gammaln(SPLIT_PRIOR + seen) + (gammaln(prior + counts) - gammaln(prior)).sum(axis=1)
    evidence: npt.NDArray[np.float64] = mixed - (counts * np.log(shares)).sum(axis=1)
    return evidence


def counts_events(plan: Comparison, outcomes: Outcomes) -> bool:
    """Whether an outcome is yes or no: all are 0 or 1, and the metric could not bring others tomorrow."""
    return plan.metric not in MEASURED and bool(np.isin(outcomes.value, (0.0, 1.0)).all())


def _evenly(users: int, most: int) -> npt.NDArray[np.intp]:
    """Places of at most so many users, the last one among them."""
    return np.unique(np.linspace(users - 1, 0, most).astype(np.intp)) if users else np.arange(0)


def _skewness(values: Path) -> Path:
    """Of all values up to each one, shape `(values,)`; 0 while they are equal."""
    seen, centred = np.arange(1, len(values) + 1), values - values.mean() if len(values) else values
    first, second, third = ((centred**power).cumsum() / seen for power in (1, 2, 3))
    spread = second - first**2
    above = third - 3 * first * second + 2 * first**3
    return np.divide(above, spread**1.5, out=np.zeros(len(values)), where=spread > 1e-12)


def _against(yes: Path, others: Path, share: float, log_odds: Path) -> Path:
    before, other = PRIOR * share, PRIOR * (1 - share)
    bets = betaln(before + yes, other + others) - betaln(before, other)
    evidence: Path = bets - yes * np.log(expit(log_odds)) - others * np.log(expit(-log_odds))
    return evidence
