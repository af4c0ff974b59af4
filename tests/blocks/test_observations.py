"""Predictions reach their table exactly once, whatever else lies in the spool."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from prefect_mlops.blocks import observations
from prefect_mlops.blocks.observations import PredictionLog
from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.core.errors import StorageError
from prefect_mlops.core.predictions import only_answered, parse_predictions


@pytest.fixture
def log(tmp_path: Path) -> PredictionLog:
    (tmp_path / "spool" / "m").mkdir(parents=True)
    return PredictionLog(spool=str(tmp_path / "spool"))


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(root=str(tmp_path / "tables"))


def line(number: int, **changes: object) -> str:
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
    return json.dumps(entry | changes) + "\n"


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


def segment(log: PredictionLog, start: int, text: str, stream: str = "a-7-1767225600000-5f2c") -> Path:
    """A segment that nobody writes any more."""
    path = log.folder() / "m" / f"{stream}.{start:012d}.jsonl"
    path.write_text(text)
    return path


def test_a_closed_segment_is_removed_when_its_rows_are_in_the_table(log: PredictionLog, tables: DeltaTables) -> None:
    first = segment(log, 0, lines(0, 3))
    segment(log, first.stat().st_size, lines(3, 5))

    assert log.collect("m", tables) == 5
    assert list((log.folder() / "m").iterdir()) == []
    assert collected(tables) == list(range(5))
    assert tables.version("m-predictions") == 0


def test_a_segment_that_is_written_stays_and_grows(log: PredictionLog, tables: DeltaTables) -> None:
    path = segment(log, 0, lines(0, 3))
    with path.open("a") as server:
        fcntl.flock(server, fcntl.LOCK_EX)
        assert log.collect("m", tables) == 3
        assert path.exists()
        server.write(lines(3, 5) + line(5)[:50])
        server.flush()
        assert log.collect("m", tables) == 2
        server.write(line(5)[50:])
    assert log.collect("m", tables) == 1
    assert not path.exists()
    assert collected(tables) == list(range(6))


def test_half_a_line_of_a_dead_server_is_set_aside(log: PredictionLog, tables: DeltaTables) -> None:
    path = segment(log, 0, lines(0, 3) + line(3)[:50])

    assert log.collect("m", tables) == 3
    assert log.collect("m", tables) == 0
    assert log.broken("m") == 1
    assert not path.exists()


def test_an_empty_segment_of_a_dead_server_is_removed(log: PredictionLog, tables: DeltaTables) -> None:
    path = segment(log, 0, "")

    assert log.collect("m", tables) == 0
    assert not path.exists()


def test_a_collected_segment_that_comes_again_adds_nothing(log: PredictionLog, tables: DeltaTables) -> None:
    path = segment(log, 0, lines(0, 3))
    log.collect("m", tables)
    segment(log, 0, lines(0, 3))

    assert log.collect("m", tables) == 0
    assert not path.exists()
    assert collected(tables) == [0, 1, 2]


def test_a_later_segment_waits_for_the_one_before_it_and_not_for_ever(
    log: PredictionLog, tables: DeltaTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observations, "GAP_SECONDS", 0.05)
    first = segment(log, 0, lines(0, 3))
    size = first.stat().st_size
    first.rename(first.with_suffix(".elsewhere"))
    segment(log, size, lines(3, 5))
    segment(log, 0, lines(10, 12), stream="b-7-1767225600000-5f2d")
    bring = threading.Timer(0.02, first.with_suffix(".elsewhere").rename, [first])
    bring.start()
    assert log.collect("m", tables) == 7
    bring.join()

    segment(log, 10_000, lines(20, 22))  # the bytes before it are gone for good
    assert log.collect("m", tables) == 2
    assert collected(tables) == [0, 1, 2, 3, 4, 10, 11, 20, 21]


BEFORE_ATTEMPTS = ["request_id", "row", "arm", "answered"]


def test_a_table_from_before_there_were_attempts_goes_on(log: PredictionLog, tables: DeltaTables) -> None:
    rows, _ = parse_predictions([line(0).encode()])
    tables.append_spool(
        "m-predictions", rows.drop_columns(BEFORE_ATTEMPTS), {"spool:old.jsonl": 400}, {"spool:old.jsonl": 0}
    )
    segment(log, 0, line(1) + line(2, request_id="r", row=0, arm="canary", answered=False))

    assert log.collect("m", tables) == 2

    read = tables.read("m-predictions").sort_values("prediction_id")
    assert read["request_id"].isna().tolist() == [True, True, False]
    assert only_answered(read)["prediction_id"].tolist() == ["0", "1"]
    assert tables.spool_offsets("m-predictions", ["spool:old.jsonl"]) == {"spool:old.jsonl": 400}


def test_what_was_read_from_where_another_collector_has_gone_on_is_not_written(tables: DeltaTables) -> None:
    rows = [parse_predictions([line(number).encode()])[0] for number in range(3)]
    assert tables.append_spool("m-predictions", rows[0], {"spool:a.jsonl": 100}, {"spool:a.jsonl": 0})

    # It looked before that commit, and read further than that, for the server had written on.
    late = pa.concat_tables(rows[:2])
    assert not tables.append_spool("m-predictions", late, {"spool:a.jsonl": 200}, {"spool:a.jsonl": 0})

    assert tables.append_spool("m-predictions", rows[1], {"spool:a.jsonl": 200}, {"spool:a.jsonl": 100})
    assert sorted(tables.read("m-predictions")["prediction_id"]) == ["0", "1"]


def test_collectors_at_once_widen_an_old_table_once(log: PredictionLog, tables: DeltaTables) -> None:
    rows, _ = parse_predictions([line(0).encode()])
    tables.append_spool(
        "m-predictions", rows.drop_columns(BEFORE_ATTEMPTS), {"spool:old.jsonl": 400}, {"spool:old.jsonl": 0}
    )
    for number in range(1, 9):
        segment(log, 0, line(number), stream=f"a-{number}")

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: log.collect("m", tables), range(8)))

    assert sum(counts) == 8
    assert collected(tables) == list(range(9))


def test_many_collections_keep_the_table_in_few_files(log: PredictionLog, tables: DeltaTables) -> None:
    for number in range(50):
        segment(log, 0, line(number), stream=f"a-{number}")
        log.collect("m", tables)

    assert collected(tables) == list(range(50))
    assert len(DeltaTable(tables.path("m-predictions")).file_uris()) == 1


def test_a_spool_that_cannot_be_read_is_a_fault_of_the_storage(log: PredictionLog, tables: DeltaTables) -> None:
    (log.folder() / "m" / "a-1.000000000000.jsonl").mkdir()

    with pytest.raises(StorageError, match="prediction log of m"):
        log.collect("m", tables)


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
