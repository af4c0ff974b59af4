"""The watch over the landing folder, on a real server: what lands is ingested within seconds, once, in few runs."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pandas as pd
import psutil
import pytest
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_mlops.blocks import Places
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.deployments.demo.datasets import wine
from prefect_mlops.deployments.demo.servers import BIN, Process, run_command, start_server
from prefect_mlops.deployments.sync import read_specs, write_project
from prefect_mlops.deployments.where import Where
from tests.asking import ask
from tests.waiting import until

pytestmark = pytest.mark.process

SPEC = Path(__file__).parents[2] / "deployments" / "specs" / "wine-cultivar.yaml"
MODEL = "wine-cultivar"
POOL = "landing"
PATIENCE = 15.0
"""Three times what is promised of a quiet machine; the seconds themselves are printed."""
ROWS = 30


class Watched(NamedTuple):
    """A project with one model, deployed with its watch.

    Attributes:
        url: The server's API.
        places: Where things are.
        env: The environment of commands and workers.
        folder: For their logs.
    """

    url: str
    places: Places
    env: dict[str, str]
    folder: Path

    @property
    def landing(self) -> Path:
        return Path(self.places.source.folder) / MODEL

    def runs(self, flow: str) -> list[Any]:
        """Runs of a flow of ours, oldest first."""
        asked = {
            "flows": {"name": {"any_": [flow]}},
            "work_pools": {"name": {"any_": [POOL]}},
            "sort": "EXPECTED_START_TIME_ASC",
        }
        return list(ask("POST", f"{self.url}/flow_runs/filter", json=asked).raise_for_status().json())

    def ended(self) -> list[Any]:
        return [run for run in self.runs("mlops-ingest") if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED")]

    def done(self) -> int:
        """How many files were put aside as taken in."""
        return len(list((self.landing / ".done").glob("*.csv")))

    def processes_of(self, run: str) -> list[psutil.Process]:
        """The processes of a flow run that the worker started."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("PREFECT__FLOW_RUN_ID") == run and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def occurred(self, event: str) -> list[float]:
        """When an event was emitted, oldest first, in seconds since 1970."""
        asked = {"filter": {"event": {"name": [event]}, "order": "ASC"}}
        found = ask("POST", f"{self.url}/events/filter", json=asked).raise_for_status().json()
        return [float(pd.Timestamp(each["occurred"]).timestamp()) for each in found["events"]]

    def watching(self) -> list[Any]:
        return [run for run in self.runs("mlops-watch") if run["state_type"] == "RUNNING"]


@pytest.fixture(scope="module")
def watched(prefect_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        yield deploy_watched(prefect_server.url, prefect_server.env, tmp_path_factory.mktemp("watched"))
    for deployment in httpx.post(f"{prefect_server.url}/deployments/filter", json={}).json():
        httpx.delete(f"{prefect_server.url}/deployments/{deployment['id']}")


def deploy_watched(url: str, server_env: dict[str, str], folder: Path) -> Watched:
    home, project = folder / "home", folder / "project"
    (project / "specs").mkdir(parents=True)
    (project / "specs" / SPEC.name).write_text(SPEC.read_text())
    write_project(project, Where(POOL))
    env = {
        **server_env,
        "PREFECT_INTEGRATIONS_MLOPS_HOME": str(home),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }
    bootstrap(read_specs(project), home, environment="watched", pool=POOL)
    text = (project / "prefect.yaml").read_text()
    (project / "prefect.yaml").write_text(text.replace("environment: default", "environment: watched"))
    run_command([str(BIN / "prefect"), "--no-prompt", "deploy", "--all"], env, project)
    return Watched(url, Places.local(home), env, folder)


@pytest.fixture
def worker(watched: Watched) -> Iterator[Process]:
    """A worker for the watched project, which ends with all that it started."""
    command = [str(BIN / "prefect"), "worker", "start", "--pool", POOL, "--type", "process"]
    process = Process("worker", command, watched.env, watched.folder / "worker.log")
    yield process
    process.stop()
    for run in watched.runs("mlops-watch"):
        if run["state_type"] not in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            httpx.delete(f"{watched.url}/flow_runs/{run['id']}")


def seconds_until(moment: str, since: float) -> float:
    return float(pd.Timestamp(moment).timestamp() - since)


@pytest.mark.usefixtures("worker")
def test_a_dropped_file_has_a_run_within_seconds_and_is_ingested_once(watched: Watched) -> None:
    run_deployment("mlops-watch/operations", timeout=0)
    until(lambda: watched.occurred("mlops.landing.watched"), 90)
    watched.landing.mkdir(parents=True, exist_ok=True)
    dropped = time.time()
    wine().head(60).to_csv(watched.landing / "rows-1.csv", index=False)

    (run,) = until(lambda: watched.runs("mlops-ingest"), 20)
    (ended,) = until(watched.ended, 120)

    seconds = seconds_until(run["created"], dropped)
    print(f"\na run was created {seconds:.2f} s after the file was dropped")
    assert seconds <= PATIENCE
    assert run["parameters"]["batch"] == ""
    assert ended["state_name"] == "Accepted", ended["state"]["message"]
    assert watched.places.source.waiting(MODEL) == ()
    assert (watched.landing / ".done" / "rows-1.csv").is_file()
    assert len(watched.places.tables.read(f"{MODEL}-accepted")) == 60


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_a_cancelled_watch_ends_at_once_and_leaves_no_process(watched: Watched) -> None:
    run_deployment("mlops-watch/operations", timeout=0)
    (run,) = until(watched.watching, 90)
    until(lambda: watched.processes_of(run["id"]), 10)

    state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    httpx.post(f"{watched.url}/flow_runs/{run['id']}/set_state", json=state).raise_for_status()

    until(lambda: not watched.processes_of(run["id"]), 30)
    read = f"{watched.url}/flow_runs/{run['id']}"
    assert until(lambda: httpx.get(read).json()["state_type"] == "CANCELLED", 30)


@pytest.fixture
def own_server(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[tuple[Watched, Callable[[], Process]]]:
    """A server that may be ended and started again, and what starts it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": url,
        "PREFECT_DEPLOYMENT_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_UI_ENABLED": "false",
    }
    command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    started: list[Process] = []

    def start() -> Process:
        started.append(start_server("server", command, env, tmp_path / f"server-{len(started)}.log", f"{url}/health"))
        return started[-1]

    start()
    with temporary_settings({PREFECT_API_URL: url}):
        yield deploy_watched(url, env, tmp_path), lambda: (started[-1].stop(), start())[1]
    started[-1].stop()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_200_files_are_each_taken_in_once_by_few_runs_whoever_dies_meanwhile(
    own_server: tuple[Watched, Callable[[], Process]],
) -> None:
    watched, restart = own_server
    command = [str(BIN / "prefect"), "worker", "start", "--pool", POOL, "--type", "process"]
    worker = Process("worker", command, watched.env, watched.folder / "worker.log")
    try:
        run_deployment("mlops-watch/operations", timeout=0)
        until(lambda: watched.occurred("mlops.landing.watched"), 90)
        print()
        for number in range(5):
            dropped = time.time()
            drop(watched, f"single-{number}")
            until(lambda: len(watched.runs("mlops-ingest")) > number, 20)  # noqa: B023  # it is over before the next turn
            seconds = seconds_until(watched.runs("mlops-ingest")[-1]["created"], dropped)
            told = until(lambda: watched.occurred("mlops.data.landed")[number:], 20)[0] - dropped  # noqa: B023  # it is over before the next turn
            print(f"file {number}: announced after {told:.2f} s, a run was created after {seconds:.2f} s")
            assert seconds <= PATIENCE
            until(lambda: len(watched.ended()) > number, 60)  # noqa: B023  # it is over before the next turn

        before, dropped = len(watched.runs("mlops-ingest")), time.time()
        for number in range(200):
            drop(watched, f"many-{number:03d}")
        until(lambda: watched.done() == 205, 400)
        until(lambda: len(watched.ended()) == len(watched.runs("mlops-ingest")), 100)
        runs = len(watched.runs("mlops-ingest")) - before
        print(f"200 files: taken in after {time.time() - dropped:.0f} s by {runs} runs")
        assert runs <= 5

        (first,) = watched.watching()
        for process in watched.processes_of(first["id"]):
            process.kill()
        killed = time.time()
        for number in range(20):
            drop(watched, f"unwatched-{number:02d}")
        until(lambda: watched.done() == 225, 240)
        print(f"watch killed: 20 files were taken in {time.time() - killed:.0f} s later")
        (second,) = watched.watching()
        assert second["id"] != first["id"]

        stopped = time.time()
        for number in range(10):
            drop(watched, f"serverless-{number:02d}")
        restart()
        until(lambda: watched.done() == 235, 240)
        print(f"server restarted: 10 files were taken in {time.time() - stopped:.0f} s after it was stopped")
        assert [run["id"] for run in watched.watching()] == [second["id"]]

        rows = watched.places.tables.read(f"{MODEL}-accepted")
        assert len(rows) == 235 * ROWS
        assert rows["sample_id"].nunique() == 235 * ROWS
        print(f"{len(watched.runs('mlops-ingest'))} runs of ingest, {len(watched.runs('mlops-watch'))} of watch")
    finally:
        worker.stop()


def drop(watched: Watched, name: str) -> None:
    """Write a batch of its own as a stranger would: in its place, without a word to anybody."""
    watched.landing.mkdir(parents=True, exist_ok=True)
    rows = wine().head(ROWS)
    rows.assign(sample_id=[f"{name}-{row}" for row in range(ROWS)]).to_csv(watched.landing / f"{name}.csv", index=False)
