"""Tell which releases stopped and had no answer: an automation may lose the one event by which Prefect tells it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from prefect_mlops.core.events import event_payload
from prefect_mlops.core.rollout.stopped import BAD_ENDS, LOOKED_BACK, ReleaseRun, Unanswered, unanswered
from prefect_mlops.tasks.runs import run_logger
from prefect_mlops.tasks.trouble import Trouble

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import FlowRun

__all__ = ["ReleaseWatch"]

RELEASE, WITHDRAW = "mlops-release", "mlops-withdraw"
PAGE = 200
"""The most that Prefect lists in one answer."""


class ReleaseWatch:
    """One look after another at the runs of `mlops-release` that ended badly and that nothing has answered.

    That such a run has no answer is a state: it is announced at every look while it lasts, as an event of that run, and
    the automations that answer Prefect's own event answer it in the same way. They do so once in their cool-down.

    Args:
        models: The models to look for; runs without a deployment are left to whoever made them.
    """

    def __init__(self, models: Sequence[str]) -> None:
        self._models = tuple(models)
        self._said: set[str] = set()
        self._trouble = Trouble()

    def look(self, client: SyncPrefectClient, now: datetime) -> None:
        """Look once and announce what has no answer; where Prefect does not answer, a later look does it.

        Args:
            client: Asks Prefect.
            now: The time of this look.
        """
        self._trouble.survives("the list of Prefect's runs", partial(self._look, client, now))

    def _look(self, client: SyncPrefectClient, now: datetime) -> None:
        stopped = self._ended_badly(client, now)
        if not stopped:
            return
        later = _later(client, {model for run in stopped if (model := _model_of(run))}, now)
        found = {str(run.id): run for run in (*stopped, *later)}
        releases = [_told(run) for run in found.values() if _model_of(run) and not _withdrawn(run)]
        due = unanswered(releases, {_withdrawn(run) for run in later}, now)
        events = [_event(each, found[each.run.id]) for each in due if not each.is_given_up]
        if events:
            client.request("POST", "/events", json=events)
        for each in due:
            self._say_once(each)

    def _ended_badly(self, client: SyncPrefectClient, now: datetime) -> list[FlowRun]:
        from prefect.client.schemas import filters

        ended = filters.FlowRunFilter(
            state=filters.FlowRunFilterState(name=filters.FlowRunFilterStateName(any_=list(BAD_ENDS))),
            end_time=filters.FlowRunFilterEndTime(after_=now - LOOKED_BACK),
        )
        return _runs(client, [RELEASE], self._models, ended)

    def _say_once(self, found: Unanswered) -> None:
        run, key = found.run, f"{found.event}/{found.run.id}"
        if key in self._said:
            return
        self._said.add(key)
        if found.is_given_up:
            run_logger().warning(
                "Releases of %s ended badly again and again, the last as %s in run %s. It is left to you: mend what is "
                "wrong and run mlops-release/%s with version=0.",
                *(run.model, run.state, run.id, run.model),
            )
        else:
            run_logger().info("Nothing has answered that run %s of %s ended as %s", run.id, run.model, run.state)


def _later(client: SyncPrefectClient, models: Collection[str], now: datetime) -> list[FlowRun]:
    """What may have answered: releases and withdrawals that were due since a while, or that have not ended."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import TERMINAL_STATES, StateType

    going_on = [state for state in StateType if state not in TERMINAL_STATES]
    either = filters.FlowRunFilter(
        operator=filters.Operator.or_,  # type: ignore[call-arg]  # it comes from a mixin that is no model
        state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=going_on)),
        expected_start_time=filters.FlowRunFilterExpectedStartTime(after_=now - LOOKED_BACK),
    )
    return _runs(client, [RELEASE, WITHDRAW], models, either)


def _runs(
    client: SyncPrefectClient, flows: Sequence[str], models: Collection[str], which: FlowRunFilter
) -> list[FlowRun]:
    """All runs of these flows by the deployments of these models."""
    from prefect.client.schemas import filters

    found: list[FlowRun] = []
    while len(found) % PAGE == 0:
        page = client.read_flow_runs(
            flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=list(flows))),
            deployment_filter=filters.DeploymentFilter(name=filters.DeploymentFilterName(any_=list(models))),
            flow_run_filter=which,
            limit=PAGE,
            offset=len(found),
        )
        if not page:
            break
        found += page
    return found


def _told(run: FlowRun) -> ReleaseRun:
    assert run.created is not None
    return ReleaseRun(
        id=str(run.id),
        model=_model_of(run),
        state=run.state_name or "",
        created=run.created,
        began=run.start_time,
        ended=run.end_time,
        asks=bool(run.parameters["spec"].get("approval")),
    )


def _model_of(run: FlowRun) -> str:
    """The model that a run was asked for; empty where it was asked for by something else than a spec."""
    spec = run.parameters.get("spec")
    return str(spec.get("name", "")) if isinstance(spec, dict) else ""


def _withdrawn(run: FlowRun) -> str:
    """The id of the release run that a run withdraws; empty where it withdraws none."""
    return str(run.parameters.get("run", "")).removeprefix("prefect.flow-run.")


def _event(found: Unanswered, run: FlowRun) -> dict[str, Any]:
    """An event of the run itself, related to flow and deployment as Prefect's own are."""
    from prefect.events import Event, RelatedResource

    related = [
        ("flow", f"prefect.flow.{run.flow_id}", RELEASE),
        ("deployment", f"prefect.deployment.{run.deployment_id}", found.run.model),
    ]
    emitted = Event(
        event=found.event.value,
        resource={"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name},
        related=[
            RelatedResource({"prefect.resource.id": id, "prefect.resource.role": role, "prefect.resource.name": name})
            for role, id, name in related
        ],
        payload=event_payload(reason=f"It ended as {found.run.state} and nothing has answered it."),
    )
    return emitted.model_dump(mode="json")
