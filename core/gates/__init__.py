"""Gates: rules that say whether the evidence lets a candidate through."""

from prefect_mlops.core.gates.bounds import AtLeast, AtMost
from prefect_mlops.core.gates.champion import BetterThanBaseline, BetterThanChampion, NotWorseThanChampion
from prefect_mlops.core.gates.decision import Gate, decide

__all__ = [
    "AtLeast",
    "AtMost",
    "BetterThanBaseline",
    "BetterThanChampion",
    "Gate",
    "NotWorseThanChampion",
    "decide",
]
