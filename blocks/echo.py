"""A version without a model, by which a serving target is tried: it says who it is, and fails when it is asked to."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from prefect_mlops.blocks.bentos import BentoStore

__all__ = ["Answer", "asker", "build_echo"]

SERVICE = """
import os
from pathlib import Path
import bentoml
from pydantic import BaseModel

VERSION = int((Path(__file__).parent / "version.txt").read_text())

class Answer(BaseModel):
    version: int
    slot: str
    seen: int

@bentoml.service(name="echo", logging={"access": {"enabled": False}}, workers=1)
class service:
    seen = 0

    @bentoml.api
    def predict(self, fail_in: str = "") -> Answer:
        slot = os.environ["MLOPS_SLOT"]
        service.inner.seen += 1
        if slot in fail_in:
            raise RuntimeError("asked to")
        return Answer(version=VERSION, slot=slot, seen=service.inner.seen)
"""


class Answer(NamedTuple):
    """What a caller got.

    Attributes:
        status: Of HTTP; 0 where nobody answered.
        version: Which version said it.
        slot: In which slot.
        seen: How many requests that server has had; -1 where the answer does not say.
    """

    status: int
    version: int = 0
    slot: str = ""
    seen: int = -1


def build_echo(store: BentoStore, model: str, version: int) -> str:
    """Build the bento of one version, and return its tag."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "service.py").write_text(SERVICE)
        (folder / "version.txt").write_text(str(version))
        (folder / "requirements.txt").write_text("bentoml\n")
        return store.build(folder, model)


def asker(url: str) -> Callable[[dict[str, str], str], Answer]:
    """A function that sends one request to `<url>/predict`, with headers, which the slots named are to fail."""
    import httpx

    # A gateway on this machine is never behind a proxy.
    client = httpx.Client(timeout=30, trust_env="//127.0.0.1" not in url)

    def ask(headers: dict[str, str], fail_in: str) -> Answer:
        try:
            said = client.post(f"{url}/predict", json={"fail_in": fail_in}, headers=headers)
            found = said.json() if said.status_code == 200 else {}
        except (httpx.HTTPError, ValueError):
            return Answer(0)
        return Answer(said.status_code, found.get("version", 0), found.get("slot", ""), found.get("seen", -1))

    return ask
