"""The log of a server: it delays nobody, loses nothing in silence, and tells no personal value."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pandas as pd
import pytest

from prefect_mlops.blocks import DeltaTables, PredictionLog
from prefect_mlops.core.contract import contract_of
from prefect_mlops.core.predictions import keys_as_logged, parse_predictions
from tests.waiting import until

SERVICE = Path(importlib.util.find_spec("prefect_mlops.tasks").submodule_search_locations[0]) / "bento_service"  # type: ignore[union-attr,index]
PERSONAL = {"key": ["row_id"], "time": "happened", "personal": ["row_id", "x"]}


class Said(NamedTuple):
    """What a model says of a row, as the service holds it."""

    id: str
    prediction: Any = True
    score: float | None = 0.75
    probabilities: dict[str, float] | None = None


@pytest.fixture
def spooling(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The file as a bento holds it, beside `segments.py`, with metrics of its own."""
    import prometheus_client

    make = prometheus_client.Counter
    monkeypatch.setattr(prometheus_client, "Counter", lambda name, text: make(name, text, registry=None))
    monkeypatch.syspath_prepend(str(SERVICE))
    import spool

    yield spool
    for name in ("spool", "segments"):
        sys.modules.pop(name)


@pytest.fixture
def contract(toy_spec) -> dict[str, Any]:
    spec = toy_spec("binary")
    return json.loads(contract_of(spec, 3, spec.features.names, [False, True], []).model_dump_json())


@pytest.fixture
def spool(spooling: ModuleType, contract: dict[str, Any], tmp_path: Path) -> Iterator[Any]:
    spool = spooling.Spool(str(tmp_path / "spool"), "b", contract)
    yield spool
    spool.close()


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "x": 0.5,
        "model_year": 2001.0,
        "kind of thing": "car",
        "day": 2,
        "row_id": number,
        "happened": None,
    } | changes


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "spool" / "toy-binary").glob("*.jsonl"))


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in files(tmp_path) for line in file.read_bytes().splitlines()]


def dropped(spool: Any) -> float:
    return float(spool._dropped._value.get())


def test_every_row_of_every_attempt_is_a_line_that_can_be_collected(spool, tmp_path: Path) -> None:
    spool.record([row(1), row(2)], [Said("p1"), Said("p2", probabilities={"n": 0.25, "y": 0.75})], 1.5, request_id="r")
    spool.failed([row(3)], 2.5, request_id="s", arm="canary")
    spool.close()

    found, broken = parse_predictions(file.read_bytes().splitlines()[i] for file in files(tmp_path) for i in range(3))
    assert broken == []
    said = found.to_pylist()
    assert [(one["request_id"], one["row"], one["key"]) for one in said] == [
        ("r", 0, "1"),
        ("r", 1, "2"),
        ("s", 0, "3"),
    ]
    assert [one["answered"] for one in said] == [True, True, False]
    assert [one["prediction"] for one in said] == ["True", "True", None]
    assert (said[2]["arm"], said[2]["score"], said[1]["probabilities"]) == ("canary", None, "[0.25,0.75]")
    assert json.loads(said[0]["features"]) == {"x": 0.5, "model_year": 2001.0, "kind of thing": "car", "day": 2}
    assert len({one["prediction_id"] for one in said}) == 3


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"host": "m:80", "x-request-id": "7", "x-mlops-arm": "canary"}, ("7", "canary", True)),
        ({"host": "m-shadow:80", "x-request-id": "7", "x-mlops-arm": "champion"}, ("7", "shadow", False)),
        ({"host": "m-shadow", "x-request-id": "7"}, ("7", "shadow", False)),
        ({"host": "m", "x-request-id": "7", "x-mlops-arm": "<script>"}, ("7", "", True)),
        ({"x-request-id": "7" * 999}, ("7" * 128, "", True)),
    ],
)
def test_a_request_says_where_it_comes_from(spooling: ModuleType, headers: dict[str, str], told: Any) -> None:
    assert spooling.Spool.origin(headers) == told


def test_a_request_without_an_id_is_given_one(spooling: ModuleType) -> None:
    assert len(spooling.Spool.origin({}).request_id) == 32


def test_lines_are_on_disk_soon_and_a_quiet_server_closes_its_segment(
    spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["segments"], "SEGMENT_SECONDS", 0.3)
    for number in range(2):
        spool.record([row(number)], [Said(str(number))], 1.0)
        until(lambda number=number: len(lines(tmp_path)) == number + 1, 2)
        until(lambda: spool._segments._file < 0, 3)

    first, second = files(tmp_path)
    begins = f"b-{os.getpid()}-"
    assert first.name.startswith(begins)
    assert int(second.name.split(".")[1]) == first.stat().st_size


def test_what_nobody_can_take_in_time_is_dropped_and_counted(
    spool, spooling: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "WAITING_ROWS", 100)
    monkeypatch.setattr(
        spooling.Lines, "each", lambda self, attempt, each=spooling.Lines.each: slow(each(self, attempt))
    )

    for number in range(400):
        spool.record([row(number)], [Said(str(number))], 1.0)
    spool.close()

    assert dropped(spool) > 0
    assert dropped(spool) + len(lines(tmp_path)) == 400
    assert spool._logged._value.get() == len(lines(tmp_path))


def slow(made: Iterator[bytes]) -> Iterator[bytes]:
    time.sleep(0.002)
    yield from made


def test_a_folder_of_many_segments_takes_no_more_until_some_are_collected(
    spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool._segments, "_most", 2_000)
    monkeypatch.setattr(sys.modules["segments"], "SEGMENT_BYTES", 1_000)
    monkeypatch.setattr(sys.modules["segments"], "UNWRITTEN_BYTES", 3_000)
    monkeypatch.setattr(sys.modules["segments"], "RETRY_SECONDS", 0.05)
    for number in range(40):
        spool.record([row(number)], [Said(str(number))], 1.0)
        time.sleep(0.01)
    until(lambda: dropped(spool) > 20)
    held = len(lines(tmp_path))
    assert sum(file.stat().st_size for file in files(tmp_path)) < 5_000
    assert "MB of the" in caplog.text
    assert len(caplog.records) == 1

    log, tables = PredictionLog(spool=str(tmp_path / "spool")), DeltaTables(root=str(tmp_path / "tables"))
    collected = log.collect("toy-binary", tables)
    until(lambda: len(lines(tmp_path)) > 0)
    spool.close()
    collected += log.collect("toy-binary", tables)

    assert collected > held
    assert collected + dropped(spool) == 40
    assert log.broken("toy-binary") == 0


def test_a_folder_that_cannot_be_written_delays_nobody_and_is_said_once(
    spool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    begun = time.monotonic()
    for number in range(100):
        spool.record([row(number)], [Said(str(number))], 1.0)
    took = time.monotonic() - begun
    until(lambda: spool._segments._unwritten)
    (tmp_path / "spool").unlink()
    spool.close()

    assert took < 1
    assert len(lines(tmp_path)) == 100
    assert len(caplog.records) == 1


@pytest.mark.parametrize("value", [10**30, 2**64, 1e300, True, "b\u00f6at", None, "\ud800"])
def test_a_row_of_odd_values_stops_no_other(spool, tmp_path: Path, value: Any) -> None:
    spool.record([row(1, day=value)], [Said("p1")], 1.0)
    spool.record([row(2)], [Said("p2")], 1.0)
    spool.close()

    assert [json.loads(one["features"])["day"] for one in lines(tmp_path)] == [value, 2]


def test_an_attempt_that_cannot_be_written_is_dropped_alone(spool, tmp_path: Path) -> None:
    spool.record([{"x": 1.0}], [Said("p1")], 1.0)
    spool.record([row(2)], [Said("p2")], 1.0)
    spool.close()

    assert [one["prediction_id"] for one in lines(tmp_path)] == ["p2"]
    assert dropped(spool) == 1


def test_a_segment_that_somebody_removes_is_replaced_by_the_next(spool, tmp_path: Path) -> None:
    spool.record([row(1)], [Said("p1")], 1.0)
    until(lambda: lines(tmp_path))
    files(tmp_path)[0].unlink()
    spool.record([row(2)], [Said("p2")], 1.0)
    spool.close()
    log, tables = PredictionLog(spool=str(tmp_path / "spool")), DeltaTables(root=str(tmp_path / "tables"))

    assert log.collect("toy-binary", tables) == 1
    assert tables.read("toy-binary-predictions")["prediction_id"].tolist() == ["p2"]


def test_a_clock_that_jumps_back_mixes_no_streams(
    spooling: ModuleType, contract: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_767_225_600_000_000_000)
    monkeypatch.setattr(spooling, "time", FrozenTime())
    for number in range(2):  # two processes that came to the same id in the same millisecond
        spool = spooling.Spool(str(tmp_path / "spool"), "b", contract)
        spool.record([row(number)], [Said(str(number))], 1.0)
        spool.close()
    log, tables = PredictionLog(spool=str(tmp_path / "spool")), DeltaTables(root=str(tmp_path / "tables"))

    assert len(files(tmp_path)) == 2
    assert log.collect("toy-binary", tables) == 2


class FrozenTime:
    """A wall clock that stands an hour before now, and everything else of `time`."""

    def time(self) -> float:
        return 1_767_225_600.0

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def test_personal_values_are_in_no_line(
    spooling: ModuleType, toy_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("MLOPS_PERSONAL_KEY", raising=False)
    for serving in ({"personal": "left-out"}, {"personal": "hashed"}):  # the second without its key
        spec = toy_spec("binary", data=PERSONAL, serving=serving)
        contract = json.loads(contract_of(spec, 3, spec.features.names, [False, True], []).model_dump_json())
        spool = spooling.Spool(str(tmp_path / "spool"), "b", contract)
        spool.record([row(876_543, x=31.4159)], [Said("p")], 1.0)
        spool.close()

    assert len(lines(tmp_path)) == 2
    assert {one["key"] for one in lines(tmp_path)} == {""}
    assert {tuple(json.loads(one["features"])) for one in lines(tmp_path)} == {("model_year", "kind of thing", "day")}
    assert not any("876543" in text or "31.4159" in text for text in (file.read_text() for file in files(tmp_path)))
    assert "MLOPS_PERSONAL_KEY is not set" in caplog.text


def test_labels_find_predictions_by_the_stand_in_of_a_personal_key(
    spooling: ModuleType, toy_spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_PERSONAL_KEY", "sixteen letters!")
    spec = toy_spec("binary", data=PERSONAL | {"key": ["row_id", "day"]}, serving={"personal": "hashed"})
    contract = json.loads(contract_of(spec, 3, spec.features.names, [False, True], []).model_dump_json())
    spool = spooling.Spool(str(tmp_path / "spool"), "b", contract)
    spool.record([row(7.0, x=31.4159), row("b-8")], [Said("p"), Said("q")], 1.0)
    spool.close()

    labels = pd.DataFrame({"row_id": ["7", "b-8"], "day": [2, 2]})
    assert [one["key"] for one in lines(tmp_path)] == keys_as_logged(labels, spec, b"sixteen letters!").tolist()
    assert not any("31.4159" in file.read_text() or "b-8" in file.read_text() for file in files(tmp_path))
    assert json.loads(lines(tmp_path)[0]["features"])["x"].startswith("hmac:")


@pytest.mark.parametrize(("values", "key"), [([7], "7"), (["7", 8.0], '["7", "8"]'), ([None, 8], ""), ([2.5], "2.5")])
def test_a_key_is_bare_text_or_a_json_list(
    spooling: ModuleType, contract: dict[str, Any], values: list[object], key: str
) -> None:
    names = [f"k{number}" for number in range(len(values))]
    made = spooling.Lines("a", {**contract, "key": names}, b"")

    assert made._key(dict(zip(names, values, strict=True))) == key


def test_without_orjson_the_lines_say_the_same(
    spooling: ModuleType, contract: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = spooling.Attempt(1.5, [row(1, happened=None)], [Said("p")], 0.5, "r", "champion", True)
    fast = list(spooling.Lines("a", contract, b"").each(attempt))
    monkeypatch.setitem(sys.modules, "orjson", None)
    plain = list(spooling.Lines("a", contract, b"").each(attempt))

    assert [json.loads(line) for line in plain] == [json.loads(line) for line in fast]


SERVER = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import segments
from types import SimpleNamespace
from spool import Spool

segments.SEGMENT_BYTES = 20_000
spool = Spool(sys.argv[2], "b", json.loads(sys.argv[3]))
number, row = 0, json.loads(sys.argv[4])
while True:
    said = SimpleNamespace(id=f"{sys.argv[5]}-{number}", prediction=True, score=0.5, probabilities=None)
    spool.record([row], [said], 1.0)
    if number % 100 == 0:
        print(number, time.time(), flush=True)
    number += 1
    time.sleep(0.0002)
"""


@pytest.mark.process
def test_a_killed_server_loses_only_its_last_moment_and_the_rest_is_collected_once(
    contract: dict[str, Any], tmp_path: Path
) -> None:
    log, tables = PredictionLog(spool=str(tmp_path / "spool")), DeltaTables(root=str(tmp_path / "tables"))
    said_at: dict[str, dict[int, float]] = {}
    killed: dict[str, float] = {}
    for life in ("one", "two", "three"):
        told = [str(SERVICE), str(tmp_path / "spool"), json.dumps(contract), json.dumps(row(1)), life]
        with subprocess.Popen([sys.executable, "-c", SERVER, *told], stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            server.stdout.readline()
            for _ in range(4):
                time.sleep(0.2)
                log.collect("toy-binary", tables)
            killed[life] = time.time()
            os.kill(server.pid, signal.SIGKILL)
            told_at = [line.split() for line in server.stdout]
        said_at[life] = {int(number): float(at) for number, at in told_at}
    log.collect("toy-binary", tables)
    log.collect("toy-binary", tables)

    ids = tables.read("toy-binary-predictions", columns=["prediction_id"])["prediction_id"]
    assert ids.is_unique
    for life, at in said_at.items():
        numbers = sorted(int(one.split("-")[1]) for one in ids if one.startswith(f"{life}-"))
        assert numbers == list(range(len(numbers)))
        lost = [moment for number, moment in at.items() if number >= len(numbers)]
        assert all(killed[life] - moment < 1.0 for moment in lost)
    assert files(tmp_path) == []
