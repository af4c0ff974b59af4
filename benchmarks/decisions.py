"""What a whole decision costs: eight gates, a champion, twenty slices and 2,000 draws, on 10,000 and 1,000,000 rows.

Part of `make bench-gates`; writes docs/results/bench-gates-speed.json. Each size runs in a process of its own. Asked
are 15 CPU seconds and 1 GiB at 1,000,000 rows, 0.5 CPU seconds at 10,000, and a paired area under the curve within four
times one call of scikit-learn's. CPU seconds stand beside a calibration loop, so that machines can be compared.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prefect_mlops.core.evaluation import evaluate
from prefect_mlops.core.gates import decide
from prefect_mlops.core.metrics import compare, metric_named
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers import FittedModel

SIZES = (10_000, 1_000_000)
REPEATS = {10_000: 5, 1_000_000: 1}
GATES: tuple[dict[str, Any], ...] = (
    {"kind": "at-least", "metric": "roc_auc", "bound": 0.6},
    {"kind": "better-than-baseline", "metric": "log_loss"},
    {"kind": "better-than-champion", "metric": "accuracy", "rows": "holdout"},
    {"kind": "not-worse-than-champion", "metric": "brier", "margin": 0.01},
    {"kind": "holds-on-slices", "metrics": ["accuracy", "brier"], "columns": ["shop"]},
    {"kind": "fair-across", "column": "side", "criterion": "equalised-odds", "max_gap": 0.2},
    {"kind": "calibrated"},
    {"kind": "no-leakage"},
)


def spec() -> ModelSpec:
    """Two numbers, a category of twenty and one of two; eight gates."""
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "speed",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "benchmarks"},
            "data": {"key": ["id"]},
            "target": {"column": "y", "problem": "binary", "positive": True},
            "features": {"numeric": ["x", "z"], "category": ["shop", "side"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": GATES,
        }
    )


def rows_of(count: int, seed: int) -> pd.DataFrame:
    """Rows whose target depends on both numbers."""
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": np.arange(count) + seed * 10_000_000,
            "x": chance.normal(size=count),
            "z": chance.normal(size=count),
            "shop": pd.Categorical.from_codes(chance.integers(0, 20, count), [f"shop {n}" for n in range(20)]).astype(
                "str"
            ),
            "side": np.where(chance.random(count) < 0.5, "left", "right"),
        }
    )
    return frame.assign(y=frame["x"] + frame["z"] + chance.normal(size=count) > 0)


def measure(count: int) -> dict[str, Any]:
    """CPU seconds and memory of one decision, and of two areas under the curve beside scikit-learn's one."""
    from sklearn.metrics import roc_auc_score

    asked, training, rows = spec(), rows_of(20_000, 1), rows_of(count, 2)
    candidate = asked.resolved_trainer().fit(asked, training)
    weaker = asked.model_copy(update={"features": asked.features.model_copy(update={"numeric": ("x",)})})
    champion = weaker.resolved_trainer().fit(weaker, training)
    _decide(asked, candidate, champion, training, rows.head(2_000))
    predicted = _cpu(lambda: (candidate.predict(rows), champion.predict(rows)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = [_cpu(lambda: _decide(asked, candidate, champion, training, rows)) for _ in range(REPEATS[count])]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    y = rows["y"].to_numpy().astype(np.int64)
    ours, theirs = (
        said._replace(labels=np.asarray(said.labels, dtype=bool).astype(np.int64))
        for said in (candidate.predict(rows), champion.predict(rows))
    )
    area = metric_named("roc_auc", "binary")
    assert ours.probabilities is not None
    score = ours.probabilities[:, 1]
    paired = statistics.median(_cpu(lambda: compare(area, y, ours, theirs)) for _ in range(5))
    bare = statistics.median(_cpu(lambda: roc_auc_score(y, score)) for _ in range(5))
    return {
        "rows": count,
        "decision_cpu_seconds": statistics.median(took),
        "of_which_predicting_twice": predicted,
        "peak_mb": peak / 1024,
        "grown_by_mb": (peak - before) / 1024,
        "paired_area_over_roc_auc_score": paired / bare,
        "calibration_cpu_seconds": _cpu(_calibration),
    }


def _decide(
    asked: ModelSpec, candidate: FittedModel, champion: FittedModel, training: pd.DataFrame, rows: pd.DataFrame
) -> None:
    evidence = evaluate(
        asked,
        candidate=candidate,
        champion=champion,
        champion_version=1,
        rows=rows,
        training=training,
        candidate_name="run",
        judged_on="rows",
    )
    decide(asked.resolved_gates(), evidence, asked.alarm_level)


def _cpu(act: Any) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def _calibration() -> None:
    values = np.random.default_rng(0).random(1_000_000)
    for _ in range(10):
        np.sort(values)


def main() -> None:
    """Measure all sizes, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="measure one size in this process and print it")
    parser.add_argument("--results", type=Path, help="where the JSON goes")
    given = parser.parse_args()
    if given.rows:
        print(json.dumps(measure(given.rows)))
        return
    found = []
    for count in SIZES:
        asked = [sys.executable, __file__, "--rows", str(count)]
        found.append(json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout))
        print(json.dumps(found[-1], indent=1))
    if given.results:
        given.results.write_text(json.dumps({"decision": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
