"""What `prefect-mlops sync` writes, and that everything it names is there."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefect_mlops.core.errors import DataError, NotFound, SpecError
from prefect_mlops.core.events import SUBJECT_LABEL, Event, event_payload
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.deployments.new import write_new
from prefect_mlops.deployments.sync import is_stale, read_specs, render_project, write_project
from prefect_mlops.deployments.where import Where
from prefect_mlops.tasks.watching import BEAT_SECONDS

OURS = Path(__file__).parents[2] / "deployments"


def content_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def deployments() -> list[Any]:
    return list(content_of(OURS / "prefect.yaml")["deployments"])


def triggers() -> list[Any]:
    """Those that answer events of ours."""
    return [
        (d, one)
        for d in deployments()
        for one in d["triggers"]
        if one["expect"][0].startswith("mlops.") and d["name"] != "operations"
    ]


def flow_behind(deployment: dict[str, Any]) -> Any:
    module, _, name = deployment["entrypoint"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_our_prefect_yaml_is_what_the_specs_say() -> None:
    assert not is_stale(OURS)


def test_each_deployment_holds_a_whole_spec_that_the_flow_takes() -> None:
    specs = {spec.name: spec for spec in read_specs(OURS)}
    for deployment in deployments():
        flow = flow_behind(deployment)
        assert set(deployment["parameters"]) <= set(flow.parameters.properties), deployment["entrypoint"]
        if deployment["name"] in specs:
            assert ModelSpec.model_validate(deployment["parameters"]["spec"]).digest == specs[deployment["name"]].digest


def test_each_model_has_one_deployment_of_each_flow_without_pull_steps() -> None:
    found = {(d["name"], d["entrypoint"].rpartition(".")[2]) for d in deployments()}
    flows = {"ingest", "train", "release", "score", "monitor", "retrain", "rollback"}

    assert found == {(spec.name, flow) for spec in read_specs(OURS) for flow in flows} | {
        ("operations", "alert"),
        ("operations", "watch"),
    }
    assert all(d["pull"] == [] for d in deployments())


def test_each_trigger_is_named_after_its_model_reaction_and_fact() -> None:
    events = {event.value for event in Event}
    for deployment, trigger in triggers():
        (event,) = trigger["expect"]
        reaction = deployment["entrypoint"].rpartition(".")[2]
        fact = event.removeprefix("mlops.").replace(".", "-")
        assert event in events
        assert trigger["name"] == f"{deployment['name']}-{reaction}-when-{fact}"
        assert trigger["match"] == {"prefect.resource.id": f"mlops.model.{deployment['name']}"}


def test_each_template_names_a_key_that_every_event_carries_and_a_parameter_of_the_flow() -> None:
    for deployment, trigger in triggers():
        assert set(trigger["parameters"]) <= set(flow_behind(deployment).parameters.properties)
        for template in trigger["parameters"].values():
            (key,) = re.findall(r"event\.payload\.(\w+)", template)
            assert key in event_payload()


def test_one_watch_looks_for_every_model_and_is_started_anew_by_silence_after_any_end() -> None:
    (watch,) = [d for d in deployments() if d["entrypoint"] == "prefect_mlops.flows.watch.watch"]
    (trigger,) = watch["triggers"]

    assert watch["parameters"]["models"] == [spec.name for spec in read_specs(OURS)]
    assert watch["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert (trigger["posture"], trigger["expect"]) == ("Proactive", [Event.LANDING_WATCHED.value])
    assert {f"prefect.flow-run.{end}" for end in ("Failed", "Crashed", "Cancelled", "Outdated")} <= set(
        trigger["after"]
    )
    assert Event.LANDING_WATCHED.value in trigger["after"]


def test_facts_are_told_apart_by_their_subject_and_states_cool_down() -> None:
    states = {Event.MODEL_DEGRADED, Event.CHAMPION_MISSING}
    specs = {spec.name: spec for spec in read_specs(OURS)}
    for deployment, trigger in triggers():
        cool_down, facts = (
            specs[deployment["name"]].retraining.cool_down_seconds,
            ["prefect.resource.id", SUBJECT_LABEL],
        )
        if trigger["expect"][0] in states:
            assert trigger["within"] == cool_down
            assert SUBJECT_LABEL not in trigger["for_each"]
        elif trigger["expect"][0] == Event.HEALTH_BREACHED:  # a state of one version
            assert (trigger["within"], trigger["for_each"]) == (cool_down, facts)
        else:
            assert (trigger["within"], trigger["for_each"]) == (0, facts)


def test_only_a_breach_moves_a_champion_back_and_a_failed_canary_starts_nothing() -> None:
    reactions = {(d["entrypoint"].rpartition(".")[2], one["expect"][0]) for d, one in triggers()}

    assert {event for flow, event in reactions if flow == "rollback"} == {Event.HEALTH_BREACHED}
    assert not {flow for flow, event in reactions if event in (Event.CANARY_FAILED, Event.CANARY_STEPPED)}


def test_a_release_that_stopped_half_way_is_gone_on_with_one_that_was_cancelled_undone_and_no_other_flow() -> None:
    for deployment in (d for d in deployments() if d["entrypoint"].endswith(".release")):
        stopped, cancelled = [one for one in deployment["triggers"] if one["expect"][0].startswith("prefect.")]
        assert stopped["name"] == f"{deployment['name']}-release-when-release-stopped"
        ends = {f"prefect.flow-run.{end}" for end in ("Crashed", "Failed", "TimedOut")}
        assert ends | {Event.RELEASE_STOPPED} == set(stopped["expect"])
        assert stopped["parameters"] == {"version": 0, "cancelled": "{{ (flow_run.parameters.cancelled or '') }}"}
        assert cancelled["name"] == f"{deployment['name']}-release-when-release-cancelled"
        assert cancelled["expect"] == ["prefect.flow-run.Cancelled", Event.RELEASE_CANCELLED]
        assert cancelled["parameters"] == {"version": 0, "cancelled": "{{ event.resource.id }}"}
        for one in (stopped, cancelled):
            assert {"prefect.resource.role": "flow", "prefect.resource.name": "mlops-release"} in one["match_related"]
            assert (one["for_each"], one["within"]) == (["prefect.resource.id"], 4 * BEAT_SECONDS)


def test_a_promotion_is_looked_at_six_times_while_it_is_watched() -> None:
    specs = {spec.name: spec for spec in read_specs(OURS)}
    for deployment, trigger in triggers():
        if trigger["expect"][0] in (Event.CHAMPION_PROMOTED, Event.HEALTH_WATCHED):
            assert trigger["schedule_after"] == specs[deployment["name"]].rollout.watch_minutes * 10
            assert trigger["parameters"]["promoted"] == "{{ event.payload.version }}"


def test_writing_twice_gives_the_same_text(tmp_path: Path) -> None:
    write_new("credit-risk", tmp_path)
    before = (tmp_path / "prefect.yaml").read_text()

    write_project(tmp_path)

    assert (tmp_path / "prefect.yaml").read_text() == before == render_project(read_specs(tmp_path))


def test_edited_schedules_and_the_chosen_pool_are_kept(tmp_path: Path) -> None:
    write_new("credit-risk", tmp_path)
    path = write_project(tmp_path, Where("kubernetes"))
    path.write_text(path.read_text().replace("17 6 * * *", "5 1 * * *"))

    write_project(tmp_path)

    found = content_of(path)["deployments"]
    monitor = next(d for d in found if d["entrypoint"].endswith("monitor"))
    assert monitor["schedules"] == [{"cron": "5 1 * * *", "timezone": "UTC", "active": True}]
    assert {d["work_pool"]["name"] for d in found} == {"kubernetes"}


def test_a_changed_spec_makes_the_file_stale(tmp_path: Path) -> None:
    spec, _ = write_new("credit-risk", tmp_path)
    assert not is_stale(tmp_path)

    spec.write_text(spec.read_text().replace("max_per_month: 4", "max_per_month: 2"))

    assert is_stale(tmp_path)


def test_somebody_elses_prefect_yaml_is_not_overwritten(tmp_path: Path) -> None:
    write_new("credit-risk", tmp_path)
    path = tmp_path / "prefect.yaml"
    path.write_text("name: theirs\n")

    with pytest.raises(DataError, match="was not written by `prefect-mlops sync`"):
        write_project(tmp_path)

    assert path.read_text() == "name: theirs\n"
    assert write_project(tmp_path, output=tmp_path / "models.yaml").exists()


@pytest.mark.parametrize("rest", ["deployments: [", "deployments: [1]\n", "- a\n", "deployments: [{name: x}]\n"])
def test_a_broken_file_of_ours_is_told(tmp_path: Path, rest: str) -> None:
    write_new("credit-risk", tmp_path)
    path = tmp_path / "prefect.yaml"
    path.write_text(path.read_text().splitlines()[0] + "\n" + rest)

    with pytest.raises(DataError, match="is broken"):
        write_project(tmp_path)


def test_two_specs_of_one_name_are_refused(tmp_path: Path) -> None:
    spec, _ = write_new("credit-risk", tmp_path)
    (spec.parent / "other.yaml").write_text(spec.read_text())

    with pytest.raises(SpecError, match="another file describes 'credit-risk' too"):
        read_specs(tmp_path)


def test_a_text_that_prefect_would_replace_is_refused(tmp_path: Path) -> None:
    spec, _ = write_new("credit-risk", tmp_path)
    spec.write_text(spec.read_text().replace("team@example.com", '"{{ team }}"'))

    with pytest.raises(SpecError, match="which Prefect would replace"):
        read_specs(tmp_path)


def test_a_project_without_specs_is_told_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="prefect-mlops new NAME"):
        read_specs(tmp_path)


def test_a_model_scores_when_its_spec_says_so_and_at_no_other_time(tmp_path: Path) -> None:
    spec, _ = write_new("credit-risk", tmp_path)

    def scoring(parts: str) -> tuple[list[str], list[str]]:
        text = re.sub(r"^scoring:.*\n", "", spec.read_text(), flags=re.MULTILINE)
        spec.write_text(f"{text}scoring: {{{parts}}}\n")
        found = content_of(write_project(tmp_path))["deployments"]
        (score,) = [d for d in found if d["entrypoint"].endswith("score.score")]
        return [each["cron"] for each in score["schedules"]], [each["name"] for each in score["triggers"]]

    assert scoring("on_data: true, schedule: 5 4 * * *") == (
        ["5 4 * * *"],
        ["credit-risk-score-when-data-accepted"],
    )
    assert scoring("on_data: false") == ([], [])


def test_more_scores_ask_again_for_a_version_that_they_alone_decide_about(tmp_path: Path) -> None:
    spec, _ = write_new("credit-risk", tmp_path)

    def releasing(candidates: str) -> list[str]:
        text = re.sub(r"^scoring:.*\n", "", spec.read_text(), flags=re.MULTILINE)
        spec.write_text(f"{text}scoring: {{candidates: {candidates}}}\n")
        found = content_of(write_project(tmp_path))["deployments"]
        (release,) = [d for d in found if d["entrypoint"].endswith("release.release")]
        return [each["name"] for each in release["triggers"] if "scores" in each["name"]]

    assert releasing("first") == []
    assert releasing("only") == ["credit-risk-release-when-scores-written"]
