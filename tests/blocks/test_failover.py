"""Whenever the server of a request dies, in whatever phase of its answer, another one answers if there is one."""

import shutil
import signal
import threading
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from prefect_mlops.blocks import envoyroutes
from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.tasks.bento_service import run

pytestmark = pytest.mark.process

SERVICE = """
import os
import signal
import bentoml
from pydantic import BaseModel

SLOT = os.environ.get("MLOPS_SLOT", "")

class Answer(BaseModel):
    slot: str

class Dying:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        told = dict(scope.get("headers", ()))

        async def sent(message):
            if SLOT == "b" and message["type"].encode() == told.get(b"x-dies-before"):
                os.kill(os.getpid(), signal.SIGKILL)
            await send(message)

        await self.app(scope, receive, sent)

@bentoml.service(name="dying", logging={"access": {"enabled": False}}, workers=1)
class service:
    @bentoml.api
    def predict(self, sick: bool = False) -> Answer:
        if sick and SLOT == "b":
            raise RuntimeError("sick")
        return Answer(slot=SLOT)

service.add_asgi_middleware(Dying)
"""
MOSTLY_B, ALL_B = {"a": 1, "b": 99}, {"b": 100}
HEAD, BODY = "http.response.start", "http.response.body"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[BentoStore, str]:
    made = tmp_path_factory.mktemp("dying")
    (made / "service.py").write_text(SERVICE)
    (made / "requirements.txt").write_text("bentoml\n")
    shutil.copy(run.__file__, made)
    store = BentoStore(home=str(tmp_path_factory.mktemp("store")))
    return store, store.build(made, "dying")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, stored: tuple[BentoStore, str]) -> Iterator[LocalTarget]:
    target = LocalTarget(folder=str(tmp_path_factory.mktemp("served")), port=free_port())
    try:
        target.deploy("dying", "a", *stored, version=1, spool=None)
        target.deploy("dying", "b", *stored, version=2, spool=None)
        yield target
    finally:
        target.stop()


@pytest.fixture
def pair(served: LocalTarget, stored: tuple[BentoStore, str]) -> LocalTarget:
    """Both slots run, all traffic is a's, and b was never promoted."""
    served.set_weights("dying", {"a": 100})
    if "b" not in served.slots("dying"):
        served.deploy("dying", "b", *stored, version=2, spool=None)
    return served


def call(target: LocalTarget, dies_before: str = "", sick: bool = False) -> httpx.Response:
    headers = {"x-dies-before": dies_before}
    return httpx.post(f"{target.url('dying')}/predict", json={"sick": sick}, headers=headers, timeout=20)


@pytest.mark.parametrize("weights", [MOSTLY_B, ALL_B], ids=["canary", "promoted"])
@pytest.mark.parametrize("phase", [HEAD, BODY])
def test_what_a_server_dies_over_the_other_answers(pair: LocalTarget, weights: dict[str, int], phase: str) -> None:
    pair.set_weights("dying", weights)
    answers = [call(pair, dies_before=phase) for _ in range(3)]

    assert {(answer.status_code, answer.json()["slot"]) for answer in answers} == {(200, "a")}
    assert "b" not in pair.slots("dying")


def test_a_server_that_hangs_is_waited_for_and_then_the_other_answers(
    pair: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envoyroutes, "TRY_SECONDS", 1)
    pair.set_weights("dying", MOSTLY_B)
    hung = psutil.Process(pair.slots("dying")["b"].process.pid)
    hung.suspend()
    try:
        answer = call(pair)
    finally:
        hung.resume()

    assert (answer.status_code, answer.json()["slot"]) == (200, "a")


def test_a_version_that_was_rolled_back_stands_in_for_nobody(pair: LocalTarget) -> None:
    pair.set_weights("dying", ALL_B)
    pair.set_weights("dying", {"a": 100})
    psutil.Process(pair.slots("dying")["a"].process.pid).send_signal(signal.SIGKILL)

    assert call(pair).status_code == 503
    assert pair.ensure("dying") == ()


def test_an_error_of_a_promoted_version_is_its_own(pair: LocalTarget) -> None:
    pair.set_weights("dying", ALL_B)

    assert call(pair, sick=True).status_code == 500


def test_a_request_that_waits_for_its_second_attempt_outlives_the_emptying_of_the_slot(
    pair: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envoyroutes, "BACK_OFF", {"base_interval": "0.12s", "max_interval": "0.12s"})
    statuses: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            statuses.append(call(pair, sick=True).status_code)

    pair.set_weights("dying", MOSTLY_B)
    asking = [threading.Thread(target=ask) for _ in range(4)]
    for each in asking:
        each.start()
    time.sleep(0.5)
    pair.set_weights("dying", {"a": 100})
    pair.remove("dying", "b")
    ended.set()
    for each in asking:
        each.join()

    assert set(statuses) == {200}
