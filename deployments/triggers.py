"""Triggers that answer how a run ended, as Prefect announces it and as the watch does where that was lost."""

from typing import Any

from prefect_mlops.core.events import Event
from prefect_mlops.core.spec import ModelSpec

__all__ = ["again_trigger", "resume_trigger", "undo_trigger", "withdraw_trigger"]

STOPPED = tuple(f"prefect.flow-run.{end}" for end in ("Crashed", "Failed", "TimedOut"))
COOL_DOWN_SECONDS = 120.0
"""The watch tells of a run at each of its looks until it is answered; so long a reaction may take to be seen."""
PAUSE_SECONDS = 1800.0
"""Between two tries of a retraining: it waits for its turn as long again, and a rollout may take hours."""


def again_trigger(spec: ModelSpec) -> dict[str, Any]:
    """A retraining that found its model taken, by a canary above all, is asked for again when some time has gone by."""
    asked = {"reason": "It was postponed before."}
    again = _when_ended(
        spec, "mlops-retrain", "retrain-when-retraining-postponed", ("prefect.flow-run.Postponed",), asked
    )
    return again | {"schedule_after": PAUSE_SECONDS}


def resume_trigger(spec: ModelSpec) -> dict[str, Any]:
    """A release whose run stopped half-way is gone on with; a run that was to undo one is asked to do so again.

    Without a release left the new run ends at once.
    """
    events = (*STOPPED, Event.RELEASE_STOPPED)
    asked = {"version": 0, "cancelled": "{{ (flow_run.parameters.cancelled or '') }}"}
    return _when_ended(spec, "mlops-release", "release-when-release-stopped", events, asked)


def undo_trigger(spec: ModelSpec) -> dict[str, Any]:
    """Whoever cancels a release wants no more of it, and a canary without its judge would keep its traffic for ever."""
    asked = {"version": 0, "cancelled": "{{ event.resource.id }}"}
    events = ("prefect.flow-run.Cancelled", Event.RELEASE_CANCELLED)
    return _when_ended(spec, "mlops-release", "release-when-release-cancelled", events, asked)


def withdraw_trigger(spec: ModelSpec) -> dict[str, Any]:
    """The server fails a run that nobody answers, and no hook of the flow runs: its own event is the only trace."""
    events, asked = ("prefect.flow-run.Failed", Event.RELEASE_FAILED), {"run": "{{ event.resource.id }}"}
    return _when_ended(spec, "mlops-release", "withdraw-when-release-failed", events, asked)


def _when_ended(
    spec: ModelSpec, flow: str, name: str, events: tuple[str, ...], asked: dict[str, Any]
) -> dict[str, Any]:
    return {
        "type": "event",
        "name": f"{spec.name}-{name}",
        "enabled": True,
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": [
            {"prefect.resource.role": "flow", "prefect.resource.name": flow},
            {"prefect.resource.role": "deployment", "prefect.resource.name": spec.name},
        ],
        "expect": [str(event) for event in events],
        "for_each": ["prefect.resource.id"],
        "posture": "Reactive",
        "threshold": 1,
        "within": COOL_DOWN_SECONDS,
        "parameters": asked,
    }
