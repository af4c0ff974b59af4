"""How much traffic a canary takes, what it may get wrong, and how many requests it takes to tell."""

import math
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from prefect_mlops.core.parts import Frozen

__all__ = ["SHARES_OF_LIMIT", "Need", "Quality", "RolloutPlan", "Shadow", "requests_needed"]

LONGEST_SECONDS = 7 * 24 * 3600
"""More than all steps of a plan may take together: the release's flow itself ends on the day after."""
SHARES_OF_LIMIT = (0.0, 0.2, 0.4, 0.6, 0.8)
"""The rates, as shares of a limit, on which the test that a canary keeps to it bets."""


class Shadow(Frozen):
    """A step before the canary's: the version gets a copy of each request, and nobody sees its answers."""

    pairs: Annotated[int, Field(gt=0, description="Requests that both versions answered, at least.")] = 500
    disagreement_limit: Annotated[
        float, Field(gt=0, lt=1, description="Share of requests answered otherwise than by the champion that is fine.")
    ] = 0.05
    tolerance: Annotated[
        float, Field(ge=0, description="Regression: how far two answers may lie apart and still agree.")
    ] = 0.0
    loss: Annotated[
        float, Field(gt=0, lt=1, description="Share of right answers lost that labelled pairs should show.")
    ] = 0.02
    max_seconds: Annotated[float, Field(gt=0, description="A shadow undecided by then is undone.")] = 3600


class Quality(Frozen):
    """What answers do to a rollout that a label shows to be wrong. Labels that do not come hold nothing."""

    wrong_rate_limit: Annotated[float, Field(gt=0, lt=1, description="Share of wrong answers that is still fine.")]
    tolerance: Annotated[
        float, Field(ge=0, description="Regression: how far an answer may lie from its label and still be right.")
    ] = 0.0
    labelled_per_step: Annotated[
        int, Field(ge=0, description="Labelled canary answers that a step waits for; with 0 labels only speak against.")
    ] = 0


class RolloutPlan(Frozen):
    """How a canary takes over, and the chances that its tests may take.

    A step ends when the tests have decided, never on time alone: one that is undecided when its time is up is undone.
    """

    shadow: Annotated[
        Shadow | None, Field(description="A step without traffic before the first; none when absent.")
    ] = None
    steps: Annotated[
        tuple[Annotated[int, Field(gt=0, lt=100)], ...], Field(min_length=1, description="Percent of traffic, rising.")
    ] = (10, 50)
    requests_per_step: Annotated[
        int, Field(gt=0, description="Canary requests that a step takes at least; its tests may need more.")
    ] = 200
    min_seconds_per_step: Annotated[float, Field(ge=0, description="A step lasts at least as long.")] = 60
    max_seconds_per_step: Annotated[float, Field(gt=0, description="A step undecided by then is undone.")] = 3600
    poll_seconds: Annotated[float, Field(gt=0, description="Seconds between two looks.")] = 5
    error_rate_limit: Annotated[
        float, Field(gt=0, lt=1, description="Share of failed requests that is still fine.")
    ] = 0.02
    latency_budget_ms: Annotated[
        float | None, Field(gt=0, description="Slower is over budget; the champion's own 95% quantile when absent.")
    ] = None
    slow_rate_limit: Annotated[
        float, Field(gt=0, lt=1, description="Share of requests over the latency budget that is still fine.")
    ] = 0.1
    quality: Annotated[
        Quality | None, Field(description="Judge answers by labels that come meanwhile; not when absent.")
    ] = None
    user_key: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9-]*$",
            description="Request header that names a user, in lower case: each stays with one version and counts once.",
        ),
    ] = ""
    alpha_rollback: Annotated[
        float, Field(gt=0, lt=0.5, description="Chance that a rollout of a canary as good as the champion is undone.")
    ] = 0.01
    alpha_go_on: Annotated[
        float, Field(gt=0, lt=0.5, description="Chance that one test lets a canary pass that it should not.")
    ] = 0.05
    hold_back: Annotated[
        int, Field(ge=0, lt=50, description="Percent that the former champion keeps while the new one is watched.")
    ] = 0
    watch_minutes: Annotated[float, Field(ge=0, description="After a promotion, how long a breach rolls back.")] = 60

    @model_validator(mode="after")
    def _can_be_followed(self) -> Self:
        if list(self.steps) != sorted(set(self.steps)):
            raise ValueError(f"steps must rise, such as [10, 50]; found {list(self.steps)}")
        if self.min_seconds_per_step >= self.max_seconds_per_step:
            raise ValueError(
                f"max_seconds_per_step must be more than min_seconds_per_step; found {self.max_seconds_per_step:g} and "
                f"{self.min_seconds_per_step:g}"
            )
        longest = self.max_seconds_per_step * len(self.steps) + (self.shadow.max_seconds if self.shadow else 0)
        if longest > LONGEST_SECONDS:
            raise ValueError(
                f"all steps together may last {LONGEST_SECONDS:,} seconds, a week; found {longest:,.0f}. Lower "
                "max_seconds_per_step, or the shadow's max_seconds"
            )
        if self.hold_back and self.hold_back >= 100 - self.steps[-1]:
            raise ValueError(
                f"hold_back must leave more than the last step's {self.steps[-1]}%; found {self.hold_back}"
            )
        return self

    @property
    def shares(self) -> tuple[int, ...]:
        """Percent of the traffic in each step; a shadow's is 0."""
        return (0, *self.steps) if self.shadow else self.steps

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of event that can undo a rollout: they share `alpha_rollback`, known before it begins."""
        seen_in_shadow = ("disagreement", *(["paired loss"] if self.quality else [])) if self.shadow else ()
        return (*seen_in_shadow, "errors", "latency", *(["wrong"] if self.quality else []))


class Need(NamedTuple):
    """What one step takes at the least.

    Attributes:
        share: Percent of the traffic that the canary gets; 0 in a shadow.
        canary: Requests to the canary, where none of them fails, is slow or is answered otherwise.
        requests: About so many requests to the model in all.
    """

    share: int
    canary: int
    requests: int


def requests_needed(plan: RolloutPlan) -> tuple[Need, ...]:
    """How many requests each step takes before it can go on, known before it begins.

    Args:
        plan: The spec's plan.

    Returns:
        One for each step, the shadow's first. Every error and every slow or other answer makes it more.

    Examples:
        A limit of 1% at alpha 5%: no test can tell before ln(20) / -ln(0.99) = 299 faultless requests; this one, which
        also bets on canaries that are not faultless, can at 401.

        >>> requests_needed(RolloutPlan(error_rate_limit=0.01))
        (Need(share=10, canary=401, requests=4010), Need(share=50, canary=401, requests=802))
    """
    limits = (plan.error_rate_limit, plan.slow_rate_limit)
    canary = max(plan.requests_per_step, *(_faultless(limit, plan.alpha_go_on) for limit in limits))
    needs = tuple(Need(share, canary, math.ceil(canary * 100 / share)) for share in plan.steps)
    if plan.shadow is None:
        return needs
    pairs = max(plan.shadow.pairs, _faultless(plan.shadow.disagreement_limit, plan.alpha_go_on))
    return (Need(0, pairs, pairs), *needs)


def _faultless(limit: float, alpha: float) -> int:
    """The first n at which the mean over all bets of ((1 - share * limit) / (1 - limit)) ** n is 1 / alpha."""
    gains = [math.log1p(-share * limit) - math.log1p(-limit) for share in SHARES_OF_LIMIT]

    def told(requests: int) -> bool:
        most = max(gains) * requests
        mean = sum(math.exp(gain * requests - most) for gain in gains) / len(gains)
        return most + math.log(mean) >= -math.log(alpha)

    high = 1
    while not told(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if told(middle) else (middle, high)
    return high
