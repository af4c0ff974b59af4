"""What a look at a canary means for its rollout: go on, hold, roll back, or give up undecided."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.rollout.plan import RolloutPlan

__all__ = ["Look", "Position", "Standing", "Step", "advance", "bet"]

Outcome = Literal["go on", "hold", "roll back", "undecided", "outdated"]


class Standing(Frozen):
    """What the tests say of one kind of event, such as errors.

    Attributes:
        kind: What is counted.
        canary: Events of the whole rollout that fell on the canary, the first of each user or chain of retries.
        champion: Those that fell on the champion.
        wrong: Requests of this step that went wrong on the canary, each chain of retries once.
        worse: The largest E so far that the canary is worse than the champion.
        below_double: E of this step that it is less than twice as bad.
        below_limit: E of this step that it keeps to its limit.
        note: What hinders the tests, if anything.
        holds: Whether a step waits for its tests; one that nothing may ever be known of can only speak against.
    """

    kind: str
    canary: Annotated[int, Field(ge=0)] = 0
    champion: Annotated[int, Field(ge=0)] = 0
    wrong: Annotated[int, Field(ge=0)] = 0
    worse: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    below_double: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    below_limit: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    note: str = ""
    holds: bool = True

    def sentence(self) -> str:
        """What is counted and bet, for people."""
        counted = (
            f"{self.kind}: {self.canary} on the canary, {self.champion} on the champion, {self.wrong} in this step"
        )
        bets = (
            f"E worse {bet(self.worse)}, below double {bet(self.below_double)}, below the limit {bet(self.below_limit)}"
        )
        return f"{counted} ({bets}){'; ' * bool(self.note)}{self.note}"


class Look(Frozen):
    """All that is known of a step at one moment.

    Attributes:
        requests: Requests of this step that the canary got, each chain of retries once.
        champion_requests: Those that the champion got.
        seconds: Since the step began.
        standings: One for each kind of event.
    """

    requests: Annotated[int, Field(ge=0)]
    champion_requests: Annotated[int, Field(ge=0)] = 0
    seconds: Annotated[float, Field(ge=0)]
    standings: Annotated[tuple[Standing, ...], Field(min_length=1)]


class Step(Frozen):
    """What one look means, and the look itself; None where nothing was compared.

    `outdated` is no look's meaning: somebody has chosen another champion while the step went on.
    """

    outcome: Outcome
    reason: str
    look: Look | None = None

    @property
    def short(self) -> str:
        """The reason without what the tests say of each kind."""
        return self.reason.removesuffix(f" {_said(self.look)}.") if self.look else self.reason


def bet(value: float) -> str:
    """E for people, with a thousands comma and no exponent below a million.

    Examples:
        >>> bet(1.234), bet(12345.6), bet(1.5e9)
        ('1.23', '12,346', '1.5e+09')
    """
    return f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:.3g}"


def _said(look: Look) -> str:
    return "; ".join(standing.sentence() for standing in look.standings)


class Position(Frozen):
    """How far a rollout is.

    Attributes:
        step: Counted from 0, which is the shadow where the plan has one; the number of steps when all are passed.
        ended: How it ended, empty while it goes on.
    """

    step: Annotated[int, Field(ge=0)] = 0
    ended: Literal["", "whole", "roll back", "undecided"] = ""

    def share(self, plan: RolloutPlan) -> int:
        """Percent of the traffic that the canary gets.

        Nothing in a shadow and once it is undone; once it is whole all but what is held back for the former champion.
        """
        if self.ended:
            return 100 - plan.hold_back if self.ended == "whole" else 0
        return plan.shares[self.step]


def advance(plan: RolloutPlan, position: Position, look: Look) -> tuple[Position, Step]:
    """Say where a rollout stands after a look.

    Rolling back comes first, at any time: one kind of event suffices, at its part of `alpha_rollback`. A part is
    `alpha_rollback` over the number of kinds of the whole plan, those of its shadow too. The mean of their E would hold
    only if a user's first event of one kind told nothing of that user's first of another; the parts need no such
    thing, and cost next to nothing.

    Going on takes every kind that holds, each below double or below its limit at `alpha_go_on`, and the step's least
    requests and seconds.

    Args:
        plan: The spec's plan.
        position: Where it stood.
        look: What was seen.

    Returns:
        The new position, the old one where the step holds or the rollout has ended; and what the look means.

    Examples:
        >>> plan = RolloutPlan(steps=(10,), min_seconds_per_step=0)
        >>> bad = Standing(kind="errors", worse=250.0)
        >>> position, step = advance(plan, Position(), Look(requests=40, seconds=3, standings=(bad,)))
        >>> step.outcome, position.ended, position.share(plan)
        ('roll back', 'roll back', 0)
    """
    if position.ended:
        outcome: Outcome = "go on" if position.ended == "whole" else position.ended
        return position, Step(outcome=outcome, reason="The rollout has ended.", look=look)
    said = _said(look)
    worst = max(look.standings, key=lambda standing: standing.worse)
    needed = max(len(look.standings), len(plan.kinds)) / plan.alpha_rollback
    if worst.worse >= needed:
        reason = f"The canary is worse in {worst.kind}: E reached {bet(worst.worse)} of {bet(needed)}. {said}."
        return Position(step=position.step, ended="roll back"), Step(outcome="roll back", reason=reason, look=look)
    asked = _asked(plan, position)
    open_ends = _open_ends(plan, asked, look)
    if not open_ends:
        passed = position.step + 1
        reason = f"{look.requests} canary requests: every kind of event is below double or below its limit. {said}."
        ended: Literal["", "whole"] = "whole" if passed == len(plan.shares) else ""
        return Position(step=passed, ended=ended), Step(outcome="go on", reason=reason, look=look)
    count = f"{look.requests} canary requests" if look.requests else "No canary request: too few call the model"
    waits = f"{count}; {', '.join(open_ends)}"
    if look.seconds >= asked.most_seconds:
        reason = f"Undecided after {look.seconds:.0f} s and {waits}. {said}."
        return Position(step=position.step, ended="undecided"), Step(outcome="undecided", reason=reason, look=look)
    return position, Step(outcome="hold", reason=f"{waits}. {said}.", look=look)


class _Asked(NamedTuple):
    """What a step takes beside its tests."""

    requests: int
    least_seconds: float
    most_seconds: float


def _asked(plan: RolloutPlan, position: Position) -> _Asked:
    if plan.shadow and position.step == 0:
        return _Asked(plan.shadow.pairs, 0, plan.shadow.max_seconds)
    return _Asked(plan.requests_per_step, plan.min_seconds_per_step, plan.max_seconds_per_step)


def _open_ends(plan: RolloutPlan, asked: _Asked, look: Look) -> list[str]:
    """What still stands between a step and its end."""
    needed = 1 / plan.alpha_go_on
    found = [
        f"{standing.kind} shown neither below double nor below the limit"
        for standing in look.standings
        if standing.holds and max(standing.below_double, standing.below_limit) < needed
    ]
    if look.requests < asked.requests:
        found.append(f"{asked.requests} are the least")
    if look.seconds < asked.least_seconds:
        found.append(f"{asked.least_seconds:g} s are the least")
    return found
