"""Watch what no event can be trusted to tell: batches that wait, and releases that stopped and had no answer."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
from prefect import runtime, task
from prefect.events import emit_event

from prefect_mlops.core.events import Event
from prefect_mlops.tasks.landing import landing_watch
from prefect_mlops.tasks.stopped import ReleaseWatch

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

__all__ = ["watch_models"]

BEAT_SECONDS = 30.0


@task
def watch_models(environment: str, models: Sequence[str]) -> str:
    """Look at the landing folder, the landing queue where one is saved, and the releases that stopped, without end.

    Args:
        environment: Name of the block documents: the folder's, and the queue's where one is saved.
        models: The models to look for; each has a subfolder of its name.

    Returns:
        Why it ended: the deployment that it runs for names other models now.

    Raises:
        NotFound: The environment has no landing folder.
    """
    from prefect.client.orchestration import get_client

    landing, releases = landing_watch(environment, models), ReleaseWatch(models)
    beat_at = 0.0
    while True:
        if clock.monotonic() >= beat_at:
            beat_at = clock.monotonic() + BEAT_SECONDS
            emit_event(Event.LANDING_WATCHED.value, {"prefect.resource.id": f"mlops.landing.{environment}"})
            with get_client(sync_client=True) as client:  # one for both: to make it costs more than to ask
                if _is_outdated(client, models):
                    return "Its deployment names other models now."
                releases.look(client, datetime.now(UTC))
        landing.look()


def _is_outdated(client: SyncPrefectClient, models: Sequence[str]) -> bool:
    """Whether the deployment that this run belongs to was given other models since; false outside of one."""
    if runtime.deployment.id is None:
        return False
    try:
        now = client.read_deployment(runtime.deployment.id).parameters
    except httpx.HTTPError:
        return False
    return sorted(now.get("models", models)) != sorted(models)
