"""See what the deployed automations do: flow runs as they appear, run and end, read from the Prefect API."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from prefect_mlops.core.errors import ServingError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

__all__ = ["RunSeen", "RunWatcher"]


class RunSeen(NamedTuple):
    """One flow run that has ended.

    Attributes:
        flow: The flow's name, such as `mlops-ingest`.
        name: The run's own name.
        state: Its end state's name, such as `Rejected`.
        message: Its end state's message.
        failed: Whether the state is a failure.
        waited_seconds: From when it should have started to when it did.
        ran_seconds: From its start to its end.
    """

    flow: str
    name: str
    state: str
    message: str
    failed: bool
    waited_seconds: float
    ran_seconds: float


class RunWatcher:
    """Waits for runs of flows, each run told once, in the order of their creation.

    Args:
        client: Prefect's own, which asks a busy server again.
    """

    def __init__(self, client: "SyncPrefectClient") -> None:
        self._client = client
        self._flows: dict[UUID, str] = {}
        self._told: set[UUID] = set()

    def wait_for(self, flow: str, seconds: float = 900, meanwhile: Callable[[], object] | None = None) -> RunSeen:
        """Wait for the next run of a flow that nobody was told of yet, until it ends.

        Args:
            flow: The flow's name.
            seconds: How long to wait.
            meanwhile: Called between two looks.

        Raises:
            ServingError: No such run ended in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for run in self._runs():
                if run.id in self._told or self._flow_name(run.flow_id) != flow or run.parent_task_run_id:
                    continue
                if run.parameters.get("promoted"):  # the watch of a promotion, minutes later: no part of the story
                    continue
                if run.state_type in ENDED:
                    self._told.add(run.id)
                    return self._seen(flow, run)
                break
            if meanwhile:
                meanwhile()
            time.sleep(0.5)
        states = ", ".join(f"{self._flow_name(run.flow_id)} {run.state_name}" for run in self._runs()[-5:])
        raise ServingError(
            f"No run of {flow} ended within {seconds:.0f} s (the last runs: {states or 'none'})",
            "Look at the run in the Prefect UI with `make demo KEEP=1`, and at the worker's log",
        )

    def _runs(self) -> "list[FlowRun]":
        from prefect.client.schemas.sorting import FlowRunSort

        runs = self._client.read_flow_runs(sort=FlowRunSort.ID_DESC, limit=200)
        return sorted(runs, key=_created)

    def _flow_name(self, flow_id: UUID) -> str:
        if flow_id not in self._flows:
            self._flows[flow_id] = self._client.read_flow(flow_id).name
        return self._flows[flow_id]

    def _seen(self, flow: str, run: "FlowRun") -> RunSeen:
        ended = run.end_time or _created(run)
        started = run.start_time or ended
        return RunSeen(
            flow=flow,
            name=run.name,
            state=run.state_name or "",
            message=(run.state and run.state.message) or "",
            failed=run.state_type != "COMPLETED",
            waited_seconds=max(0.0, (started - _created(run)).total_seconds()),
            ran_seconds=(ended - started).total_seconds(),
        )


def _created(run: "FlowRun") -> datetime:
    assert run.created is not None  # set by the server
    return run.created
