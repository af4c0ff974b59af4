"""Triggers that answer the end of a release, as Prefect announces it and as the watch does where that was lost."""

from typing import Any

from prefect_mlops.core.events import Event
from prefect_mlops.core.spec import ModelSpec

__all__ = ["resume_trigger", "undo_trigger", "withdraw_trigger"]

STOPPED = tuple(f"prefect.flow-run.{end}" for end in ("Crashed", "Failed", "TimedOut"))
COOL_DOWN_SECONDS = 120.0
"""The watch tells of a run at each of its looks until it is answered; so long a reaction may take to be seen."""


def resume_trigger(spec: ModelSpec) -> dict[str, Any]:
    """A release whose run stopped half-way is gone on with; without one left the new run ends at once."""
    return _when_release(spec, "release-when-release-stopped", (*STOPPED, Event.RELEASE_STOPPED), {"version": 0})


def undo_trigger(spec: ModelSpec) -> dict[str, Any]:
    """Whoever cancels a release wants no more of it, and a canary without its judge would keep its traffic for ever."""
    asked = {"version": 0, "cancelled": "{{ event.resource.id }}"}
    events = ("prefect.flow-run.Cancelled", Event.RELEASE_CANCELLED)
    return _when_release(spec, "release-when-release-cancelled", events, asked)


def withdraw_trigger(spec: ModelSpec) -> dict[str, Any]:
    """The server fails a run that nobody answers, and no hook of the flow runs: its own event is the only trace."""
    events = ("prefect.flow-run.Failed", Event.RELEASE_FAILED)
    return _when_release(spec, "withdraw-when-release-failed", events, {"run": "{{ event.resource.id }}"})


def _when_release(spec: ModelSpec, name: str, events: tuple[str, ...], asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "event",
        "name": f"{spec.name}-{name}",
        "enabled": True,
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": [
            {"prefect.resource.role": "flow", "prefect.resource.name": "mlops-release"},
            {"prefect.resource.role": "deployment", "prefect.resource.name": spec.name},
        ],
        "expect": [str(event) for event in events],
        "for_each": ["prefect.resource.id"],
        "posture": "Reactive",
        "threshold": 1,
        "within": COOL_DOWN_SECONDS,
        "parameters": asked,
    }
