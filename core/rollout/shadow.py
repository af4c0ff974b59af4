"""What a shadow's answers mean for its rollout: how often it says something else, and whether that costs."""

import math

import numpy as np
import numpy.typing as npt

from prefect_mlops.core.rollout.answers import Pairs
from prefect_mlops.core.rollout.machine import Look, Standing
from prefect_mlops.core.rollout.plan import RolloutPlan, Shadow
from prefect_mlops.core.rollout.sequential import above_limit, below_limit, paired_loss

__all__ = ["judge_shadow", "labelled_pairs_needed"]

MOST = 690.0


def judge_shadow(plan: RolloutPlan, pairs: Pairs, seconds: float) -> Look:
    """Hold a shadow's answers against the champion's to the same requests.

    A shadow has no control arm, for both answer every request: how often they disagree is held against an absolute
    limit. Where labels come, the paired test says whether the disagreement costs right answers; it only speaks
    against the shadow, because labels need not come.

    Args:
        plan: The spec's plan, with a shadow.
        pairs: All since the shadow began.
        seconds: Since then.

    Returns:
        What is known: `disagreement`, and `paired loss` where the plan judges answers by labels.
    """
    shadow = plan.shadow or Shadow()
    other = pairs.disagrees
    disagreement = Standing(
        kind="disagreement",
        canary=int(other.sum()),
        wrong=int(other.sum()),
        worse=_largest(above_limit(other, shadow.disagreement_limit)),
        below_double=0.0,
        below_limit=_last(below_limit(other, shadow.disagreement_limit)),
    )
    standings = (disagreement, _loss(plan, shadow, pairs)) if plan.quality else (disagreement,)
    return Look(requests=len(other), champion_requests=len(other), seconds=seconds, standings=standings)


def labelled_pairs_needed(discordance: float, loss: float, alpha: float) -> float:
    """About how many labelled pairs it takes to find a loss of right answers, whatever rows say later.

    Of the rows on which just one version is right the champion has `(1 + loss / discordance) / 2`. Each adds at most
    the divergence of that from one half, in nats, to log E, which must reach `log(1 / alpha)` (Kelly 1956).

    Args:
        discordance: Share of labelled rows on which just one of the two is right, between 0 and 1.
        loss: Share of right answers lost, above 0.
        alpha: The level of the test, between 0 and 1.

    Returns:
        Infinity where no row is discordant. A loss beyond the discordance cannot be: then it is all of it.

    Examples:
        At 6% and a loss of 2 points the champion has 2/3 of the discordant rows; the divergence is 0.0566, and
        ln(20) / (0.06 * 0.0566) = 882. Simulated: 834 at the median.

        >>> round(labelled_pairs_needed(0.06, 0.02, 0.05))
        882
    """
    if discordance <= 0:
        return math.inf
    share = (1 + min(loss / discordance, 1)) / 2
    gained = math.log(2) + sum(part * math.log(part) for part in (share, 1 - share) if part)
    return math.log(1 / alpha) / (discordance * gained)


def _loss(plan: RolloutPlan, shadow: Shadow, pairs: Pairs) -> Standing:
    candidate, champion = pairs.candidate_right, pairs.champion_right
    told = candidate != champion
    discordance = float(told.mean()) if len(told) else 0.0
    needed = labelled_pairs_needed(discordance, shadow.loss, plan.alpha_rollback / len(plan.kinds))
    rows = f"about {math.ceil(needed):,} show" if math.isfinite(needed) else "nobody knows how many would show"
    return Standing(
        kind="paired loss",
        canary=int((champion & told).sum()),
        champion=int((candidate & told).sum()),
        wrong=int((~candidate).sum()),
        worse=_largest(paired_loss(candidate, champion)),
        below_double=0.0,
        below_limit=0.0,
        note=f"{len(told):,} labelled pairs, {discordance:.1%} discordant; {rows} a loss of {shadow.loss:.1%}",
        holds=False,
    )


def _largest(path: npt.NDArray[np.float64]) -> float:
    return _value(float(path.max(initial=0.0)))


def _last(path: npt.NDArray[np.float64]) -> float:
    return _value(float(path[-1]) if len(path) else 0.0)


def _value(log_e: float) -> float:
    """E itself, cut at the largest that JSON can hold."""
    return math.exp(min(log_e, MOST))
