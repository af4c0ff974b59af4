"""Look at how a champion serves, by the log of predictions and by what was held back for comparison."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from prefect import task
from prefect.states import Completed

from prefect_mlops.core.events import Event
from prefect_mlops.core.monitors import Finding, worst_state
from prefect_mlops.core.reign import PROMOTED, TAKES_OVER
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.governance import record_stage
from prefect_mlops.tasks.publishing import announce

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from prefect_mlops.blocks import DeltaTables, Ledger, Places, ServingTarget
    from prefect_mlops.core.health import Attempts

__all__ = ["Service", "drop_hold_back", "judge_champion", "watch_champion"]

LOOK_BACK = timedelta(days=1)
"""How far back attempts count when a promotion lies longer ago."""


class Service(NamedTuple):
    """How a champion serves.

    Attributes:
        findings: What was found: `service` of its own attempts, `hold-back` against the champion before.
        watched: Whether its promotion is so young that a breach takes it back.
    """

    findings: tuple[Finding, ...]
    watched: bool

    @property
    def reason(self) -> str:
        """What was found, for people."""
        return " ".join(finding.reason for finding in self.findings)


@task
def judge_champion(
    tables: DeltaTables, ledger: Ledger, target: ServingTarget, spec: ModelSpec, version: int
) -> Service:
    """Hold the champion against the limits of its rollout plan, and against the champion before where some is kept.

    An attempt that its caller got no answer to is an error; a shadow's attempts have no caller and do not count.

    Args:
        tables: Where the predictions were collected.
        ledger: Knows when the champion took over.
        target: Knows what was held back.
        spec: The model's spec.
        version: The champion.
    """
    from prefect_mlops.core.health import judge_service, within_watch

    now, plan = datetime.now(UTC), spec.rollout
    takings = [record for record in ledger.records(model=spec.name) if record.stage in TAKES_OVER]
    last = takings[-1] if takings and takings[-1].subject == str(version) else None
    since = datetime.fromisoformat(last.at).astimezone(UTC) if last else now - LOOK_BACK
    watched = last is not None and last.stage == PROMOTED and within_watch(plan, since, now)
    finding = judge_service(plan, _attempts(tables, spec, version, max(since, now - LOOK_BACK)))
    return Service((finding, *_held_back(spec, target, version, since)), watched)


@task
def drop_hold_back(spec: ModelSpec, target: ServingTarget, service: Service) -> None:
    """Give the champion all traffic once it is watched no more; nothing happens where nothing was held back."""
    slot = target.trusted(spec.name)
    if not service.watched and slot is not None and _keeps(spec, target.weights(spec.name).get(slot)):
        target.set_weights(spec.name, {slot: 100})


def watch_champion(
    places: Places, spec: ModelSpec, version: int, promoted: int, service: Service, as_of: datetime
) -> State:
    """Say how a version serves that was promoted lately, and ask for the next look while it is watched.

    Args:
        places: Where things are.
        spec: The model's spec.
        version: The champion.
        promoted: The version whose promotion is watched.
        service: How the champion serves.
        as_of: The time that the look belongs to.

    Returns:
        The state for the flow to end in.
    """
    if version != promoted:
        return Completed(name="Outdated", message=f"Version {promoted} is champion no more; version {version} is.")
    state, subject = worst_state(service.findings), str(version)
    looked = {"state": state, "reason": service.reason}
    record_stage(places.ledger, spec, "monitor.watched", subject, as_of, looked)
    for finding in service.findings:
        if finding.state == "breached":
            reason, began = finding.reason, finding.began
            announce(Event.HEALTH_BREACHED, spec, subject, as_of, version=version, reason=reason, began=began)
    if service.watched:
        announce(Event.HEALTH_WATCHED, spec, subject, as_of, version=version, reason=service.reason)
    return Completed(name=state.capitalize(), message=service.reason)


def _keeps(spec: ModelSpec, share: int | None) -> bool:
    return spec.rollout.hold_back > 0 and share == 100 - spec.rollout.hold_back


def _held_back(spec: ModelSpec, target: ServingTarget, version: int, since: datetime) -> tuple[Finding, ...]:
    """Whether the champion is worse than the one before, by the requests that were divided between them."""
    from prefect_mlops.core.rollout.judging import Requests, judge_requests

    plan, slot = spec.rollout, target.trusted(spec.name)
    running = target.slots(spec.name)
    if slot is None or slot not in running or running[slot].version != version:
        return ()
    share = target.weights(spec.name).get(slot)
    if share is None or not _keeps(spec, share):
        return ()
    divided = [request for request in target.requests(spec.name, slot).requests if request.percent == share]
    standings = judge_requests(plan.model_copy(update={"quality": None}), Requests.of(divided), share, 0.0).standings
    worst = max(standings, key=lambda standing: standing.worse)
    needed = len(standings) / plan.alpha_rollback
    said = f"{len(divided):,} requests were divided with the champion before. {worst.sentence()}."
    if worst.worse >= needed:
        reason = f"Worse in {worst.kind} than the champion before, E reached {worst.worse:.3g} of {needed:g}. {said}"
        return (Finding(monitor="hold-back", state="breached", reason=reason, began=since.isoformat()),)
    return (Finding(monitor="hold-back", state="healthy", reason=said),)


def _attempts(tables: DeltaTables, spec: ModelSpec, version: int, since: datetime) -> Attempts:
    """The attempts of a version that somebody waited for, each chain of retries with its first one."""
    import numpy as np

    from prefect_mlops.core.health import Attempts

    table = f"{spec.name}-predictions"
    if not tables.exists(table):
        return Attempts([], np.zeros(0, dtype=bool), np.zeros(0))
    named = {"request_id", "arm", "answered"} & set(tables.types_of(table).names)
    columns = ["prediction_id", "version", "predicted_at", "latency_ms", *sorted(named)]
    lines = tables.read(table, columns=columns, time="predicted_at", after=since)
    lines = lines[lines["version"] == version].sort_values("predicted_at", kind="stable")
    if named != {"request_id", "arm", "answered"}:  # a log from before attempts were named: all were answered
        lines = lines.assign(request_id="", arm="", answered=True)
    lines = lines[lines["arm"] != "shadow"]
    chain = lines["request_id"].where(lines["request_id"].fillna("") != "", lines["prediction_id"])
    lines = lines[~chain.duplicated()]
    milliseconds = lines["latency_ms"].to_numpy(dtype=float)
    return Attempts(
        list(lines["predicted_at"]), lines["answered"].fillna(value=True).to_numpy(dtype=bool), milliseconds
    )
