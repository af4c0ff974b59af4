"""What versions cost: the digest beside pandas' own hash, and appends and time travel while a table grows.

CPU seconds of this process, of all its threads, beside a fixed loop; medians of several runs. `make bench-tables`
runs all of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.core.batches import as_columns, as_frame
from prefect_mlops.core.lineage import digest_rows

if TYPE_CHECKING:
    import pandas as pd

MOST_FOR_THE_DIGEST, MOST_FOR_THE_LAST = 2.0, 1.5
CITIES = ["Amsterdam", "Berlin", "Kraków", "Lisbon", "Zürich"]


def rows_of(count: int, seed: int) -> pd.DataFrame:
    """Twelve columns of the types that tables of features have; four hold nulls."""
    import numpy as np
    import pandas as pd

    chance, number = np.random.default_rng(seed), np.arange(count)
    price = chance.uniform(0, 1_000, count).round(2)
    city = pd.Series(np.array(CITIES)[chance.integers(0, 5, count)], dtype="str")
    return pd.DataFrame(
        {
            "id": number + seed * count,
            "customer": chance.integers(0, 50_000, count),
            "price": price,
            "weight": np.where(number % 50 == 0, np.nan, price / 7),
            "score": chance.random(count),
            "count": pd.Series(chance.integers(0, 9, count), dtype="Int64").mask(number % 40 == 0),
            "active": chance.random(count) < 0.5,
            "at": pd.date_range("2024-01-01", periods=count, freq="s", tz="UTC", unit="us"),
            "city": city,
            "code": pd.Series(chance.integers(0, count, count), dtype="str"),
            "note": city.mask(number % 3 == 0),
            "kind": city.astype("category"),
        }
    )


def cpu_of(act: Callable[[], object]) -> float:
    """The CPU seconds of one call."""
    started = time.process_time()
    act()
    return time.process_time() - started


def loop() -> int:
    """Work whose size never changes."""
    return sum(number * number for number in range(3_000_000))


def digest(rows: int, runs: int) -> dict[str, Any]:
    """The digest beside `pd.util.hash_pandas_object`, by turns."""
    import pandas as pd

    frame = rows_of(rows, 0)
    acts: dict[str, Callable[[], object]] = {
        "digest": lambda: digest_rows(frame),
        "pandas": lambda: pd.util.hash_pandas_object(frame, index=False),
        "loop": loop,
    }
    digest_rows(frame.head(100))
    spent: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(runs):
        for name, act in acts.items():
            spent[name].append(cpu_of(act))
    medians = {f"{name}_cpu_s": round(statistics.median(times), 4) for name, times in spent.items()}
    ratio = medians["digest_cpu_s"] / medians["pandas_cpu_s"]
    return {"rows": rows, "columns": frame.shape[1], **medians, "ratio": round(ratio, 3), "asked": MOST_FOR_THE_DIGEST}


def appends(folder: str, batches: int, rows: int) -> dict[str, Any]:
    """A table that grows batch by batch; then each version read whole, and its rows held against what was appended."""
    import pandas as pd

    tables, frames = DeltaTables(root=folder), [rows_of(rows, number) for number in range(batches)]
    cpu, wall, said, loops = [], [], [], []
    for number, frame in enumerate(frames):
        began, started = time.perf_counter(), time.process_time()
        said.append(tables.append("t", frame, f"b{number}", time="at"))
        cpu.append(time.process_time() - started)
        wall.append(time.perf_counter() - began)
        if number % 10 == 0:
            loops.append(cpu_of(loop))
    hundred = min(100, batches // 2)

    def grown(spent: list[float], ends: int = hundred) -> dict[str, float]:
        first, last = statistics.median(spent[:ends]), statistics.median(spent[-ends:])
        return {"first_ms": round(first * 1e3, 2), "last_ms": round(last * 1e3, 2), "ratio": round(last / first, 3)}

    whole, right = as_frame(as_columns(pd.concat(frames), "all")), 0
    started = time.process_time()
    for number, version in enumerate(said):
        then = tables.read("t", version=version.version)
        expected = whole.iloc[: rows * (number + 1)]
        held = digest_rows(then[then["id"] >= rows * number])
        right += len(then) == len(expected) and digest_rows(then) == digest_rows(expected) and held == version.digest
    travelled = time.process_time() - started
    oldest = cpu_of(lambda: tables.append("t", frames[0], "b0", time="at"))
    return {
        "batches": batches,
        "rows_a_batch": rows,
        "cpu": grown(cpu),
        "wall": grown(wall),
        "slowest_ms": round(max(wall) * 1e3, 1),
        "asked": MOST_FOR_THE_LAST,
        "versions_right": right,
        "travel_cpu_s": round(travelled, 1),
        "oldest_batch_again_cpu_s": round(oldest, 3),
        # Grown too, it was the machine that became slower: others used it meanwhile.
        "loop": grown(loops, hundred // 10),
        "files": len(list(Path(folder, "t").glob("*.parquet"))),
        "log_files": len(list(Path(folder, "t", "_delta_log").iterdir())),
    }


def main() -> None:
    """Read the words of the command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--results", type=Path)
    words.add_argument("--rows", type=int, default=1_000_000)
    words.add_argument("--runs", type=int, default=5)
    words.add_argument("--batches", type=int, default=1_000)
    words.add_argument("--rows-a-batch", type=int, default=200)
    given = words.parse_args()
    cost = digest(given.rows, given.runs)
    print(
        f"digest of {cost['rows']:,} x {cost['columns']}: {cost['digest_cpu_s']:.2f} CPU s, pandas' hash "
        f"{cost['pandas_cpu_s']:.2f}: {cost['ratio']} of it (asked: at most {cost['asked']})",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        growth = appends(folder, given.batches, given.rows_a_batch)
    for kind in ("cpu", "wall", "loop"):
        print(
            f"{kind} while appending: {growth[kind]['first_ms']} ms at first, {growth[kind]['last_ms']} ms at last: "
            f"{growth[kind]['ratio']}"
        )
    print(f"asked of the CPU of appends: at most {growth['asked']}")
    print(f"{growth['versions_right']} of {growth['batches']} versions read back right, rows and digest")
    print(f"the oldest batch again: {growth['oldest_batch_again_cpu_s']} CPU s")
    if given.results:
        given.results.write_text(json.dumps({"digest": cost, "appends": growth}, indent=1) + "\n")


if __name__ == "__main__":
    main()
