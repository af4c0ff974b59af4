"""Whether a version in service keeps to its limits of errors and latency, and since when it does not."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from prefect_mlops.core.monitors import Finding
from prefect_mlops.core.rollout.plan import RolloutPlan
from prefect_mlops.core.rollout.sequential import bets_above

__all__ = ["Attempts", "above_since", "judge_service", "within_watch"]

BLOCK = 50
"""Attempts between two moments at which a breach may begin."""
MOST = 690.0


class Attempts(NamedTuple):
    """What was asked of a version, each chain of retries once, in the order of time; each of shape `(attempts,)`.

    Attributes:
        at: When it was answered or given up.
        answered: Whether its caller got an answer.
        milliseconds: How long it took.
    """

    at: Sequence[datetime]
    answered: npt.NDArray[np.bool_]
    milliseconds: npt.NDArray[np.float64]


def above_since(hits: npt.NDArray[np.bool_], limit: float) -> tuple[float, int]:
    """Bet that a rate has come to lie above a limit, at a moment that nobody knows.

    A bet that runs since the first request is poor when a long good time ends. So one more begins with every 50th
    request, and the k-th of them gets a stake of `1 / (k (k + 1))`; the stakes sum to one, so that their sum is still
    a wealth that nobody can expect to grow while the rate keeps to its limit (Ville 1939).

    Args:
        hits: For each request, whether it went wrong; shape `(requests,)`.
        limit: Between 0 and 1.

    Returns:
        log E against "at the limit or below" now, and the place at which the bet began that has won most by now.

    References:
        Shin, Ramdas and Rinaldo (2023), E-detectors, New England J. of Statistics in Data Science 2(2), 229-260.

    Examples:
        One hit at a limit of 50%: the bets of `above_limit` weigh 1.42 and have half of the stake; the other half is
        not yet placed and stays what it is, so 0.5 * 1.417 + 0.5 = 1.208.

        >>> log_e, since = above_since(np.array([True]), 0.5)
        >>> round(math.exp(log_e), 3), since
        (1.208, 0)
    """
    bets = bets_above(limit)
    won = np.where(hits[:, None], np.log(bets / limit), np.log1p(-bets) - math.log1p(-limit)).cumsum(axis=0)
    begun = np.concatenate([np.zeros((1, len(bets))), won[BLOCK - 1 :: BLOCK]])[: max(1, -(-len(hits) // BLOCK))]
    end = won[-1] if len(won) else np.zeros(len(bets))
    each = np.logaddexp.reduce(end - begun, axis=1) - math.log(len(bets))
    number = np.arange(1, len(each) + 1)
    staked = each - np.log(number * (number + 1.0))
    log_e = float(np.logaddexp(np.logaddexp.reduce(staked), -math.log(len(each) + 1)))
    return log_e, int(np.argmax(staked)) * BLOCK


def judge_service(plan: RolloutPlan, attempts: Attempts) -> Finding:
    """Hold a version's attempts against the limits of its plan.

    Args:
        plan: Its limits and `alpha_rollback`, which errors and latency share. Without a latency budget errors alone
            are judged: there is nobody beside it whose latency it could be held against.
        attempts: Of the version, since its promotion or another moment that nothing of them chose.

    Returns:
        `breached` with the time since when; else `healthy`, or `unknown` where nothing was asked.

    Examples:
        At a limit of 2% two failures weigh (25.5**2 + 10**2 + 5**2 + 3**2 + 2**2 + 1.5**2 + 1.25**2) / 7 = 113, at half
        the stake 57; three at half the stake 1,268, and 100 suffice.

        >>> at = [datetime(2026, 1, 1, 12, minute) for minute in range(3)]
        >>> [
        ...     judge_service(RolloutPlan(), Attempts(at[:n], np.zeros(n, dtype=bool), np.full(n, 5.0))).state
        ...     for n in range(4)
        ... ]
        ['unknown', 'healthy', 'healthy', 'breached']
    """
    if not len(attempts.answered):
        return Finding(monitor="service", state="unknown", reason="Nothing was asked of this version.")
    kinds = {"failed": (~attempts.answered, plan.error_rate_limit)}
    if plan.latency_budget_ms is not None:
        slow = attempts.milliseconds > plan.latency_budget_ms
        kinds[f"took over {plan.latency_budget_ms:g} ms"] = (slow, plan.slow_rate_limit)
    needed = len(kinds) / plan.alpha_rollback
    said, since = [], []
    for what, (hits, limit) in kinds.items():
        log_e, place = above_since(hits, limit)
        breached = log_e >= math.log(needed)
        evidence = f" E against that is {math.exp(min(log_e, MOST)):.3g}, {needed:g} suffice." if breached else ""
        said.append(f"{int(hits.sum()):,} of {len(hits):,} attempts {what}; {100 * limit:g}% are allowed.{evidence}")
        since += [attempts.at[place]] if breached else []
    if since:
        return Finding(monitor="service", state="breached", reason=" ".join(said), began=min(since).isoformat())
    return Finding(monitor="service", state="healthy", reason=" ".join(said))


def within_watch(plan: RolloutPlan, promoted: datetime, moment: datetime) -> bool:
    """Whether a moment lies in the time after a promotion in which a breach takes it back.

    Examples:
        >>> noon = datetime(2026, 1, 1, 12)
        >>> [within_watch(RolloutPlan(), noon, noon + timedelta(minutes=minutes)) for minutes in (-1, 0, 60, 61)]
        [False, True, True, False]
    """
    return promoted <= moment <= promoted + timedelta(minutes=plan.watch_minutes)
