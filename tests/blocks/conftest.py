"""A bento without a model: it boots fast, says which version it is, and fails or dawdles when it is asked to."""

from pathlib import Path

import pytest

from prefect_mlops.blocks.bentos import BentoStore

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
