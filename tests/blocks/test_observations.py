"""Predictions reach their table exactly once, whatever else lies in the spool."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prefect_mlops.blocks import observations
from prefect_mlops.blocks.observations import PredictionLog
from prefect_mlops.blocks.tables import DeltaTables


@pytest.fixture
def log(tmp_path: Path) -> PredictionLog:
    (tmp_path / "spool" / "m").mkdir(parents=True)
    return PredictionLog(spool=str(tmp_path / "spool"))


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(root=str(tmp_path / "tables"))


def line(number: int) -> str:
    entry = {
        "prediction_id": str(number),
        "model": "m",
        "version": 1,
        "slot": "a",
        "predicted_at": "2013-04-01T00:00:00+00:00",
        "key": str(number),
        "event_time": None,
        "prediction": "1",
        "score": 0.5,
        "probabilities": None,
        "latency_ms": 1.0,
        "features": "{}",
    }
    return json.dumps(entry) + "\n"


def lines(first: int, last: int) -> str:
    return "".join(line(number) for number in range(first, last))


def write(log: PredictionLog, name: str, text: str) -> None:
    with (log.folder() / "m" / name).open("a") as spool:
        spool.write(text)


def collected(tables: DeltaTables) -> list[int]:
    return sorted(int(name) for name in tables.read("m-predictions")["prediction_id"])


def test_nothing_logged_is_nothing_new(log: PredictionLog, tables: DeltaTables) -> None:
    assert log.collect("m", tables) == 0
    assert log.collect("never-served", tables) == 0
    assert not tables.exists("m-predictions")


def test_lines_are_collected_once(log: PredictionLog, tables: DeltaTables) -> None:
    write(log, "one.jsonl", lines(0, 3))

    assert log.collect("m", tables) == 3
    assert log.collect("m", tables) == 0
    write(log, "one.jsonl", lines(3, 5))
    assert log.collect("m", tables) == 2
    assert collected(tables) == [0, 1, 2, 3, 4]


def test_many_files_make_one_commit(log: PredictionLog, tables: DeltaTables) -> None:
    for number in range(5):
        write(log, f"{number}.jsonl", lines(number, number + 1))

    assert log.collect("m", tables) == 5
    assert tables.version("m-predictions") == 0


def test_a_line_without_its_end_waits_for_it(log: PredictionLog, tables: DeltaTables) -> None:
    whole = line(1)
    write(log, "one.jsonl", line(0) + whole[:40])

    assert log.collect("m", tables) == 1
    write(log, "one.jsonl", whole[40:])
    assert log.collect("m", tables) == 1
    assert collected(tables) == [0, 1]


def test_broken_lines_are_set_aside_and_counted_once(log: PredictionLog, tables: DeltaTables) -> None:
    write(log, "one.jsonl", line(0) + "half a li\n" + line(1) + "{}\n")

    assert log.collect("m", tables) == 2
    assert log.collect("m", tables) == 0
    assert log.broken("m") == 2


def test_a_file_of_broken_lines_alone_is_read_once(log: PredictionLog, tables: DeltaTables) -> None:
    write(log, "one.jsonl", "nonsense\n")

    assert log.collect("m", tables) == 0
    assert log.collect("m", tables) == 0
    assert tables.version("m-predictions") == 0
    assert log.broken("m") == 1
    write(log, "one.jsonl", line(7))
    assert log.collect("m", tables) == 1


def test_blank_lines_are_neither_rows_nor_broken(log: PredictionLog, tables: DeltaTables) -> None:
    write(log, "one.jsonl", f"\n{line(0)}\n\n{line(1)}")

    assert log.collect("m", tables) == 2
    assert log.collect("m", tables) == 0
    assert log.broken("m") == 0


def test_a_long_spool_is_read_in_pieces(
    log: PredictionLog, tables: DeltaTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observations, "READ_AT_ONCE", 700)
    for name, first in (("a.jsonl", 0), ("b.jsonl", 20)):
        write(log, name, lines(first, first + 20))

    total = 0
    while new := log.collect("m", tables):
        total += new

    assert total == 40
    assert collected(tables) == list(range(40))


def test_collectors_at_once_double_nothing(log: PredictionLog, tables: DeltaTables) -> None:
    write(log, "one.jsonl", lines(0, 50))
    write(log, "two.jsonl", lines(50, 90))

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: log.collect("m", tables), range(8)))

    assert sum(counts) == 90
    assert collected(tables) == list(range(90))


COLLECTOR = """
import sys
from prefect_mlops.blocks.observations import PredictionLog
from prefect_mlops.blocks.tables import DeltaTables

log, tables = PredictionLog(spool=sys.argv[1]), DeltaTables(root=sys.argv[2])
print("ready", flush=True)
while True:
    log.collect("m", tables)
"""


@pytest.mark.process
def test_a_collector_killed_at_any_moment_loses_and_doubles_nothing(
    log: PredictionLog, tables: DeltaTables, tmp_path: Path
) -> None:
    number = 0
    for round_ in range(3):
        arguments = [sys.executable, "-c", COLLECTOR, str(tmp_path / "spool"), str(tmp_path / "tables")]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as collector:
            assert collector.stdout is not None
            collector.stdout.readline()
            for _ in range(20):
                write(log, f"{number % 3}.jsonl", lines(number, number + 5))
                number += 5
                time.sleep(0.007 + 0.003 * round_)
            os.kill(collector.pid, signal.SIGKILL)

    log.collect("m", tables)

    assert collected(tables) == list(range(number))
