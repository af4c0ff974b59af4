"""What an A/B test asks: who shares the traffic, which metric decides, and for how long."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prefect_mlops.core.parts import Frozen

__all__ = ["Arm", "Comparison"]


class Arm(Frozen):
    """One version and its part of the traffic.

    Attributes:
        version: The registry version.
        percent: Of all users.
    """

    version: Annotated[int, Field(gt=0)]
    percent: Annotated[int, Field(gt=0, lt=100)]


class Comparison(Frozen):
    """The plan of a test; it is settled before anybody is assigned, and no look may change it.

    The first arm is the one that the others are held against, the champion.
    """

    arms: Annotated[tuple[Arm, ...], Field(min_length=2, description="The champion first; percents add up to 100.")]
    metric: Annotated[
        str, Field(min_length=1, description="`wrong`, `cost`, or a numeric column of what is known later.")
    ]
    goal: Annotated[Literal["less", "more"], Field(description="Which way is better.")]
    user_key: Annotated[
        str, Field(pattern=r"^[a-z0-9-]+$", description="Request header that names a user, in lower case.")
    ]
    alpha: Annotated[
        float, Field(gt=0, lt=0.5, description="Chance that equal arms are ever told apart, over all of them.")
    ] = 0.05
    alpha_split: Annotated[
        float, Field(gt=0, lt=0.5, description="Chance that a split which is right is ever called wrong.")
    ] = 0.001
    matters: Annotated[
        float, Field(gt=0, description="The smallest relative change of the metric that matters, such as 0.1 for 10%.")
    ] = 0.1
    least_users: Annotated[int, Field(ge=2, description="Users of each arm, with an outcome, before it is judged.")] = (
        100
    )
    max_days: Annotated[float, Field(gt=0, description="A test that has not decided by then ends undecided.")] = 14
    outcomes: Annotated[
        str, Field(description="Table with the metric's column and the spec's keys; the labels' table when empty.")
    ] = ""
    look_hours: Annotated[float, Field(gt=0, description="Between two looks.")] = 6

    @model_validator(mode="after")
    def _can_be_followed(self) -> Self:
        versions = [arm.version for arm in self.arms]
        if len(set(versions)) < len(versions):
            raise ValueError(f"arms: each needs a version of its own; found {versions}")
        if sum(arm.percent for arm in self.arms) != 100:
            raise ValueError(f"arms: the percents must add up to 100; found {[arm.percent for arm in self.arms]}")
        return self

    @property
    def level(self) -> float:
        """The alpha of one interval: that of the test over the number of arms held against the first one."""
        return self.alpha / (len(self.arms) - 1)

    @property
    def subject(self) -> str:
        """The versions that are held against the first one, as ledger and events name them."""
        return "+".join(str(arm.version) for arm in self.arms[1:])

    @property
    def said(self) -> str:
        """Who gets how much, for people."""
        return ", ".join(f"{arm.version} ({arm.percent}%)" for arm in self.arms)
