"""The two deployments that belong to no model: the watch over what no event can be trusted to tell, and the alert."""

from typing import Any

from prefect_mlops.core.events import Event

__all__ = ["alert_deployment", "watch_deployment"]

ALERT = "operations-alert-when-automation-action-failed"
WATCH = "landing-watch-when-nobody-watches"
SILENCE_SECONDS = 90.0
"""Three times the pause between two beats of a watch."""
WATCH_MAY_BE_MISSING = (
    *("prefect.deployment.ready", "prefect.deployment.updated"),
    *(f"prefect.flow-run.{end}" for end in ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut", "Outdated")),
)
NOT_STANDING = "!operations-*"
"""The alert would tell of itself for ever; the crash watch may ask to end a run that has just ended."""


def watch_deployment(models: list[str]) -> dict[str, Any]:
    """The watch over all models' landing folders and stopped releases, started anew by the silence after its last beat.

    While it beats, each beat starts the wait for the next one. A run that could not begin is not asked for again
    until it ends, so that a night without workers leaves one run and not a thousand.
    """
    return {
        "name": "operations",
        "entrypoint": "prefect_mlops.flows.watch.watch",
        "description": "Watch where batches land and which releases stopped, so that each is answered.",
        "tags": ["mlops"],
        "parameters": {"models": models, "environment": "default"},
        "enforce_parameter_schema": True,
        "work_pool": {},
        "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
        "schedules": [],
        "triggers": [
            {
                "type": "event",
                "name": WATCH,
                "enabled": True,
                "match_related": {"prefect.resource.role": "flow", "prefect.resource.name": "mlops-watch"},
                "after": [Event.LANDING_WATCHED.value, *WATCH_MAY_BE_MISSING],
                "expect": [Event.LANDING_WATCHED.value],
                "posture": "Proactive",
                "threshold": 1,
                "within": SILENCE_SECONDS,
            }
        ],
        "pull": [],
    }


def alert_deployment() -> dict[str, Any]:
    """The one deployment that belongs to no model: it tells people that an automation could not act."""
    return {
        "name": "operations",
        "entrypoint": "prefect_mlops.flows.alert.alert",
        "description": "Say in the UI and in the log that an automation could not act.",
        "tags": ["mlops"],
        "parameters": {"what": "an automation could not act"},
        "work_pool": {},
        "triggers": [
            {
                "type": "event",
                "name": ALERT,
                "enabled": True,
                "match": {"prefect.resource.id": "prefect.automation.*", "prefect.resource.name": NOT_STANDING},
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
