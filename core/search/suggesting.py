"""How a point of the space is asked of whoever suggests one, and read back from what was stored of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import JsonValue

from prefect_mlops.core.search.space import Dimension

__all__ = ["Suggester", "read_parameters", "suggest"]


class Suggester(Protocol):
    """What suggests values, as Optuna's trials do."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number."""

    def suggest_categorical(self, name: str, choices: Sequence[str]) -> str:
        """One of some texts."""


def suggest(trial: Suggester, space: Mapping[str, Dimension]) -> dict[str, JsonValue]:
    """A value for every parameter. Choices are asked as JSON, for plain texts are all that every storage keeps."""
    found: dict[str, JsonValue] = {}
    for name, dimension in space.items():
        low, high, step, log = dimension.low, dimension.high, dimension.step, dimension.log
        if low is None or high is None:
            texts = [json.dumps(choice, sort_keys=True) for choice in dimension.choices]
            found[name] = json.loads(trial.suggest_categorical(name, texts))
        elif dimension.whole:
            found[name] = trial.suggest_int(name, int(low), int(high), step=int(step or 1), log=log)
        else:
            found[name] = trial.suggest_float(name, float(low), float(high), step=step, log=log)
    return found


def read_parameters(stored: Mapping[str, object], space: Mapping[str, Dimension]) -> dict[str, JsonValue]:
    """The parameters of a trial from what its storage holds; those it never came to are left out.

    Examples:
        >>> space = {"depth": Dimension(low=2, high=8), "features": Dimension(choices=("sqrt", None))}
        >>> read_parameters({"depth": 3, "features": "null"}, space)
        {'depth': 3, 'features': None}
    """
    return {
        name: json.loads(str(stored[name])) if dimension.choices else stored[name]  # type: ignore[misc]
        for name, dimension in space.items()
        if name in stored
    }
