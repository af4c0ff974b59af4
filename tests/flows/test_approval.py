"""A release that waits for a person, as it is deployed: events, automations, a worker, a real registry and bentos."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml

from prefect_mlops.blocks import LocalTarget, Places
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.deployments.demo.datasets import wine
from prefect_mlops.deployments.sync import write_project
from prefect_mlops.flows.ingest import ingest
from prefect_mlops.flows.train import train
from tests.asking import ask
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.slow]

SPEC = Path(__file__).parents[2] / "deployments" / "specs" / "wine-cultivar.yaml"
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
HOURS = 40 / 3600


class Asked(NamedTuple):
    """A project whose one model needs a person's approval, deployed on a server with a worker."""

    url: str
    spec: ModelSpec
    places: Places

    def api(self, path: str, **body: Any) -> Any:
        return ask("POST", f"{self.url}/{path}", json=body).raise_for_status().json()

    def runs(self, flow: str) -> list[Any]:
        """Those of our deployments, the newest first; other tests have run releases on this server."""
        ours = {"name": {"any_": [self.spec.name]}}
        asked = {"flows": {"name": {"any_": [flow]}}, "deployments": ours, "sort": "START_TIME_DESC"}
        return list(self.api("flow_runs/filter", **asked))

    def release(self) -> str:
        (deployment,) = self.api(
            "deployments/filter",
            deployments={"name": {"any_": [self.spec.name]}},
            flows={"name": {"any_": ["mlops-release"]}},
        )
        made = self.api(f"deployments/{deployment['id']}/create_flow_run", parameters={"version": 1})
        return str(made["id"])

    def state(self, run: str) -> str:
        return str(ask("GET", f"{self.url}/flow_runs/{run}").json()["state"]["name"])

    def answer(self, run: str, said: dict[str, Any]) -> str:
        """What the server says of an answer; while its database is busy it says nothing, and is asked again."""
        deadline = time.monotonic() + 60
        while True:
            told = httpx.post(f"{self.url}/flow_runs/{run}/resume", json={"run_input": said}, timeout=60)
            if told.status_code < 500:
                return str(told.json()["status"])
            assert time.monotonic() < deadline, told.text
            time.sleep(1)

    def wait(self, run: str, state: str, seconds: float = 120) -> None:
        until(lambda: self.state(run) == state, seconds, lambda: f"{self.state(run)}, and not {state}")

    def wait_until_nothing_is_held(self) -> None:
        """The run is suspended a moment before its process lets go of the model's lock."""
        deadline = time.monotonic() + 60
        while any(limit["active_slots"] for limit in self.api("v2/concurrency_limits/filter")):
            assert time.monotonic() < deadline, self.api("v2/concurrency_limits/filter")
            time.sleep(0.5)

    def stages(self) -> list[str]:
        return [record.stage for record in self.places.ledger.records(model=self.spec.name)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelSpec]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "specs").mkdir()
    content = yaml.safe_load(SPEC.read_text()) | {"name": "wine-asked", "approval": {"timeout_hours": HOURS}}
    path = folder / "specs" / "wine-asked.yaml"
    path.write_text(yaml.safe_dump(content))
    write_project(folder)
    return folder, load_spec(path)


@pytest.fixture
def asked(
    prefect_api: Any, prefect_worker: Callable[..., int], project: tuple[Path, ModelSpec], tmp_path: Path
) -> Iterator[Asked]:
    folder, spec = project
    bootstrap([spec], tmp_path / "home")
    LocalTarget(folder=str(tmp_path / "serving"), port=free_port()).save("default", overwrite=True)
    for block in Places.local(tmp_path / "home"):
        if not isinstance(block, LocalTarget):
            block.save("default", overwrite=True)
    command = [str(Path(sys.executable).parent / "prefect"), "--no-prompt", "deploy", "--all"]
    subprocess.run(command, env=prefect_api.env, cwd=folder, check=True, capture_output=True)
    places = Places.load("default")
    batch = tmp_path / "rows.parquet"
    wine().sample(frac=1, random_state=0).head(120).to_parquet(batch, index=False)
    assert ingest(spec, places.source.put(batch, "rows.parquet"), as_of=MARCH, return_state=True).name == "Accepted"
    for waiting in httpx.post(f"{prefect_api.url}/flow_runs/filter", json={}, timeout=60).json():
        if waiting["state_type"] == "SCHEDULED":
            httpx.delete(f"{prefect_api.url}/flow_runs/{waiting['id']}", timeout=60)
    prefect_worker("local")
    yield Asked(prefect_api.url, spec, places)
    places.target.stop()
    for deployment in httpx.post(f"{prefect_api.url}/deployments/filter", json={}, timeout=60).json():
        httpx.delete(f"{prefect_api.url}/deployments/{deployment['id']}", timeout=60)


@pytest.mark.timeout(1500)
def test_a_version_waits_without_a_lock_lapses_is_put_away_and_goes_on_once_somebody_agrees(asked: Asked) -> None:
    # The gates accept it, which starts the release, which waits for a person and holds nothing while it does.
    assert train(asked.spec, as_of=MARCH, return_state=True).name == "Accepted"
    first = until(lambda: asked.runs("mlops-release"), 120)[0]["id"]
    asked.wait(first, "Suspended")
    asked.wait_until_nothing_is_held()
    tag = next(r.body["bento"] for r in asked.places.ledger.records(model=asked.spec.name) if r.stage == "bento.built")
    assert asked.places.bentos.exists(tag)
    assert asked.places.target.slots(asked.spec.name) == {}

    # Nobody answers: the server fails it, the automation puts the version away, and a late answer does nothing.
    asked.wait(first, "Failed")
    until(  # where the server lost that event, the watch tells of it after a minute
        lambda: [each for each in asked.runs("mlops-withdraw") if each["state"]["name"] == "Rejected"],
        300,
        lambda: asked.runs("mlops-withdraw"),
    )
    assert asked.answer(first, {}) == "ABORT"
    assert asked.stages()[-1] == "approval.refused"
    assert not asked.places.bentos.exists(tag)
    assert asked.places.tracking.aliased(asked.spec.name, "candidate") is None

    # Somebody asks again, and this time a person agrees: staged once, promoted, and on record who it was.
    second = asked.release()
    asked.wait(second, "Suspended")
    records = asked.places.ledger.records(model=asked.spec.name)
    digest = next(r.body["digest"] for r in records if r.stage == "approval.asked" and r.body["run"] == second)
    said = {"decision": "approve", "who": "ann", "reason": "fine", "shown": digest}
    assert asked.answer(second, said) == "ACCEPT"
    asked.wait(second, "Promoted")
    assert asked.stages().count("bento.staged") == 2
    assert asked.stages()[-2:] == ["approval.given", "champion.promoted"]
    assert asked.places.tracking.champion(asked.spec.name) == 1
    asked.places.ledger.verify()
