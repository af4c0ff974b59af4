"""A bento without a model: it boots fast, says which version it is, and fails when it is asked to."""

from pathlib import Path

import pytest

SERVICE = """
import os
from pathlib import Path
import bentoml
from pydantic import BaseModel

VERSION = int((Path(__file__).parent / "version.txt").read_text())
if VERSION == 13:
    raise RuntimeError("version 13 never loads")

class Answer(BaseModel):
    version: int
    slot: str

@bentoml.service(name="echo", logging={"access": {"enabled": False}}, workers=1)
class service:
    @bentoml.api
    def predict(self, fail_in: str = "") -> Answer:
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
