"""Drills on the prediction log: a full disk, and collectors and servers that are killed all the while."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from prefect_mlops.blocks import DeltaTables, PredictionLog
from prefect_mlops.core.contract import contract_of
from tests.tasks.test_spool import SERVICE, row

FULL = """
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
import segments
from types import SimpleNamespace
from spool import Spool

segments.SEGMENT_BYTES, segments.UNWRITTEN_BYTES, segments.RETRY_SECONDS = 100_000, 50_000, 0.05
folder, rows = sys.argv[2], json.loads(sys.argv[4])
spool = Spool(folder, "b", json.loads(sys.argv[3]))
slowest = 0.0
def send(first, last):
    global slowest
    for number in range(first, last):
        begun = time.perf_counter()
        said = SimpleNamespace(id=str(number), prediction=True, score=0.5, probabilities=None)
        spool.record(rows, [said], 1.0)
        slowest = max(slowest, time.perf_counter() - begun)
        time.sleep(0.0002)
    time.sleep(0.5)

send(0, 4000)  # more than the disk takes
dropped = spool._dropped._value.get()
for path in sorted(os.scandir(folder + "/toy-binary"), key=lambda entry: entry.name)[:4]:
    os.rename(path.path, sys.argv[5] + "/" + path.name) if os.stat(sys.argv[5]).st_dev == path.stat().st_dev else (
        open(sys.argv[5] + "/" + path.name, "wb").write(open(path.path, "rb").read()), os.unlink(path.path))
send(4000, 4100)  # there is room again
spool.close()
for path in os.scandir(folder + "/toy-binary"):
    open(sys.argv[5] + "/" + path.name, "wb").write(open(path.path, "rb").read())
total = spool._dropped._value.get()
print(json.dumps({"dropped": dropped, "later": total - dropped, "slowest_ms": 1000 * slowest}))
"""


@pytest.fixture
def contract(toy_spec) -> dict[str, Any]:
    spec = toy_spec("binary")
    return json.loads(contract_of(spec, 3, spec.features.names, [False, True], []).model_dump_json())


@pytest.mark.process
def test_a_disk_that_is_full_loses_nothing_uncounted_and_delays_nobody(
    contract: dict[str, Any], tmp_path: Path
) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("No mounts of our own on this machine")
    small, kept = tmp_path / "small", tmp_path / "spool" / "toy-binary"
    small.mkdir()
    kept.mkdir(parents=True)
    told = [str(SERVICE), str(small), json.dumps(contract), json.dumps([row(1)]), str(kept)]
    script = f'mount -t tmpfs -o size=600k tmpfs {small} && exec "$0" "$@"'
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", script, sys.executable, "-c", FULL, *told],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    log, tables = PredictionLog(spool=str(tmp_path / "spool")), DeltaTables(root=str(tmp_path / "tables"))
    collected = log.collect("toy-binary", tables)

    ids = tables.read("toy-binary-predictions")["prediction_id"]
    assert ids.is_unique
    assert said["dropped"] > 1000
    assert said["later"] == 0
    assert collected + said["dropped"] == 4100
    assert set(map(str, range(4000, 4100))) <= set(ids)
    assert log.broken("toy-binary") == 0
    assert done.stderr.count("No space left") == 1
    assert said["slowest_ms"] < 200


SERVER = """
import json, signal, sys, time
sys.path.insert(0, sys.argv[1])
import segments
from types import SimpleNamespace
from spool import Spool

segments.SEGMENT_BYTES = 30_000
spool = Spool(sys.argv[2], "b", json.loads(sys.argv[3]))
row, going = json.loads(sys.argv[4]), True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
number = 0
while going:
    said = SimpleNamespace(id=f"{sys.argv[5]}-{number}", prediction=True, score=0.5, probabilities=None)
    spool.record([row], [said], 1.0)
    number += 1
    time.sleep(0.0005)
spool.close()
print(number, spool._dropped._value.get())
"""

COLLECTOR = """
import sys
from prefect_mlops.blocks import DeltaTables, PredictionLog

log, tables = PredictionLog(spool=sys.argv[1]), DeltaTables(root=sys.argv[2])
print("ready", flush=True)
while True:
    log.collect("toy-binary", tables)
"""


@pytest.mark.slow
def test_two_collectors_killed_ten_times_bring_every_line_exactly_once(
    contract: dict[str, Any], tmp_path: Path
) -> None:
    chance = random.Random(7)
    told = [str(SERVICE), str(tmp_path / "spool"), json.dumps(contract), json.dumps(row(1))]
    servers = [
        subprocess.Popen([sys.executable, "-c", SERVER, *told, slot], stdout=subprocess.PIPE, text=True)
        for slot in ("one", "two")
    ]
    command = [sys.executable, "-c", COLLECTOR, str(tmp_path / "spool"), str(tmp_path / "tables")]
    try:
        for _ in range(5):
            pair = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
            for collector in pair:
                assert collector.stdout is not None
                collector.stdout.readline()
            for collector in pair:
                time.sleep(chance.uniform(0.2, 1.5))
                os.kill(collector.pid, signal.SIGKILL)
                collector.wait()
    finally:
        for server in servers:
            server.terminate()
    said = [tuple(map(float, server.communicate()[0].split())) for server in servers]
    log, tables = PredictionLog(spool=str(tmp_path / "spool")), DeltaTables(root=str(tmp_path / "tables"))
    log.collect("toy-binary", tables)
    log.collect("toy-binary", tables)

    ids = tables.read("toy-binary-predictions", columns=["prediction_id"])["prediction_id"]
    assert all(dropped == 0 for _, dropped in said)
    assert sorted(ids) == sorted(
        f"{slot}-{number}"
        for slot, (count, _) in zip(("one", "two"), said, strict=True)
        for number in range(int(count))
    )
    assert list((tmp_path / "spool" / "toy-binary").glob("*.jsonl")) == []
    print(f"{len(ids):,} lines, each once, after ten kills of collectors")
