"""What users tell of the versions that they met, and how the test goes on.

Each user counts once, with the outcome of the first request, so that neither the busy nor the unlucky count for many.

References:
    Fabijan et al. (2019), Diagnosing sample ratio mismatch in online controlled experiments, KDD 2019.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from prefect_mlops.core.abtest.intervals import (
    Outcomes,
    counts_events,
    effects_over_time,
    split_evidence,
)
from prefect_mlops.core.abtest.needed import users_needed
from prefect_mlops.core.abtest.plan import Comparison
from prefect_mlops.core.parts import Frozen

__all__ = ["Effect", "Finding", "judge_arms"]

Verdict = Literal["better", "worse", "no difference", "undecided", "ongoing", "invalid"]


class Effect(Frozen):
    """How one arm differs from the first one.

    Attributes:
        version: The arm's version.
        users: With an outcome, of this arm.
        against: With an outcome, of the first arm.
        mean: The metric over this arm's users; None without any.
        champion_mean: Over the first arm's.
        scale: Whether `estimate` is the ratio of two rates, less 1, or a difference of means.
        estimate: The effect; None where it is not known.
        low: Lower end of its interval; None where nothing bounds it.
        high: Upper end, likewise.
        verdict: What follows.
    """

    version: int
    users: int
    against: int
    mean: float | None
    champion_mean: float | None
    scale: Literal["relative", "difference"]
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Verdict = "ongoing"

    @property
    def sentence(self) -> str:
        """It in one sentence."""
        seen = f"version {self.version}: {{}} from {self.users:,} users, {self.against:,} beside them"
        if self.low is None and self.high is None:
            return seen.format("nothing can be said yet")
        form = "+.1%" if self.scale == "relative" else "+.4g"
        low, high = ("open" if end is None else f"{end:{form}}" for end in (self.low, self.high))
        return seen.format(f"{'unknown' if self.estimate is None else f'{self.estimate:{form}}'} ({low} to {high})")


class Finding(Frozen):
    """What one look at a test says.

    Attributes:
        verdict: Of the whole test; the best of its arms.
        reason: One sentence.
        effects: One for each arm but the first.
        assigned: Users that were assigned to each arm.
        split: The larger E against the split of all users and of those with an outcome.
        winner: The version that is better, None where none is shown to be.
        needed: Users with an outcome who would tell a change that just matters in more than half of all tests, where
            the metric spreads as it did so far; None where that is not known.
    """

    verdict: Verdict
    reason: str
    effects: tuple[Effect, ...]
    assigned: tuple[int, ...]
    split: float = 1.0
    winner: int | None = None
    needed: int | None = None


def judge_arms(plan: Comparison, assigned: npt.NDArray[np.intp], outcomes: Outcomes, days: float) -> Finding:
    """Say where a test stands; whoever looks, and how often, costs nothing.

    Args:
        plan: The plan.
        assigned: The arm of every user that was ever assigned, in the order of their first request, shape `(all,)`.
        outcomes: Of those whose outcome is known.
        days: Since the test began.

    Returns:
        `invalid` where the split is not the plan's; `better` as soon as one arm is; `worse` when all are; `no
        difference` when each lies within what matters; `undecided` when the time is up; else `ongoing`.
    """
    shares = np.array([arm.percent for arm in plan.arms]) / 100
    counts = _counts(assigned, len(shares))
    splits = {
        "": (_largest(split_evidence(assigned, shares)), counts),
        " with an outcome": (_largest(split_evidence(outcomes.arm, shares)), _counts(outcomes.arm, len(shares))),
    }
    which, (split, seen) = max(splits.items(), key=lambda each: each[1][0])
    effects = tuple(_effect(plan, outcomes, place) for place in range(1, len(plan.arms)))
    told = "; ".join(effect.sentence for effect in effects)
    needed = users_needed(plan, outcomes)
    found: dict[str, Any] = {"effects": effects, "assigned": counts, "split": split, "needed": needed}
    if split >= 2 / plan.alpha_split:
        asked = " / ".join(f"{share:.0%}" for share in shares)
        found_as = " / ".join(f"{count:,}" for count in seen)
        reason = f"The users{which} are not split {asked} but {found_as} (E {split:.3g}); nothing that they say holds."
        return Finding(verdict="invalid", reason=reason, **found)
    better = [effect for effect in effects if effect.verdict == "better"]
    if better:
        best = max(better, key=lambda effect: abs(effect.estimate or 0.0))
        reason = f"Version {best.version} is better by {plan.metric!r}: {told}."
        return Finding(verdict="better", reason=reason, winner=best.version, **found)
    if all(effect.verdict in ("worse", "no difference") for effect in effects):
        worse = all(effect.verdict == "worse" for effect in effects)
        said = "Worse" if worse else f"No difference that matters ({plan.matters:.0%})"
        verdict: Verdict = "worse" if worse else "no difference"
        return Finding(verdict=verdict, reason=f"{said} by {plan.metric!r}: {told}.", **found)
    if days >= plan.max_days:
        return Finding(verdict="undecided", reason=f"Undecided after {days:.3g} days: {told}.", **found)
    return Finding(verdict="ongoing", reason=f"Not told apart yet after {days:.3g} days: {told}.", **found)


def _effect(plan: Comparison, outcomes: Outcomes, place: int) -> Effect:
    mine, first = outcomes.value[outcomes.arm == place], outcomes.value[outcomes.arm == 0]
    relative = counts_events(plan, outcomes)
    known = Effect(
        version=plan.arms[place].version,
        users=len(mine),
        against=len(first),
        mean=float(mine.mean()) if len(mine) else None,
        champion_mean=float(first.mean()) if len(first) else None,
        scale="relative" if relative else "difference",
    )
    path = effects_over_time(plan, outcomes, place, most=1)
    ends = [float(path[name][-1]) if len(path[name]) else np.nan for name in ("estimate", "low", "high")]
    if np.isnan(ends).any():
        return known
    matters = plan.matters if relative else plan.matters * abs(known.champion_mean or 0.0)
    verdict = _verdict(plan, ends[1], ends[2], matters)
    estimate, low, high = (end if np.isfinite(end) else None for end in ends)
    return known.model_copy(update={"estimate": estimate, "low": low, "high": high, "verdict": verdict})


def _verdict(plan: Comparison, low: float, high: float, matters: float) -> Verdict:
    more, less = low > 0, high < 0
    if more or less:
        return "better" if more == (plan.goal == "more") else "worse"
    return "no difference" if -matters < low and high < matters else "ongoing"


def _counts(arm: npt.NDArray[np.intp], arms: int) -> tuple[int, ...]:
    return tuple(int(count) for count in np.bincount(arm, minlength=arms))


def _largest(path: npt.NDArray[np.float64]) -> float:
    return float(np.exp(min(path.max(initial=0.0), 690.0)))
