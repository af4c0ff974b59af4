"""A model's whole life through the real flows: a real server, registry, bentos and gateway, on the wines."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.states import State

from prefect_mlops.blocks import Places
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.lineage import DataVersion
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.deployments.demo.datasets import bikes, wine
from prefect_mlops.flows.ingest import ingest
from prefect_mlops.flows.monitor import monitor
from prefect_mlops.flows.release import release
from prefect_mlops.flows.retrain import retrain
from prefect_mlops.flows.rollback import rollback
from prefect_mlops.flows.train import train
from prefect_mlops.tasks import compare_runs

pytestmark = pytest.mark.process

SPECS = Path(__file__).parents[2] / "deployments" / "specs"
JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return load_spec(SPECS / "wine-cultivar.yaml")


@pytest.fixture(scope="module")
def places(prefect_server: Any, spec: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    home = tmp_path_factory.mktemp("home")
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        yield from _lived_in(spec, home)


def _lived_in(spec: ModelSpec, home: Path) -> Iterator[Places]:
    from prefect_mlops.blocks import LocalTarget
    from prefect_mlops.blocks.serving import free_port

    bootstrap([spec, load_spec(SPECS / "bike-demand.yaml")], home, environment="life")
    LocalTarget(folder=str(home / "serving"), port=free_port()).save("life", overwrite=True)
    found = Places.load("life")
    yield found
    found.target.stop()


def drop(places: Places, rows: pd.DataFrame, batch: str, tmp_path: Path) -> str:
    path = tmp_path / batch
    rows.to_parquet(path, index=False)
    return places.source.put(path, batch)


def run(flow: Any, *arguments: Any, **keys: Any) -> State:
    state: State = flow(*arguments, environment="life", return_state=True, **keys)
    return state


def ask(places: Places, spec: ModelSpec, rows: pd.DataFrame) -> list[dict[str, Any]]:
    wanted = rows[[*spec.features.names, *spec.data.key]].to_json(orient="records")
    request = urllib.request.Request(
        f"{places.target.url(spec.name)}/predict",
        data=f'{{"rows": {wanted}}}'.encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        said: list[dict[str, Any]] = json.load(answer)["predictions"]
    return said


def rows_told_with(event: str, prefect_server: Any) -> DataVersion:
    """What an event says of the rows that it is about; the server has it some seconds later."""
    wanted = {"filter": {"event": {"name": [event]}}}
    for _ in range(120):
        found = httpx.post(f"{prefect_server.url}/events/filter", json=wanted, timeout=60).raise_for_status().json()
        if found["events"]:
            return DataVersion.model_validate(found["events"][0]["payload"]["data"])
        time.sleep(0.5)
    raise AssertionError(f"{event} never came")


def test_a_model_lives_its_whole_life(places: Places, spec: ModelSpec, tmp_path: Path, prefect_server: Any) -> None:
    """Batch, no champion, first champion, predictions, health, second champion through a canary-less plan, rollback."""
    rows = wine().sample(frac=1, random_state=0)

    # A broken batch is set aside, whole.
    broken = drop(places, rows.head(40).assign(alcohol=900.0), "broken.parquet", tmp_path)
    assert run(ingest, spec, broken, as_of=JANUARY).name == "Rejected"
    assert places.tables.version("wine-cultivar-accepted") == -1

    # The first batch is accepted, once, however often it is ingested.
    first = drop(places, rows.head(120), "first.parquet", tmp_path)
    assert run(ingest, spec, first, as_of=JANUARY).name == "Accepted"
    assert run(ingest, spec, first, as_of=JANUARY).name == "Accepted"
    assert len(places.tables.read("wine-cultivar-accepted")) == 120

    # Nobody serves yet: the monitor says so, and a retraining is due.
    assert run(monitor, spec, as_of=JANUARY).name == "Unserved"
    trained = run(retrain, spec, as_of=JANUARY)
    assert trained.name == "Accepted", trained.message
    version = places.tracking.client().get_model_version(spec.name, "1")
    (given,) = places.tracking.client().get_run(version.run_id).inputs.dataset_inputs
    kept = json.loads(given.dataset.profile)
    assert (given.dataset.name, len(kept["digest"])) == ("wine-cultivar-accepted", 64)
    assert kept["digest"].startswith(given.dataset.digest)
    assert run(retrain, spec, as_of=JANUARY).name == "NotDue"

    # The accepted version goes into service and answers as the model does offline.
    released = run(release, spec, 1, as_of=JANUARY)
    assert released.name == "Promoted", released.message
    answers = ask(places, spec, rows.head(120))
    truths = rows.head(120)["cultivar"]
    right = sum(answer["prediction"] == truth for answer, truth in zip(answers, truths, strict=True))
    assert right >= 110

    # Predictions are collected and held against the labels.
    assert run(monitor, spec, as_of=JANUARY).name == "Healthy"

    # A second version, trained on demand, follows; then the first takes over again.
    second = drop(places, rows.tail(58), "second.parquet", tmp_path)
    assert run(ingest, spec, second, as_of=FEBRUARY).name == "Accepted"
    again = run(train, spec, as_of=FEBRUARY)
    assert again.name == "Accepted", again.message
    soon = {"min_seconds_per_step": 0.0, "max_seconds_per_step": 3.0, "poll_seconds": 0.2}
    hasty = spec.rollout.model_copy(update=soon)
    assert run(release, spec.model_copy(update={"rollout": hasty}), 2, as_of=FEBRUARY).name == "Undecided"
    assert places.tracking.champion(spec.name) == 1
    assert len(ask(places, spec, rows.head(1))) == 1

    assert run(rollback, spec, as_of=MARCH).name == "Refused"
    for event in ("mlops.champion.promoted", "mlops.canary.failed"):
        assert len(rows_told_with(event, prefect_server).digest) == 64
    places.ledger.verify()
    stages = [record.stage for record in places.ledger.records(model=spec.name)]
    assert stages.count("champion.promoted") == 1
    (looked,) = [record.body for record in places.ledger.records(model=spec.name) if record.stage == "canary.step"]
    assert (looked["share"], looked["step"]["outcome"]) == (spec.rollout.steps[0], "undecided")
    assert [one["kind"] for one in looked["step"]["look"]["standings"]] == ["errors", "latency"]
    assert {"data.quarantined", "data.accepted", "candidate.accepted", "bento.staged", "canary.step"} <= set(stages)


def test_a_good_version_takes_over_by_the_plan_of_the_demo_while_callers_notice_nothing(
    places: Places, spec: ModelSpec
) -> None:
    """The release that ended undecided is asked for again, with requests this time."""
    demo = spec.model_copy(update={"rollout": load_spec(SPECS / "flights-late.yaml").rollout})
    rows, going, failed = wine().head(1), threading.Event(), []

    def call() -> None:
        while not going.is_set():
            try:
                ask(places, spec, rows)
            except OSError as error:
                failed.append(error)

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    try:
        state = run(release, demo, 2, as_of=MARCH)
    finally:
        going.set()
        for caller in callers:
            caller.join()

    assert state.name == "Promoted", state.message
    assert places.tracking.champion(spec.name) == 2
    assert failed == []
    steps = [record.body for record in places.ledger.records(model=spec.name) if record.stage == "canary.step"]
    assert [(step["share"], step["step"]["outcome"]) for step in steps[-2:]] == [(10, "go on"), (50, "go on")]


def test_a_search_is_on_record_with_its_trials_and_runs_are_compared_by_pairs(places: Places, spec: ModelSpec) -> None:
    space = {"C": {"low": 0.01, "high": 10.0, "log": True}}
    plain = spec.model_dump()
    plain["trainer"] = {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"}
    plain["search"] = {"space": space, "metric": "log_loss", "trials": 4, "folds": 2}
    searching = ModelSpec.model_validate(plain)

    ended = run(train, searching, as_of=FEBRUARY)
    assert ended.is_completed(), ended.message
    client = places.tracking.client()
    experiment = places.tracking.experiment_id(spec.name)
    children = client.search_runs([experiment], "tags.`mlflow.parentRunId` != ''")
    parent = client.get_run(children[0].data.tags["mlflow.parentRunId"])
    assert len(children) == 3
    assert len(client.get_metric_history(parent.info.run_id, "trial_log_loss")) == 4
    kept = {file.path for file in client.list_artifacts(parent.info.run_id, "mlops")}
    assert {"mlops/report.html", "mlops/roc.png", "mlops/trials.json", "mlops/holdout.parquet"} <= kept
    assert {"candidate_log_loss", "candidate_log_loss_error", "cpu_seconds", "peak_mib"} <= set(parent.data.metrics)

    runs = [found.info.run_id for found in client.search_runs([experiment]) if "mlops.data" in found.data.tags]
    compared = compare_runs.fn(places.tracking, spec, [runs[0], runs[-1]])
    against = [value for value in compared.values if value.advantage is not None]
    assert compared.rows > 10
    assert {value.verdict for value in against} <= {"better", "worse", "not shown"}


@pytest.mark.usefixtures("places")
def test_people_find_an_artifact_of_every_stage() -> None:
    documents = ("validation", "decision", "experiment", "search", "health", "rollout", "card")
    wanted = {f"wine-cultivar-{document}" for document in documents}
    with get_client(sync_client=True) as client:
        keys = ArtifactFilter(key=ArtifactFilterKey(any_=sorted(wanted)))
        found = client.read_artifacts(artifact_filter=keys, limit=200)

    assert {artifact.key for artifact in found} == wanted


def test_a_regression_model_is_trained_and_judged(places: Places, tmp_path: Path) -> None:
    spec = load_spec(SPECS / "bike-demand.yaml")
    rows = bikes()
    spring = datetime(2011, 6, 1, tzinfo=UTC)
    batch = drop(places, rows[rows["time"] <= pd.Timestamp(spring)], "bikes.parquet", tmp_path)

    assert run(ingest, spec, batch, as_of=spring).name == "Accepted"
    state = run(train, spec, as_of=spring)

    assert state.name == "Accepted", state.message


@pytest.mark.usefixtures("places")
def test_training_on_nothing_says_what_to_do(spec: ModelSpec) -> None:
    nothing = spec.model_copy(update={"name": "nothing-yet"})
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name("nothing-yet-write", limit=1)

    state = run(train, nothing, as_of=JANUARY)

    with pytest.raises(DataError):
        state.result()
