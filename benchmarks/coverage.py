"""How often intervals of metrics hold the truth, and the test of calibration its level: `make bench-gates`.

Every figure comes from the code that gates use, run on samples drawn from a known world. The truth of that world is
found in closed form, or from ten million rows of it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from prefect_mlops.core.gates.confidence import Estimate, confidence_bounds
from prefect_mlops.core.metrics import Metric, compare, measure, metric_named, metrics_for
from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.calibration import calibration_test
from prefect_mlops.core.metrics.metric import Problem
from prefect_mlops.core.metrics.recorded import record_all
from prefect_mlops.core.metrics.resampling import resample
from prefect_mlops.core.metrics.sampling import compared, drawn, measured
from prefect_mlops.core.trainers.fitted import Predictions

RUNS, LEVEL, DRAWS, SEED = 10_000, 0.95, 20_000, 20_240_601
SIZES = ((200, 0.5), (2_000, 0.1), (20_000, 0.1))
"""Rows and the share of positives among them."""
CLOSE, FAR = 0.015, 0.03
"""How far coverage may lie from its level; FAR for what leans, at 200 rows."""
AREA = 1.2
"""Positives score so many standard deviations higher: an area of Phi(1.2 / sqrt 2), 0.80."""
FEW, TURNING = (0.5, 1.0, 2.0, 3.0, 5.0), tuple(np.linspace(5.25, 9.75, 19))
TRUTH_ROWS, TRUTH_PARTS = 1_000_000, 10
World = Callable[[np.random.Generator, int], tuple[np.ndarray, Predictions, Predictions]]


class Covered(NamedTuple):
    """How often an interval held the truth.

    Attributes:
        rate: Share of runs.
        low: Lower end of that share's exact 99.9% interval.
        high: Upper end.
        truth_below: Share of runs whose lower end was above the truth; half of what is missed, ideally.
        truth_above: Share of runs whose upper end was below it.
        runs: How many.
    """

    rate: float
    low: float
    high: float
    truth_below: float
    truth_above: float
    runs: int

    def within(self, band: float) -> bool:
        """Whether the interval of the rate meets the band around the level."""
        return self.low <= LEVEL + band and self.high >= LEVEL - band


def main() -> None:
    """Run the parts that are named, all by default, and write what they found."""
    parts: dict[str, Callable[[int], dict[str, Any]]] = {
        "shares": lambda _: shares(),
        "intervals": intervals,
        "calibration": calibration,
        "large": lambda _: large(),
        "speed": lambda _: speed(),
    }
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("parts", nargs="*", help=", ".join(parts))
    asked.add_argument("--results", type=Path)
    asked.add_argument("--runs", type=int, default=RUNS)
    given = asked.parse_args()
    for name in given.parts or parts:
        began = time.process_time()
        found = parts[name](given.runs) | {"cpu_seconds": round(time.process_time() - began, 1)}
        print(name, json.dumps(found, indent=1), flush=True)
        if given.results:
            known = json.loads(given.results.read_text()) if given.results.exists() else {}
            given.results.write_text(json.dumps(known | {name: found}, indent=1) + "\n")


def intervals(runs: int) -> dict[str, Any]:
    """Two-sided 95% intervals at three sizes; a fifth of the runs at 20,000 rows, which cost ten times as much."""
    found: dict[str, Any] = {}
    for rows, share in SIZES:
        for name, covered in coverage(rows, share, _fewer(runs, rows)).items():
            found.setdefault(name, {})[f"{rows:,} rows"] = told(covered, band_of(name, rows))
    return found


def calibration(runs: int) -> dict[str, Any]:
    """The test of calibration where every probability is true, at three sizes."""
    found: dict[str, Any] = {}
    for rows, share in SIZES:
        for kind, rejected in calibration_levels(rows, share, _fewer(runs, rows)).items():
            found.setdefault(kind, {})[f"{rows:,} rows"] = rejected
    return found


def large() -> dict[str, Any]:
    """At 100,000 rows: how far closed forms, influence values and cells lie from drawing rows, in widths."""
    y, said, _ = binary_world(0.1)(np.random.default_rng(SEED), 100_000)
    value, other, _ = regression_world(np.random.default_rng(SEED), 100_000)
    found: dict[str, Any] = {}
    for name in ("brier", "roc_auc"):
        found[name] = ends_apart(metric_named(name, "binary"), y, said)
    found["rmse"] = ends_apart(metric_named("rmse", "regression"), value, other)
    return found


def ends_apart(metric: Metric, y: np.ndarray, said: Predictions, draws: int = DRAWS) -> dict[str, float]:
    """The larger of the distances of two ends from those of BCa on rows, as a share of the interval's width.

    Args:
        metric: What to measure.
        y: Encoded truth, at most 100,000 rows.
        said: Encoded predictions.
        draws: Of rows. Chance moves an end of theirs by 3.7 standard errors over the root of the draws (2.7 for the
            quantile, 2.5 for the bias correction), which is 0.7% of the width at 20,000.
    """
    by_rows = resample(metric, y, said, draws=draws, seed=SEED)
    closed = confidence_bounds(measure(metric, y, said), (1 + LEVEL) / 2)
    linear = resample(metric, y, said, draws=5 * draws, seed=SEED + 1, most_rows=0)
    width = by_rows.high - by_rows.low
    return {
        "chance in drawing rows": round(3.7 / (2 * 1.96) / np.sqrt(draws), 4),
        "closed form": round(max(abs(closed[0] - by_rows.low), abs(closed[1] - by_rows.high)) / width, 4),
        linear.of: round(max(abs(linear.low - by_rows.low), abs(linear.high - by_rows.high)) / width, 4),
    }


def speed() -> dict[str, Any]:
    """A million rows: the paired area of two models beside one call of scikit-learn, and all metrics of two models."""
    y, one, two = binary_world(0.1)(np.random.default_rng(SEED), 1_000_000)
    area = metric_named("roc_auc", "binary")
    assert one.probabilities is not None
    score = one.probabilities[:, 1]
    paired = min(_seconds(lambda: compare(area, y, one, two)) for _ in range(5))
    single = min(_seconds(lambda: roc_auc_score(y, score)) for _ in range(5))
    usual = metrics_for("binary")
    whole = _seconds(lambda: record_all(usual, y, {"candidate": one, "champion": two}, ("champion",)))
    return {
        "paired area, CPU s": round(paired, 3),
        "one roc_auc_score, CPU s": round(single, 3),
        "ratio": round(paired / single, 2),
        f"all {len(usual)} usual metrics of two models and their differences, CPU s": round(whole, 2),
    }


def _seconds(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def _fewer(runs: int, rows: int) -> int:
    return runs if rows < 20_000 else runs // 5


def told(covered: Covered, band: float) -> dict[str, Any]:
    """For the JSON file."""
    rounded = {name: round(value, 4) for name, value in covered._asdict().items()}
    return rounded | {"band": band, "within": covered.within(band)}


def band_of(name: str, rows: int) -> float:
    """How far coverage may lie from its level: further at 200 rows of what neither Wilson nor DeLong covers."""
    return FAR if rows == 200 and "roc_auc" not in name and not name.startswith("accuracy") else CLOSE


def share_coverage(rows: int, share: float, level: float = LEVEL) -> float:
    """How often a share's two-sided interval holds the truth: the sum over all possible numbers of hits."""
    hits = np.arange(rows + 1)
    likely = hits[stats.binom.pmf(hits, rows, share) > 1e-12]
    held = []
    for number in likely:
        value = number / rows
        error = float(np.sqrt(value * (1 - value) / (rows - 1)))
        estimate = Estimate(value, error, rows - 1, rows, "wilson", effective_rows=float(rows))
        low, high = confidence_bounds(estimate, (1 + level) / 2)
        held.append(low <= share <= high)
    return float(stats.binom.pmf(likely[np.array(held)], rows, share).sum())


def shares() -> dict[str, Any]:
    """Coverage of shares, averaged and at worst over shares: where hits are ten and more, and where they are fewer."""
    found = {}
    for rows, _ in SIZES:
        middle = [share_coverage(rows, float(share)) for share in np.linspace(0.05, 0.95, 91)]
        edges, turn = ([share_coverage(rows, few / rows) for few in expected] for expected in (FEW, TURNING))
        found[f"{rows:,} rows"] = {
            "mean from 0.05 to 0.95": round(float(np.mean(middle)), 4),
            "least": round(min(middle), 4),
            "most": round(max(middle), 4),
            "least with five hits and fewer expected, where bounds are exact": round(min(edges), 4),
            "least with five to ten expected, where they are exact or Wilson's": round(min(turn), 4),
        }
    return found


def binary_world(share: float) -> World:
    """Two models of one truth, the first the better and both too sure of themselves; scores correlate at 0.7."""

    def draw(chance: np.random.Generator, rows: int) -> tuple[np.ndarray, Predictions, Predictions]:
        y = (chance.random(rows) < share).astype(np.int64)
        first = chance.normal(size=rows)
        second = 0.7 * first + np.sqrt(1 - 0.49) * chance.normal(size=rows)
        return y, _said(first + AREA * y, AREA, share), _said(second + 1.0 * y, 1.0, share)

    return draw


def regression_world(chance: np.random.Generator, rows: int) -> tuple[np.ndarray, Predictions, Predictions]:
    """Two models that miss by normal errors, larger where the value is far from the middle."""
    said = chance.normal(30, 3, rows)
    wide = 0.5 + 0.15 * np.abs(said - 30)
    y = said + 0.2 + wide * chance.normal(size=rows)
    return y, Predictions(said, None), Predictions(said + 0.3 * chance.normal(size=rows), None)


def coverage(rows: int, share: float, runs: int, *, truth_rows: int = TRUTH_ROWS) -> dict[str, Covered]:
    """Coverage of every metric, and of the paired difference of two models, at one size.

    Args:
        rows: Of each sample.
        share: Of positives.
        runs: How many samples.
        truth_rows: Rows of one of the ten parts that the truth is found from.
    """
    found: dict[str, Covered] = {}
    binary = ("roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1@0.3", "balanced_accuracy@0.3")
    worlds: tuple[tuple[Problem, World, tuple[str, ...]], ...] = (
        ("binary", binary_world(share), binary),
        ("regression", regression_world, ("mae", "rmse", "r2", "pinball@0.9")),
    )
    for problem, world, names in worlds:
        metrics = [metric_named(name, problem) for name in names]
        found |= _covered(world, metrics, rows, runs, _truth(world, metrics, truth_rows))
    return found


def calibration_levels(rows: int, share: float, runs: int) -> dict[str, dict[str, float]]:
    """How often the test rejects probabilities that are true, at 5%, where they are spread, skewed, or few."""
    middle = np.log(share / (1 - share))
    kinds: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
        "spread": lambda chance: 1 / (1 + np.exp(-chance.normal(middle, 1.2, rows))),
        "skewed": lambda chance: chance.beta(0.3, 0.3 * (1 - share) / share, rows),
        "three values": lambda chance: chance.choice([0.5, 1.0, 1.5], rows) * share,
    }
    found = {}
    for kind, draw in kinds.items():
        chance, rejected = np.random.default_rng(SEED), 0
        for run in range(runs):
            told_ = draw(chance)
            rejected += (
                calibration_test((chance.random(rows) < told_).astype(np.int64), told_, seed=run).p_value <= 0.05
            )
        ends = stats.binomtest(rejected, runs).proportion_ci(0.999, "exact")
        found[kind] = {
            "rate": round(rejected / runs, 4),
            "low": round(ends.low, 4),
            "high": round(ends.high, 4),
            "runs": runs,
        }
    return found


def _said(scores: np.ndarray, apart: float, share: float) -> Predictions:
    odds = np.log(share / (1 - share)) + apart * scores - apart**2 / 2
    positive = 1 / (1 + np.exp(-(1.3 * odds + 0.2)))
    return Predictions((positive >= 0.5).astype(np.int64), np.stack([1 - positive, positive], axis=1))


def _truth(world: World, metrics: list[Metric], rows: int) -> dict[str, float]:
    """Of each metric and of the first model's advantage, from ten parts of one large sample."""
    chance, found = np.random.default_rng(SEED + 1), dict.fromkeys(_keys(metrics), 0.0)
    for _ in range(TRUTH_PARTS):
        y, *both = world(chance, rows)
        one, two = (Answered(y, said) for said in both)
        for metric in metrics:
            value = metric.sample(one).value
            sign = 1.0 if metric.higher_is_better else -1.0
            found[metric.name] += value / TRUTH_PARTS
            found[f"{metric.name}, paired"] += sign * (value - metric.sample(two).value) / TRUTH_PARTS
    for metric in metrics:
        if metric.name == "roc_auc":
            areas = [float(stats.norm.cdf(apart / np.sqrt(2))) for apart in (AREA, 1.0)]
            found |= {"roc_auc": areas[0], "roc_auc, paired": areas[0] - areas[1]}
    return found


def _keys(metrics: list[Metric]) -> list[str]:
    return [key for metric in metrics for key in (metric.name, f"{metric.name}, paired")]


def _covered(world: World, metrics: list[Metric], rows: int, runs: int, truth: dict[str, float]) -> dict[str, Covered]:
    chance = np.random.default_rng(SEED)
    below, above = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for _ in range(runs):
        y, *both = world(chance, rows)
        one, two = (Answered(y, said) for said in both)
        for metric in metrics:
            first, second = drawn(metric, one), drawn(metric, two)
            estimates = {
                metric.name: measured(metric, first),
                f"{metric.name}, paired": compared(metric, first, second),
            }
            for name, estimate in estimates.items():
                low, high = confidence_bounds(estimate, (1 + LEVEL) / 2)
                below[name] += truth[name] < low
                above[name] += truth[name] > high
    return {name: _rate(below[name], above[name], runs) for name in truth}


def _rate(below: int, above: int, runs: int) -> Covered:
    held = runs - below - above
    ends = stats.binomtest(held, runs).proportion_ci(0.999, "exact")
    return Covered(held / runs, ends.low, ends.high, below / runs, above / runs, runs)


if __name__ == "__main__":
    main()
