"""What a rollout plan asks of a serving target that the target cannot do."""

from prefect_mlops.core.errors import SpecProblem
from prefect_mlops.core.rollout.plan import RolloutPlan
from prefect_mlops.core.serving import Capabilities

__all__ = ["lacking"]


def lacking(plan: RolloutPlan, capabilities: Capabilities) -> tuple[SpecProblem, ...]:
    """What a plan asks for and a target does not offer.

    Args:
        plan: The spec's plan.
        capabilities: What the target declares.

    Returns:
        A problem for each, with its cure; none where the plan can be followed.

    Examples:
        A target that divides traffic and can do nothing more fails even the smallest canary, since nobody could see
        its requests:

        >>> for problem in lacking(RolloutPlan(), Capabilities()):
        ...     print(problem.key)
        rollout.steps
        >>> lacking(RolloutPlan(), Capabilities(requests_listed=True))
        ()
    """
    found = []
    if not capabilities.requests_listed:
        said = "a canary is judged by its requests, and this target lists none."
        found.append(SpecProblem("rollout.steps", said, "Let its servers log predictions, or serve on another target."))
    elif plan.max_seconds_per_step <= capabilities.counters_within_seconds:
        said = (
            f"a step is undone after {plan.max_seconds_per_step:g} s, and this target knows of a request only "
            f"{capabilities.counters_within_seconds:g} s later."
        )
        found.append(SpecProblem("rollout.max_seconds_per_step", said, "Give a step more time."))
    if plan.steps[0] < capabilities.smallest_share:
        said = f"the first step gives {plan.steps[0]}%, and this target cannot give less than "
        found.append(
            SpecProblem("rollout.steps", f"{said}{capabilities.smallest_share:g}%.", "Begin with a larger share.")
        )
    if plan.shadow and not capabilities.mirror:
        said = "a shadow gets copies of requests, and this target cannot copy any."
        found.append(SpecProblem("rollout.shadow", said, "Leave it out, or serve on a target that mirrors."))
    if 0 < plan.hold_back < capabilities.smallest_share:
        said = f"{plan.hold_back}% are held back, and this target cannot give less than "
        found.append(SpecProblem("rollout.hold_back", f"{said}{capabilities.smallest_share:g}%.", "Hold back more."))
    if plan.user_key and not capabilities.sticky_by_key:
        said = f"each {plan.user_key!r} is to stay with one version, and this target divides request by request."
        cure = "Leave it out, and each chain of retries counts once instead; or serve on a target that is sticky."
        found.append(SpecProblem("rollout.user_key", said, cure))
    return tuple(found)
