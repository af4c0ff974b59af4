"""How many users it takes to tell a change that just matters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prefect_mlops.core.abtest.intervals import Outcomes, counts_events, half_width, relative_evidence
from prefect_mlops.core.abtest.plan import Comparison

__all__ = ["users_for_mean", "users_for_rate", "users_needed"]

RAREST = 0.01
"""The smallest ratio of two rates that is looked for: whoever asks for 100% less asks for no event at all."""


def users_needed(plan: Comparison, outcomes: Outcomes) -> int | None:
    """Users with an outcome, over all arms, that it takes where the metric goes on as it was at the first arm.

    Args:
        plan: The plan.
        outcomes: So far.

    Returns:
        None where too little is known, or the first arm's mean is 0 so that no change of it can be relative.
    """
    first = outcomes.value[outcomes.arm == 0]
    mean = float(first.mean()) if len(first) >= plan.least_users else 0.0
    if not mean:
        return None
    return (
        users_for_rate(plan, mean) if counts_events(plan, outcomes) else users_for_mean(plan, first.std() / abs(mean))
    )


def users_for_rate(plan: Comparison, rate: float) -> int:
    """Users over all arms whose expected "yes" tell the change; as a test may end at any user, most end sooner.

    Args:
        plan: The plan.
        rate: Of the first arm, between 0 and 1.

    Examples:
        From 10% to 9% each "yes" weighs 0.00139 (the divergence of 9/19 from 1/2), and 4,385 weigh 6.1: 3.0 for the
        alpha, the rest because nobody knew the ratio.

        >>> arms = ({"version": 1, "percent": 50}, {"version": 2, "percent": 50})
        >>> users_for_rate(Comparison(arms=arms, metric="wrong", goal="less", user_key="x-user"), 0.1)
        46158
    """
    ratio = 1 + plan.matters if plan.goal == "more" else max(1 - plan.matters, RAREST)
    share, both = _smallest(plan)
    mine = share * ratio / (share * ratio + 1 - share)
    told = -np.log(plan.level)

    def enough(events: int) -> bool:
        return bool(relative_evidence(np.array(events * mine), np.array(events * (1 - mine)), share) >= told)

    return int(np.ceil(_least(enough) / (rate * (share * ratio + 1 - share)) / both))


def users_for_mean(plan: Comparison, relative_spread: float) -> int:
    """Users over all arms that make the interval as narrow as the change.

    Args:
        plan: The plan.
        relative_spread: Standard deviation of the metric over its mean.

    Examples:
        What spreads by three times its mean, to be told from 10% less at half the traffic:

        >>> arms = ({"version": 1, "percent": 50}, {"version": 2, "percent": 50})
        >>> users_for_mean(Comparison(arms=arms, metric="spent", goal="more", user_key="x-user"), 3.0)
        43060
    """
    share, both = _smallest(plan)
    spread = relative_spread * np.sqrt(1 / share + 1 / (1 - share))
    needed = _least(lambda users: bool(spread * half_width(np.array(users), plan.level) <= plan.matters))
    return int(np.ceil(needed / both))


def _smallest(plan: Comparison) -> tuple[float, float]:
    """The smallest arm's share of the users of itself and the first, and what part of all users these are."""
    first, *others = (arm.percent / 100 for arm in plan.arms)
    both = first + min(others)
    return min(others) / both, both


def _least(enough: Callable[[int], bool]) -> int:
    low, high = 1, 2
    while not enough(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
