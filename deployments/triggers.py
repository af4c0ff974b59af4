"""Triggers that answer what Prefect itself announces, such as the end of a run."""

from typing import Any

from prefect_mlops.core.spec import ModelSpec

__all__ = ["resume_trigger", "undo_trigger", "withdraw_trigger"]

STOPPED = tuple(f"prefect.flow-run.{end}" for end in ("Crashed", "Failed", "TimedOut"))


def resume_trigger(spec: ModelSpec) -> dict[str, Any]:
    """A release whose run stopped half-way is gone on with; without one left the new run ends at once."""
    return _when_release(spec, "release-when-release-stopped", STOPPED, {"version": 0})


def undo_trigger(spec: ModelSpec) -> dict[str, Any]:
    """Whoever cancels a release wants no more of it, and a canary without its judge would keep its traffic for ever."""
    asked = {"version": 0, "cancelled": "{{ event.resource.id }}"}
    return _when_release(spec, "release-when-release-cancelled", ("prefect.flow-run.Cancelled",), asked)


def withdraw_trigger(spec: ModelSpec) -> dict[str, Any]:
    """The server fails a run that nobody answers, and no hook of the flow runs: its own event is the only trace."""
    return _when_release(spec, "withdraw-when-release-failed", STOPPED[1:2], {"run": "{{ event.resource.id }}"})


def _when_release(spec: ModelSpec, name: str, states: tuple[str, ...], asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "event",
        "name": f"{spec.name}-{name}",
        "enabled": True,
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": [
            {"prefect.resource.role": "flow", "prefect.resource.name": "mlops-release"},
            {"prefect.resource.role": "deployment", "prefect.resource.name": spec.name},
        ],
        "expect": list(states),
        "for_each": ["prefect.resource.id"],
        "posture": "Reactive",
        "threshold": 1,
        "within": 0.0,
        "parameters": asked,
    }
