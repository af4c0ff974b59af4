"""How often the gate over slices fails a candidate with which all is fine, what it finds, and what it costs.

`make bench-gates` runs all of it. Two models of equal skill say the same of most rows; `agreement` is the correlation of
their scores beyond what the truth explains. CPU seconds stand beside those of a fixed loop, for machines differ.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

from prefect_mlops.core.evidence import Check
from prefect_mlops.core.gates.maxt import Loss, step_down, tail_chance
from prefect_mlops.core.gates.scored import Scored
from prefect_mlops.core.gates.slices import HoldsOnSlices
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers.fitted import FittedModel, Predictions

SLICES, ROWS_EACH, LEVEL = 20, 500, 0.05
METRICS = (
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "calibration_error",
)
ERROR_RUNS, POWER_RUNS, SKEWED_RUNS = 2_000, 10_000, 2_000
FEATURES = {"numeric": ["x"]}
SPEC = ModelSpec.model_validate(
    {
        "spec_version": 1,
        "name": "slices",
        "purpose": {"decision": "none", "business_metric": "none", "owner": "benchmarks"},
        "data": {"key": ["id"]},
        "target": {"column": "y", "problem": "binary", "positive": True},
        "features": FEATURES,
        "split": {"kind": "by-key"},
        "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
        "gates": [{"kind": "better-than-baseline", "metric": "log_loss"}],
    }
)


class World(NamedTuple):
    """What is simulated.

    Attributes:
        positives: The share of positive rows.
        skill: How far apart both classes' scores lie, in standard deviations.
        fallen: The same for the candidate on the first slice.
        agreement: Correlation of both models' scores within a class.
    """

    positives: float
    skill: float
    fallen: float
    agreement: float


def of_accuracy(before: float, after: float, agreement: float) -> World:
    """Half of the rows positive; a score of the right sign is right with the chance asked for."""
    return World(0.5, 2 * special.ndtri(before), 2 * special.ndtri(after), agreement)


def of_area(before: float, after: float, positives: float, agreement: float) -> World:
    """Scores of two normal distributions, `sqrt(2)` quantiles apart."""
    return World(positives, 2**0.5 * special.ndtri(before), 2**0.5 * special.ndtri(after), agreement)


def scored(world: World, chance: np.random.Generator, seed: int, rows: int = SLICES * ROWS_EACH) -> Scored:
    """Rows in slices of equal size, with what a candidate and a champion say of them."""
    part = np.arange(rows) * SLICES // rows
    y = (chance.random(rows) < world.positives).astype(np.int64)
    shared, own, others = chance.standard_normal((3, rows))
    common, apart = world.agreement**0.5, (1 - world.agreement) ** 0.5
    skill = np.where(part == 0, world.fallen, world.skill)
    return Scored(
        spec=SPEC,
        rows=pd.DataFrame({"part": part.astype(str)}),
        training=None,
        y=y,
        order=(False, True),
        said={
            "candidate": _told(skill * (y - 0.5) + common * shared + apart * own, world),
            "champion": _told(world.skill * (y - 0.5) + common * shared + apart * others, world),
        },
        blocks=None,
        weight=None,
        candidate=FittedModel(None, ("x",), (False, True)),
        timings=None,
        seed=seed,
    )


def _told(score: np.ndarray, world: World) -> Predictions:
    chances = special.expit(world.skill * score + special.logit(world.positives))
    return Predictions((chances > 0.5).astype(np.int64), np.stack([1 - chances, chances], axis=1))


def runs(world: World, count: int, seed: int, effects: dict[str, float] | None = None) -> list[tuple[Check, ...]]:
    """What the gate finds in many worlds of a kind."""
    del effects
    gate = HoldsOnSlices(metrics=fitting(), columns=("part",))
    chance = np.random.default_rng(seed)
    return [gate.examine(scored(world, chance, seed + run)).checks for run in range(count)]


def fitting() -> tuple[str, ...]:
    """The ten metrics, or those of them that there are."""
    from prefect_mlops.core.metrics import metrics_for

    known = [metric.name for metric in metrics_for("binary")]
    return tuple(name for name in METRICS if name in known)
