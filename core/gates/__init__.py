"""Gates: rules that say whether the evidence lets a candidate through."""

from prefect_mlops.core.gates.bounds import AtLeast, AtMost
from prefect_mlops.core.gates.calibrated import Calibrated
from prefect_mlops.core.gates.champion import BetterThanBaseline, BetterThanChampion, NotWorseThanChampion
from prefect_mlops.core.gates.decision import Gate, decide
from prefect_mlops.core.gates.fairness import FairAcross
from prefect_mlops.core.gates.leakage import NoLeakage
from prefect_mlops.core.gates.limits import FastEnough, SmallEnough
from prefect_mlops.core.gates.robust import Robust
from prefect_mlops.core.gates.slices import HoldsOnSlices

__all__ = [
    "AtLeast",
    "AtMost",
    "BetterThanBaseline",
    "BetterThanChampion",
    "Calibrated",
    "FairAcross",
    "FastEnough",
    "Gate",
    "HoldsOnSlices",
    "NoLeakage",
    "NotWorseThanChampion",
    "Robust",
    "SmallEnough",
    "decide",
]
