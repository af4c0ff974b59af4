"""What 20 checks of a batch cost: this product beside plain Great Expectations, hand-written Polars and pandera.

Each case runs in a fresh process, so that its peak memory is its own. CPU seconds include the reading of the Parquet
file and leave out imports and compiling, which a warm-up on 100 rows pays. `make bench-data` runs all of it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
CITIES = ["Amsterdam", "Berlin", "Kraków", "Lisbon", "Zürich"]
CODE, CODE_FOR_PYTHON = "^[A-Z]{2}-[0-9]{6}$", "^(?=[A-Z])[A-Z]{2}-[0-9]{6}$"
MAIL = "^[a-z0-9]+@[a-z]+[.]com$"
QUANTILES = {"quantiles": [0.05, 0.5, 0.95], "value_ranges": [[0, 10], [40, 60], [90, 100]]}
HARD_LIMIT_BYTES = 1536 * 2**20
BETWEEN = {"age": (0, 120), "score": (0, 1), "amount": (0, 1_000), "quantity": (1, 50)}
TYPES = {"id": "int64", "amount": "float64", "active": "bool"}
FILLED = ("id", "customer", "day", "amount")


def write_batch(path: Path, rows: int, dirty: bool) -> None:
    """A batch of 15 columns; of a dirty one about one row in a hundred is wrong in each column that is checked."""
    import numpy as np
    import polars as pl

    chance = np.random.default_rng(rows)
    bad = [chance.random(rows) < 0.01 if dirty else np.zeros(rows, dtype=bool) for _ in range(9)]
    number = np.arange(rows)
    low = chance.uniform(0, 100, rows).round(3)
    day = np.datetime64("2024-01-01", "us") + (number % 366).astype("timedelta64[D]")
    frame = pl.DataFrame(
        {
            "id": np.where(bad[0], 0, number),
            "customer": chance.integers(0, 50_000, rows),
            "day": day,
            "amount": np.where(bad[1], -1.0, chance.uniform(0, 1_000, rows).round(2)),
            "quantity": np.where(bad[2], 0, chance.integers(1, 51, rows)),
            "age": np.where(bad[3], 400, chance.integers(0, 100, rows)),
            "score": chance.random(rows),
            "low": np.where(bad[4], 1_000.0, low),
            "high": low + 5.0,
            "share": chance.uniform(0, 100, rows),
            "active": chance.random(rows) < 0.5,
            "spare": chance.random(rows),
            "place": np.where(bad[5], 5, chance.integers(0, 5, rows)),
            "holes": np.array(bad[6]),
            "wrong": np.array(bad[7]),
        }
    ).lazy()
    text = pl.col("id").cast(pl.Utf8)
    frame.with_columns(
        pl.when("holes").then(None).otherwise(pl.col("customer")).alias("customer"),
        pl.col("place").replace_strict(list(range(6)), [*CITIES, "Atlantis"], return_dtype=pl.Utf8),
        pl.when("wrong").then(pl.lit("x")).otherwise(pl.lit("AB-") + text.str.zfill(6).str.slice(-6)).alias("holes"),
        pl.when("wrong").then(pl.lit("@")).otherwise(pl.lit("u") + text + pl.lit("@mail.com")).alias("wrong"),
    ).rename({"place": "city", "holes": "code", "wrong": "mail"}).collect().write_parquet(path)


def checks(code: str) -> list[tuple[str, dict[str, Any]]]:
    """The 20 checks, as Great Expectations writes them."""
    column = "expect_column_values_to_"
    asked = [(f"{column}be_of_type", {"column": name, "type_": kind}) for name, kind in TYPES.items()]
    asked += [(f"{column}not_be_null", {"column": name}) for name in FILLED]
    asked += [(f"{column}be_between", {"column": n, "min_value": a, "max_value": b}) for n, (a, b) in BETWEEN.items()]
    return [
        *asked,
        (f"{column}be_unique", {"column": "id"}),
        (f"{column}be_in_set", {"column": "city", "value_set": CITIES}),
        (f"{column}be_in_set", {"column": "active", "value_set": [True, False]}),
        (f"{column}match_regex", {"column": "code", "regex": code}),
        (f"{column}match_regex", {"column": "mail", "regex": MAIL, "mostly": 0.95}),
        ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "high", "column_B": "low"}),
        ("expect_table_row_count_to_be_between", {"min_value": 1, "max_value": 10_000_000}),
        ("expect_column_quantile_values_to_be_between", {"column": "share", "quantile_ranges": QUANTILES}),
        ("expect_column_to_exist", {"column": "spare"}),
    ]


def suite_of(code: str) -> Any:
    """The checks as a suite of this product."""
    from prefect_mlops.core.spec import Expectation, Suite

    return Suite(expectations=tuple(Expectation(type=kind, kwargs=kwargs) for kind, kwargs in checks(code)))


def told(results: Any) -> list[str]:
    """Verdicts, counts, observed values, examples and exceptions, as text that can be compared."""
    from prefect_mlops.tasks.expectations.reading import raised

    def one(result: Any) -> str:
        details = {key: value for key, value in (result.result or {}).items() if "index" not in key}
        return repr((bool(result.success), raised(result), sorted(details.items())))

    return [one(result) for result in results]


def ours(path: Path, code: str = CODE) -> list[str]:
    """This product."""
    from prefect_mlops.core.counting import open_table
    from prefect_mlops.tasks.expectations import compile_suite, judge

    return told(judge(open_table(path), compile_suite(suite_of(code))).results)


def ours_with_fallback(path: Path) -> list[str]:
    """This product, where one pattern looks ahead, which only Python can do."""
    return ours(path, CODE_FOR_PYTHON)


def plain(path: Path, code: str = CODE) -> list[str]:
    """Plain Great Expectations on the pandas frame, through its public words."""
    import great_expectations as gx
    import pandas as pd

    from prefect_mlops.tasks.expectations.compiled import POSITION, RESULT_FORMAT, domain_object
    from prefect_mlops.tasks.expectations.quiet import quiet_context

    asked = [domain_object(*each) for each in enumerate(suite_of(code).expectations)]
    asset = quiet_context().data_sources.add_pandas("rows").add_dataframe_asset("batch")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.read_parquet(path)})
    answer = batch.validate(gx.ExpectationSuite(name="suite", expectations=asked), result_format=dict(RESULT_FORMAT))
    return told(sorted(answer.results, key=lambda each: each.expectation_config.meta[POSITION]))


def by_hand(path: Path) -> list[str]:
    """What an engineer would write in Polars: the same counts, without reports, in one streaming query."""
    import polars as pl

    def bad(name: str, fits: pl.Expr) -> pl.Expr:
        return (~fits).sum().alias(name)

    schema = pl.scan_parquet(path).collect_schema()
    counts = [
        pl.len().alias("rows"),
        *(pl.col(name).null_count().alias(f"{name} null") for name in FILLED),
        *(bad(f"{name} between", pl.col(name).is_between(a, b)) for name, (a, b) in BETWEEN.items()),
        (pl.len() - pl.col("id").n_unique()).alias("id repeated"),
        bad("city", pl.col("city").is_in(CITIES)),
        bad("active", pl.col("active").is_in([True, False])),
        bad("code", pl.col("code").str.contains(CODE)),
        bad("mail", pl.col("mail").str.contains(MAIL)),
        bad("pair", pl.col("high") > pl.col("low")),
        *(pl.col("share").quantile(q, "nearest").alias(f"share {q}") for q in QUANTILES["quantiles"]),
    ]
    row = pl.scan_parquet(path).select(counts).collect(engine="streaming").row(0, named=True)
    return [str(schema), str("spare" in schema), str(row)]


def pandera(path: Path) -> list[str]:
    """Pandera on Polars, all failures collected; it has no check of quantiles, so a function of our own does that."""
    import pandera.polars as pa
    import polars as pl

    def quantiles(data: Any) -> bool:
        frame = data.lazyframe.select(pl.col("share").quantile(q, "nearest").alias(str(q)) for q in (0.05, 0.5, 0.95))
        pairs = zip(frame.collect().row(0), QUANTILES["value_ranges"], strict=True)
        return all(low <= value <= high for value, (low, high) in pairs)

    def ranged(name: str, kind: Any = None, **how: Any) -> Any:
        return pa.Column(kind, pa.Check.in_range(*BETWEEN[name]), nullable=name not in FILLED, **how)

    columns = {
        "id": pa.Column(pl.Int64, unique=True),
        **{name: pa.Column() for name in ("customer", "day", "spare")},
        "amount": ranged("amount", pl.Float64),
        **{name: ranged(name) for name in ("quantity", "age", "score")},
        "city": pa.Column(checks=pa.Check.isin(CITIES)),
        "active": pa.Column(pl.Boolean, pa.Check.isin([True, False])),
        "code": pa.Column(checks=pa.Check.str_matches(CODE)),
        "mail": pa.Column(checks=pa.Check.str_matches(MAIL)),
        "share": pa.Column(checks=pa.Check(quantiles)),
    }
    ordered = pa.Check(lambda data: data.lazyframe.select(pl.col("high") > pl.col("low")))
    schema = pa.DataFrameSchema(columns, checks=[ordered, pa.Check(lambda data: data.lazyframe.select(pl.len() > 0))])
    try:
        schema.validate(pl.read_parquet(path), lazy=True)
    except pa.errors.SchemaErrors as errors:
        return [str(len(errors.schema_errors))]
    return ["0"]


def plain_with_fallback(path: Path) -> list[str]:
    """Plain Great Expectations with the pattern that looks ahead."""
    return plain(path, CODE_FOR_PYTHON)


ENGINES: dict[str, Callable[[Path], list[str]]] = {
    each.__name__: each for each in (ours, ours_with_fallback, plain, plain_with_fallback, by_hand, pandera)
}


def confinement() -> Path:
    """The control group of the hard limit: of the first version of Linux's, or of the second."""
    groups = Path("/sys/fs/cgroup")
    return groups / ("memory" if (groups / "memory").is_dir() else "") / "bench-validation"


def confine() -> None:
    """Put this process under a control group's limit, as a container would; more memory ends it."""
    group = confinement()
    group.mkdir(exist_ok=True)
    limit = next(group / name for name in ("memory.limit_in_bytes", "memory.max") if (group / name).exists())
    limit.write_text(str(HARD_LIMIT_BYTES))
    (group / "cgroup.procs").write_text(str(os.getpid()))


def measure(engine: str, path: Path, warm: Path, runs: int, hard: bool) -> dict[str, Any]:
    """Run one case in this process, which has done nothing else."""
    if hard:
        confine()
    ENGINES[engine](warm)
    started = time.process_time()
    sum(number * number for number in range(3_000_000))
    loop, spent, answer = time.process_time() - started, [], []
    for _ in range(runs):
        started = time.process_time()
        answer = ENGINES[engine](path)
        spent.append(time.process_time() - started)
    # Not ru_maxrss: the kernel starts it at what the parent held.
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    cpu = statistics.median(spent)
    return {"cpu_s": round(cpu, 4), "loop_s": round(loop, 4), "peak_mib": int(peak) // 1024, "answer": answer}


def child(*words: str) -> dict[str, Any]:
    """The same script in a fresh process; an empty answer with the reason where it ends badly."""
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"ended with signal {-done.returncode}"])[-1][:200]}
    lines = done.stdout.strip().splitlines()
    return dict(json.loads(lines[-1])) if lines else {}


def table_of(folder: Path, sizes: list[int], batches: list[str], most: int) -> list[dict[str, Any]]:
    """Every case, printed as it comes."""
    cases = []
    child("write", str(folder / "warm.parquet"), "100")
    print(f"{'rows':>9}  {'batch':6} {'engine':20} {'CPU s':>8} {'loop s':>7} {'peak MiB':>9}  equal to plain GX")
    for rows in sizes:
        for batch in batches:
            path = folder / f"{rows}-{batch}.parquet"
            child("write", str(path), str(rows), *(["--dirty"] if batch == "dirty" else []))
            answers: dict[str, Any] = {}
            for engine in ("plain", "plain_with_fallback", "ours", "ours_with_fallback", "by_hand", "pandera"):
                if engine == "plain_with_fallback" and rows > 1_000_000:
                    continue
                runs = "1" if rows > 1_000_000 and engine == "plain" else str(most)
                case = child("measure", engine, str(path), str(folder / "warm.parquet"), runs)
                answers[engine] = case.pop("answer", None)
                against = answers.get(engine.replace("ours", "plain")) if engine.startswith("ours") else None
                if against is not None:
                    case["equal"] = answers[engine] == against
                cases.append({"rows": rows, "batch": batch, "engine": engine, **case})
                print(_line(cases[-1]), flush=True)
            if rows < max(sizes):
                path.unlink()
    return cases


def ratios_of(cases: list[dict[str, Any]], folder: Path, size: int) -> list[dict[str, Any]]:
    """What was asked beside what was measured."""
    found = {(case["rows"], case["batch"], case["engine"]): case for case in cases}

    def ratio(rows: int, batch: str, one: str, other: str, key: str = "cpu_s") -> float | None:
        top, bottom = (found.get((rows, batch, engine), {}).get(key) for engine in (one, other))
        return round(top / bottom, 3) if top is not None and bottom else None

    asked: list[dict[str, Any]] = []
    for batch in ("clean", "dirty"):
        million = (1_000_000, batch)
        asked += [
            {"what": f"CPU, 1,000,000 {batch}, of plain GX", "asked": 0.25, "got": ratio(*million, "ours", "plain")},
            {
                "what": f"CPU, 1,000,000 {batch}, one pattern falls back, of plain GX",
                "asked": 0.35,
                "got": ratio(*million, "ours_with_fallback", "plain_with_fallback"),
            },
            {
                "what": f"peak memory, 5,000,000 {batch}, of plain GX",
                "asked": 0.6,
                "got": ratio(5_000_000, batch, "ours", "plain", "peak_mib"),
            },
        ]
    fixed = found.get((10_000, "clean", "ours"), {}).get("cpu_s")
    hand = ratio(5_000_000, "dirty", "ours", "by_hand")
    asked.append({"what": "CPU, 5,000,000 dirty, of hand-written Polars", "asked": 2.5, "got": hand})
    asked.append({"what": "CPU s, 10,000 clean: the fixed cost and a little counting", "asked": 0.1, "got": fixed})
    for engine in ("ours", "plain"):
        words = ("measure", engine, str(folder / f"{size}-dirty.parquet"), str(folder / "warm.parquet"), "1", "--hard")
        case = child(*words)
        got = case.get("failed") or f"done, peak {case.get('peak_mib')} MiB"
        asked.append({"what": f"{size:,} dirty within 1.5 GiB (control group), {engine}", "asked": "", "got": got})
    if confinement().is_dir():  # where groups cannot be made, both cases say so
        confinement().rmdir()
    return asked


def _line(case: dict[str, Any]) -> str:
    head = f"{case['rows']:>9}  {case['batch']:6} {case['engine']:20}"
    if "failed" in case:
        return f"{head} {case['failed']}"
    return f"{head} {case['cpu_s']:8.3f} {case['loop_s']:7.3f} {case['peak_mib']:9}  {case.get('equal', '')}"


def main() -> None:
    """Read the words of the command line."""
    words = argparse.ArgumentParser(description=__doc__)
    kinds = words.add_subparsers(dest="word", required=True)
    write, one, every = (kinds.add_parser(word) for word in ("write", "measure", "all"))
    write.add_argument("path", type=Path)
    write.add_argument("rows", type=int)
    write.add_argument("--dirty", action="store_true")
    one.add_argument("engine", choices=sorted(ENGINES))
    one.add_argument("path", type=Path)
    one.add_argument("warm", type=Path)
    one.add_argument("runs", type=int)
    one.add_argument("--hard", action="store_true")
    every.add_argument("--results", type=Path)
    every.add_argument("--batches", nargs="+", default=["clean", "dirty"])
    every.add_argument("--runs", type=int, default=3)
    every.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    given = words.parse_args()
    if given.word == "write":
        write_batch(given.path, given.rows, given.dirty)
    elif given.word == "measure":
        print(json.dumps(measure(given.engine, given.path, given.warm, given.runs, given.hard)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            cases = table_of(Path(folder), given.sizes, given.batches, given.runs)
            asked = ratios_of(cases, Path(folder), max(given.sizes))
        for each in asked:
            print(f"{each['what']}: {each['got']}" + (f" (asked: at most {each['asked']})" if each["asked"] else ""))
        if given.results:
            given.results.write_text(json.dumps({"cases": cases, "asked": asked}, indent=1) + "\n")


if __name__ == "__main__":
    main()
