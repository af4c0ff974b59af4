"""How often the gate over slices fails a candidate with which all is fine, what it finds, and what it costs.

Two models of equal skill say the same of most rows; `agreement` is the correlation of their scores within a class.
CPU seconds stand beside those of a fixed loop, for machines differ.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

from prefect_mlops.core.evidence import Check
from prefect_mlops.core.gates.scored import Scored
from prefect_mlops.core.gates.slices import HoldsOnSlices
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.scans.losses import HANDS, Judging, loss_from
from prefect_mlops.core.scans.maxt import Loss, step_down, tail_chance
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers.fitted import FittedModel, Predictions

SLICES, ROWS_EACH, LEVEL, BAND = 20, 500, 0.05, 0.02
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
    "cost",
)
ERROR_RUNS, POWER_RUNS, OTHER_POWER_RUNS, LARGE = 2_000, 10_000, 2_000, 4_000_000
SPEC = ModelSpec.model_validate(
    {
        "spec_version": 1,
        "name": "slices",
        "purpose": {
            "decision": "none",
            "business_metric": "none",
            "owner": "benchmarks",
            "costs": {"false_positive": 1, "false_negative": 5},
        },
        "data": {"key": ["id"]},
        "target": {"column": "y", "problem": "binary", "positive": True},
        "features": {"numeric": ["x"]},
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


def of_accuracy(before: float, after: float, agreement: float = 0.5) -> World:
    """Half of the rows positive; a score of the right sign is right with the chance asked for."""
    return World(0.5, 2 * special.ndtri(before), 2 * special.ndtri(after), agreement)


def of_area(before: float, after: float, positives: float, agreement: float = 0.5) -> World:
    """Scores of two normal distributions, `sqrt(2)` quantiles of the area apart."""
    return World(positives, 2**0.5 * special.ndtri(before), 2**0.5 * special.ndtri(after), agreement)


NULLS = {
    "half positive": of_accuracy(0.85, 0.85),
    "a tenth positive": of_area(0.80, 0.80, 0.1),
    "nearly the same model": of_accuracy(0.85, 0.85, agreement=0.98),
}
ACCURACY = "accuracy 0.85 to 0.75"
FALLS = {
    ACCURACY: of_accuracy(0.85, 0.75),
    "area 0.80 to 0.70, 50% positive": of_area(0.80, 0.70, 0.5),
    "area 0.80 to 0.70, 20% positive": of_area(0.80, 0.70, 0.2),
    "area 0.80 to 0.70, 10% positive": of_area(0.80, 0.70, 0.1),
}


def main() -> None:
    """Run the parts that are named, all by default, and write what they found."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("parts", nargs="*", help="speed, errors, skewed, areas, accuracy")
    asked.add_argument("--share", type=float, default=1.0, help="of the runs, for a look in less time")
    asked.add_argument("--results", type=Path)
    given = asked.parse_args()
    errors, powers, others = (round(given.share * count) for count in (ERROR_RUNS, POWER_RUNS, OTHER_POWER_RUNS))
    parts: dict[str, Callable[[], Any]] = {
        "speed": speed,
        "errors": lambda: {name: error_rate(world, errors) for name, world in NULLS.items()},
        "skewed": lambda: {name: skewed_rate(name, errors) for name in SKEWED},
        "areas": lambda: {name: power(FALLS[name], others) for name in FALLS if name != ACCURACY},
        "accuracy": lambda: {ACCURACY: power(FALLS[ACCURACY], powers)},
    }
    found = json.loads(given.results.read_text()) if given.results and given.results.exists() else {}
    for name in given.parts or parts:
        began = time.process_time()
        found[name] = parts[name]()
        found[name]["cpu_seconds"] = round(time.process_time() - began, 2)
        print(name, json.dumps(found[name], indent=1), flush=True)
        if given.results:
            given.results.write_text(json.dumps(found, indent=1) + "\n")


def scored(world: World, chance: np.random.Generator, seed: int, rows: int = SLICES * ROWS_EACH) -> Scored:
    """Rows in slices of equal size, with what a candidate and a champion say of them."""
    part = np.arange(rows) * SLICES // rows
    y, said = _told(world, chance, np.where(part == 0, world.fallen, world.skill))
    return Scored(
        spec=SPEC,
        rows=pd.DataFrame({"part": part.astype(str)}),
        training=None,
        y=y,
        order=(False, True),
        said=said,
        blocks=None,
        weight=None,
        candidate=FittedModel(None, ("x",), (False, True)),
        timings=None,
        seed=seed,
    )


def error_rate(world: World, count: int = ERROR_RUNS, seed: int = 1) -> dict[str, Any]:
    """How often any of 200 checks fails where both models are equally good everywhere."""
    failed = sum(any(_fails(check) for check in checks) for checks in _runs(world, count, seed))
    return {"claim": f"at most {LEVEL}", **_rate(failed, count)}


def power(world: World, count: int = POWER_RUNS, seed: int = 2) -> dict[str, Any]:
    """How often the first slice is named in each metric, beside the median power that its check prints."""
    losses = true_losses(world)
    named, printed = dict.fromkeys(METRICS, 0), {name: [] for name in METRICS}
    told = dict.fromkeys(METRICS, 0)
    others = 0
    for checks in _runs(world, count, seed, losses):
        others += any(_fails(check) for check in checks if check.name != "part = 0")
        for check in checks:
            if check.name == "part = 0" and check.p_value is not None:
                told[check.metric] += 1
                named[check.metric] += _fails(check)
                printed[check.metric].append(printed_power(check))
    found: dict[str, Any] = {"runs": count, "another slice named too": others / count}
    for name in METRICS:
        if not told[name]:
            found[name] = {"not applicable": count}
            continue
        rate, says = _rate(named[name], told[name]), float(np.median(printed[name]))
        low, high = rate["interval"]
        agrees = low <= says + BAND and high >= says - BAND
        found[name] = {"true_loss": round(losses[name], 4), "printed": round(says, 4), **rate, "agrees": agrees}
    return found


def true_losses(world: World) -> dict[str, float]:
    """By how much the candidate is worse on the first slice, from four million rows."""
    y, said = _told(world, np.random.default_rng(0), np.full(LARGE, world.fallen))
    one, other = (Answered(y, said[subject]) for subject in ("candidate", "champion"))
    losses = {}
    for name in METRICS:
        metric = metric_named(name, "binary", SPEC.purpose.costs)
        better = metric.sample(other).value - metric.sample(one).value
        losses[name] = better if metric.higher_is_better else -better
    return losses


def printed_power(check: Check) -> float:
    """What a check's sentence says of how surely its slice would show the loss that the gate names."""
    found = re.search(r"would be found in (\d+)% of cases", check.reason)
    assert found is not None, check.reason
    return int(found.group(1)) / 100


SKEWED: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "rare large losses": lambda chance, shape: chance.standard_exponential(shape) - 1.0,
    "rare large gains": lambda chance, shape: 1.0 - chance.standard_exponential(shape),
    "heavy tails": lambda chance, shape: chance.standard_t(3, shape),
    "3% discordant": lambda chance, shape: (chance.random(shape) < 0.03) * chance.choice([-1.0, 1.0], shape),
}


def skewed_rate(name: str, count: int = ERROR_RUNS, seed: int = 3) -> dict[str, Any]:
    """How often a loss is proved on any of 200 slices of 500 rows whose rows are skewed around zero."""
    chance, failed = np.random.default_rng(seed), 0
    nothing = np.zeros(0)
    for run in range(count):
        losses = []
        for rows in SKEWED[name](chance, (10 * SLICES, ROWS_EACH)):
            hands = chance.integers(0, HANDS, ROWS_EACH)
            found = loss_from(rows.mean(), rows - rows.mean(), Judging(nothing, {}, None, None, hands, nothing), None)
            assert isinstance(found, Loss)
            losses.append(found)
        alone = [tail_chance(one.value, one.standard_error, one.degrees_of_freedom, one.skewness) for one in losses]
        failed += bool(step_down(alone, losses, LEVEL, run).adjusted.min() <= LEVEL)
    return {"claim": f"at most {LEVEL}", **_rate(failed, count)}


def speed() -> dict[str, Any]:
    """CPU seconds of one examination with ten metrics and twenty slices, the median of three."""
    found: dict[str, Any] = {"calibration_cpu_seconds": _median(lambda: sum(n * n for n in range(5_000_000)))}
    gate = HoldsOnSlices(metrics=METRICS, columns=("part",))
    for rows in (10_000, 1_000_000):
        given = scored(of_accuracy(0.85, 0.85), np.random.default_rng(0), 0, rows)
        gate.examine(given)
        found[f"{rows} rows"] = _median(lambda given=given: gate.examine(given))  # type: ignore[misc]  # bound at once
    return found


def _told(world: World, chance: np.random.Generator, skill: np.ndarray) -> tuple[np.ndarray, dict[Any, Predictions]]:
    rows = len(skill)
    y = (chance.random(rows) < world.positives).astype(np.int64)
    shared, own, others = chance.standard_normal((3, rows))
    common, apart = world.agreement**0.5 * shared, (1 - world.agreement) ** 0.5
    said = {}
    for subject, apartness, noise in (("candidate", skill, own), ("champion", world.skill, others)):
        score = apartness * (y - 0.5) + common + apart * noise
        chances = special.expit(world.skill * score + special.logit(world.positives))
        # At the share of positives, or a rare class would never be said.
        labels = (chances >= world.positives).astype(np.int64)
        said[subject] = Predictions(labels, np.stack([1 - chances, chances], axis=1))
    return y, said


def _runs(world: World, count: int, seed: int, effect: dict[str, float] | None = None) -> Iterator[tuple[Check, ...]]:
    gate = HoldsOnSlices(metrics=METRICS, columns=("part",), effect=effect)
    chance = np.random.default_rng(seed)
    for run in range(count):
        yield gate.examine(scored(world, chance, run)).checks


def _fails(check: Check) -> bool:
    return check.adjusted_p is not None and check.adjusted_p <= LEVEL


def _rate(hits: int, count: int) -> dict[str, Any]:
    low, high = stats.binomtest(hits, count).proportion_ci(0.999, "exact")
    return {"rate": round(hits / count, 4), "interval": [round(low, 4), round(high, 4)], "runs": count}


def _median(act: Callable[[], Any]) -> float:
    taken = []
    for _ in range(3):
        began = time.process_time()
        act()
        taken.append(time.process_time() - began)
    return round(statistics.median(taken), 3)


if __name__ == "__main__":
    main()
