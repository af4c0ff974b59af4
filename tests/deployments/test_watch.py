"""The watch over the landing folder, on a real server: what lands is ingested within seconds, once, in few runs."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pandas as pd
import pytest
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_mlops.blocks import Places
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.deployments.demo.datasets import wine
from prefect_mlops.deployments.demo.servers import BIN, Process, run_command
from prefect_mlops.deployments.sync import read_specs, write_project

pytestmark = pytest.mark.process

SPEC = Path(__file__).parents[2] / "deployments" / "specs" / "wine-cultivar.yaml"
MODEL = "wine-cultivar"
POOL = "landing"


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
        return list(httpx.post(f"{self.url}/flow_runs/filter", json=asked, timeout=60).raise_for_status().json())

    def ended(self) -> list[Any]:
        return [run for run in self.runs("mlops-ingest") if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED")]

    def watching(self) -> list[Any]:
        return [run for run in self.runs("mlops-watch") if run["state_type"] == "RUNNING"]


@pytest.fixture(scope="module")
def watched(prefect_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    home, project = folder / "home", folder / "project"
    (project / "specs").mkdir(parents=True)
    (project / "specs" / SPEC.name).write_text(SPEC.read_text())
    write_project(project, pool=POOL)
    env = {
        **prefect_server.env,
        "PREFECT_INTEGRATIONS_MLOPS_HOME": str(home),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        bootstrap(read_specs(project), home, environment="watched", pool=POOL)
        text = (project / "prefect.yaml").read_text()
        (project / "prefect.yaml").write_text(text.replace("environment: default", "environment: watched"))
        run_command([str(BIN / "prefect"), "--no-prompt", "deploy", "--all"], env, project)
        yield Watched(prefect_server.url, Places.local(home), env, folder)
    for deployment in httpx.post(f"{prefect_server.url}/deployments/filter", json={}).json():
        httpx.delete(f"{prefect_server.url}/deployments/{deployment['id']}")


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


def wait_for(look: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"It did not come within {seconds:.0f} s.")


def seconds_until(moment: str, since: float) -> float:
    return float(pd.Timestamp(moment).timestamp() - since)


@pytest.mark.usefixtures("worker")
def test_a_dropped_file_has_a_run_within_5_seconds_and_is_ingested_once(watched: Watched) -> None:
    run_deployment("mlops-watch/operations", timeout=0)
    wait_for(watched.watching, 90)
    time.sleep(3)
    watched.landing.mkdir(parents=True, exist_ok=True)
    dropped = time.time()
    wine().head(60).to_csv(watched.landing / "rows-1.csv", index=False)

    (run,) = wait_for(lambda: watched.runs("mlops-ingest"), 20)
    (ended,) = wait_for(watched.ended, 120)

    seconds = seconds_until(run["created"], dropped)
    print(f"\na run was created {seconds:.2f} s after the file was dropped")
    assert seconds <= 5
    assert run["parameters"]["batch"] == ""
    assert ended["state_name"] == "Accepted", ended["state"]["message"]
    assert watched.places.source.waiting(MODEL) == ()
    assert (watched.landing / ".done" / "rows-1.csv").is_file()
    assert len(watched.places.tables.read(f"{MODEL}-accepted")) == 60
