"""Against a real Prefect server: prepared and deployed again and again, started by events, run from an empty folder."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml

from prefect_mlops.blocks import Places
from prefect_mlops.core.errors import NotFound
from prefect_mlops.core.events import Event, event_payload, model_resource
from prefect_mlops.deployments.demo.datasets import wine
from prefect_mlops.deployments.land import land_batch
from tests.asking import ask
from tests.waiting import until

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MODELS = {"bike-demand", "flights-late", "wine-cultivar"}


class Deployed(NamedTuple):
    """A server on which everything of ours stands, and what was said when it was done twice."""

    url: str
    env: dict[str, str]
    prepared: list[str]


def api(url: str, path: str, **body: Any) -> Any:
    answer = ask("POST", f"{url}/{path}", json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()


def run(command: list[str], env: dict[str, str], folder: Path) -> str:
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def deployed(prefect_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    env = prefect_server.env
    home = str(tmp_path_factory.mktemp("home"))
    command = [str(BIN / "prefect-mlops"), "bootstrap", "--project", "deployments", "--home", home]
    deploy = [str(BIN / "prefect"), "--no-prompt", "deploy", "--prefect-file", "deployments/prefect.yaml", "--all"]
    said = []
    for _ in range(2):
        said.append(run(command, env, ROOT))
        run(deploy, env, ROOT)
    yield Deployed(prefect_server.url, env, said)
    for deployment in api(prefect_server.url, "deployments/filter"):
        httpx.delete(f"{prefect_server.url}/deployments/{deployment['id']}")


@pytest.fixture(scope="module")
def new_project(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project of one's own, whose model is scored by itself and whose scores alone decide about its versions."""
    folder = tmp_path_factory.mktemp("project")
    run([str(BIN / "prefect-mlops"), "new", "credit-risk"], deployed.env, folder)
    spec = folder / "specs" / "credit-risk.yaml"
    spec.write_text(f"{spec.read_text()}scoring: {{on_data: true, schedule: 5 4 * * *, candidates: only}}\n")
    run([str(BIN / "prefect-mlops"), "sync"], deployed.env, folder)
    run([str(BIN / "prefect-mlops"), "check"], deployed.env, folder)
    run([str(BIN / "prefect"), "--no-prompt", "deploy", "--all"], deployed.env, folder)
    yield folder
    for deployment in api(deployed.url, "deployments/filter", deployments={"name": {"any_": ["credit-risk"]}}):
        httpx.delete(f"{deployed.url}/deployments/{deployment['id']}")


def runs_of(url: str, flow: str, *, scheduled: bool = False) -> list[Any]:
    """Those that somebody or an event asked for, or those that the scheduler made; the newest first."""
    found = api(url, "flow_runs/filter", flows={"name": {"any_": [flow]}}, sort="START_TIME_DESC")
    return [run for run in found if run["auto_scheduled"] is scheduled]


def emit(event: Event, model: str, subject: str, **payload: Any) -> None:
    from prefect.events import emit_event

    emit_event(event=event.value, resource=model_resource(model, subject), payload={**event_payload(), **payload})


def test_deploying_twice_leaves_one_of_each(deployed: Deployed) -> None:
    found = [(d["name"], d["entrypoint"].rpartition(".")[2]) for d in api(deployed.url, "deployments/filter")]

    wanted = [(d["name"], d["entrypoint"].rpartition(".")[2]) for d in _ours()]
    assert sorted(found) == sorted(wanted)


def test_each_deployment_says_what_it_is_and_runs_alone(deployed: Deployed) -> None:
    for deployment in api(deployed.url, "deployments/filter"):
        assert deployment["description"]
        assert "mlops" in deployment["tags"]
        assert deployment["path"] is None
        assert not deployment["pull_steps"]
        if deployment["name"] in MODELS:
            assert deployment["global_concurrency_limit"]["limit"] == 1
            assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
            assert deployment["parameters"]["spec"]["name"] == deployment["name"]


def test_each_trigger_is_one_automation_beside_the_standing_one(deployed: Deployed) -> None:
    found = sorted(automation["name"] for automation in api(deployed.url, "automations/filter", limit=200))

    named = [trigger["name"] for deployment in _ours() for trigger in deployment["triggers"]]
    assert found == sorted([*named, "operations-crash-when-heartbeat-stops"])


def test_preparing_twice_makes_everything_once(deployed: Deployed) -> None:
    first, second = (said.splitlines() for said in deployed.prepared)

    assert any(line.endswith("made") for line in first)
    assert not any(line.endswith("made") for line in second)
    limits = api(deployed.url, "v2/concurrency_limits/filter")
    assert {f"{model}-write" for model in MODELS} <= {limit["name"] for limit in limits if limit["limit"] == 1}


def test_a_new_project_deploys_from_its_own_folder(deployed: Deployed, new_project: Path) -> None:
    assert (new_project / "prefect.yaml").exists()
    named = {"name": {"any_": ["credit-risk"]}}
    assert len(api(deployed.url, "deployments/filter", deployments=named)) == 7


@pytest.mark.usefixtures("prefect_api", "new_project")
def test_a_model_is_scored_at_its_time_and_when_rows_are_accepted_and_more_scores_ask_for_its_release(
    deployed: Deployed,
) -> None:
    def mine(flow: str) -> list[Any]:
        return [each for each in runs_of(deployed.url, flow) if _is(each, "credit-risk")]

    named = {"flows": {"name": {"any_": ["mlops-score"]}}, "deployments": {"name": {"any_": ["credit-risk"]}}}
    (deployment,) = api(deployed.url, "deployments/filter", **named)
    assert [(each["schedule"]["cron"], each["active"]) for each in deployment["schedules"]] == [("5 4 * * *", True)]

    emit(Event.DATA_ACCEPTED, "credit-risk", "rows-1.csv", data_version=5, as_of="2026-05-01T00:00:00+00:00")
    emit(Event.SCORES_WRITTEN, "credit-risk", "1", version=1)

    (scored,) = until(lambda: mine("mlops-score"))
    (released,) = until(lambda: mine("mlops-release"))
    assert (scored["parameters"]["data_version"], scored["parameters"]["as_of"]) == (5, "2026-05-01T00:00:00+00:00")
    assert released["parameters"]["version"] == 0


@pytest.mark.usefixtures("new_project")
def test_a_schedule_makes_runs(deployed: Deployed) -> None:
    # The server's scheduler fails in its log alone where a library beside it is not the one it knows (TRAPS.md).
    for flow, moment in {"mlops-score": "04:05", "mlops-monitor": "06:17", "mlops-retrain": "06:47"}.items():
        runs = until(
            lambda flow=flow: [run for run in runs_of(deployed.url, flow, scheduled=True) if _is(run, "credit-risk")],
            90,
        )
        assert {run["expected_start_time"][11:16] for run in runs} == {moment}


@pytest.mark.usefixtures("prefect_api", "deployed")
def test_the_blocks_of_the_environment_are_saved() -> None:
    assert Places.load("default").source.folder.endswith("landing")


@pytest.mark.usefixtures("prefect_api", "deployed")
def test_a_batch_for_a_model_that_is_not_deployed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")

    with pytest.raises(NotFound, match=r"Did you mean wine-cultivar\?"):
        land_batch("wine-cultivars", file)


@pytest.mark.usefixtures("prefect_api")
def test_events_start_the_deployments_with_parameters_of_the_right_type(deployed: Deployed) -> None:
    emit(Event.MODEL_DEGRADED, "bike-demand", "3", data_version=5, labels_version=7, reason="rmse is 99")
    emit(Event.CANDIDATE_ACCEPTED, "bike-demand", "4", version=4, as_of="2013-05-01T00:00:00+00:00")

    (retrain,) = until(lambda: [r for r in runs_of(deployed.url, "mlops-retrain") if _is(r, "bike-demand")])
    (release,) = until(lambda: [r for r in runs_of(deployed.url, "mlops-release") if _is(r, "bike-demand")])
    told = {key: value for key, value in retrain["parameters"].items() if key != "spec"}
    assert told == {
        "environment": "default",
        "as_of": None,
        "data_version": 5,
        "labels_version": 7,
        "reason": "rmse is 99",
    }
    assert (release["parameters"]["version"], release["parameters"]["as_of"]) == (4, "2013-05-01T00:00:00+00:00")


def test_a_postponed_retraining_is_asked_for_again_half_an_hour_later(deployed: Deployed) -> None:
    def mine() -> list[Any]:
        return [each for each in runs_of(deployed.url, "mlops-retrain") if _is(each, "wine-cultivar")]

    named = {"flows": {"name": {"any_": ["mlops-retrain"]}}, "deployments": {"name": {"any_": ["wine-cultivar"]}}}
    (deployment,) = api(deployed.url, "deployments/filter", **named)
    first = api(deployed.url, f"deployments/{deployment['id']}/create_flow_run")
    known = {each["id"] for each in mine()}
    moment = datetime.now(UTC)
    state = {"type": "COMPLETED", "name": "Postponed", "message": "a canary runs"}
    api(deployed.url, f"flow_runs/{first['id']}/set_state", state=state, force=True)

    (again,) = until(lambda: [each for each in mine() if each["id"] not in known])
    wait = datetime.fromisoformat(again["expected_start_time"]) - moment
    assert timedelta(minutes=29) < wait < timedelta(minutes=31)
    assert again["parameters"]["reason"] == "It was postponed before."
    assert again["parameters"].get("data_version", -1) == -1
    for run in (first, again):
        httpx.delete(f"{deployed.url}/flow_runs/{run['id']}")


@pytest.mark.usefixtures("prefect_api")
def test_two_batches_at_once_make_two_runs_and_two_states_make_one(deployed: Deployed) -> None:
    for batch in ("rows-1.csv", "rows-2.csv"):
        emit(Event.DATA_LANDED, "bike-demand", batch, batch=batch)
        emit(Event.CHAMPION_MISSING, "flights-late", "none", reason=batch)

    def retrained() -> list[Any]:
        return [each for each in runs_of(deployed.url, "mlops-retrain") if _is(each, "flights-late")]

    until(lambda: len(_batches(deployed, "bike-demand")) == 2 and retrained())
    time.sleep(2)  # a second one would come now
    assert _batches(deployed, "bike-demand") == {"rows-1.csv", "rows-2.csv"}
    assert len(retrained()) == 1


@pytest.mark.usefixtures("prefect_api")
def test_a_batch_lands_is_ingested_from_an_empty_folder_and_a_failing_automation_is_told(
    deployed: Deployed, prefect_worker: Callable[..., int], tmp_path: Path
) -> None:
    for waiting in api(deployed.url, "flow_runs/filter", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}}):
        httpx.delete(f"{deployed.url}/flow_runs/{waiting['id']}")
    prefect_worker("local")
    wine().to_csv(tmp_path / "rows.csv", index=False)
    land_batch("wine-cultivar", tmp_path / "rows.csv", batch="rows-landed.csv")
    emit(Event.DATA_LANDED, "wine-cultivar", "broken", batch=7)

    def ended(flow: str, model: str) -> Any:
        return [r for r in runs_of(deployed.url, flow) if _is(r, model) and r["state_type"] in ("COMPLETED", "FAILED")]

    (ingested,) = until(lambda: ended("mlops-ingest", "wine-cultivar"), 180)
    assert ingested["state_name"] == "Accepted", ingested["state"]["message"]
    told = until(
        lambda: api(deployed.url, "artifacts/latest/filter", artifacts={"key": {"any_": ["mlops-alert"]}}), 120
    )
    assert "wine-cultivar-ingest-when-data-landed" in told[0]["data"]
    assert "Validation failed" in told[0]["data"]


def _ours() -> list[Any]:
    return list(yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"])


def _is(flow_run: Any, model: str) -> bool:
    return bool(flow_run["parameters"].get("spec", {}).get("name") == model)


def _batches(deployed: Deployed, model: str) -> set[str]:
    return {r["parameters"]["batch"] for r in runs_of(deployed.url, "mlops-ingest") if _is(r, model)}
