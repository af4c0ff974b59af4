"""What splits and studies find on the flights of 2013, what they cost, and how often their bounds are wrong.

`make bench-studies` runs all of it. CPU seconds stand beside those of a fixed loop, for machines differ.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from prefect_mlops.core.evaluation import holdout_digest
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.core.splits import ByGroup, ByKey, ByTime
from prefect_mlops.core.splits.overlap import overlap
from prefect_mlops.core.studies.ablation import ablate
from prefect_mlops.core.studies.pictures import ablation_picture, staleness_picture
from prefect_mlops.core.studies.records import Score
from prefect_mlops.core.studies.staleness import decay_of, rhythm_of
from prefect_mlops.core.trainers import FittedModel
from prefect_mlops.deployments.demo.datasets import flights
from prefect_mlops.tasks.studies import ablate_features, measure_baselines, replay_staleness

ROOT = Path(__file__).parents[1]
SPEC, RESULTS = ROOT / "deployments" / "specs" / "flights-late.yaml", ROOT / "docs" / "results"
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
LARGE, REPEATS, REPLAYS, STUDIES, OTHER_ROWS = 1_000_000, 3, 10_000, 1_000, 20_000


def main() -> None:
    """Run the parts that are named, all by default, and write what they found."""
    parts: dict[str, Callable[[], Any]] = {
        "overlap": overlap_cost,
        "splits": flight_splits,
        "rates": rates,
        "baselines": flight_baselines,
        "ablation": flight_ablation,
        "staleness": flight_staleness,
    }
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("parts", nargs="*", help=", ".join(parts))
    asked.add_argument("--results", type=Path)
    given = asked.parse_args()
    found = json.loads(given.results.read_text()) if given.results and given.results.exists() else {}
    found["calibration_cpu_seconds"] = calibration()
    for name in given.parts or parts:
        began = time.process_time()
        found[name] = parts[name]()
        found[name]["cpu_seconds"] = round(time.process_time() - began, 2)
        print(name, json.dumps(found[name], indent=1))
        if given.results:
            given.results.write_text(json.dumps(found, indent=1) + "\n")


def calibration() -> float:
    """CPU seconds of a fixed loop, the median of three."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        sum(number * number for number in range(5_000_000))
        taken.append(time.process_time() - began)
    return round(statistics.median(taken), 3)


def overlap_cost() -> dict[str, Any]:
    """A million rows of eight numbers and a text: how long until those on both sides are found."""
    chance = np.random.default_rng(0)
    cells = {f"f{number}": chance.normal(size=LARGE) for number in range(8)}
    rows = pd.DataFrame(
        {"id": np.arange(LARGE), **cells, "c": chance.choice(list("abcd"), LARGE), "y": chance.random(LARGE) < 0.5}
    )
    planted = rows.head(500).assign(id=np.arange(LARGE, LARGE + 500))
    judging = pd.concat([rows.iloc[LARGE // 2 :], planted], ignore_index=True)
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        told = overlap(rows.head(LARGE // 2), judging, ["id"], [*cells, "c"], "y")
        taken.append(time.process_time() - began)
    return {"rows": LARGE, "planted": 500, "found": len(told.same_rows), "seconds": round(statistics.median(taken), 2)}


def flight_splits() -> dict[str, Any]:
    """The three kinds of split on flights up to June, and the copies that each leaves on both sides."""
    spec, rows = _flights()
    as_of = pd.Timestamp("2013-06-30T23:59:59Z").to_pydatetime()
    after = pd.Timestamp("2013-05-31T23:59:59Z").to_pydatetime()
    found: dict[str, Any] = {}
    rows = rows.assign(day=rows["time_hour"].dt.strftime("%Y-%m-%d"))
    for part in (ByTime(), ByTime(embargo_days=2), ByKey(stratify="late"), ByGroup(group="day")):
        sets = part.split(rows, key=spec.data.key, time=spec.data.time, as_of=as_of, after=after)
        known = overlap(sets.training, sets.judging, spec.data.key, spec.features.names, spec.target.column)
        folds = part.folds(sets.training, key=spec.data.key, time=spec.data.time, count=5)
        found[f"{part.kind} {part.model_dump(exclude={'kind'}, exclude_defaults=True)}"] = {
            "judged_on": sets.judged_on,
            "training": len(sets.training),
            "judging": len(sets.judging),
            "holdout_digest": holdout_digest(spec, sets.judging)[:12],
            "overlap": known.sentence,
            "fold_sizes": [[len(fold.training), len(fold.judging)] for fold in folds],
        }
    return found


def rates() -> dict[str, Any]:
    """How often an age that costs too much is within the rhythm, or noise is called helpful, at a claim of 5%."""
    chance, late, early = np.random.default_rng(1), 0, 0
    places = [(place, later) for place in range(12) for later in range(place + 1, 12)]
    for _ in range(REPLAYS):
        noise = chance.normal(scale=0.01, size=len(places))
        scores = [
            Score(
                trained=str(place),
                scored=str(later),
                age=later - place,
                value=0.7 - (0.02 if later - place > 2 else 0.0) + (float(one) if later - place > 1 else 0.0),
                standard_error=0.01,
                rows=100,
            )
            for (place, later), one in zip(places, noise, strict=True)
        ]
        rhythm, exceeded = rhythm_of(decay_of(scores, higher_is_better=True, confidence=0.95), 0.02, 0.95)
        late += rhythm > 2
        early += exceeded is not None
    studied = [_studied(seed) for seed in range(STUDIES)]
    return {
        "rhythm reaches an age whose loss is the tolerance": _rate(late, REPLAYS),
        "an age whose loss is at most the tolerance is proved to exceed it": _rate(early, REPLAYS),
        "ablation calls noise helpful": _rate(sum(helpful for helpful, _ in studied), STUDIES),
        "an interval of an ablation misses what the fits bring to other rows": _rate(
            sum(missed for _, missed in studied), STUDIES
        ),
    }


def flight_baselines() -> dict[str, Any]:
    """A dummy and a linear model beside the spec's own, trained up to May and judged on June."""
    spec, rows = _flights()
    training, judging = rows[rows["month"] <= 5], rows[rows["month"] == 6]
    candidate = spec.resolved_trainer().fit(spec, training)
    began = time.process_time()
    found = measure_baselines.fn(spec, training, judging, candidate)
    values = {f"{one.metric} {one.subject}": round(one.value, 4) for one in found.measurements if isfinite(one.value)}
    gains = {
        f"{one.metric} over {one.against}": [round(one.advantage, 4), round(one.standard_error, 4)]
        for one in found.comparisons
        if isfinite(one.advantage)
    }
    taken = round(time.process_time() - began, 2)
    return {"learned": found.learned, "values": values, "advantages": gains, "baselines_cpu_seconds": taken}


def flight_ablation() -> dict[str, Any]:
    """What each column brings when April to June teach and July judges, and the weather as one group."""
    spec, rows = _flights()
    training, judging = rows[rows["month"].between(4, 6)], rows[rows["month"] == 7]
    others = {name: [name] for name in spec.features.names if name not in WEATHER}
    found = {}
    for name, groups in (("columns", None), ("groups", {"weather": WEATHER, **others})):
        told = ablate_features.fn(spec, training, judging, groups)
        (RESULTS / f"ablation-{name}.png").write_bytes(ablation_picture(told))
        found[name] = json.loads(told.model_dump_json())
    return found


def flight_staleness() -> dict[str, Any]:
    """How fast the flights' model ages, learning from all months before and from the last month alone."""
    spec, rows = _flights()
    found = {}
    for name, window in (("all months before", None), ("one month", 1)):
        told = replay_staleness.fn(spec, rows, tolerance=0.03, window_months=window)
        (RESULTS / f"staleness-{window or 'all'}.png").write_bytes(staleness_picture(told))
        found[name] = {"sentence": told.sentence, **json.loads(told.model_dump_json())}
    return found


def _flights() -> tuple[ModelSpec, pd.DataFrame]:
    rows = flights()
    return load_spec(SPEC), rows[rows["late"].notna()].astype({"late": "bool"}).reset_index(drop=True)


def _studied(seed: int) -> tuple[bool, bool]:
    """Whether noise is called helpful, and whether any interval misses what the same fits bring to many other rows."""
    chance, count = np.random.default_rng(seed), 1_300 + OTHER_ROWS
    rows = pd.DataFrame({name: chance.normal(size=count) for name in ("x", "weak", "noise")})
    rows = rows.assign(id=np.arange(count), y=rows["x"] + 0.3 * rows["weak"] + chance.normal(size=count) > 0)
    spec = ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "noise",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "benchmarks"},
            "data": {"key": ["id"]},
            "target": {"column": "y", "problem": "binary", "positive": True},
            "features": {"numeric": ["x", "weak", "noise"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": [{"kind": "at-least", "metric": "roc_auc", "bound": 0.5}],
        }
    )
    found, truth = (
        {one.group: one for one in ablate(spec, rows.head(300), judging, _no_time).contributions}
        for judging in (rows.iloc[300:1_300], rows.iloc[1_300:])
    )
    missed = any(not one.low <= truth[name].advantage <= one.high for name, one in found.items())
    return found["noise"].verdict == "helps", missed


def _no_time(models: Sequence[FittedModel], _: pd.DataFrame) -> list[float]:
    return [0.0] * len(models)


def _rate(wrong: int, runs: int) -> dict[str, Any]:
    """A rate with its exact 99.9% interval; a claim of at most 5% holds where the lower end is within it."""
    low = float(stats.beta.ppf(0.0005, wrong, runs - wrong + 1)) if wrong else 0.0
    high = float(stats.beta.ppf(0.9995, wrong + 1, runs - wrong)) if wrong < runs else 1.0
    told = {"runs": runs, "rate": round(wrong / runs, 4), "interval": [round(low, 4), round(high, 4)]}
    return {**told, "claim": 0.05, "holds": low <= 0.05}


if __name__ == "__main__":
    main()
