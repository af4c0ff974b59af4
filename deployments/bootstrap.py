"""Prepares a Prefect server for the flows: blocks, work pool, limits and one standing automation, again and again."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import httpx
from prefect.blocks.core import Block
from prefect.client.base import ServerType
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from prefect_mlops.blocks import DeltaSource, EcsTarget, LandingQueue, Places, SqlSource
from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.names import write_limit
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.deployments.where import START_SERVER

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["bootstrap", "make_standing_automation"]

DEAD_RUNS = "operations-crash-when-heartbeat-stops"
PREFECTS_BROKER = "prefect.server.utilities.messaging.memory"
BEATS = 3
DEFAULT_BEAT_SECONDS = 180
ENDS = (
    *("Completed", "Failed", "Cancelled", "Crashed", "TimedOut"),
    *("Accepted", "Rejected", "PartlyRejected", "NothingNew"),
    *("Undecided", "Promoted", "RolledBack", "Outdated", "Refused"),
    *("Scored", "Healthy", "Breached", "Degraded", "Drifted", "Unknown", "Unserved", "NotDue", "Postponed", "Told"),
    *("Better", "Worse", "NoDifference", "Ongoing", "Invalid", "Stopped", "Idle"),
)
"""The names of end states: Prefect's own, and those of our flows, which it announces under these names."""

WAITS = ("Suspended", "Paused")
"""States in which a run sends no heartbeat and is not dead: it waits for a person."""


def bootstrap(specs: "Iterable[ModelSpec]", home: Path, environment: str = "default", pool: str = "local") -> list[str]:
    """Make everything that the deployments need, and leave what is there already.

    Args:
        specs: The project's specs; each gets its `<model>-write` limit.
        home: Where the blocks of this environment place everything.
        environment: Name of the block documents.
        pool: The work pool; a process pool is made when it is missing.

    Returns:
        What was made or found, a line each, and last what is wrong with the server.

    Raises:
        ServingError: The Prefect server does not answer.
    """
    try:
        with get_client(sync_client=True) as client:
            client.hello()
            done = [_pool(client, pool)]
            for spec in specs:
                client.upsert_global_concurrency_limit_by_name(write_limit(spec.name), limit=1)
                done.append(f"limit {write_limit(spec.name)}")
            done.append(make_standing_automation(client))
            warnings = _broker(client)
    except httpx.HTTPError as error:
        cure = f"Start it with `{START_SERVER}`, or set PREFECT_API_URL"
        raise ServingError(f"The Prefect server does not answer ({error})", cure) from error
    return done + _blocks(home, environment) + warnings


def _blocks(home: Path, environment: str) -> list[str]:
    home.mkdir(parents=True, exist_ok=True)
    for kind in (DeltaSource, EcsTarget, LandingQueue, SqlSource):
        kind.register_type_and_schema()
    return [_block(cast("Block", block), environment) for block in Places.local(home.absolute())]


def _block(block: Block, environment: str) -> str:
    slug = f"{block.get_block_type_slug()}/{environment}"
    try:
        type(block).load(environment)
    except ValueError:
        block.save(environment)
        return f"block {slug} made"
    return f"block {slug} is there"


def _pool(client: SyncPrefectClient, pool: str) -> str:
    try:
        client.read_work_pool(pool)
    except ObjectNotFound:
        from prefect.workers.process import ProcessWorker

        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=pool, type="process", base_job_template=template))
        return f"work pool {pool} made"
    return f"work pool {pool} is there"


def _broker(client: SyncPrefectClient) -> list[str]:
    """A server does not tell its database, so what is wrong on SQLite alone is a hint.

    Without PREFECT_API_URL the client starts a server of its own, and nobody's broker is asked.
    """
    if client.server_type == ServerType.EPHEMERAL:
        return [
            "ATTENTION: PREFECT_API_URL is not set, so all this was done on a temporary server that ends now. "
            f"Start `{START_SERVER}`, then `export PREFECT_API_URL=http://127.0.0.1:4200/api` and run this again."
        ]
    with suppress(httpx.HTTPStatusError):  # Prefect Cloud has no such page
        events = client.request("GET", "/admin/settings").json()["server"]["events"]
        if events["messaging_broker"] == PREFECTS_BROKER:
            return [
                "ATTENTION: this Prefect server loses events and may stand still for minutes if its database is "
                "SQLite, as it is unless you chose another, and what a lost event should start never runs. Stop the "
                "server and start it with "
                f"`{START_SERVER}`. On PostgreSQL there is nothing to do."
            ]
    return []


def make_standing_automation(client: SyncPrefectClient) -> str:
    """Runs whose machine died send no heartbeat any more; three missed ones mark them Crashed.

    The beat is read from `PREFECT_FLOWS_HEARTBEAT_FREQUENCY`, which workers must share.
    """
    beat = get_current_settings().flows.heartbeat_frequency or DEFAULT_BEAT_SECONDS
    automation = AutomationCore(
        name=DEAD_RUNS,
        description="A run whose machine died is marked Crashed after three missed heartbeats.",
        tags=["mlops"],
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{end}" for end in (*ENDS, *WAITS))},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=BEATS * beat),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name="Crashed", message="Three heartbeats were missed: its machine died."
            )
        ],
    )
    known = client.read_automations_by_name(DEAD_RUNS)
    if known:
        client.update_automation(known[0].id, automation)
        return f"automation {DEAD_RUNS} is there"
    client.create_automation(automation)
    return f"automation {DEAD_RUNS} made"
