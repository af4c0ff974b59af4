"""The drill of the standing automation: a run that is killed with its machine does not stay Running for ever."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from prefect_mlops.deployments.bootstrap import bootstrap
from tests.waiting import until

BEAT_SECONDS = 30
SLEEPER = """
import time
from prefect import flow

@flow(name="sleeper")
def sleeper():
    time.sleep(600)

sleeper()
"""


@pytest.mark.process
@pytest.mark.slow
def test_a_run_that_was_killed_is_marked_crashed_after_three_missed_heartbeats(
    prefect_server: Any, tmp_path: Path
) -> None:
    with temporary_settings(
        {PREFECT_API_URL: prefect_server.url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: BEAT_SECONDS},
    ):
        bootstrap([], tmp_path / "home", environment="drill")
    env = {**prefect_server.env, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(BEAT_SECONDS)}
    with subprocess.Popen([sys.executable, "-c", SLEEPER], env=env, cwd=tmp_path) as sleeper:
        until(lambda: _beats(prefect_server.url) > 1, 120)  # one may be lost on its way
        assert _sleeper(prefect_server.url)["state_type"] == "RUNNING"
        sleeper.kill()

    until(lambda: _sleeper(prefect_server.url)["state_type"] == "CRASHED", 10 * BEAT_SECONDS)


def _sleeper(url: str) -> dict[str, Any]:
    """The run as the server knows it; without an id while it knows none."""
    found = httpx.post(f"{url}/flow_runs/filter", json={"flows": {"name": {"any_": ["sleeper"]}}}).json()
    return dict(found[0]) if found else {"id": None}


def _beats(url: str) -> int:
    """The heartbeats of this run; runs of other tests on this server have theirs."""
    run = {"id": [f"prefect.flow-run.{_sleeper(url)['id']}"]}
    wanted = {"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": run}}
    return int(httpx.post(f"{url}/events/filter", json=wanted).json()["total"])
