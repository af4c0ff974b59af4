"""What a search's best is worth, naively and corrected, and what a search costs beside Optuna by hand.

`estimates` runs 500 whole searches of 50 trials (TPE over decision trees, 5 folds) on labels that nothing tells,
where the truth is 0.5, and on labels of which the models chosen tell 0.60. `cost` runs 100 cheap trials twice, each in
a process of its own: `search_candidate`, and what an engineer would write. `make bench-search` runs both.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing import Pool
from pathlib import Path
from typing import Any, NamedTuple

SEARCHES, TRIALS, FOLDS = 500, 50, 5
FRESH_ROWS = 20_000
CHEAP_TRIALS = 100
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


class Labels(NamedTuple):
    """What is searched for a model.

    Attributes:
        rows: How many.
        told: How often one of ten features tells the label; no model can be right more often. The models chosen are
            right in 0.60 of fresh rows, on average, where it is 0.61.
        pruner: Of the search.
    """

    rows: int
    told: float
    pruner: str = "none"

    def draw(self, rng: Any, rows: int) -> tuple[Any, Any]:
        """So many features and labels, half of each kind."""
        import numpy as np

        x = rng.normal(size=(rows, 10))
        y = rng.permutation(rows) % 2
        if self.told > 0.5:
            right = rng.random(rows) < self.told
            x[:, 0] = np.abs(x[:, 0]) * np.where(right, 2 * y - 1, 1 - 2 * y)
        return x, y


CASES = (Labels(300, 0.5), Labels(1_000, 0.5), Labels(1_000, 0.61), Labels(300, 0.5, "median"))


def one_search(given: tuple[Labels, int]) -> dict[str, float]:
    """One search of 50 trees, and what is said of its best."""
    import numpy as np
    import optuna
    import sklearn
    from sklearn.model_selection import StratifiedKFold
    from sklearn.tree import DecisionTreeClassifier

    from prefect_mlops.core.search.correcting import corrected_estimate, standard_errors
    from prefect_mlops.core.search.space import Dimension
    from prefect_mlops.core.search.suggesting import suggest

    labels, seed = given
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sklearn.set_config(assume_finite=True, skip_parameter_validation=True)
    rng = np.random.default_rng([seed, labels.rows])
    x, y = labels.draw(rng, labels.rows)
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y))
    space = {
        "max_depth": Dimension(low=1, high=8),
        "min_samples_leaf": Dimension(low=1, high=50, log=True),
        "max_features": Dimension(low=0.1, high=1.0),
        "splitter": Dimension(choices=("best", "random")),
    }
    kept: list[tuple[np.ndarray, DecisionTreeClassifier]] = []

    def objective(trial: optuna.Trial) -> float:
        hits = np.zeros(labels.rows)
        tree = DecisionTreeClassifier(**suggest(trial, space), random_state=seed)
        judged = 0.0
        for step, (train, test) in enumerate(folds):
            tree.fit(x[train], y[train])
            hits[test] = tree.predict(x[test]) == y[test]
            judged += len(test)
            trial.report(hits.sum() / judged, step)
            if step < FOLDS - 1 and trial.should_prune():
                raise optuna.TrialPruned
        kept.append((hits, tree))
        return float(hits.mean())

    pruner = optuna.pruners.MedianPruner() if labels.pruner == "median" else optuna.pruners.NopPruner()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)
    study.optimize(objective, n_trials=TRIALS)
    hits = np.stack([each[0] for each in kept], axis=1)
    best = int(hits.mean(axis=0).argmax())
    error = float(standard_errors(hits)[best])
    found = corrected_estimate(hits, seed=seed)
    naive = float(hits[:, best].mean())
    truth = 0.5
    if labels.told > 0.5:
        fresh, answers = labels.draw(rng, FRESH_ROWS)
        truth = float((kept[best][1].fit(x, y).predict(fresh) == answers).mean())
    return {
        "truth": truth,
        "naive": naive,
        "naive_holds": abs(naive - truth) <= 1.96 * error,
        "corrected": found.value,
        "low": found.low,
        "high": found.high,
    }


def estimates(searches: int) -> list[dict[str, Any]]:
    """All cases, printed as they come."""
    import numpy as np
    from scipy.stats import binomtest

    told = []
    print(
        "  rows  truth  pruner  naive  naive holds | corrected  holds the truth      excludes 0.5     width mean, max"
    )
    with Pool(os.cpu_count()) as pool:
        for labels in CASES:
            found = pool.map(one_search, [(labels, seed) for seed in range(searches)], chunksize=5)
            column = {key: np.array([each[key] for each in found], dtype=float) for key in found[0]}
            holds = (column["low"] <= column["truth"]) & (column["truth"] <= column["high"])
            excludes = (column["low"] > 0.5) | (column["high"] < 0.5)
            width = column["high"] - column["low"]
            case: dict[str, Any] = {**labels._asdict(), "searches": searches}
            for key, hits in (("holds", holds), ("excludes_chance", excludes)):
                interval = binomtest(int(hits.sum()), searches).proportion_ci(0.999, "exact")
                case[key] = [round(float(number), 4) for number in (hits.mean(), interval.low, interval.high)]
            case |= {
                "truth": round(float(column["truth"].mean()), 4),
                "naive": round(float(column["naive"].mean()), 4),
                "naive_holds": round(float(column["naive_holds"].mean()), 4),
                "corrected": round(float(column["corrected"].mean()), 4),
                "corrected_standard_error": round(float(column["corrected"].std() / searches**0.5), 5),
                "width_mean": round(float(width.mean()), 4),
                "width_max": round(float(width.max()), 4),
            }
            told.append(case)
            print(
                f"{labels.rows:6} {case['truth']:6.3f} {labels.pruner:>7} {case['naive']:6.3f}"
                f" {case['naive_holds']:12.1%} | {case['corrected']:9.4f}"
                f"  {_rate(case['holds'])}  {_rate(case['excludes_chance'])}"
                f"  {case['width_mean']:.3f}, {case['width_max']:.3f}",
                flush=True,
            )
    return told


def _rate(found: list[float]) -> str:
    return f"{found[0]:6.1%} ({found[1]:.1%}-{found[2]:.1%})"


def cheap_spec() -> Any:
    """A logistic regression on 2,000 rows behind the pipeline that its columns build, and a space for it."""
    from prefect_mlops.core.spec import ModelSpec

    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "cheap",
            "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
            "data": {"key": ["row_id"]},
            "target": {"column": "y", "problem": "binary", "positive": True},
            "features": {"numeric": [f"x{number}" for number in range(8)], "category": ["kind", "day"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": [{"kind": "better-than-baseline", "metric": "log_loss"}],
            "search": {
                "space": {
                    "C": {"low": 0.001, "high": 10.0, "log": True},
                    "fit_intercept": {"choices": [True, False]},
                    "max_iter": {"low": 50, "high": 200},
                },
                "metric": "roc_auc",
                "folds": FOLDS,
                "trials": CHEAP_TRIALS,
            },
        }
    )


def cheap_rows() -> Any:
    """Rows for it."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2_000, 8))
    rows = pd.DataFrame(x, columns=[f"x{number}" for number in range(8)])
    kinds = {"kind": rng.choice(["a", "b", "c"], 2_000), "day": rng.integers(0, 7, 2_000)}
    return rows.assign(**kinds, row_id=range(2_000), y=x[:, 0] + rng.normal(size=2_000) > 0)


def ours(folder: Path) -> tuple[float, int]:
    """The search of this product: CPU seconds of the imports of the process that asks, and finished trials."""
    from prefect_mlops.tasks.searching import search_candidate

    worker_imports(folder)
    imports = time.process_time()
    return imports, len(search_candidate.fn(cheap_spec(), cheap_rows(), str(folder)).trials)


def by_hand(folder: Path) -> tuple[float, int]:
    """What an engineer writes: the same objective in a loop of Optuna's, everything in memory."""
    import optuna

    from prefect_mlops.core.search.scoring import Judge, folds_of

    imports, _ = worker_imports(folder)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec, rows = cheap_spec(), cheap_rows()
    judge = Judge(spec, rows, folds_of(spec, rows))

    def objective(trial: optuna.Trial) -> float:
        chosen = {
            "C": trial.suggest_float("C", 0.001, 10.0, log=True),
            "fit_intercept": trial.suggest_categorical("fit_intercept", [True, False]),
            "max_iter": trial.suggest_int("max_iter", 50, 200),
        }
        return statistics.mean(score.value for score in judge.scores(chosen))

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=CHEAP_TRIALS)
    return imports, len(study.trials)


def worker_imports(_: Path) -> tuple[float, int]:
    """What a worker of ours imports before it can try anything, as any process that searches must."""
    import optuna
    import sklearn.compose
    import sklearn.linear_model
    import sklearn.pipeline

    import prefect_mlops.core.search.scoring

    optuna.samplers.TPESampler(seed=0)
    del sklearn, prefect_mlops
    return time.process_time(), 0


def logging(folder: Path) -> tuple[float, int]:
    """Trials without any fit, through our storage and through Optuna's memory: CPU seconds of the difference."""
    import numpy as np
    import optuna

    from prefect_mlops.core.search.scoring import FoldScore, Judge, folds_of, search_of
    from prefect_mlops.core.search.suggesting import suggest
    from prefect_mlops.tasks import trials

    spec, rows = cheap_spec(), cheap_rows()
    search = search_of(spec)
    judge = Judge(spec, rows, folds_of(spec, rows))
    size = len(rows) // FOLDS
    nothing = [FoldScore(0.5, np.full(size, 0.5, np.float32), np.full((size, 1), 0.5, np.float32))] * FOLDS
    judge.scores = lambda _: iter(nothing)  # type: ignore[method-assign]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warm = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    warm.optimize(lambda trial: len(suggest(trial, search.space)) / 6, n_trials=15)
    began = time.process_time()
    study = trials.open_study(str(folder / "journal"), "logging", search, higher_is_better=True)
    while (trial := trials.claim(study, search, 0, float("inf"))) is not None:
        trials.attempt(study, trial, judge, search, folder)
    written = time.process_time()
    plain = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    plain.optimize(lambda trial: len(suggest(trial, search.space)) / 6, n_trials=CHEAP_TRIALS)  # always 0.5, as ours
    return (written - began) - (time.process_time() - written), len(study.trials)


COSTS = {each.__name__: each for each in (ours, by_hand, worker_imports, logging)}


def measure(name: str) -> dict[str, float]:
    """One of them, in this process, which has done nothing else; its CPU seconds hold those of its children."""
    with tempfile.TemporaryDirectory() as folder:
        told, trials = COSTS[name](Path(folder))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(each.ru_utime + each.ru_stime for each in used)
    started = time.process_time()
    sum(number * number for number in range(3_000_000))
    return {"cpu_s": cpu, "told_s": told, "trials": trials, "loop_s": time.process_time() - started}


def cost(runs: int) -> dict[str, Any]:
    """Medians of some runs, one after another; of the ratio too, for a busy machine slows neighbours in time alike."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in COSTS}
    for number in range(runs):
        for name in list(COSTS)[:: -1 if number % 2 else 1]:  # a drift favours nobody
            command = [sys.executable, __file__, "measure", "--name", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | ONE_THREAD)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    middle = {
        name: {key: round(statistics.median(run[key] for run in each), 3) for key in each[0]}
        for name, each in found.items()
    }
    mine, hand, imports = middle["ours"], middle["by_hand"], middle["worker_imports"]["told_s"]
    pairs = [
        (one["cpu_s"] - one["told_s"] - imports) / (other["cpu_s"] - other["told_s"])
        for one, other in zip(found["ours"], found["by_hand"], strict=True)
    ]
    told = {
        "trials": CHEAP_TRIALS,
        "medians_of": runs,
        "processes": middle,
        "ratio_imports_apart": round(statistics.median(pairs), 3),
        "ratios_of_pairs": [round(ratio, 3) for ratio in pairs],
        "ratio_with_imports": round(mine["cpu_s"] / hand["cpu_s"], 3),
        "logging_ms_a_trial": round(middle["logging"]["told_s"] / CHEAP_TRIALS * 1_000, 2),
    }
    for name, case in middle.items():
        print(f"{name:15} {case['cpu_s']:7.2f} CPU s, of them told {case['told_s']:.2f}, loop {case['loop_s']:.3f} s")
    print(f"CPU beside Optuna by hand, imports apart: {told['ratio_imports_apart']} (asked: at most 1.1)")
    print(
        f"the same with all imports of both, Prefect's and those of two processes of ours: {told['ratio_with_imports']}"
    )
    print(f"logging a trial: {told['logging_ms_a_trial']} ms (asked: at most 5)")
    return told


def main() -> None:
    """Read the words of the command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("word", choices=["estimates", "cost", "all", "measure"])
    words.add_argument("--searches", type=int, default=SEARCHES)
    words.add_argument("--runs", type=int, default=5)
    words.add_argument("--name", choices=sorted(COSTS))
    words.add_argument("--results", type=Path)
    given = words.parse_args()
    if given.word == "measure":
        print(json.dumps(measure(given.name)))
        return
    found: dict[str, Any] = json.loads(given.results.read_text()) if given.results and given.results.exists() else {}
    if given.word != "estimates":
        found["cost"] = cost(given.runs)
    if given.word != "cost":
        found["estimates"] = estimates(given.searches)
    if given.results:
        given.results.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
