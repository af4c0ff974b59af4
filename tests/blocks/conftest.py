"""A bento without a model that says who it is, fails or dawdles when it is asked to; and a model's place on AWS."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefect_mlops.blocks import DeltaTables, PredictionLog
from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.echo import build_echo
from prefect_mlops.blocks.ecs import EcsTarget
from tests.blocks.cloud import MODEL, Clock, Cloud

SERVICE = """
import json
import os
import time
from pathlib import Path
import bentoml
from pydantic import BaseModel

VERSION = int((Path(__file__).parent / "version.txt").read_text())
HEADERS = ("host", "x-mlops-arm", "x-request-id", "x-envoy-attempt-count", "authorization")
if VERSION == 13:
    raise RuntimeError("version 13 never loads")

class Answer(BaseModel):
    version: int
    slot: str

@bentoml.service(name="echo", logging={"access": {"enabled": False}}, workers=1)
class service:
    @bentoml.api
    def predict(self, ctx: bentoml.Context, fail_in: str = "", seconds: float = 0.0, padding: str = "") -> Answer:
        if "MLOPS_SPOOL" in os.environ:
            told = {name: ctx.request.headers.get(name) for name in HEADERS}
            with (Path(os.environ["MLOPS_SPOOL"]) / f"seen-{os.environ['MLOPS_SLOT']}.jsonl").open("a") as seen:
                print(json.dumps(told), file=seen)
        time.sleep(seconds)
        if os.environ["MLOPS_SLOT"] in fail_in:
            raise RuntimeError("asked to")
        return Answer(version=VERSION, slot=os.environ["MLOPS_SLOT"])
"""


@pytest.fixture(scope="session")
def echo_folder(tmp_path_factory: pytest.TempPathFactory):
    """Makes the folder that an echo bento of some version is built from."""

    def make(version: int) -> Path:
        folder = tmp_path_factory.mktemp(f"echo-{version}")
        (folder / "service.py").write_text(SERVICE)
        (folder / "version.txt").write_text(str(version))
        (folder / "requirements.txt").write_text("bentoml\n")
        return folder

    return make


@pytest.fixture(scope="session")
def echoes(tmp_path_factory: pytest.TempPathFactory, echo_folder) -> tuple[BentoStore, dict[int, str]]:
    """A store, and the tags of two versions in it."""
    store = BentoStore(home=str(tmp_path_factory.mktemp("echoes")))
    return store, {version: store.build(echo_folder(version), "echo") for version in (1, 2)}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that targets on AWS go by; a test puts it forward."""
    clock = Clock()
    for module in ("ecs", "ecs_services", "elb"):
        monkeypatch.setattr(f"prefect_mlops.blocks.{module}.time", clock)
    return clock


@pytest.fixture
def cloud(aws: dict[str, str], clock: Clock, tmp_path: Path) -> Iterator[Cloud]:
    """A model on AWS, without a version yet."""
    cloud = Cloud(aws, clock, tmp_path / "spool")
    yield cloud
    cloud.end()


@pytest.fixture
def on_aws(cloud: Cloud, aws: dict[str, str], tmp_path: Path) -> Callable[..., EcsTarget]:
    """Makes the target of that model, with other fields where they are given."""

    def make(**fields: object) -> EcsTarget:
        known: dict[str, object] = {
            "cluster": cloud.cluster,
            "rules": {MODEL: cloud.rule},
            "target_groups": {f"{MODEL}-{slot}": arn for slot, arn in cloud.groups.items()},
            "address": "https://{model}.example.org",
            "image": "serving:1",
            "bentos": "s3://bentos/all",
            "region": aws["region_name"],
            "endpoint": aws["endpoint_url"],
            "access_key_id": aws["aws_access_key_id"],
            "secret_access_key": aws["aws_secret_access_key"],
            "boot_seconds": 20,
            "predictions": PredictionLog(spool=str(cloud.spool)),
            "tables": DeltaTables(root=str(tmp_path / "tables")),
        }
        return EcsTarget.model_validate(known | fields)

    return make


@pytest.fixture(scope="session")
def echo_tags(tmp_path_factory: pytest.TempPathFactory) -> tuple[BentoStore, dict[int, str]]:
    """A store with the two versions by which targets are tried, and their tags."""
    store = BentoStore(home=str(tmp_path_factory.mktemp("tried")))
    return store, {version: build_echo(store, MODEL, version) for version in (1, 2)}
