"""This product and its peers as processes that serve the same model on a port."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import joblib

from benchmarks.serving.asking import Asker, bodies_for, request_bytes
from benchmarks.serving.models import Served
from prefect_mlops.blocks import BentoStore
from prefect_mlops.blocks.footprints import Footprint, footprint_of
from prefect_mlops.blocks.serving import BentoProcess, free_port

__all__ = ["FLOOR", "MLFLOW", "NAIVE", "OURS", "PEERS", "Server", "all_served", "empty_request", "started"]

APPS = Path(__file__).parent / "apps"
OURS, NAIVE, FASTAPI, MLFLOW, FLOOR = (
    "this product",
    "naive BentoML DataFrame service",
    "FastAPI + DataFrame",
    "mlflow models serve",
    "raw ASGI + ONNX Runtime",
)
PEERS = (NAIVE, FASTAPI, MLFLOW, FLOOR)
BOOT_SECONDS = 120.0
QUIET = ("--no-access-log", "--log-level", "warning")


class Server(NamedTuple):
    """A server that answers.

    Attributes:
        name: Of the product or peer.
        port: Where it listens.
        pid: The process that was started; its children count too.
        requests: One for each row that is asked.
    """

    name: str
    port: int
    pid: int
    requests: list[bytes]

    def footprint(self) -> Footprint:
        """What its processes have taken until now."""
        return footprint_of(self.pid)


@contextmanager
def all_served(served: Served, folder: Path, peers: tuple[str, ...] = PEERS) -> Iterator[list[Server]]:
    """This product first, then its peers, all at once, so that each round of a measurement asks all of them."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(started(name, served, folder / str(place))) for place, name in enumerate((OURS, *peers))
        ]


@contextmanager
def started(name: str, served: Served, folder: Path) -> Iterator[Server]:
    """One server in a folder of its own, ready to be asked and ended afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with _ours(served, folder) if name == OURS else _peer(name, served, folder) as server:
        yield server


@contextmanager
def _ours(served: Served, folder: Path) -> Iterator[Server]:
    """As a slot runs it: with the log of every attempt; requests carry what names their rows."""
    store = BentoStore(home=str(folder.parent / "bentos"))
    tag = served.bento(store)
    process = BentoProcess.launch(store, tag, slot="a", spool=folder / "spool", log=folder / "log")
    try:
        process.wait_serving(tag)
        yield Server(OURS, process.port, process.pid, bodies_for("/predict", "rows", served.asked))
    finally:
        process.stop()


@contextmanager
def _peer(name: str, served: Served, folder: Path) -> Iterator[Server]:
    port = free_port()
    command, path, key = _command(name, served, folder, port)
    requests = bodies_for(path, key, served.features)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "BENTOML_HOME": str(folder / "home"), "PYTHONPATH": ""}
    # MLflow calls uvicorn by its name.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment |= {"BENTOML_DO_NOT_TRACK": "true", "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'm.db'}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait(process, port, requests[0], folder / "log")
        yield Server(name, port, process.pid, requests)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _command(name: str, served: Served, folder: Path, port: int) -> tuple[list[str], str, str]:
    """What starts a peer, the path it answers, and the word under which it takes rows."""
    python = [sys.executable, "-m"]
    where = ["--host", "127.0.0.1", "--port", str(port)]
    pipeline = served.model.pipeline
    if name == NAIVE:
        joblib.dump(pipeline, folder / "model.joblib")
        shutil.copy(APPS / "naive_bento.py", folder / "service.py")
        return [*python, "bentoml", "serve", "service:Naive", *where], "/predict", "rows"
    if name == FASTAPI:
        joblib.dump(pipeline, folder / "model.joblib")
        shutil.copy(APPS / "fastapi_app.py", folder / "app.py")
        return [*python, "uvicorn", "app:app", *where], "/predict", "rows"
    if name == MLFLOW:
        import mlflow.sklearn

        mlflow.sklearn.save_model(
            pipeline, str(folder / "model"), serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba"
        )
        serve = ["mlflow", "models", "serve", "-m", str(folder / "model"), "--env-manager", "local", "--workers", "1"]
        return [*python, *serve, *where], "/invocations", "dataframe_records"
    contract = {"number": [], "text": []}
    for column in served.model.features:
        contract["text" if column in served.spec.features.category else "number"].append(column)
    (folder / "columns.json").write_text(json.dumps(contract))
    (folder / "model.onnx").write_bytes(served.package.onnx)
    shutil.copy(APPS / "raw_app.py", folder / "app.py")
    return [*python, "uvicorn", "app:app", *where, *QUIET], "/predict", "rows"


def _wait(process: subprocess.Popen[bytes], port: int, request: bytes, log: Path) -> None:
    """Until the first request is answered by 200."""
    deadline = time.monotonic() + BOOT_SECONDS
    said: object = "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with Asker(port) as asker:
                status, body = asker.ask(request)
            if status == 200:
                return
            said = (status, body[:300])
        except (OSError, ValueError) as error:
            said = error
        time.sleep(0.05)
    raise RuntimeError(f"{' '.join(map(str, process.args))} does not answer ({said}): {log.read_text()[-2000:]}")  # type: ignore[arg-type]


def empty_request() -> bytes:
    """A request without rows: what remains is the server itself."""
    return request_bytes("/predict", b'{"rows": []}')
