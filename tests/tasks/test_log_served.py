"""The log of real servers behind the real gateway: every attempt, which one was heard, and a disk that is full."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pandas as pd
import pytest

from prefect_mlops.blocks import BentoStore, DeltaTables, LocalTarget, PredictionLog
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import build_bento
from prefect_mlops.tasks.serving_locks import INPUTS, LOCKS, packages_in

ROW = {"x": 0.25, "model_year": 2001, "kind of thing": "car", "day": 2}


class Logged(NamedTuple):
    """Version 1 in slot a with all traffic; version 2, whose every answer fails, in slot b; version 3 nowhere yet."""

    spec: ModelSpec
    target: LocalTarget
    log: PredictionLog
    tables: DeltaTables
    store: BentoStore
    tags: dict[int, str]

    def deploy(self, slot: Any, version: int) -> None:
        self.target.deploy(
            self.spec.name, slot, self.store, self.tags[version], version=version, spool=self.log.address()
        )

    def ask(self, name: str) -> int:
        body, headers = {"rows": [ROW]}, {"x-request-id": name}
        url = f"{self.target.url(self.spec.name)}/predict"
        answer = httpx.post(url, json=body, headers=headers, timeout=20, trust_env=False)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["version"])

    def attempts(self, prefix: str, at_least: int) -> dict[str, list[dict[str, Any]]]:
        """What the table holds of each request, as soon as there is so much."""
        table, deadline = f"{self.spec.name}-predictions", time.monotonic() + 20
        while True:
            self.log.collect(self.spec.name, self.tables)
            found = self.tables.read(table) if self.tables.exists(table) else pd.DataFrame({"request_id": []})
            mine = found[found["request_id"].str.startswith(prefix)]
            if len(mine) >= at_least or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        by_request: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for attempt in mine.sort_values("predicted_at").to_dict("records"):
            by_request[str(attempt["request_id"])].append({str(name): value for name, value in attempt.items()})
        return by_request


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, toy_spec, toy_package) -> Iterator[Logged]:
    folder = tmp_path_factory.mktemp("logged")
    spec = toy_spec("binary")
    _, package, _ = toy_package(spec, 1)
    _, other, _ = toy_package(toy_spec("binary", features={"numeric": ["x"], "category": ["day"]}), 2)
    store = BentoStore(home=str(folder / "bentos"))
    packages = {1: package, 2: package._replace(version=2, onnx=other.onnx), 3: package._replace(version=3)}
    tags = {version: build_bento.fn(spec, each, store).tag for version, each in packages.items()}
    target = LocalTarget(folder=str(folder / "serving"), port=free_port())
    log, tables = PredictionLog(spool=str(folder / "spool")), DeltaTables(root=str(folder / "tables"))
    found = Logged(spec, target, log, tables, store, tags)
    try:
        for slot, version in (("a", 1), ("b", 2)):
            found.deploy(slot, version)
            target.set_weights(spec.name, {"a": 100})
        yield found
    finally:
        target.stop()


@pytest.mark.process
def test_a_request_that_fails_over_is_two_attempts_of_which_one_was_heard(logged: Logged) -> None:
    logged.target.set_weights(logged.spec.name, {"a": 50, "b": 50})
    answered = [logged.ask(f"over-{number}") for number in range(30)]
    logged.target.set_weights(logged.spec.name, {"a": 100})
    assert set(answered) == {1}

    time.sleep(1)
    requests = logged.attempts("over-", 30)
    assert len(requests) == 30
    twice = [attempts for attempts in requests.values() if len(attempts) == 2]
    assert 5 < len(twice) < 25
    for attempts in requests.values():
        assert [attempt["answered"] for attempt in attempts].count(True) == 1
    for failed, heard in twice:
        assert (failed["version"], failed["slot"], failed["answered"]) == (2, "b", False)
        assert pd.isna(failed["prediction"])
        assert (heard["version"], heard["slot"], heard["answered"]) == (1, "a", True)
        assert (failed["arm"], heard["arm"]) == ("canary", "canary")  # for which arm the request was meant
        assert failed["features"] == heard["features"]
        assert heard["prediction"] in ("True", "False")


@pytest.mark.process
def test_a_copy_for_a_shadow_is_logged_as_such_and_was_heard_by_nobody(logged: Logged) -> None:
    logged.deploy("b", 3)
    logged.target.mirror(logged.spec.name, "b")
    for number in range(10):
        assert logged.ask(f"copy-{number}") == 1

    requests = logged.attempts("copy-", 20)
    logged.target.mirror(logged.spec.name, None)

    assert len(requests) == 10
    for attempts in requests.values():
        by_version = {attempt["version"]: attempt for attempt in attempts}
        assert (by_version[1]["arm"], by_version[1]["answered"]) == ("champion", True)
        assert (by_version[3]["arm"], by_version[3]["answered"]) == ("shadow", False)
        assert by_version[3]["prediction"] == by_version[1]["prediction"]  # the same model under another number


@pytest.mark.process
def test_a_server_whose_disk_is_full_answers_on_and_shows_what_it_dropped(logged: Logged, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("No mounts of our own on this machine")
    spool, port = tmp_path / "spool", free_port()
    spool.mkdir()
    source = logged.store.path(logged.tags[1]) / "src"
    script = f'mount -t tmpfs -o size=300k tmpfs {spool} && exec "$0" "$@"'
    command = [unshare, "-rm", "sh", "-c", script, sys.executable, str(source / "run.py"), "--port", str(port)]
    url, rows = f"http://127.0.0.1:{port}", [ROW] * 1000
    environment = {"MLOPS_SPOOL": str(spool), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    with subprocess.Popen(command, env=environment) as server, httpx.Client(timeout=30, trust_env=False) as client:
        try:
            wait_ready(client, url)
            statuses = [client.post(f"{url}/predict", json={"rows": rows}).status_code for _ in range(16)]
            time.sleep(1)
            told = counters(client.get(f"{url}/metrics").text)
            statuses.append(client.post(f"{url}/predict", json={"rows": [ROW]}).status_code)
        finally:
            server.terminate()

    assert set(statuses) == {200}
    assert told["mlops_predictions_dropped_total"] > 1000
    assert 0 < told["mlops_predictions_logged_total"] < 2000


def wait_ready(client: httpx.Client, url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if client.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("The server never became ready")


def counters(metrics: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in metrics.splitlines() if line.startswith("mlops_predictions"))
    return {name: float(value) for name, _, value in lines}


@pytest.mark.parametrize("environment", list(INPUTS))
def test_a_serving_environment_has_no_delta_library_and_nothing_of_prefect_or_mlflow(environment: str) -> None:
    held = set(packages_in((LOCKS / f"serving-{environment}.lock").read_text()))

    assert held & {"deltalake", "pyarrow", "prefect", "mlflow", "boto3", "great-expectations"} == set()
    assert "bentoml" in held
