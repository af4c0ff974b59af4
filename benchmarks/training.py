"""What a training costs beside the bare script that fits and scores the same, and whether training twice is the same.

`flow` runs `mlops-train` on flights against a real Prefect server and MLflow on SQLite, and the bare scikit-learn
script, each in processes of their own. `digest` trains every kind of estimator that the docs name in two processes.
`make bench-training` runs all parts, `benchmarks/training.py --part flow` one of them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "bench-training.json"
MONTHS = (1, 2, 3)
TREES = {0.3: 240, 0.9: 600}
"""Trees by the share of rows that each learns from: a fit of some seven CPU seconds, and one of some forty."""
SUBSAMPLES = tuple(TREES)
AS_OF = datetime(2013, 4, 2, tzinfo=UTC)
RUNS = 5
ASKED_CPU, ASKED_MEMORY = 1.15, 1.25
ENVIRONMENT = "bench"
BOTH = ("numpy", "pandas", "pyarrow", "sklearn.compose", "sklearn.ensemble", "sklearn.model_selection")
"""What both import, the bare script too: counted as work of each."""
OF_PREFECT = (
    "prefect",
    "prefect.main",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.runtime",
    "prefect.events",
    "prefect.artifacts",
    "prefect.blocks.core",
    "prefect.concurrency.sync",
)
OF_MLFLOW = (
    "mlflow",
    "mlflow.sklearn",
    "mlflow.models",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.tracking._model_registry.fluent",
    "skops.io",
    "alembic.command",
    "git",
)
REPORTS = ("draw_decision", "publish_card", "publish_decision", "render_model_card")
"""Tasks that only write what people read; they are counted apart, as is the report of the experiment."""
TRAIN_ALL = """
import json
from prefect_mlops.core.trainers import content_digest
from tests.core.trainer_cases import KINDS, fitted, spec_with
print(json.dumps({name: content_digest(fitted(spec_with(kind, time="at"))) for name, kind in KINDS.items()}))
"""


def spec(subsample: float = SUBSAMPLES[0], report: bool = False) -> Any:
    """The flights' spec with so many trees that the fit costs more than five CPU seconds."""
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.specfile import load_spec

    plain = load_spec(ROOT / "deployments" / "specs" / "flights-late.yaml").model_dump(mode="json")
    plain["trainer"]["parameters"] |= {"n_estimators": TREES[subsample], "subsample": subsample}
    return ModelSpec.model_validate(plain | {"report": report})


def prepare(folder: Path, _: float) -> dict[str, Any]:
    """Three months of flights: as a file for the script, as tables, blocks and an empty registry for the flow."""
    import pandas as pd

    from prefect_mlops.blocks import Places
    from prefect_mlops.deployments.bootstrap import bootstrap
    from prefect_mlops.deployments.demo.datasets import flight_labels, flight_rows
    from prefect_mlops.tasks.accepting import accept_labels, accept_rows

    bootstrap([spec()], folder / "places", ENVIRONMENT)
    places = Places.local(folder / "places")
    for month in MONTHS:
        accept_rows.fn(places.tables, spec(), flight_rows(month), f"rows-{month}", AS_OF)
        accept_labels.fn(places.tables, spec(), flight_labels(month), f"labels-{month}", AS_OF)
    places.tracking.client()
    rows = pd.concat([flight_rows(month).merge(flight_labels(month), on="flight_id") for month in MONTHS])
    rows.to_parquet(folder / "flights.parquet", index=False)
    return {"rows": len(rows)}


def bare(folder: Path, subsample: float) -> dict[str, Any]:
    """What an engineer writes: read, split, fit and score the pipeline that the spec's roles build."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.metrics import log_loss, roc_auc_score
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    numeric = [
        "dep_minute",
        "weekday",
        "distance",
        "temp",
        "dewp",
        "humid",
        "wind_speed",
        "precip",
        "pressure",
        "visib",
    ]
    category = ["carrier", "origin", "dest"]
    rows = pd.read_parquet(folder / "flights.parquet", columns=[*numeric, *category, "late"])
    training, judging = train_test_split(rows, test_size=0.2, random_state=7)
    encode = OneHotEncoder(min_frequency=200, handle_unknown="infrequent_if_exist", sparse_output=False)
    model = make_pipeline(
        ColumnTransformer(
            [("numeric", SimpleImputer(strategy="median"), numeric), ("category", encode, category)],
        ),
        GradientBoostingClassifier(
            n_estimators=TREES[subsample],
            max_depth=5,
            learning_rate=0.12,
            subsample=subsample,
            max_features=12,
            random_state=7,
        ),
    )
    began = time.process_time()
    model.fit(training[numeric + category], training["late"])
    fit = time.process_time() - began
    said = model.predict_proba(judging[numeric + category])[:, 1]
    scores = {"roc_auc": roc_auc_score(judging["late"], said), "log_loss": log_loss(judging["late"], said)}
    return {"fit_s": fit, "score": scores["roc_auc"], "trained_on": len(training)}


def flow(folder: Path, subsample: float, report: bool = False) -> dict[str, Any]:
    """The flow, in this process, with the CPU seconds of each of its tasks."""
    before, apart = standing(), {}
    for name, modules in (("prefect", OF_PREFECT), ("mlflow", OF_MLFLOW)):
        for module in modules:
            importlib.import_module(module)
        now = standing()
        apart |= {f"{name}_s": now[0] - before[0], f"{name}_mib": now[1] - before[1]}
        before = now
    from prefect.tasks import Task

    from prefect_mlops.flows.train import train

    apart["own_imports_s"] = standing()[0] - before[0]
    spent: dict[str, float] = {}
    called = Task.__call__

    def timed(task: Any, *given: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return called(task, *given, **named)
        finally:
            spent[task.fn.__name__] = spent.get(task.fn.__name__, 0.0) + time.process_time() - began

    Task.__call__ = timed  # type: ignore[method-assign, assignment]  # only this process, to time it
    began = time.process_time()
    ended = train(spec(subsample, report), environment=ENVIRONMENT, as_of=AS_OF, return_state=True)
    whole = time.process_time() - began
    assert ended.name == "Accepted", f"{ended.name}: {ended.message}"
    cpu, peak = used(), _status("VmHWM")  # what follows is of the benchmark
    from prefect_mlops.blocks import Places

    tracking = Places.local(folder / "places").tracking
    newest = tracking.client().search_runs([tracking.experiment_id(spec().name)], max_results=1)[0]
    return {
        **apart,
        "cpu_s": cpu,
        "peak_mib": peak,
        "fit_s": spent["learn_candidate"],
        "reports_s": sum(spent.get(name, 0.0) for name in REPORTS),
        "between_tasks_s": whole - sum(spent.values()),
        "score": newest.data.metrics["candidate_roc_auc"],
        "tasks": spent,
    }


def with_report(folder: Path, subsample: float) -> dict[str, Any]:
    """The flow with the report of the experiment, to see what that costs."""
    return flow(folder, subsample, report=True)


def standing() -> tuple[float, float]:
    """CPU seconds of this process, and the MiB that it holds."""
    return time.process_time(), _status("VmRSS")


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    each.__name__: each for each in (prepare, bare, flow, with_report)
}


def measure(name: str, folder: Path, subsample: float) -> dict[str, Any]:
    """One of them, in this process, which has done nothing else; the seconds of its children count."""
    began = time.process_time()
    sum(number * number for number in range(10_000_000))
    loop = time.process_time() - began
    began = time.process_time()
    for module in BOTH:
        importlib.import_module(module)
    imports = time.process_time() - began
    told = CASES[name](folder, subsample)
    # Not ru_maxrss: the kernel starts it at what the parent held.
    found = {"cpu_s": used(), "peak_mib": _status("VmHWM"), "loop_s": loop, "imports_s": imports, **told}
    return found | {"cpu_s": found["cpu_s"] - loop}


def used() -> float:
    """CPU seconds of this process and of its children, from their start."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{key}:"))) / 1024


def beside_the_script(runs: int) -> dict[str, Any]:
    """The flow and the script by turns, and what the one costs of the other."""
    from prefect_mlops.blocks.serving import free_port
    from prefect_mlops.deployments.demo.servers import start_server

    with tempfile.TemporaryDirectory() as path:
        folder, port = Path(path), free_port()
        foreign = ("PREFECT_", "MLFLOW_", "ARROW_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
            "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_INTEGRATIONS_MLOPS_HOME": str(folder / "home"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }

        def child(name: str, subsample: float) -> dict[str, Any]:
            command = [sys.executable, __file__, "--measure", name, "--folder", path, "--subsample", str(subsample)]
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
            return dict(json.loads(done.stdout.splitlines()[-1]))

        start = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        server = start_server("Prefect server", start, env, folder / "server.log", f"{env['PREFECT_API_URL']}/health")
        try:
            rows = child("prepare", 0.0)["rows"]
            return {
                f"{TREES[share]} trees, subsample {share}": _turns(child, rows, runs, share) for share in SUBSAMPLES
            }
        finally:
            server.stop()


def _turns(child: Callable[[str, float], dict[str, Any]], rows: int, runs: int, share: float) -> dict[str, Any]:
    pairs = []
    for number in range(runs):
        order = ("bare", "flow") if number % 2 else ("flow", "bare")  # a drift favours neither
        pairs.append({name: child(name, share) for name in order})
        print(_pair(pairs[-1]), flush=True)
    return _told(rows, pairs, child("with_report", share))


def _pair(pair: dict[str, dict[str, Any]]) -> str:
    return "; ".join(
        f"{name} {case['cpu_s']:.2f} s (fit {case['fit_s']:.2f}, loop {case['loop_s']:.2f}), {case['peak_mib']:.0f} MiB"
        for name, case in sorted(pair.items())
    )


def _told(rows: int, pairs: list[dict[str, dict[str, Any]]], reported: dict[str, Any]) -> dict[str, Any]:
    """Medians, and ratios of what stood next to each other in time."""
    middle = {name: _medians([pair[name] for pair in pairs]) for name in ("bare", "flow")}
    apart = ("prefect_s", "mlflow_s", "reports_s")
    cpu = [(p["flow"]["cpu_s"] - sum(p["flow"][key] for key in apart)) / p["bare"]["cpu_s"] for p in pairs]
    memory = [
        (p["flow"]["peak_mib"] - p["flow"]["prefect_mib"] - p["flow"]["mlflow_mib"]) / p["bare"]["peak_mib"]
        for p in pairs
    ]
    whole = [pair["flow"]["cpu_s"] / pair["bare"]["cpu_s"] for pair in pairs]
    told = {
        "rows": rows,
        "pairs": len(pairs),
        "processes": middle,
        "with_report": {key: round(reported[key], 3) for key in ("cpu_s", "peak_mib", "loop_s")},
        "cpu_ratio": round(statistics.median(cpu), 3),
        "cpu_ratios": [round(ratio, 3) for ratio in cpu],
        "memory_ratio": round(statistics.median(memory), 3),
        "cpu_ratio_all_in": round(statistics.median(whole), 3),
        "memory_ratio_all_in": round(middle["flow"]["peak_mib"] / middle["bare"]["peak_mib"], 3),
    }
    for name, seconds in sorted(middle["flow"]["tasks"].items(), key=lambda item: -item[1]):
        print(f"  {name:24} {seconds:7.3f} CPU s")
    mine = middle["flow"]
    print(f"  between tasks            {mine['between_tasks_s']:7.3f} CPU s")
    print(
        f"apart: Prefect's imports {mine['prefect_s']:.2f} s and {mine['prefect_mib']:.0f} MiB, MLflow's "
        f"{mine['mlflow_s']:.2f} s and {mine['mlflow_mib']:.0f} MiB, decision and card {mine['reports_s']:.2f} s"
    )
    print(f"with the experiment's report: {reported['cpu_s']:.2f} CPU s, {reported['peak_mib']:.0f} MiB")
    print(
        f"CPU of the bare script: {told['cpu_ratio']} (asked: at most {ASKED_CPU}); of all {told['cpu_ratio_all_in']}"
    )
    print(
        f"memory of the bare script: {told['memory_ratio']} (asked: at most {ASKED_MEMORY}); "
        f"of all {told['memory_ratio_all_in']}"
    )
    return told


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        key: _medians([run[key] for run in runs])
        if isinstance(value, dict)
        else round(statistics.median(run[key] for run in runs), 3)
        for key, value in runs[0].items()
    }


def trained_twice(_: int) -> dict[str, Any]:
    """Every kind, in two processes that hash texts differently."""
    both = []
    for seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", "-c", TRAIN_ALL]
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
        both.append(json.loads(done.stdout.splitlines()[-1]))
    kinds = {name: digest == both[1][name] for name, digest in both[0].items()}
    print(f"content digests equal in two processes: {sum(kinds.values())} of {len(kinds)} kinds")
    return {"kinds": len(kinds), "equal": sum(kinds.values()), "which": kinds}


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {"flow": beside_the_script, "digest": trained_twice}


def main() -> None:
    """Read the words of the command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--part", choices=[*PARTS, "all"], default="all")
    words.add_argument("--runs", type=int, default=RUNS)
    words.add_argument("--results", type=Path)
    words.add_argument("--measure", choices=sorted(CASES), help=argparse.SUPPRESS)
    words.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    words.add_argument("--subsample", type=float, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.folder, given.subsample)))
        return
    for part, run in PARTS.items():
        if given.part in (part, "all"):
            found = run(given.runs)
            if given.results:
                told = json.loads(given.results.read_text()) if given.results.exists() else {}
                given.results.write_text(json.dumps(told | {part: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
