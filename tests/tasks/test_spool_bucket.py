"""Closed segments reach a bucket, are collected from there, and nothing is lost or doubled on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from prefect_mlops.blocks import DeltaTables, PredictionLog
from prefect_mlops.core.contract import contract_of
from prefect_mlops.core.errors import StorageError
from tests.tasks.test_spool import SERVER, SERVICE, Said, row, spooling
from tests.waiting import until

__all__ = ["spooling"]


@pytest.fixture
def bucket(aws: dict[str, Any], new_bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket whose keys and address are in the environment, as on ECS, and a folder for what waits."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws["aws_secret_access_key"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", aws["region_name"])
    monkeypatch.setenv("MLOPS_SPOOL_FOLDER", str(tmp_path / "waiting"))
    return new_bucket()


@pytest.fixture
def log(bucket: Any) -> PredictionLog:
    return PredictionLog(spool=f"s3://{bucket.name}/log", storage_options=bucket.options)


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(root=str(tmp_path / "tables"))


@pytest.fixture
def contract(toy_spec) -> dict[str, Any]:
    spec = toy_spec("binary")
    return json.loads(contract_of(spec, 3, spec.features.names, [False, True], []).model_dump_json())


@pytest.fixture
def spool(spooling: ModuleType, log: PredictionLog, contract: dict[str, Any]) -> Iterator[Any]:
    spool = spooling.Spool(log.address(), "b", contract)
    yield spool
    spool.close()


def keys(aws: dict[str, Any], bucket: Any) -> list[str]:
    listed = boto3.client("s3", **aws).list_objects_v2(Bucket=bucket.name, Prefix="log/")
    return [one["Key"] for one in listed.get("Contents", []) if one["Key"].endswith(".jsonl")]


def test_closed_segments_are_sent_and_collected_once(
    spool: Any, log: PredictionLog, tables: DeltaTables, aws: dict[str, Any], bucket: Any, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(sys.modules["segments"], "SEGMENT_BYTES", 2_000)
    for number in range(20):
        spool.record([row(number)], [Said(f"p{number:02}")], 1.0)
        if number % 10 == 9:
            until(lambda number=number: spool._segments.written == number + 1)
    spool.close()

    sent = keys(aws, bucket)
    assert len(sent) == 2
    assert all(key.startswith(f"log/toy-binary/b-{os.getpid()}-") for key in sent)
    assert list((tmp_path / "waiting" / "toy-binary").iterdir()) == []
    assert log.collect("toy-binary", tables) == 20
    assert log.collect("toy-binary", tables) == 0
    ids = tables.read("toy-binary-predictions")["prediction_id"]
    assert sorted(ids) == [f"p{number:02}" for number in range(20)]
    assert keys(aws, bucket) == []


def test_a_bucket_that_does_not_answer_delays_nobody_and_gets_all_later(
    spooling: ModuleType, log: PredictionLog, tables: DeltaTables, contract: dict[str, Any], monkeypatch, caplog
) -> None:
    monkeypatch.setattr(sys.modules["segments"], "UPLOAD_RETRY_SECONDS", 0.1)
    spool = spooling.Spool("s3://no-such-bucket/log", "b", contract)
    monkeypatch.setattr(sys.modules["segments"], "SEGMENT_BYTES", 400)
    for number in range(5):
        spool.record([row(number)], [Said(str(number))], 1.0)
        time.sleep(0.25)
    until(lambda: "cannot be sent" in caplog.text)
    assert len([one for one in caplog.records if "cannot be sent" in one.getMessage()]) == 1
    spool.close()

    spooling.Spool(log.address(), "b", contract).close()  # the next server of this machine sends what is left
    assert log.collect("toy-binary", tables) == 5


def test_a_store_that_is_away_for_a_while_gets_all_once_it_is_back(
    spooling: ModuleType,
    log: PredictionLog,
    tables: DeltaTables,
    contract: dict[str, Any],
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")  # where nobody listens yet
    monkeypatch.setattr(sys.modules["segments"], "UPLOAD_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(sys.modules["segments"], "SEGMENT_BYTES", 400)
    spool, slowest = spooling.Spool(log.address(), "b", contract), 0.0
    for number in range(12):
        begun = time.perf_counter()
        spool.record([row(number)], [Said(f"p{number:02}")], 1.0)
        slowest = max(slowest, time.perf_counter() - begun)
        if number % 4 == 3:
            until(lambda number=number: spool._segments.written == number + 1)
    assert log.collect("toy-binary", tables) == 0

    server = ThreadedMotoServer("127.0.0.1", port=port, verbose=False)  # the buckets of the other one are its own too
    server.start()
    until(lambda: not list((Path(os.environ["MLOPS_SPOOL_FOLDER"]) / "toy-binary").glob("*.jsonl")), 30)
    spool.close()
    server.stop()

    assert slowest < 0.2
    assert log.collect("toy-binary", tables) == 12
    ids = tables.read("toy-binary-predictions")["prediction_id"]
    assert sorted(ids) == [f"p{number:02}" for number in range(12)]


def test_a_segment_that_is_sent_again_after_it_was_collected_adds_nothing(
    spool: Any, log: PredictionLog, tables: DeltaTables, aws: dict[str, Any], bucket: Any
) -> None:
    spool.record([row(1)], [Said("p1")], 1.0)
    spool.close()
    (key,) = keys(aws, bucket)
    client = boto3.client("s3", **aws)
    content = client.get_object(Bucket=bucket.name, Key=key)["Body"].read()
    assert log.collect("toy-binary", tables) == 1

    client.put_object(Bucket=bucket.name, Key=key, Body=content)  # its server died before it removed the file

    assert log.collect("toy-binary", tables) == 0
    assert keys(aws, bucket) == []


def test_broken_lines_in_a_bucket_are_set_aside_and_counted(
    log: PredictionLog, tables: DeltaTables, aws: dict[str, Any], bucket: Any
) -> None:
    boto3.client("s3", **aws).put_object(
        Bucket=bucket.name, Key="log/toy-binary/a-1-2-3.000000000000.jsonl", Body=b"nonsense\nhalf a li"
    )

    assert log.collect("toy-binary", tables) == 0
    assert log.collect("toy-binary", tables) == 0
    assert log.broken("toy-binary") == 2
    assert keys(aws, bucket) == []


def test_a_bucket_that_is_not_there_is_a_fault_of_the_storage(bucket: Any, tables: DeltaTables) -> None:
    log = PredictionLog(spool="s3://no-such-bucket/log", storage_options=bucket.options)

    with pytest.raises(StorageError, match="prediction log of toy-binary"):
        log.collect("toy-binary", tables)


def kill_with_lines_unsent(pid: int, waiting: Path) -> None:
    """Kills the server, but never in the instant in which its last segment is sent and the next one not begun."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        if any(waiting.glob("*.jsonl")):
            return os.kill(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.01)


@pytest.mark.process
def test_a_killed_server_is_sent_by_the_next_one(
    log: PredictionLog, tables: DeltaTables, contract: dict[str, Any], tmp_path: Path
) -> None:
    for life in ("one", "two"):
        told = [str(SERVICE), log.address(), json.dumps(contract), json.dumps(row(1)), life]
        with subprocess.Popen([sys.executable, "-c", SERVER, *told], stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            server.stdout.readline()
            time.sleep(1.0)
            kill_with_lines_unsent(server.pid, tmp_path / "waiting" / "toy-binary")
            server.stdout.read()
    told = [str(SERVICE), log.address(), json.dumps(contract)]
    subprocess.run([sys.executable, "-c", AGAIN, *told], check=True, timeout=60)
    log.collect("toy-binary", tables)

    ids = tables.read("toy-binary-predictions", columns=["prediction_id"])["prediction_id"]
    assert ids.is_unique
    for life in ("one", "two"):
        numbers = sorted(int(one.split("-")[1]) for one in ids if one.startswith(f"{life}-"))
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > 200
    assert list((tmp_path / "waiting" / "toy-binary").glob("*.jsonl")) == []


AGAIN = """
import json, sys
sys.path.insert(0, sys.argv[1])
from spool import Spool
Spool(sys.argv[2], "b", json.loads(sys.argv[3])).close()
"""
