"""Releases that end badly on a real server that loses Prefect's own events of it: the watch tells, automations act."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from prefect.client.orchestration import get_client

from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.deployments.sync import write_project
from prefect_mlops.tasks.stopped import ReleaseWatch
from tests.asking import ask
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

SPEC = Path(__file__).parents[2] / "deployments" / "specs" / "wine-cultivar.yaml"
MODEL = "wine-stopped"
BY_HAND = 7
"""The version that a test itself asks for."""
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
LATER = timedelta(minutes=2)
"""How far ahead the watch's clock is here, so that no test waits out its patience."""


class Releases(NamedTuple):
    """A model's releases on a server; no worker takes them."""

    url: str

    def api(self, path: str, **body: Any) -> Any:
        answer = ask("POST", f"{self.url}/{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def runs(self, flow: str = "mlops-release") -> list[Any]:
        """Oldest first."""
        found = self.api("flow_runs/filter", flows={"name": {"any_": [flow]}})
        return sorted(
            (each for each in found if each["parameters"]["spec"]["name"] == MODEL), key=lambda r: r["created"]
        )

    def reactions(self, flow: str = "mlops-release") -> list[dict[str, Any]]:
        """What automations asked for, without what their deployment says."""
        asked = [each["parameters"] for each in self.runs(flow) if each["parameters"].get("version") != BY_HAND]
        return [{name: value for name, value in one.items() if name not in ("spec", "environment")} for one in asked]

    def deployment(self) -> str:
        named = {"flows": {"name": {"any_": ["mlops-release"]}}, "deployments": {"name": {"any_": [MODEL]}}}
        (found,) = self.api("deployments/filter", **named)
        return str(found["id"])

    def start(self, **asked: str) -> str:
        parameters = {"version": BY_HAND, **asked}
        return str(self.api(f"deployments/{self.deployment()}/create_flow_run", parameters=parameters)["id"])

    def put(self, run: str, *names: str) -> str:
        """Bring a run into these states, one after another."""
        kinds = {"TimedOut": "FAILED", "Outdated": "COMPLETED"}
        for name in names:
            state = {"type": kinds.get(name, name.upper()), "name": name}
            assert self.api(f"flow_runs/{run}/set_state", state=state)["status"] == "ACCEPT"
        return run

    def told(self, run: str, since: datetime = LONG_AGO) -> list[str]:
        """Names of our events about a run; the server shows them some seconds late."""
        about = {
            "resource": {"id": [f"prefect.flow-run.{run}"]},
            "event": {"prefix": ["mlops.release."]},
            "occurred": {"since": since.isoformat()},
        }
        return [each["event"] for each in self.api("events/filter", filter=about)["events"]]


@pytest.fixture(scope="module")
def deployed(prefect_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    folder = tmp_path_factory.mktemp("project")
    (folder / "specs").mkdir()
    path = folder / "specs" / f"{MODEL}.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SPEC.read_text()) | {"name": MODEL, "approval": {}}))
    write_project(folder)
    content = yaml.safe_load((folder / "prefect.yaml").read_text())
    wanted = [each for each in content["deployments"] if each["entrypoint"].endswith((".release", ".withdraw"))]
    for trigger in (trigger for deployment in wanted for trigger in deployment["triggers"]):
        trigger["expect"] = [event for event in trigger["expect"] if event.startswith("mlops.")]
    (folder / "prefect.yaml").write_text(yaml.safe_dump(content | {"deployments": wanted}))
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        bootstrap([load_spec(path)], folder / "home")
    command = [str(Path(sys.executable).parent / "prefect"), "--no-prompt", "deploy", "--all"]
    subprocess.run(command, env=prefect_server.env, cwd=folder, check=True, capture_output=True)
    yield prefect_server.url
    for deployment in httpx.post(f"{prefect_server.url}/deployments/filter", json={}).json():
        httpx.delete(f"{prefect_server.url}/deployments/{deployment['id']}")


@pytest.fixture
def releases(deployed: str) -> Iterator[Releases]:
    found = Releases(deployed)
    yield found
    for run in (*found.runs(), *found.runs("mlops-withdraw")):
        httpx.delete(f"{deployed}/flow_runs/{run['id']}")


def look(watch: ReleaseWatch | None = None, ahead: timedelta = LATER) -> None:
    with get_client(sync_client=True) as client:
        (watch or ReleaseWatch([MODEL])).look(client, datetime.now(UTC) + ahead)


def tell_until(answered: Callable[[], Any]) -> None:
    """Look again and again, as the watch does: the server may lose an event of ours too."""

    def told() -> Any:
        look()
        return answered()

    until(told, pause=0.5)


@pytest.mark.parametrize("end", ["Crashed", "TimedOut", "Failed"])
def test_a_release_that_stopped_is_gone_on_with_once_however_often_it_is_told(releases: Releases, end: str) -> None:
    run = releases.put(releases.start(), "Running", end)

    tell_until(releases.reactions)

    asked = {"run": f"prefect.flow-run.{run}"}
    tell_until(lambda: releases.reactions("mlops-withdraw") == ([asked] if end == "Failed" else []))
    time.sleep(3)  # a second one would come now
    assert releases.reactions() == [{"version": 0, "cancelled": ""}]
    answered = datetime.now(UTC)
    look()
    time.sleep(3)
    assert releases.told(run, answered) == []


@pytest.mark.parametrize("states", [("Running", "Cancelled"), ("Cancelled",)])
def test_a_release_that_was_cancelled_is_undone(releases: Releases, states: tuple[str, ...]) -> None:
    run = releases.put(releases.start(), *states)

    tell_until(releases.reactions)

    assert releases.reactions() == [{"version": 0, "cancelled": f"prefect.flow-run.{run}"}]
    assert set(until(lambda: releases.told(run))) == {"mlops.release.cancelled"}


def test_a_run_that_was_to_undo_a_cancelled_release_and_crashed_is_followed_by_one_that_undoes_it(
    releases: Releases,
) -> None:
    undoing = releases.put(releases.start(cancelled="prefect.flow-run.1"), "Running", "Crashed")

    tell_until(releases.reactions)

    assert releases.reactions() == [{"version": 0, "cancelled": "prefect.flow-run.1"}], undoing


def test_what_was_answered_what_ended_well_and_what_ended_just_now_is_left_alone(releases: Releases) -> None:
    well = releases.put(releases.start(), "Running", "Outdated")
    look()
    stopped = releases.put(releases.start(), "Running", "Crashed")
    look(ahead=timedelta())
    answer = releases.put(releases.start(), "Running")
    look()
    releases.put(answer, "Outdated")
    look()

    time.sleep(3)
    assert [releases.told(run) for run in (well, stopped, answer)] == [[], [], []]
    assert releases.reactions() == []


def test_a_run_without_a_deployment_and_a_model_that_is_not_watched_are_nobodys_business(releases: Releases) -> None:
    (flow,) = releases.api("flows/filter", flows={"name": {"any_": ["mlops-release"]}})
    asked = {"spec": {"name": MODEL}, "version": BY_HAND}
    made = releases.api("flow_runs/", flow_id=flow["id"], parameters=asked, state={"type": "PENDING"})
    by_hand = releases.put(made["id"], "Running", "Crashed")
    look()
    other = releases.put(releases.start(), "Running", "Crashed")
    look(ReleaseWatch(["another-model"]))

    time.sleep(3)
    assert [releases.told(run) for run in (by_hand, other)] == [[], []]
    assert releases.reactions() == []


def test_a_server_that_is_away_is_survived(releases: Releases, caplog: pytest.LogCaptureFixture) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    watch = ReleaseWatch([MODEL])
    releases.put(releases.start(), "Running", "Crashed")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        look(watch)
    time.sleep(1.1)

    until(lambda: (look(watch), releases.reactions())[1])
    assert "No answer from the list of Prefect's runs" in caplog.text
