"""What a serving target must be able to do before a version is brought to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.errors import SpecError
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    from prefect_mlops.blocks.serving_target import ServingTarget

__all__ = ["require_target"]


@task
def require_target(spec: ModelSpec, target: ServingTarget, keys: tuple[str, ...] = ()) -> None:
    """Refuse a rollout plan that asks more than a target declares, before anything is sent to it.

    Args:
        spec: Its rollout plan is what is asked.
        target: Where the model is to be served.
        keys: What is to be followed of the plan, such as `rollout.user_key`; all of it when empty.

    Raises:
        SpecError: It asks more; each thing is named with its cure.
    """
    from prefect_mlops.core.rollout.fitting import lacking

    found = lacking(spec.rollout, target.capabilities())
    problems = tuple(problem for problem in found if not keys or problem.key in keys)
    if problems:
        raise SpecError(f"The spec of {spec.name}", problems, f"plan for {type(target).__name__}")
