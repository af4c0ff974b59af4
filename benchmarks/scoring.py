"""What scoring millions of accepted rows costs beside read, predict and write by hand, and what a kill leaves of it.

The demo's own flights are repeated to five million rows of fifty days. `mlops-score` runs against a real Prefect server
with a version from the registry; the peers read the same Delta table and write a Parquet file, in as many pieces: one
with the very ONNX session, which a careful engineer makes, one with the scikit-learn pipeline. Each runs in a
process of its own, whose whole CPU time counts, imports included. `make bench-scoring` writes
docs/results/bench-scoring.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.training import ROOT, _status, used

BATCH, BATCH_DAYS = 500_000, 5
BATCHES = {"1,000,000": 2, "2,500,000": 5, "5,000,000": 10}
"""Sizes by how many batches of the table are read; a version of it is a batch more."""
PART = 65_536
FIRST = datetime(2014, 1, 1, tzinfo=UTC)
AS_OF = FIRST + timedelta(days=BATCH_DAYS * max(BATCHES.values()))
ENVIRONMENT = "bench"
ASKED_CPU, ASKED_MEMORY = 1.3, 1.1
MODELS = {
    "boosted trees": {},
    "logistic regression": {"estimator": "sklearn.linear_model.LogisticRegression", "parameters": {"max_iter": 300}},
}
KILLS = (0.15, 0.35, 0.5, 0.65, 0.8, 0.95)
"""After these shares of a whole run's seconds; each kill meets the run that goes on after the one before."""


def spec(model: str) -> Any:
    """The demo's spec, or the same with a trainer whose answers cost next to nothing."""
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.specfile import load_spec

    plain = load_spec(ROOT / "deployments" / "specs" / "flights-late.yaml").model_dump(mode="json")
    gates = [{"kind": "at-least", "metric": "roc_auc", "bound": 0.5}]
    return ModelSpec.model_validate(
        plain | {"trainer": plain["trainer"] | MODELS[model], "gates": gates, "report": False}
    )


def prepare(folder: Path, model: str) -> dict[str, Any]:
    """A champion that learned from January to March, and a table of accepted rows to score."""
    import pandas as pd

    from prefect_mlops.blocks import Places
    from prefect_mlops.deployments.bootstrap import bootstrap
    from prefect_mlops.deployments.demo.datasets import flight_labels, flight_rows, flights
    from prefect_mlops.tasks import accept_rows
    from prefect_mlops.tasks.scorers import load_scorer
    from tests.tasks.scoring_cases import train_version

    bootstrap([spec(model)], folder / "places", ENVIRONMENT)
    places = Places.local(folder / "places")
    learned = pd.concat([flight_rows(month).merge(flight_labels(month), on="flight_id") for month in (1, 2, 3)])
    train_version(places, spec(model), learned.reset_index(drop=True), datetime(2013, 4, 1, tzinfo=UTC))
    if not places.tables.exists("flights-late-accepted"):
        year = flights().drop(columns=["late", "month"])
        for number in range(max(BATCHES.values())):
            rows = year.sample(BATCH, replace=True, random_state=number).reset_index(drop=True)
            rows["flight_id"] = rows["flight_id"] + [f"-{number}-{place}" for place in range(BATCH)]
            start = FIRST + timedelta(days=BATCH_DAYS * number)
            pause = timedelta(days=BATCH_DAYS) / BATCH
            rows["time_hour"] = pd.date_range(start, periods=BATCH, freq=pause, tz="UTC", unit="us")
            accept_rows.fn(places.tables, spec(model), rows, f"rows-{number}", start + timedelta(days=BATCH_DAYS))
    return {"scorer": type(load_scorer(places.tracking, spec(model), 1)).__name__}


def product(_: Path, model: str, batches: int) -> dict[str, Any]:
    """`mlops-score`, in this process."""
    from prefect_mlops.flows.score import score

    ended = score(spec(model), environment=ENVIRONMENT, as_of=AS_OF, data_version=batches - 1, return_state=True)
    assert ended.name in ("Scored", "NothingNew"), f"{ended.name}: {ended.message}"
    return {"said": ended.message}


def hand_onnx(folder: Path, model: str, batches: int) -> dict[str, Any]:
    """By hand, with the converted model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = next((folder / "places").rglob("model.onnx"))
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    numbers, texts = map(list, (spec(model).features.numeric, spec(model).features.category))

    def chances(rows: Any) -> Any:
        given = {"numbers": rows[numbers].to_numpy("float32"), "texts": rows[texts].to_numpy(object)}
        return session.run(None, given)[-1][:, 1]

    return _by_hand(folder, model, batches, chances)


def hand_sklearn(folder: Path, model: str, batches: int) -> dict[str, Any]:
    """By hand, with the fitted pipeline."""
    from prefect_mlops.blocks import Places
    from prefect_mlops.tasks import load_champion

    pipeline = load_champion.fn(Places.local(folder / "places").tracking, spec(model), 1).pipeline
    return _by_hand(folder, model, batches, lambda rows: pipeline.predict_proba(rows)[:, 1])


def _by_hand(folder: Path, model: str, batches: int, chances: Callable[[Any], Any]) -> dict[str, Any]:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
    from pyarrow.parquet import ParquetWriter

    features, kept, count = [*spec(model).features.names], ["flight_id", "time_hour"], 0
    source = folder / "places" / "tables" / "flights-late-accepted"
    disk = SubTreeFileSystem(str(source), LocalFileSystem())
    found = DeltaTable(source, version=batches - 1).to_pyarrow_dataset(filesystem=disk)
    columns = pa.schema(
        {
            "flight_id": pa.string(),
            "time_hour": pa.timestamp("us", "UTC"),
            "version": pa.int64(),
            "prediction": pa.bool_(),
            "score": pa.float64(),
        }
    )
    with ParquetWriter(folder / "by-hand.parquet", columns) as file:
        read = found.to_batches([*kept, *features], batch_size=PART, batch_readahead=1, fragment_readahead=1)
        for part in read:
            said = chances(part.select(features).to_pandas())
            made = {
                **{name: part[name] for name in kept},
                "version": pa.repeat(1, len(said)),
                "prediction": pa.array(said >= 0.5),
                "score": pa.array(said, pa.float64()),
            }
            file.write_table(pa.table(made).cast(columns))
            count += len(said)
    return {"rows": count}


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    each.__name__: each for each in (prepare, product, hand_onnx, hand_sklearn)
}


def measure(name: str, folder: Path, given: list[Any]) -> dict[str, Any]:
    """One of them in this process, which has done nothing else."""
    began = time.process_time()
    sum(number * number for number in range(10_000_000))
    loop, start = time.process_time() - began, time.monotonic()
    told = CASES[name](folder, *given)
    took = {"cpu_s": used() - loop, "loop_s": loop, "seconds": time.monotonic() - start}
    return took | {"peak_mib": _status("VmHWM")} | told


class Bench:
    """A folder with places and a Prefect server, and the processes that run against it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        foreign = ("PREFECT_", "MLFLOW_", "ARROW_")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
            "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_INTEGRATIONS_MLOPS_HOME": str(folder / "home"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }

    def child(self, name: str, *given: Any) -> dict[str, Any]:
        """Run a case in a process of its own."""
        done = subprocess.run(self._command(name, *given), cwd=ROOT, env=self.env, stdout=subprocess.PIPE, check=True)
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def killed(self, seconds: float, *given: Any) -> bool:
        """Start the product, and kill it after some seconds; whether it was still running."""
        command = self._command("product", *given)
        run = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            run.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            return True
        return False

    def forget(self) -> None:
        """Take away what was scored."""
        shutil.rmtree(self.folder / "places" / "tables" / "flights-late-scores", ignore_errors=True)

    def on_record(self) -> dict[str, Any]:
        """What is in the table of scores: rows, different keys and ids, and one digest of all ids."""
        from deltalake import DeltaTable

        table = DeltaTable(self.folder / "places" / "tables" / "flights-late-scores")
        rows = table.to_pyarrow_table(columns=["key", "prediction_id"])
        ids = sorted(rows["prediction_id"].to_pylist())
        return {
            "rows": rows.num_rows,
            "keys": len(rows["key"].unique()),
            "ids": len(rows["prediction_id"].unique()),
            "digest": hashlib.sha256("".join(ids).encode()).hexdigest()[:16],
            "commits": table.version(),
        }

    def _command(self, name: str, *given: Any) -> list[str]:
        words = ["--measure", name, "--folder", str(self.folder), "--given", json.dumps(given)]
        return [sys.executable, "-W", "ignore", "-m", "benchmarks.scoring", *words]


def beside_hand(bench: Bench, model: str, runs: int) -> dict[str, Any]:
    """The product and both peers by turns, over all rows."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ("product", "hand_onnx", "hand_sklearn")}
    for number in range(runs):
        for name in sorted(found, reverse=bool(number % 2)):  # a drift favours neither
            bench.forget()
            found[name].append(bench.child(name, model, max(BATCHES.values())))
            print(f"  {model}, {name}: {_line(found[name][-1])}", flush=True)
    told: dict[str, Any] = {
        name: {
            key: round(statistics.median(run[key] for run in all_runs), 2) for key in ("cpu_s", "loop_s", "peak_mib")
        }
        for name, all_runs in found.items()
    }
    for peer in ("hand_onnx", "hand_sklearn"):
        pairs = zip(found["product"], found[peer], strict=True)
        ratios = [ours["cpu_s"] / theirs["cpu_s"] for ours, theirs in pairs]
        told[f"of_{peer}"] = {"median": round(statistics.median(ratios), 3), "runs": [round(r, 3) for r in ratios]}
        print(f"{model}: {told[f'of_{peer}']['median']} of {peer} (asked: at most {ASKED_CPU})", flush=True)
    return told


def memory(bench: Bench, model: str) -> dict[str, Any]:
    """The most that the product had resident at each size, mapped libraries included."""
    peaks = {}
    for size, batches in BATCHES.items():
        bench.forget()
        peaks[size] = round(bench.child("product", model, batches)["peak_mib"], 1)
        print(f"{model}: {size} rows, at most {peaks[size]:.0f} MiB", flush=True)
    least, *_, most = peaks.values()
    print(f"{most / least:.3f} of the smallest at the largest (asked: at most {ASKED_MEMORY})", flush=True)
    return {"peak_mib": peaks, "largest_over_smallest": round(most / least, 3)}


def kills(bench: Bench, model: str) -> dict[str, Any]:
    """The product killed again and again, and started until it is done: what is on record then."""
    bench.forget()
    seconds, whole = bench.child("product", model, max(BATCHES.values()))["seconds"], bench.on_record()
    bench.forget()
    killed = sum(bench.killed(share * seconds + 3, model, max(BATCHES.values())) for share in KILLS)
    last = bench.child("product", model, max(BATCHES.values()))
    found = bench.on_record()
    same = {key: found[key] == whole[key] for key in ("rows", "keys", "ids", "digest")}
    print(f"{model}: killed {killed} times, then {last['said']} On record: {found}; as without a kill: {same}")
    return {"killed": killed, "on_record": found, "unkilled": whole, "every_row_exactly_once": all(same.values())}


def _line(run: dict[str, Any]) -> str:
    return f"{run['cpu_s']:.1f} CPU s, {run['peak_mib']:.0f} MiB, loop {run['loop_s']:.2f}"


def compare(runs: int, models: list[str], tell: Callable[[dict[str, Any]], object]) -> None:
    """All of it, each model in places of its own."""
    from prefect_mlops.blocks.serving import free_port
    from prefect_mlops.deployments.demo.servers import start_server

    found: dict[str, Any] = {"rows": BATCH * max(BATCHES.values()), "runs": runs}
    with tempfile.TemporaryDirectory() as path:
        folder, port = Path(path), free_port()
        bench = Bench(folder, port)
        start = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        health = f"{bench.env['PREFECT_API_URL']}/health"
        server = start_server("Prefect server", start, bench.env, folder / "server.log", health)
        try:
            for model in models:
                shutil.rmtree(folder / "places" / "artifacts", ignore_errors=True)
                for file in (folder / "places").glob("mlflow.db*"):
                    file.unlink()
                print(f"{model}: answered by {bench.child('prepare', model)['scorer']}", flush=True)
                found[model] = beside_hand(bench, model, runs)
                tell(found)
            found["memory"] = memory(bench, model)
            tell(found)
            found["killed"] = kills(bench, model)
            tell(found)
        finally:
            server.stop()


def main() -> None:
    """Read the words of the command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--runs", type=int, default=3)
    words.add_argument("--model", choices=sorted(MODELS), action="append")
    words.add_argument("--results", type=Path)
    words.add_argument("--measure", choices=sorted(CASES), help=argparse.SUPPRESS)
    words.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    words.add_argument("--given", type=json.loads, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.folder, given.given)))
        return

    def tell(found: dict[str, Any]) -> None:
        if given.results:
            given.results.write_text(json.dumps(found, indent=1) + "\n")

    compare(given.runs, given.model or [*MODELS], tell)


if __name__ == "__main__":
    main()
