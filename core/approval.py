"""Whether a person must agree before a version sees traffic, and for how long they are waited for."""

from typing import Annotated

from pydantic import Field

from prefect_mlops.core.parts import Frozen

__all__ = ["Approval"]


class Approval(Frozen):
    """A person decides between staging and the canary; without a decision in time the version is rejected."""

    timeout_hours: Annotated[float, Field(gt=0, le=24 * 30, description="How long a decision is waited for.")] = 24
