"""Triggers that answer what Prefect itself announces, such as the end of a run."""

from typing import Any

from prefect_mlops.core.spec import ModelSpec

__all__ = ["resume_trigger"]

STOPPED = tuple(f"prefect.flow-run.{end}" for end in ("Crashed", "Failed", "TimedOut"))


def resume_trigger(spec: ModelSpec) -> dict[str, Any]:
    """A release whose run stopped half-way is gone on with; without one left the new run ends at once."""
    return {
        "type": "event",
        "name": f"{spec.name}-release-when-release-stopped",
        "enabled": True,
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": [
            {"prefect.resource.role": "flow", "prefect.resource.name": "mlops-release"},
            {"prefect.resource.role": "deployment", "prefect.resource.name": spec.name},
        ],
        "expect": list(STOPPED),
        "for_each": ["prefect.resource.id"],
        "posture": "Reactive",
        "threshold": 1,
        "within": 0.0,
        "parameters": {"version": 0},
    }
