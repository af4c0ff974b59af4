"""Tracking answers from a file or a server, and says within seconds when it cannot."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from prefect_mlops.blocks.tracking import MlflowTracking
from prefect_mlops.core.errors import TrackingUnavailable


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    for name in ("USERNAME", "PASSWORD", "TOKEN"):  # set and taken away, so that what a test leaves is taken away too
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "x")
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}")


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> MlflowTracking:
    home = tmp_path_factory.mktemp("mlflow")
    return MlflowTracking(tracking_uri=f"sqlite:///{home / 'mlflow.db'}", artifacts=str(home / "artifacts"))


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_an_experiment_is_made_once_and_lies_under_the_artifacts(tracking: MlflowTracking) -> None:
    made = tracking.experiment_id("flights-late")

    assert tracking.experiment_id("flights-late") == made
    location = tracking.client().get_experiment(made).artifact_location
    assert location == (Path(tracking.artifacts) / "flights-late").as_uri()


def test_a_deleted_experiment_comes_back(tracking: MlflowTracking) -> None:
    made = tracking.experiment_id("deleted")
    tracking.client().delete_experiment(made)

    assert tracking.experiment_id("deleted") == made
    assert tracking.client().get_experiment(made).lifecycle_stage == "active"


def test_the_champion_is_whoever_has_the_alias(tracking: MlflowTracking) -> None:
    client = tracking.client()
    assert tracking.champion("unheard-of") is None
    client.create_registered_model("m")
    assert tracking.champion("m") is None
    for _ in range(2):
        client.create_model_version("m", source="file:///nowhere")

    tracking.alias("m", 1, "champion")
    assert tracking.champion("m") == 1
    tracking.alias("m", 2, "champion")
    assert tracking.champion("m") == 2


def test_a_run_is_linked_in_the_ui() -> None:
    tracking = MlflowTracking(ui_url="https://mlflow.acme.test/")

    assert tracking.run_url("7", "abc") == "https://mlflow.acme.test/#/experiments/7/runs/abc"


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9",
        "https://127.0.0.1:9/mlflow",
        "sqlite:////nowhere/at/all/mlflow.db",
        "postgresql+psycopg://u@127.0.0.1:9/mlflow",
        "oracle+nothing://h/x",
    ],
)
def test_what_is_down_is_told_of_within_seconds_and_without_the_password(uri: str) -> None:
    tracking = MlflowTracking(tracking_uri=uri, username="somebody", password=SecretStr("hunter2"))
    began = time.monotonic()

    with pytest.raises(TrackingUnavailable) as caught:
        tracking.client()

    assert time.monotonic() - began < 15
    assert "hunter2" not in str(caught.value)
    assert "somebody" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_accepts_and_never_answers_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefect_mlops.blocks.tracking.ANSWER_WITHIN_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TrackingUnavailable):
        MlflowTracking(tracking_uri=f"http://127.0.0.1:{silent.getsockname()[1]}").client()


class _Guarded(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.headers.get("Authorization") in ("Basic dTpodW50ZXIy", "Bearer hunter2")
        self.send_response(404 if "lost" in self.path else 200 if known else 401)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def guarded() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Guarded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("credentials", "known"),
    [
        ({}, False),
        ({"username": "u", "password": SecretStr("wrong")}, False),
        ({"username": "u", "password": SecretStr("hunter2")}, True),
        ({"token": SecretStr("hunter2")}, True),
    ],
)
def test_credentials_are_tried_before_mlflow_is_asked(
    guarded: str, credentials: dict[str, object], known: bool
) -> None:
    tracking = MlflowTracking.model_validate({"tracking_uri": guarded, **credentials})
    if known:
        tracking.activate()
        return
    with pytest.raises(TrackingUnavailable, match="refuses the credentials"):
        tracking.activate()


def test_a_server_that_is_no_mlflow_is_told_of(guarded: str) -> None:
    with pytest.raises(TrackingUnavailable, match="no MLflow server"):
        MlflowTracking(tracking_uri=f"{guarded}/lost").activate()


def test_a_uri_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationError, match="holds a password") as caught:
        MlflowTracking(tracking_uri="https://u:hunter2@mlflow.acme.test")
    assert "hunter2" not in str(caught.value)


def test_a_databases_password_comes_from_the_secret() -> None:
    tracking = MlflowTracking(tracking_uri="postgresql://db:5432/mlflow", username="u", password=SecretStr("p@ss/w"))

    assert tracking.resolved_uri() == "postgresql://u:p%40ss%2Fw@db:5432/mlflow"


STARTER = """
import sys
from prefect_mlops.blocks.tracking import MlflowTracking

print(MlflowTracking(tracking_uri=sys.argv[1], artifacts=sys.argv[2]).experiment_id("m"))
"""


@pytest.mark.process
def test_processes_that_meet_a_fresh_file_at_once_all_get_in(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", STARTER, f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path / "artifacts")]
    running = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=180)[0].strip() for process in running}

    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(said) == 1


@pytest.mark.process
def test_a_real_server_keeps_experiments_and_champions(tmp_path: Path, port: int) -> None:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stored = ["--backend-store-uri", f"sqlite:///{tmp_path / 'm.db'}", "--artifacts-destination", str(tmp_path / "a")]
    with subprocess.Popen([*command, *stored], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            tracking = MlflowTracking(tracking_uri=f"http://127.0.0.1:{port}")
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                try:
                    if httpx.get(f"{tracking.tracking_uri}/health", timeout=1).is_success:
                        break
                except httpx.HTTPError:
                    time.sleep(0.2)

            made = tracking.experiment_id("m")
            client = tracking.client()
            client.create_registered_model("m")
            run = client.create_run(made).info
            client.create_model_version("m", source=f"{run.artifact_uri}/model", run_id=run.run_id)
            tracking.alias("m", 1, "champion")

            assert tracking.champion("m") == 1
            assert client.get_experiment(made).artifact_location.startswith("mlflow-artifacts:")
        finally:
            server.terminate()
