"""How much traffic a canary takes, what it may get wrong, and how many requests it takes to tell."""

import math
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from prefect_mlops.core.parts import Frozen

__all__ = ["SHARES_OF_LIMIT", "Need", "RolloutPlan", "requests_needed"]

SHARES_OF_LIMIT = (0.0, 0.2, 0.4, 0.6, 0.8)
"""The rates, as shares of a limit, on which the test that a canary keeps to it bets."""


class RolloutPlan(Frozen):
    """How a canary takes over, and the chances that its tests may take.

    A step ends when the tests have decided, never on time alone: one that is undecided when its time is up is undone.
    """

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
        return self


class Need(NamedTuple):
    """What one step takes at the least.

    Attributes:
        share: Percent of the traffic that the canary gets.
        canary: Requests to the canary, where none of them fails or is slow.
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
        One for each step. Every error and every slow answer makes it more.

    Examples:
        A limit of 1% at alpha 5%: no test can tell before ln(20) / -ln(0.99) = 299 faultless requests; this one, which
        also bets on canaries that are not faultless, can at 401.

        >>> requests_needed(RolloutPlan(error_rate_limit=0.01))
        (Need(share=10, canary=401, requests=4010), Need(share=50, canary=401, requests=802))
    """
    limits = (plan.error_rate_limit, plan.slow_rate_limit)
    canary = max(plan.requests_per_step, *(_faultless(limit, plan.alpha_go_on) for limit in limits))
    return tuple(Need(share, canary, math.ceil(canary * 100 / share)) for share in plan.steps)


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
