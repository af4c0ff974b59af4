"""How a new version takes over its traffic: the plan, and what each look at a canary means."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prefect_mlops.core.parts import Frozen

__all__ = ["Observed", "RolloutPlan", "Step", "judge_step"]


class RolloutPlan(Frozen):
    """How much traffic a canary takes, for how long, and what it may get wrong.

    Steps end on requests, never on time alone: too few requests in the given time undo the rollout.
    """

    steps: Annotated[
        tuple[Annotated[int, Field(gt=0, lt=100)], ...], Field(min_length=1, description="Percent of traffic, rising.")
    ] = (10, 50)
    requests_per_step: Annotated[int, Field(gt=0, description="Canary requests that end a step.")] = 200
    max_seconds_per_step: Annotated[float, Field(gt=0, description="Too few requests by then undo the rollout.")] = 3600
    poll_seconds: Annotated[float, Field(gt=0, description="Seconds between two looks.")] = 5
    error_rate_limit: Annotated[
        float, Field(gt=0, lt=1, description="Share of failed requests that is still fine.")
    ] = 0.02
    alpha: Annotated[float, Field(gt=0, lt=0.5, description="Chance of rolling back a canary at its limit.")] = 0.01
    watch_minutes: Annotated[float, Field(ge=0, description="After a promotion, how long a breach rolls back.")] = 60

    @model_validator(mode="after")
    def _steps_rise(self) -> Self:
        if list(self.steps) != sorted(set(self.steps)):
            raise ValueError(f"steps must rise, such as [10, 50]; found {list(self.steps)}")
        return self


class Observed(Frozen):
    """What a canary did since its step began.

    Attributes:
        requests: Requests that were sent to it.
        errors: Those that it failed, whoever answered in the end.
        seconds: Since the step began.
    """

    requests: Annotated[int, Field(ge=0)]
    errors: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _errors_are_requests(self) -> Self:
        if self.errors > self.requests:
            raise ValueError(f"{self.errors} errors in {self.requests} requests; count each failed request once")
        return self


class Step(Frozen):
    """What one look at a canary means."""

    outcome: Literal["go on", "hold", "roll back", "undecided"]
    reason: str


def judge_step(plan: RolloutPlan, observed: Observed) -> Step:
    """Say whether a canary goes on, waits, or is undone.

    The errors are tested against the limit with an exact binomial tail. Every look of every step spends an
    equal part of `alpha`: with at most `requests_per_step` looks a step the union bound holds it.

    Args:
        plan: The spec's plan.
        observed: What the canary did since the step began.

    Returns:
        `roll back` when the errors are too many to be chance at the limit; after enough requests `go on` when their
        share keeps to the limit and `undecided` when it does not; `undecided` too when the time is up before;
        `hold` else. Going on is no proof that the canary keeps to its limit.

    Examples:
        >>> judge_step(RolloutPlan(), Observed(requests=40, errors=20, seconds=3)).outcome
        'roll back'
        >>> judge_step(RolloutPlan(), Observed(requests=200, errors=1, seconds=3)).outcome
        'go on'
    """
    from scipy import stats

    tail = (
        float(stats.binom.sf(observed.errors - 1, observed.requests, plan.error_rate_limit)) if observed.errors else 1.0
    )
    share = plan.alpha / (len(plan.steps) * plan.requests_per_step)
    counted = f"{observed.errors} of {observed.requests} canary requests failed"
    if tail < share:
        return Step(
            outcome="roll back",
            reason=f"{counted}, too many for a limit of {plan.error_rate_limit:.1%} (p {tail:.1e}).",
        )
    if observed.requests >= plan.requests_per_step and observed.errors > plan.error_rate_limit * observed.requests:
        reason = f"{counted}, over the limit of {plan.error_rate_limit:.1%}, yet not proved so (p {tail:.1e})."
        return Step(outcome="undecided", reason=reason)
    if observed.requests >= plan.requests_per_step:
        return Step(outcome="go on", reason=f"{counted}, within the limit of {plan.error_rate_limit:.1%}.")
    if observed.seconds >= plan.max_seconds_per_step:
        reason = (
            f"only {observed.requests} of {plan.requests_per_step} canary requests came in {observed.seconds:.0f} s."
        )
        return Step(outcome="undecided", reason=reason)
    return Step(outcome="hold", reason=f"{counted}; {plan.requests_per_step} requests end the step.")
