"""Writes a project's `prefect.yaml` from its specs: a group of deployments for each model."""

from pathlib import Path
from typing import Any

import yaml

from prefect_mlops.core.errors import NotFound
from prefect_mlops.core.events import SUBJECT_LABEL, Event
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec

__all__ = ["read_specs", "render_project", "write_project"]

HEADER = """\
# Written by `prefect-mlops sync` from specs/*.yaml: change those and run it again.
# Only `schedules` may be edited here; they are kept.
"""
FLOWS = {
    "ingest": "Validate a batch that has landed, and accept or quarantine it.",
    "train": "Train a candidate and judge it against the champion.",
    "release": "Package, stage and canary an accepted version, then make it champion.",
    "monitor": "Look at the model in service and announce what is wrong.",
    "retrain": "Train again when it is due.",
    "rollback": "Give the traffic back to the champion before.",
}
SCHEDULES = {"monitor": "17 6 * * *", "retrain": "47 6 * * 1"}
EVENT_VERSIONS = {
    "as_of": "{{ event.payload.as_of }}",
    "data_version": "{{ event.payload.data_version }}",
    "labels_version": "{{ event.payload.labels_version }}",
}
ONCE_EACH = ["prefect.resource.id", SUBJECT_LABEL]


def read_specs(project: Path) -> tuple[ModelSpec, ...]:
    """All specs of a project, sorted by name.

    Raises:
        NotFound: The project has no `specs` folder, or none in it.
        SpecError: One of them is not valid.
    """
    files = sorted((project / "specs").glob("*.yaml"))
    if not files:
        raise NotFound("spec", str(project / "specs" / "*.yaml"), "Write one with `prefect-mlops new NAME`")
    return tuple(sorted((load_spec(path) for path in files), key=lambda spec: spec.name))


def render_project(specs: tuple[ModelSpec, ...], pool: str = "local", existing: str = "") -> str:
    """The text of `prefect.yaml`: the same specs always give the same text.

    Args:
        specs: The project's specs.
        pool: The work pool that runs the flows.
        existing: The file as it is, whose `schedules` are kept.
    """
    kept = _schedules_of(existing)
    deployments = [_deployment(spec, flow, pool, kept) for spec in specs for flow in FLOWS]
    deployments.append(_alert(pool))
    content = {"name": "prefect-mlops", "pull": [], "deployments": deployments}
    return HEADER + yaml.dump(content, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def write_project(project: Path, pool: str = "local", output: Path | None = None) -> Path:
    """Write `prefect.yaml` from the project's specs, schedules kept.

    Raises:
        NotFound: The project has no specs.
        SpecError: One of them is not valid.
    """
    path = output or project / "prefect.yaml"
    text = render_project(read_specs(project), pool, path.read_text() if path.exists() else "")
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(text)
    return partial.replace(path)


def _deployment(spec: ModelSpec, flow: str, pool: str, kept: dict[str, Any]) -> dict[str, Any]:
    entrypoint = f"prefect_mlops.flows.{flow}.{flow}"
    cron = [{"cron": SCHEDULES[flow], "timezone": "UTC", "active": True}] if flow in SCHEDULES else []
    parameters: dict[str, Any] = {"spec": spec.model_dump(mode="json"), "environment": "default"}
    return {
        "name": spec.name,
        "entrypoint": entrypoint,
        "description": f"{FLOWS[flow]} {spec.purpose.decision}",
        "tags": ["mlops", spec.name],
        "parameters": parameters,
        "enforce_parameter_schema": True,
        "work_pool": {"name": pool},
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "schedules": kept.get(f"{entrypoint}/{spec.name}", cron),
        "triggers": _triggers(spec, flow),
        "pull": [],
    }


def _triggers(spec: ModelSpec, flow: str) -> list[dict[str, Any]]:
    """What starts a flow by itself. A state is answered once in its cool-down, a fact once for each subject."""
    cool_down = float(spec.retraining.cool_down_seconds)
    reason = {"reason": "{{ event.payload.reason }}"}
    version = {"version": "{{ event.payload.version }}", "as_of": EVENT_VERSIONS["as_of"]}
    batch = {"batch": "{{ event.payload.batch }}", "as_of": EVENT_VERSIONS["as_of"]}
    if flow == "ingest":
        return [_trigger(spec, "ingest", Event.DATA_LANDED, batch, ONCE_EACH)]
    if flow == "monitor":
        return [_trigger(spec, "monitor", Event.LABELS_ARRIVED, EVENT_VERSIONS, ONCE_EACH)]
    if flow == "release":
        return [_trigger(spec, "release", Event.CANDIDATE_ACCEPTED, version, ONCE_EACH)]
    if flow == "rollback":
        asked = reason | {"as_of": EVENT_VERSIONS["as_of"]}
        return [_trigger(spec, "rollback", Event.HEALTH_BREACHED, asked, ["prefect.resource.id"], cool_down)]
    if flow == "retrain":
        states = (Event.MODEL_DEGRADED, Event.CHAMPION_MISSING)
        asked = EVENT_VERSIONS | reason
        return [_trigger(spec, "retrain", state, asked, ["prefect.resource.id"], cool_down) for state in states]
    return []


def _trigger(
    spec: ModelSpec, reaction: str, event: Event, parameters: dict[str, str], for_each: list[str], within: float = 0.0
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
        "parameters": parameters,
    }


def _alert(pool: str) -> dict[str, Any]:
    """The one deployment that belongs to no model: it tells people that an automation could not act."""
    return {
        "name": "operations",
        "entrypoint": "prefect_mlops.flows.alert.alert",
        "description": "Say in the UI and in the log that an automation could not act.",
        "tags": ["mlops"],
        "parameters": {"what": "an automation could not act"},
        "work_pool": {"name": pool},
        "triggers": [
            {
                "type": "event",
                "name": "operations-alert-when-automation-action-failed",
                "enabled": True,
                "match": {"prefect.resource.id": "prefect.automation.*"},
                "expect": ["prefect.automation.action.failed"],
                "for_each": ["prefect.resource.id"],
                "posture": "Reactive",
                "threshold": 1,
                "within": 60.0,
                "parameters": {"what": "{{ event.resource.name }}: {{ event.payload.reason }}"},
            }
        ],
        "pull": [],
    }


def _schedules_of(text: str) -> dict[str, Any]:
    found = yaml.safe_load(text) if text else None
    deployments = (found or {}).get("deployments") or []
    return {f"{d['entrypoint']}/{d['name']}": d["schedules"] for d in deployments if "schedules" in d}


class _Plain(yaml.SafeDumper):
    """Without anchors: each deployment stands for itself."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the signature is PyYAML's
        return True
