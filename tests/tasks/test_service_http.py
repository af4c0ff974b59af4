"""One packaged model served for real: what a request may hold, and what each other request is told."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_mlops.blocks import BentoStore
from prefect_mlops.blocks.serving import ServingProcess, free_port
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import build_bento

pytestmark = pytest.mark.process

TOKEN = "a-long-token"
LIMITS = {"most_rows": 40, "most_kilobytes": 64}
ROW = {"x": 0.5, "model_year": 2001, "kind of thing": "car", "day": 2}
Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BentoStore:
    return BentoStore(home=str(tmp_path_factory.mktemp("bentos")))


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


def serve(store: BentoStore, tag: str, log: Path, **told: str) -> ServingProcess:
    """Start a bento as a container does: by its `run.py`, told by its environment."""
    port = free_port()
    own = {"BENTOML_HOME": str(log.with_suffix(".home")), **told}
    command = [sys.executable, str(store.path(tag) / "src" / "run.py"), "--port", str(port)]
    return ServingProcess.spawn(command, store.environment() | own, port, log)


@pytest.fixture(scope="module")
def ask(store: BentoStore, toy_spec, toy_package, spool: Path) -> Iterator[Ask]:
    """Sends to a server that wants a token, and shows it unless it is told not to."""
    spec: ModelSpec = toy_spec("binary", serving=LIMITS)
    bento = build_bento.fn(spec, toy_package(spec, 4)[1], store)
    process = serve(store, bento.tag, spool / "log", MLOPS_TOKEN=TOKEN, MLOPS_SPOOL=str(spool))
    try:
        process.wait_ready("/readyz", "The server")

        def send(method: str, path: str, **options: Any) -> httpx.Response:
            headers = {"authorization": f"Bearer {TOKEN}", **options.pop("headers", {})}
            return httpx.request(method, process.url + path, headers=headers, timeout=20, trust_env=False, **options)

        yield send
    finally:
        process.stop()


def test_a_row_is_answered_with_its_chances_its_version_and_an_id_that_the_log_holds(ask: Ask, spool: Path) -> None:
    answer = ask("POST", "/predict", json={"rows": [ROW, {**ROW, "row_id": "r-1"}]}, headers={"x-request-id": "q7"})

    told = answer.json()
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "q7"
    assert (told["model"], told["version"], len(told["predictions"])) == ("toy-binary", 4, 2)
    for said in told["predictions"]:
        assert set(said) == {"id", "prediction", "score", "probabilities", "quantiles"}
        assert sum(said["probabilities"].values()) == pytest.approx(1)
        assert said["score"] == said["probabilities"]["True"]
    ids = {said["id"] for said in told["predictions"]}
    assert len(ids) == 2
    deadline = time.monotonic() + 10
    while not (logged := _logged(spool, "q7")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert {line["prediction_id"] for line in logged} == ids
    assert {line["key"] for line in logged} == {"", "r-1"}


def test_no_rows_are_answered_by_no_predictions(ask: Ask) -> None:
    assert ask("POST", "/predict", json={"rows": []}).json()["predictions"] == []


@pytest.mark.parametrize(
    ("rows", "status", "named"),
    [
        ([{**ROW, "x": "many"}], 400, "rows.0.x"),
        ([ROW, {**ROW, "y": 1}], 400, "rows.1.y"),
        ([{name: value for name, value in ROW.items() if name != "day"}], 400, "rows.0.day"),
        ([{**ROW, "kind of thing": [1]}], 400, "rows.0.kind of thing"),
        ([{**ROW, "x": 1e39}], 400, "rows.0.x"),
        ("none", 400, "rows"),
        ([ROW] * (LIMITS["most_rows"] + 1), 400, "rows"),
        ([{**ROW, "kind of thing": "x" * 70_000}], 413, "65,536 bytes"),
    ],
)
def test_a_request_that_breaks_the_contract_is_told_which_field_does(
    ask: Ask, rows: object, status: int, named: str
) -> None:
    answer = ask("POST", "/predict", json={"rows": rows})

    assert answer.status_code == status
    assert named in answer.json()["error"]


def test_a_body_of_another_kind_is_refused_before_anything_reads_it(ask: Ask) -> None:
    pickled = {"content-type": "application/vnd.bentoml+pickle"}

    assert ask("POST", "/predict", content=b"cos\nsystem\n(S'false'\ntR.", headers=pickled).status_code == 415
    assert ask("POST", "/predict", content=b'{"rows": [').status_code == 400


def test_a_body_without_a_length_is_cut_off_where_it_grows_too_large(ask: Ask) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield b" " * 1024

    assert ask("POST", "/predict", content=endless()).status_code == 413


@pytest.mark.parametrize("shown", ["", "Bearer another", "Basic a-long-token"])
def test_who_shows_no_token_learns_no_more_than_whether_the_server_lives(ask: Ask, shown: str) -> None:
    headers = {"authorization": shown}

    refused = ask("POST", "/predict", json={"rows": [ROW]}, headers=headers)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert ask("GET", "/metrics", headers=headers).status_code == 401
    assert ask("GET", "/livez", headers=headers).status_code == 200
    assert ask("GET", "/readyz", headers=headers).status_code == 200


def test_requests_are_counted_for_prometheus_by_what_they_got(ask: Ask) -> None:
    ask("POST", "/predict", json={"rows": [ROW]})

    counted = ask("GET", "/metrics").text

    assert 'http_response_code="200"' in counted
    assert "mlops_predictions_logged_total" in counted
    assert "mlops_predictions_dropped_total 0.0" in counted
    assert "toy-binary" in counted


def test_what_a_request_looks_like_is_described_in_openapi(ask: Ask) -> None:
    described = ask("GET", "/docs.json").json()

    assert "/predict" in described["paths"]
    assert "kind of thing" in json.dumps(described)


def test_a_request_that_takes_too_long_is_ended(store: BentoStore, toy_spec, toy_package, tmp_path: Path) -> None:
    spec = toy_spec("binary", serving={"timeout_seconds": 0.001, "runtime": "skops"})
    bento = build_bento.fn(spec, toy_package(spec, 5)[1], store)
    process = serve(store, bento.tag, tmp_path / "log")
    try:
        process.wait_ready("/readyz", "The server")
        answer = httpx.post(f"{process.url}/predict", json={"rows": [ROW] * 900}, timeout=20, trust_env=False)
    finally:
        process.stop()

    assert answer.status_code == 504


def test_a_server_whose_model_cannot_be_loaded_ends(store: BentoStore, toy_spec, toy_package, tmp_path: Path) -> None:
    spec = toy_spec("binary")
    package = toy_package(spec, 6)[1]._replace(onnx=b"no model at all")
    run = store.path(build_bento.fn(spec, package, store).tag) / "src" / "run.py"
    environment = store.environment() | {"BENTOML_HOME": str(tmp_path)}

    ended = subprocess.run(
        [sys.executable, str(run), "--port", str(free_port())],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode != 0
    assert "model.onnx" in ended.stderr


@pytest.mark.slow
def test_bentoml_itself_serves_the_same_bento(store: BentoStore, toy_spec, toy_package, tmp_path: Path) -> None:
    spec = toy_spec("binary", serving=LIMITS)
    tag = build_bento.fn(spec, toy_package(spec, 4)[1], store).tag
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", tag, "--port", str(port), "--host", "127.0.0.1"]
    process = ServingProcess.spawn(command, store.environment(), port, tmp_path / "log")
    try:
        process.wait_ready("/readyz", "bentoml serve")
        answer = httpx.post(f"{process.url}/predict", json={"rows": [ROW]}, timeout=20, trust_env=False)
    finally:
        process.stop()

    assert answer.json()["version"] == 4


def _logged(spool: Path, request_id: str) -> list[dict[str, Any]]:
    """The lines of the log that belong to one request."""
    lines = [line for path in spool.rglob("*") if path.is_file() and path.name != "log" for line in _lines(path)]
    return [line for line in lines if line.get("request_id") == request_id]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(errors="replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            yield told
