"""The other processes of the drill: callers that write down what they get, and the one that drives a rollout.

`python -m benchmarks.drill_parts call <url> <file>` calls until it is ended; `... drive <folder> <port> <tag> <steps>`
brings a version into service by the tasks of the release flow.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from prefect_mlops.core.spec import ModelSpec

__all__ = ["MODEL", "SERVICE", "USER", "call", "drive", "spec_of"]

MODEL, USER = "drill", "x-user"
SPEC = {
    "spec_version": 1,
    "name": MODEL,
    "purpose": {"decision": "None.", "business_metric": "None.", "owner": "drill@example.com"},
    "data": {"key": ["id"], "time": "at"},
    "target": {"column": "y", "problem": "binary", "positive": True},
    "features": {"numeric": ["x"]},
    "split": {"kind": "by-key"},
    "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
    "gates": [{"kind": "at-least", "metric": "roc_auc", "bound": 0.5}],
}
CALLERS, RETURNING = 6, 300
PAUSE_SECONDS = 0.012
SERVICE = """
import os
import random
import time
from pathlib import Path
import bentoml
from pydantic import BaseModel

VERSION = int((Path(__file__).parent / "version.txt").read_text())
NOTES = Path(os.environ.get("MLOPS_SPOOL", "."))
SICK = NOTES / f"sick-{VERSION}"

class Answer(BaseModel):
    version: int

@bentoml.service(name="drill", logging={"access": {"enabled": False}}, workers=1)
class service:
    def __init__(self):
        self.log = (NOTES / f"asked-{VERSION}.txt").open("a", buffering=1)

    @bentoml.api
    def predict(self) -> Answer:
        self.log.write(f"{time.time()}\\n")
        if SICK.exists() and random.random() < 0.5:
            raise RuntimeError("sick")
        return Answer(version=VERSION)
"""
"""A version that writes down when it was asked, and fails half of its requests while a file says so."""


def spec_of(steps: tuple[int, ...]) -> ModelSpec:
    """A spec whose rollout takes these steps, judged as fast as its tests allow."""
    plan = {"steps": steps, "requests_per_step": 100, "min_seconds_per_step": 1, "max_seconds_per_step": 100}
    plan |= {"poll_seconds": 0.2, "error_rate_limit": 0.05, "latency_budget_ms": 5000, "user_key": USER}
    return ModelSpec.model_validate({**SPEC, "rollout": plan})


def call(url: str, file: Path) -> None:
    """Send requests of new and of returning users, and write a line for each: when, who, status and version."""
    numbers = random.Random(7)
    fresh, writing = iter(range(10**9)), threading.Lock()
    with file.open("a", buffering=1) as lines:

        def caller() -> None:
            address = urlsplit(url)
            connection = http.client.HTTPConnection(address.netloc, timeout=30)
            while True:
                with writing:
                    back = numbers.random() < 0.5
                    user = f"back-{numbers.randrange(RETURNING)}" if back else f"new-{next(fresh)}"
                began = time.time()
                status, version = _asked(connection, f"{address.path}/predict", user)
                with writing:
                    lines.write(json.dumps([began, time.time(), user, status, version]) + "\n")
                time.sleep(PAUSE_SECONDS)

        callers = [threading.Thread(target=caller, daemon=True) for _ in range(CALLERS)]
        for each in callers:
            each.start()
        for each in callers:
            each.join()


def _asked(connection: http.client.HTTPConnection, path: str, user: str) -> tuple[int, int]:
    """One request, which nobody sends again; status 0 where nobody answered."""
    headers = {"content-type": "application/json", USER: user}
    try:
        connection.request("POST", path, "{}", headers)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body).get("version", 0) if answer.status == 200 else 0
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0, 0


def drive(folder: Path, port: int, tag: str, steps: tuple[int, ...]) -> None:
    """Do what the release flow does from the deployment on, and say when the verdict fell and what came of it."""
    from prefect_mlops.blocks import BentoStore, LocalTarget, PredictionLog
    from prefect_mlops.tasks import deploy_bento, finish_rollout, run_canary, undo_rollout
    from prefect_mlops.tasks.packaging import Bento

    verdicts: list[float] = []

    class Watching(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            verdicts.append(record.created)

    logger = logging.getLogger("prefect_mlops")
    logger.setLevel(logging.INFO)
    logger.addHandler(Watching())
    spec, target = spec_of(steps), LocalTarget(folder=str(folder / "serving"), port=port)
    log = PredictionLog(spool=str(folder / "notes"))
    store = BentoStore(home=str(folder / "bentos"))
    placed = deploy_bento.fn(spec, Bento(tag, MODEL, 2), store, target, log)
    _say("placed", placed.slot)
    outcome, reason = "go on", ""
    for share in spec.rollout.shares:
        step = run_canary.fn(spec, target, placed, share)
        outcome, reason = step.outcome, step.reason
        if outcome != "go on":
            break
    _say("verdict", outcome, reason, verdicts[-1])
    if outcome == "go on":
        finish_rollout.fn(spec, target, placed)
    else:
        undo_rollout.fn(spec, target, placed)
    _say("done", outcome, time.time())


def _say(*facts: object) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "call":
        call(sys.argv[2], Path(sys.argv[3]))
    else:
        drive(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4], tuple(int(step) for step in sys.argv[5].split(",")))
