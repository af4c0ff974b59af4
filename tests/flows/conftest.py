"""A model with three accepted versions, deployed with its automations on a real server, and callers who notice all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from prefect_mlops.blocks import LocalTarget, Places
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.core.ledger import Record
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.deployments.demo.datasets import wine
from prefect_mlops.deployments.sync import write_project
from prefect_mlops.flows.ingest import ingest
from prefect_mlops.flows.release import release
from prefect_mlops.flows.train import train
from prefect_mlops.tasks import record_stage
from tests.flows.callers import calling
from tests.waiting import until

SPEC = Path(__file__).parents[2] / "deployments" / "specs" / "wine-cultivar.yaml"
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


class Released:
    """A model whose first version serves; versions 2 and 3 are as good, and wait."""

    def __init__(self, url: str, folder: Path, spec: ModelSpec, places: Places) -> None:
        self.url, self.folder, self.spec, self.places = url, folder, spec, places

    def api(self, path: str, **body: Any) -> Any:
        return httpx.post(f"{self.url}/{path}", json=body, timeout=60).raise_for_status().json()

    def start(self, flow: str, **parameters: Any) -> str:
        """A run of a deployment, which a worker takes."""
        (deployment,) = self.api(
            "deployments/filter",
            deployments={"name": {"any_": [self.spec.name]}},
            flows={"name": {"any_": [flow]}},
        )
        made = self.api(f"deployments/{deployment['id']}/create_flow_run", parameters=parameters)
        return str(made["id"])

    def run(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.url}/flow_runs/{run}", timeout=60).json()
        return found

    def runs(self, flow: str) -> list[dict[str, Any]]:
        mine = {"name": {"any_": [self.spec.name]}}
        found = self.api("flow_runs/filter", flows={"name": {"any_": [flow]}}, deployments=mine)
        return sorted(found, key=lambda run: str(run["created"]))

    def wait(self, holds: Callable[[], Any], seconds: float = 120) -> None:
        until(holds, seconds, self.story)

    def story(self) -> str:
        """What became of all runs of releases and of whoever tells of trouble, for whoever reads a failure."""
        runs = [*self.runs("mlops-release"), *self.api("flow_runs/filter", flows={"name": {"any_": ["mlops-alert"]}})]
        told = [f"{run['name']} {run['parameters'].get('version')}: {run['state']}" for run in runs]
        return "\n".join([*told, *(f"{record.at} {record.stage} {record.subject}" for record in self.records())])

    def wait_for(self, run: str, *states: str, seconds: float = 120) -> None:
        self.wait(lambda: self.run(run)["state"]["name"] in states, seconds)

    def ids(self, flow: str) -> set[str]:
        return {str(run["id"]) for run in self.runs(flow)}

    def wait_for_another(self, flow: str, known: set[str]) -> str:
        """The run that an automation starts; an event waits for 15 minutes where the server lost the one before it."""
        self.wait(lambda: self.ids(flow) - known, 1000)
        (found,) = self.ids(flow) - known
        return found

    def cancel(self, run: str) -> None:
        self.api(f"flow_runs/{run}/set_state", state={"type": "CANCELLING"})

    def weights(self) -> dict[str, int]:
        return dict(self.places.target.weights(self.spec.name))

    def versions(self) -> dict[str, int]:
        return {slot: placed.version for slot, placed in self.places.target.slots(self.spec.name).items()}

    def records(self, *stages: str) -> list[Record]:
        found = self.places.ledger.records(model=self.spec.name)
        return [record for record in found if not stages or record.stage in stages]

    def callers(self, pause: float = 0.02) -> AbstractContextManager[list[tuple[int, Any]]]:
        """Whoever calls it all the while."""
        columns = [*self.spec.features.names, *self.spec.data.key]
        return calling(self.places.target.url(self.spec.name), wine().head(1)[columns], pause)

    @staticmethod
    def process_of(worker: int, run: str) -> psutil.Process | None:
        """The process of a worker's run."""
        for child in psutil.Process(worker).children(recursive=True):
            try:
                if run in child.environ().values():
                    return child
            except psutil.Error:
                continue
        return None


@pytest.fixture(scope="module")
def released(
    prefect_server: Any, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Released]:
    """The plan and more of the spec may come from the module, as `PARTS`."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    folder = tmp_path_factory.mktemp("released")
    (folder / "specs").mkdir()
    parts = {"name": f"wine-{os.getpid()}-{folder.name[-1]}", **request.module.PARTS}
    content = yaml.safe_load(SPEC.read_text()) | parts
    path = folder / "specs" / f"{content['name']}.yaml"
    path.write_text(yaml.safe_dump(content))
    write_project(folder)
    spec = load_spec(path)
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        bootstrap([spec], folder / "home")
        target = LocalTarget(folder=str(folder / "serving"), port=free_port())
        for block in Places.local(folder / "home"):
            (target if isinstance(block, LocalTarget) else block).save("default", overwrite=True)
        places = Places.load("default")
        _three_versions(spec, places, folder)
        command = [str(Path(sys.executable).parent / "prefect"), "--no-prompt", "deploy", "--all"]
        subprocess.run(command, env=prefect_server.env, cwd=folder, check=True, capture_output=True)
        yield Released(prefect_server.url, folder, spec, places)
        places.target.stop()
        for deployment in httpx.post(f"{prefect_server.url}/deployments/filter", json={}, timeout=60).json():
            httpx.delete(f"{prefect_server.url}/deployments/{deployment['id']}", timeout=60)


def _three_versions(spec: ModelSpec, places: Places, folder: Path) -> None:
    batch = folder / "rows.parquet"
    wine().sample(frac=1, random_state=0).head(120).to_parquet(batch, index=False)
    assert ingest(spec, places.source.put(batch, "rows.parquet"), as_of=MARCH, return_state=True).name == "Accepted"
    assert train(spec, as_of=MARCH, return_state=True).name == "Accepted"
    client = places.tracking.client()
    first = client.get_model_version(spec.name, "1")
    for version in ("2", "3"):
        client.create_model_version(spec.name, first.source, run_id=first.run_id, tags=first.tags)
        record_stage.fn(places.ledger, spec, "candidate.accepted", version, MARCH, {}, key=version)
    assert release(spec, 1, as_of=MARCH, return_state=True).name == "Promoted"
