"""What a training in parts takes of memory and time, at one, five and ten million rows of a Delta table.

`make bench-trainers` writes docs/results/bench-trainers.json. Each size is trained in a process of its own, whose peak
of resident memory counts; importing the libraries and reading one part is what the process costs before it has learned
anything, and is shown beside it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prefect_mlops.blocks import DeltaTables
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.training import train_in_parts

SIZES = (0, 1_000_000, 5_000_000, 10_000_000)
"""Zero stands for one part alone: the floor."""
BATCH = 500_000
CARRIERS = np.array(["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX"], dtype=object)
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "bench-trainers.json"


def spec() -> ModelSpec:
    """A logistic regression that learns in parts, with every fourth row held out."""
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "in-parts",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "benchmarks"},
            "data": {"key": ["id"]},
            "target": {"column": "late", "problem": "binary", "positive": True},
            "features": {"numeric": ["a", "b", "c", "d"], "category": ["carrier", "dest"]},
            "split": {"kind": "by-key"},
            "trainer": {
                "kind": "partial",
                "estimator": "sklearn.linear_model.SGDClassifier",
                "parameters": {"loss": "log_loss"},
            },
            "gates": [{"kind": "at-least", "metric": "accuracy", "bound": 0.5}],
        }
    )


def made(start: int, rows: int) -> pd.DataFrame:
    """Rows in which the target depends on numbers and categories; one number in twenty is missing."""
    chance = np.random.default_rng(start)
    frame = pd.DataFrame({name: chance.normal(size=rows) for name in "abcd"})
    frame.insert(0, "id", np.arange(start, start + rows))
    frame["carrier"] = CARRIERS[chance.integers(0, 10, rows)]
    frame["dest"] = np.char.add("D", chance.integers(0, 105, rows).astype(str)).astype(object)
    signal = frame["a"] - 0.5 * frame["b"] + (frame["carrier"] == "UA")
    frame["late"] = (signal + chance.logistic(size=rows) > 1.0).to_numpy()
    frame.loc[chance.random(rows) < 0.05, "a"] = np.nan
    return frame


def work(root: str, rows: int) -> None:
    """Train on a table and say what it took, as one line of JSON."""
    tables = DeltaTables(root=root)
    began, clock = time.process_time(), time.perf_counter()
    model = train_in_parts.fn(spec(), tables, f"rows-{rows}", AS_OF)
    took = {"cpu_seconds": time.process_time() - began, "seconds": time.perf_counter() - clock}
    new = made(10**9, 100_000)
    said = model.predict(new)
    took["accuracy"] = float((said.labels == new["late"].to_numpy()).mean())
    took["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(took))


def main() -> None:
    """Make the tables, train on each in a process of its own, print and write what it took."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as root:
        tables = DeltaTables(root=root)
        for rows in SIZES:
            table = f"rows-{rows}"
            for start in range(0, max(rows, 1), BATCH):
                tables.append(table, made(start, min(BATCH, rows or 65_536)), f"batch-{start}")
            command = [sys.executable, __file__, root, str(rows)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append({"rows": rows, **json.loads(done.stdout.splitlines()[-1])})
            print({name: round(value, 3) for name, value in found[-1].items()}, flush=True)
    peaks = {entry["rows"]: entry["peak_mb"] for entry in found}
    largest, smallest = peaks[SIZES[-1]], peaks[SIZES[1]]
    result = {"rows": found, "peak_at_ten_million_over_one_million": round(largest / smallest, 3)}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"memory at 10,000,000 rows over 1,000,000: {largest / smallest:.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        work(sys.argv[1], int(sys.argv[2]))
    else:
        main()
