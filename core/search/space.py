"""The space that a search looks through, and how long it may look, as a spec writes them."""

import difflib
import json
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from prefect_mlops.core.parts import Frozen

__all__ = ["Dimension", "Search", "split_preference"]

Number = int | float
DIRECTIONS = ("low", "high")


class Dimension(Frozen):
    """The values that one parameter may take: between `low` and `high`, or one of `choices`."""

    low: Annotated[Number | None, Field(description="Lowest value; whole numbers only where both ends are whole.")] = (
        None
    )
    high: Annotated[Number | None, Field(description="Highest value, itself allowed.")] = None
    log: Annotated[bool, Field(description="Search orders of magnitude, as for a learning rate.")] = False
    step: Annotated[Number | None, Field(gt=0, description="Distance between neighbouring values.")] = None
    choices: Annotated[
        tuple[JsonValue, ...], Field(description="Values without an order; the first counts as the simplest.")
    ] = ()

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.choices:
            if (self.low, self.high, self.step, self.log) != (None, None, None, False):
                raise ValueError("give `choices` alone, or `low` and `high`")
            if len({json.dumps(choice, sort_keys=True) for choice in self.choices}) < max(len(self.choices), 2):
                raise ValueError("`choices` needs at least two values, each once")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give `low` and `high`, or `choices`")
        if not self.low < self.high:
            raise ValueError(f"`low` must be below `high`, found {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"`log` needs a `low` above 0, found {self.low}")
        if self.log and self.step is not None:
            raise ValueError("give `log` or `step`, not both")
        if self.whole and isinstance(self.step, float):
            raise ValueError(f"`step` must be whole between whole numbers, found {self.step}")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant: both ends are written so."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def complexity(self, value: JsonValue) -> float:
        """Where a value stands from the simplest on: itself, or its place among the choices.

        Examples:
            >>> Dimension(low=2, high=8).complexity(3), Dimension(choices=("sqrt", None)).complexity(None)
            (3.0, 1.0)
        """
        return float(self.choices.index(value)) if self.choices else float(value)  # type: ignore[arg-type]


class Search(Frozen):
    """Which parameters of the trainer are searched for, how they are judged, and how long."""

    space: Annotated[
        dict[str, Dimension], Field(min_length=1, description="Parameters of the trainer's estimator, by name.")
    ]
    metric: Annotated[str, Field(min_length=1, description="What the search makes best, out of fold.")]
    folds: Annotated[int, Field(ge=2, le=20, description="Folds of the cross-validation, of the split's kind.")] = 5
    trials: Annotated[int | None, Field(gt=0, description="Trials in all, over all workers and restarts.")] = None
    seconds: Annotated[
        int | None, Field(gt=0, description="Seconds in which trials may begin; the first may always.")
    ] = None
    seed: Annotated[int | None, Field(ge=0, description="The chance of the search; the spec's seed when absent.")] = (
        None
    )
    pruner: Annotated[
        Literal["none", "median", "halving"], Field(description="What gives hopeless trials up after a fold.")
    ] = "none"
    simplest: Annotated[
        tuple[str, ...],
        Field(
            description="Prefer the simplest model within one standard error of the best: parameters that make it "
            "complex, the weightiest first; `high NAME` where more is simpler."
        ),
    ] = ()
    seconds_per_trial: Annotated[int, Field(gt=0, description="A trial that takes longer has failed.")] = 600
    memory_mib: Annotated[
        int | None, Field(ge=512, description="Memory of one worker; its part of what is free when absent.")
    ] = None

    @model_validator(mode="after")
    def _can_be_carried_out(self) -> Self:
        if self.trials is None and self.seconds is None:
            raise ValueError("give a budget: `trials`, `seconds` or both")
        for preference in self.simplest:
            _, name = split_preference(preference)
            if name not in self.space:
                near = difflib.get_close_matches(name, list(self.space), n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.space)}"
                raise ValueError(f"`simplest` names {name!r}, which is not in the space; {hint}")
        return self

    def complexity(self, parameters: dict[str, JsonValue]) -> tuple[float, ...]:
        """What orders models from the simplest on, as the spec asks; equal for all where it asks for nothing.

        Examples:
            >>> space = {"max_depth": Dimension(low=2, high=8), "alpha": Dimension(low=0.0, high=1.0)}
            >>> search = Search(space=space, metric="rmse", trials=9, simplest=("max_depth", "high alpha"))
            >>> search.complexity({"max_depth": 3, "alpha": 0.5})
            (3.0, -0.5)
        """
        order = []
        for direction, name in map(split_preference, self.simplest):
            place = self.space[name].complexity(parameters[name])
            order.append(-place if direction == "high" else place)
        return tuple(order)


def split_preference(preference: str) -> tuple[str, str]:
    """Which end of which parameter is simple.

    Examples:
        >>> split_preference("max_depth"), split_preference("high alpha")
        (('low', 'max_depth'), ('high', 'alpha'))
    """
    direction, _, name = preference.rpartition(" ")
    return (direction if direction in DIRECTIONS else "low"), name
