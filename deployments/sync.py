"""Writes a project's `prefect.yaml` from its specs: a group of deployments for each model."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from prefect_mlops.core.errors import DataError, NotFound, SpecError, SpecProblem
from prefect_mlops.core.events import SUBJECT_LABEL, Event
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.standing import alert_deployment, watch_deployment
from prefect_mlops.deployments.triggers import again_trigger, resume_trigger, undo_trigger, withdraw_trigger
from prefect_mlops.deployments.where import AS_IT_IS, Where

__all__ = ["is_stale", "read_specs", "render_project", "require_room", "write_project"]

SIGNATURE = "# Written by `prefect-mlops sync` from specs/*.yaml"
HEADER = f"""\
{SIGNATURE}: change those and run it again.
# Only `schedules` and the work pool may be edited here; they are kept. `*name` is the spec that stands at `&name`.
# When a model scores stands in its spec, at `scoring.schedule`.
"""
FLOWS = {
    "ingest": "Validate a batch that has landed, and accept or quarantine it.",
    "train": "Train a candidate and judge it against the champion.",
    "release": "Package, stage and canary an accepted version, then make it champion.",
    "score": "Score accepted rows with the champion.",
    "monitor": "Look at the model in service and announce what is wrong.",
    "retrain": "Train again when it is due.",
    "rollback": "Give the traffic back to the champion before.",
}
WITHDRAW = {"withdraw": "Put away a version about which nobody decided in time."}
COMPARE = {"compare": "Hold a version against the champion on real users, and say which is better."}
SCHEDULES = {"monitor": "17 6 * * *", "retrain": "47 6 * * 1"}
EVENT_VERSIONS = {
    "as_of": "{{ (event.payload.as_of or none) }}",  # an empty time would start no run; null is the scheduled time
    "data_version": "{{ event.payload.data_version }}",
    "labels_version": "{{ event.payload.labels_version }}",
}
LOOKS_WHILE_WATCHED = 6
TEMPLATE = re.compile(r"\{\{.*\}\}|__prefect_kind")
ONCE_A_WHILE = ["prefect.resource.id"]
ONCE_EACH = ["prefect.resource.id", SUBJECT_LABEL]


def read_specs(project: Path) -> tuple[ModelSpec, ...]:
    """All specs of a project, sorted by name.

    Raises:
        NotFound: The project has no `specs` folder, or none in it.
        SpecError: One of them is not valid, two have one name, or a text would be taken for a Prefect template.
    """
    files = sorted((project / "specs").glob("*.yaml"))
    if not files:
        raise NotFound("spec", str(project / "specs" / "*.yaml"), "Write one with `prefect-mlops new NAME`")
    specs: dict[str, ModelSpec] = {}
    for path in files:
        spec = load_spec(path)
        if spec.name in specs:
            problem = SpecProblem("name", f"another file describes {spec.name!r} too.", "Give each model its own name.")
            raise SpecError(str(path), (problem,))
        _refuse_template(spec, str(path))
        specs[spec.name] = spec
    return tuple(specs[name] for name in sorted(specs))


def require_room(project: Path, spec: ModelSpec) -> None:
    """Refuse a spec that a project could not take in, before anything of it is written.

    Raises:
        SpecError: A text of it would be taken for a Prefect template, or another spec of the project is not valid.
        DataError: The project's `prefect.yaml` is somebody else's.
    """
    _refuse_template(spec, spec.name)
    if any((project / "specs").glob("*.yaml")):
        read_specs(project)
    _existing(project / "prefect.yaml")


def _refuse_template(spec: ModelSpec, source: str) -> None:
    if TEMPLATE.search(spec.model_dump_json()):
        problem = SpecProblem(
            "spec", "a text holds {{ ... }}, which Prefect would replace.", "Write it without braces."
        )
        raise SpecError(source, (problem,))


def render_project(specs: tuple[ModelSpec, ...], where: Where = AS_IT_IS, existing: str = "") -> str:
    """The text of `prefect.yaml`: the same specs always give the same text.

    Args:
        specs: The project's specs.
        where: The work pool that runs the flows, the existing file's where none is named; image and code.
        existing: The file as it is, whose `schedules` are kept.
    """
    found = _deployments_of(existing)
    before = next((d["work_pool"]["name"] for d in found.values() if d.get("work_pool")), None)
    deployments = [deployment for spec in specs for deployment in _group(spec)]
    deployments += [watch_deployment([spec.name for spec in specs]), alert_deployment()]
    for deployment in deployments:
        deployment |= {"work_pool": where.work_pool(before), "pull": where.pull()}
        if "environment" in deployment["parameters"]:
            deployment["parameters"] |= {"environment": where.environment}
        kept = found.get(_slug(deployment), {})
        if "schedules" in kept and not deployment["entrypoint"].endswith(".score"):  # the spec says when
            deployment["schedules"] = kept["schedules"]
    content = {"name": "prefect-mlops", "pull": [], "deployments": deployments}
    return HEADER + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def write_project(project: Path, where: Where = AS_IT_IS, output: Path | None = None) -> Path:
    """Write `prefect.yaml` from the project's specs, schedules and pool kept.

    Raises:
        NotFound: The project has no specs.
        SpecError: One of them is not valid.
        DataError: The file is there and is somebody else's.
    """
    path = output or project / "prefect.yaml"
    text = _wanted(project, where, path)
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)


def is_stale(project: Path, where: Where = AS_IT_IS, output: Path | None = None) -> bool:
    """Whether `write_project` would change the file.

    Raises:
        NotFound: The project has no specs.
        SpecError: One of them is not valid.
        DataError: The file is there and is somebody else's.
    """
    path = output or project / "prefect.yaml"
    return _wanted(project, where, path) != _existing(path)


def _wanted(project: Path, where: Where, path: Path) -> str:
    return render_project(read_specs(project), where, _existing(path))


def _existing(path: Path) -> str:
    """What `prefect-mlops sync` wrote before; empty where there is nothing."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if text and not text.startswith(SIGNATURE):
        cure = "Move it away, or write another file with `prefect-mlops sync --output FILE`"
        raise DataError(f"{path} was not written by `prefect-mlops sync`, and would be lost", cure)
    try:
        _deployments_of(text)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is broken ({type(error).__name__})", "Delete it and run `prefect-mlops sync`"
        ) from error
    return text


def _group(spec: ModelSpec) -> list[dict[str, Any]]:
    whole = spec.model_dump(mode="json")
    # What only some models need: a person's answer can be late, and users must be named to be compared.
    flows = FLOWS | (WITHDRAW if spec.approval else {}) | (COMPARE if spec.rollout.user_key else {})
    return [_deployment(spec, whole, flow, said) for flow, said in flows.items()]


def _deployment(spec: ModelSpec, whole: dict[str, Any], flow: str, said: str) -> dict[str, Any]:
    cron = spec.scoring.schedule if flow == "score" else SCHEDULES.get(flow)
    return {
        "name": spec.name,
        "entrypoint": f"prefect_mlops.flows.{flow}.{flow}",
        "description": f"{said} {spec.purpose.decision}",
        "tags": ["mlops", spec.name],
        "parameters": {"spec": whole, "environment": "default"},
        "enforce_parameter_schema": True,
        "work_pool": {},
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "schedules": [{"cron": cron, "timezone": "UTC", "active": True}] if cron else [],
        "triggers": _triggers(spec, flow),
        "pull": [],
    }


def _triggers(spec: ModelSpec, flow: str) -> list[dict[str, Any]]:  # noqa: PLR0911  # one return a flow
    """What starts a flow by itself. A state is answered once in its cool-down, a fact once for each subject."""
    cool_down = float(spec.retraining.cool_down_seconds)
    reason = {"reason": "{{ event.payload.reason }}"}
    version = {"version": "{{ event.payload.version }}", "as_of": EVENT_VERSIONS["as_of"]}
    batch = {"batch": "{{ event.payload.batch }}", "as_of": EVENT_VERSIONS["as_of"]}
    if flow == "ingest":
        return [_trigger(spec, "ingest", Event.DATA_LANDED, batch, for_each=ONCE_EACH)]
    if flow == "monitor":
        return [_trigger(spec, "monitor", Event.LABELS_ARRIVED, EVENT_VERSIONS, for_each=ONCE_EACH), *_looks(spec)]
    if flow == "release":
        accepted = _trigger(spec, "release", Event.CANDIDATE_ACCEPTED, version, for_each=ONCE_EACH)
        # Whoever was undecided has more rows now.
        again: dict[str, str | int] = {"version": 0, "as_of": EVENT_VERSIONS["as_of"]}
        scored = _trigger(spec, "release", Event.SCORES_WRITTEN, again, for_each=ONCE_EACH)
        more = [scored] if spec.scoring.candidates == "only" else []
        return [accepted, *more, resume_trigger(spec), undo_trigger(spec)]
    if flow == "rollback":
        asked = reason | {"as_of": EVENT_VERSIONS["as_of"], "began": "{{ event.payload.began }}"}
        return [_trigger(spec, "rollback", Event.HEALTH_BREACHED, asked, for_each=ONCE_EACH, within=cool_down)]
    if flow == "withdraw":
        return [withdraw_trigger(spec)]
    if flow == "retrain":
        states = (Event.MODEL_DEGRADED, Event.CHAMPION_MISSING)
        asked = EVENT_VERSIONS | reason
        due = [_trigger(spec, "retrain", state, asked, for_each=ONCE_A_WHILE, within=cool_down) for state in states]
        return [*due, again_trigger(spec)]
    accepted = {name: template for name, template in EVENT_VERSIONS.items() if name != "labels_version"}
    scoring = [_trigger(spec, "score", Event.DATA_ACCEPTED, accepted, for_each=ONCE_EACH)]
    return scoring if flow == "score" and spec.scoring.on_data else []


def _trigger(
    spec: ModelSpec,
    reaction: str,
    event: Event,
    parameters: Mapping[str, str | int],
    *,
    for_each: list[str],
    within: float = 0.0,
) -> dict[str, Any]:
    return {
        "type": "event",
        "name": f"{spec.name}-{reaction}-when-{event.value.removeprefix('mlops.').replace('.', '-')}",
        "enabled": True,
        "match": {"prefect.resource.id": f"mlops.model.{spec.name}"},
        "expect": [event.value],
        "for_each": for_each,
        "posture": "Reactive",
        "threshold": 1,
        "within": within,
        "parameters": {**parameters},
    }


def _looks(spec: ModelSpec) -> list[dict[str, Any]]:
    """A promotion is looked at again and again while it is watched: each look asks for the next one."""
    if not spec.rollout.watch_minutes:
        return []
    asked = {"promoted": "{{ event.payload.version }}", "as_of": EVENT_VERSIONS["as_of"]}
    pause = max(10.0, spec.rollout.watch_minutes * 60 / LOOKS_WHILE_WATCHED)
    return [
        _trigger(spec, "monitor", event, asked, for_each=ONCE_EACH) | {"schedule_after": pause}
        for event in (Event.CHAMPION_PROMOTED, Event.HEALTH_WATCHED)
    ]


def _deployments_of(text: str) -> dict[str, Any]:
    content = (yaml.safe_load(text) if text else None) or {}
    return {_slug(deployment): deployment for deployment in content.get("deployments") or []}


def _slug(deployment: dict[str, Any]) -> str:
    return f"{deployment['entrypoint']}/{deployment['name']}"


class _Dumper(yaml.SafeDumper):
    """Writes each spec once, anchored by its name; everything else stands for itself."""

    def ignore_aliases(self, data: Any) -> bool:
        return not (isinstance(data, dict) and "spec_version" in data)

    def generate_anchor(self, node: yaml.MappingNode) -> str:
        return str(next(value.value for key, value in node.value if key.value == "name"))
