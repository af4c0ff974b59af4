import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pandas as pd
import psutil
import pytest
from pydantic import SecretStr

from prefect_mlops.blocks import BentoStore, LocalTarget, PersonalKey, PredictionLog
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.core.errors import NotFound, ServingError
from prefect_mlops.core.predictions import FIELDS, parse_predictions
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers import FittedModel
from prefect_mlops.tasks import (
    build_bento,
    deploy_bento,
    finish_rollout,
    foresee_rollout,
    run_canary,
    undo_rollout,
)
from prefect_mlops.tasks.packaging import Bento
from prefect_mlops.tasks.rollout import Placed

pytestmark = pytest.mark.process

SECRET = "sixteen letters!"
KEY = PersonalKey(key=SecretStr(SECRET))


class Served(NamedTuple):
    """Version 1 as champion in slot a."""

    spec: ModelSpec
    model: FittedModel
    rows: pd.DataFrame
    bentos: dict[int, Bento]
    store: BentoStore
    target: LocalTarget
    log: PredictionLog

    def predict(self, *rows: dict[str, Any]) -> httpx.Response:
        body = json.dumps({"rows": rows})
        return httpx.post(f"{self.target.url(self.spec.name)}/predict", content=body, timeout=30, trust_env=False)

    def lines(self) -> list[dict[str, Any]]:
        files = sorted((Path(self.log.spool) / self.spec.name).glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, toy_spec, toy_package) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("rollout")
    plan = {"steps": [50], "requests_per_step": 40, "min_seconds_per_step": 0, "max_seconds_per_step": 180}
    plan |= {"poll_seconds": 0.1, "error_rate_limit": 0.05, "latency_budget_ms": 10_000}
    spec = toy_spec("binary", rollout=plan)
    model, package, rows = toy_package(spec, 1)
    store = BentoStore(home=str(folder / "bentos"))
    bentos = {version: build_bento.fn(spec, package._replace(version=version), store) for version in (1, 2)}
    target = LocalTarget(folder=str(folder / "serving"), port=free_port())
    log = PredictionLog(spool=str(folder / "spool"))
    try:
        placed = deploy_bento.fn(spec, bentos[1], store, target, log)
        assert (placed.slot, placed.champion_slot) == ("a", None)
        finish_rollout.fn(spec, target, placed)
        yield Served(spec, model, rows, bentos, store, target, log)
    finally:
        target.stop()


@pytest.fixture
def row() -> dict[str, Any]:
    return {"x": 0.25, "model_year": 2001, "kind of thing": "car", "day": 2}


def test_predictions_over_http_equal_those_offline(served: Served) -> None:
    rows = served.rows.head(40)
    said = served.model.predict(rows)

    answer = served.predict(*json.loads(rows.drop(columns="y").to_json(orient="records", double_precision=15)))

    body = answer.json()
    assert (body["model"], body["version"]) == (served.spec.name, 1)
    assert [one["prediction"] for one in body["predictions"]] == said.labels.tolist()
    assert said.probabilities is not None
    assert [one["score"] for one in body["predictions"]] == pytest.approx(said.probabilities[:, 1], abs=1e-6)
    assert [list(one["probabilities"]) for one in body["predictions"]] == [["False", "True"]] * 40
    assert len({one["id"] for one in body["predictions"]}) == 40


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"no_such": 1}, ["rows", 0, "no_such"]),
        ({"x": "many"}, ["rows", 0, "x"]),
        ({"kind of thing": ["car"]}, ["rows", 0, "kind of thing"]),
        ({"x": float("inf")}, ["rows", 0, "x"]),
        ({"x": float("nan")}, ["rows", 0, "x"]),
        ({"happened": "tomorrow"}, ["rows", 0, "happened"]),
    ],
)
def test_a_bad_field_gets_a_400_that_names_it(
    served: Served, row: dict[str, Any], change: Any, named: list[Any]
) -> None:
    answer = served.predict({**row, **change})

    assert answer.status_code == 400
    assert answer.json()["detail"][0]["loc"][: len(named)] == named


def test_a_missing_field_too_many_rows_and_no_rows_are_answered_plainly(served: Served, row: dict[str, Any]) -> None:
    missing = served.predict({name: value for name, value in row.items() if name != "x"})
    many = served.predict(*[row] * 1001)
    none = served.predict()
    elsewhere = httpx.post(
        f"{served.target.url(served.spec.name)}/predict", json={"rows": [], "more": 1}, trust_env=False
    )

    assert (missing.status_code, missing.json()["detail"][0]["loc"]) == (400, ["rows", 0, "x"])
    assert (many.status_code, many.json()["detail"][0]["type"]) == (400, "too_long")
    assert (none.status_code, none.json()["predictions"]) == (200, [])
    assert elsewhere.status_code == 400


def test_a_category_is_the_same_whatever_it_travels_as_and_null_is_imputed(served: Served, row: dict[str, Any]) -> None:
    days = served.predict(*({**row, "day": day} for day in (2, 2.0, "2"))).json()["predictions"]
    nulls = served.predict(dict.fromkeys(row)).json()["predictions"]

    offline = served.model.predict(pd.DataFrame([dict.fromkeys(row)]))
    assert len({one["score"] for one in days}) == 1
    assert offline.probabilities is not None
    assert nulls[0]["score"] == pytest.approx(offline.probabilities[0, 1], abs=1e-6)


def test_every_answered_row_becomes_one_line_of_the_log(served: Served, row: dict[str, Any]) -> None:
    said = served.predict(
        {**row, "row_id": 41, "happened": "2026-03-01T12:00:00+02:00"}, {**row, "x": None, "row_id": "b-42"}, row
    ).json()["predictions"]

    def ours() -> list[dict[str, Any]]:
        return [line for line in served.lines() if line["prediction_id"] in {one["id"] for one in said}]

    deadline = time.monotonic() + 5
    while len(ours()) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)

    lines = ours()
    assert [list(line) for line in lines] == [list(FIELDS)] * 3
    assert [line["prediction_id"] for line in lines] == [one["id"] for one in said]
    assert [line["key"] for line in lines] == ["41", "b-42", ""]
    assert [line["event_time"] for line in lines] == ["2026-03-01T10:00:00.000000+00:00", None, None]
    assert [(line["model"], line["version"], line["slot"]) for line in lines] == [(served.spec.name, 1, "a")] * 3
    assert [line["prediction"] for line in lines] == [str(one["prediction"]) for one in said]
    assert json.loads(lines[0]["probabilities"])[1] == lines[0]["score"] == said[0]["score"]
    assert json.loads(lines[1]["features"]) == {**row, "x": None}
    assert [(line["row"], line["answered"]) for line in lines] == [(0, True), (1, True), (2, True)]
    assert len({line["request_id"] for line in lines}) == 1
    assert lines[0]["latency_ms"] > 0
    assert parse_predictions(json.dumps(line).encode() for line in lines)[1] == []


def test_health_and_metrics_are_there(served: Served) -> None:
    url = served.target.url(served.spec.name)

    statuses = [httpx.get(f"{url}/{path}", trust_env=False).status_code for path in ("livez", "readyz")]
    metrics = httpx.get(f"{url}/metrics", trust_env=False).text

    assert statuses == [200, 200]
    assert "mlops_predictions_dropped_total 0.0" in metrics
    assert 'endpoint="/predict",http_response_code="200"' in metrics


@pytest.mark.parametrize(("log", "told"), [("hashed", SECRET), ("left-out", None)])
def test_only_a_server_whose_log_hashes_personal_values_is_told_the_key(
    served: Served, log: str, told: str | None
) -> None:
    data, serving = (part.model_dump(mode="json") for part in (served.spec.data, served.spec.serving))
    parts = {"data": data | {"personal": ["x"]}, "serving": serving | {"personal": log}}
    spec = ModelSpec.model_validate(served.spec.model_dump(mode="json") | parts | {"name": f"hides-{log}"})

    deploy_bento.fn(spec, served.bentos[2], served.store, served.target, served.log, KEY)

    server = psutil.Process(served.target.slots(spec.name)["a"].process.pid)
    assert server.environ().get("MLOPS_PERSONAL_KEY") == told
    assert SECRET not in (Path(served.target.folder) / "state.json").read_text()
    served.target.remove(spec.name, "a")


def test_a_good_canary_goes_on_and_a_repeated_deployment_finds_it_where_it_is(
    served: Served, row: dict[str, Any]
) -> None:
    placed = deploy_bento.fn(served.spec, served.bentos[2], served.store, served.target, served.log)
    assert (placed.slot, placed.champion_slot) == ("b", "a")
    statuses: list[int] = []
    going = threading.Event()
    client = threading.Thread(
        target=lambda: [statuses.append(served.predict(row).status_code) for _ in iter(going.is_set, True)]
    )
    client.start()
    try:
        step = run_canary.fn(served.spec, served.target, placed, 50)
    finally:
        going.set()
        client.join()
    assert step.outcome == "go on", step.reason
    assert set(statuses) == {200}

    again = deploy_bento.fn(served.spec, served.bentos[2], served.store, served.target, served.log)
    assert (again.slot, again.champion_slot) == ("b", "a")
    undo_rollout.fn(served.spec, served.target, placed)
    assert set(served.target.slots(served.spec.name)) == {"a"}
    assert served.target.weights(served.spec.name) == {"a": 100}
    assert served.predict(row).json()["version"] == 1


def test_a_canary_that_dies_is_rolled_back_and_no_caller_notices(served: Served, row: dict[str, Any]) -> None:
    placed = deploy_bento.fn(served.spec, served.bentos[2], served.store, served.target, served.log)
    statuses: list[int] = []
    going = threading.Event()
    client = threading.Thread(
        target=lambda: [statuses.append(served.predict(row).status_code) for _ in iter(going.is_set, True)]
    )
    client.start()
    try:
        family = served.target.slots(served.spec.name)["b"].process._family()
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=5)
        served.target.set_weights(served.spec.name, {"a": 100})
        with pytest.raises(NotFound):  # it died before its step: traffic stays as it was
            run_canary.fn(served.spec, served.target, placed, 50)
        served.target.ensure(served.spec.name)
        killer = threading.Timer(
            1.0, lambda: [one.kill() for one in served.target.slots(served.spec.name)["b"].process._family()]
        )
        killer.start()
        slow = served.spec.model_copy(
            update={"rollout": served.spec.rollout.model_copy(update={"requests_per_step": 5000})}
        )
        step = run_canary.fn(slow, served.target, placed, 50)
        left = served.target.weights(served.spec.name)
        undo_rollout.fn(served.spec, served.target, placed)
    finally:
        going.set()
        client.join()

    assert step.outcome == "roll back", step.reason
    assert step.reason.startswith("The canary is worse in errors")
    assert step.look is not None
    assert step.look.standings[0].worse >= 200
    assert set(statuses) == {200}
    assert left == {"a": 100}
    assert set(served.target.slots(served.spec.name)) == {"a"}


def test_a_step_that_nothing_decides_ends_undecided(served: Served) -> None:
    placed = deploy_bento.fn(served.spec, served.bentos[2], served.store, served.target, served.log)
    plan = served.spec.rollout.model_copy(update={"max_seconds_per_step": 0.5})

    step = run_canary.fn(served.spec.model_copy(update={"rollout": plan}), served.target, placed, 50)

    assert step.outcome == "undecided"
    assert step.reason.startswith("Undecided after")
    undo_rollout.fn(served.spec, served.target, placed)


def test_a_run_after_a_crash_goes_on_where_the_traffic_stands_with_all_that_was_seen(
    served: Served, row: dict[str, Any]
) -> None:
    placed = deploy_bento.fn(served.spec, served.bentos[2], served.store, served.target, served.log)
    served.target.set_weights(served.spec.name, {"a": 50, "b": 50})
    for _ in range(12):
        served.predict(row)
    plan = {"steps": (10, 50), "max_seconds_per_step": 1.0}
    spec = served.spec.model_copy(update={"rollout": served.spec.rollout.model_copy(update=plan)})

    again = deploy_bento.fn(spec, served.bentos[2], served.store, served.target, served.log)
    passed = run_canary.fn(spec, served.target, again, 10)
    kept = served.target.weights(spec.name)
    going = run_canary.fn(spec, served.target, again, 50)

    assert (passed.outcome, passed.look, kept) == ("go on", None, {"a": 50, "b": 50})
    assert going.look is not None
    assert going.look.requests + going.look.champion_requests == 12
    undo_rollout.fn(served.spec, served.target, placed)


def test_the_requests_that_a_rollout_needs_are_said_beforehand(served: Served) -> None:
    assert foresee_rollout.fn(served.spec, Placed("b", "a", "")) == (
        "Requests needed where none fails or is slow: 79 to the canary at 50%, of 158. Events count once, the first of "
        "each `x-request-id`."
    )


def test_a_damaged_bento_is_refused_and_the_champion_answers(served: Served, toy_package, row: dict[str, Any]) -> None:
    _, package, _ = toy_package(served.spec, 3)
    bento = build_bento.fn(served.spec, package, served.store)
    (served.store.path(bento.tag) / "src" / "model.skops").write_bytes(b"not a model")

    with pytest.raises(ServingError, match="damaged"):
        deploy_bento.fn(served.spec, bento, served.store, served.target, served.log)

    assert served.target.weights(served.spec.name) == {"a": 100}
    assert served.predict(row).json()["version"] == 1


def test_nothing_is_compared_where_no_champion_runs(served: Served) -> None:
    assert run_canary.fn(served.spec, served.target, Placed("a", None, ""), 10).outcome == "go on"
