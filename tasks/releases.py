"""Begin a release or go on with one that stopped half-way, and notice when somebody else chose a champion."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from prefect import task
from prefect.states import Completed

from prefect_mlops.core.errors import TrackingUnavailable
from prefect_mlops.core.events import Event
from prefect_mlops.core.rollout.releases import (
    BEGUN,
    ENDED,
    RESUMED,
    ROLLBACK_ASKED,
    OpenRelease,
    open_release,
    rollback_asked,
    undecided_version,
)
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.approving import still_asks
from prefect_mlops.tasks.governance import record_stage
from prefect_mlops.tasks.live_reports import publish_rollout
from prefect_mlops.tasks.publishing import announce
from prefect_mlops.tasks.rollout import is_in_service, withdraw_version
from prefect_mlops.tasks.runs import run_key, run_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefect.client.schemas.objects import State

    from prefect_mlops.blocks import Ledger, MlflowTracking, Places, ServingTarget
    from prefect_mlops.core.lineage import DataVersion
    from prefect_mlops.core.rollout.machine import Step

__all__ = ["Begun", "begin_release", "end_release", "find_usurper", "usurper_watch"]

MOST_RESUMED = 3
"""A release that stopped so often is undone: what stops it may be the version itself."""


class Begun(NamedTuple):
    """The release that a run does.

    Attributes:
        version: The registry version; 0 where there is nothing to do.
        champion: The version that was trusted when it began; 0 for none.
        moment: The time it belongs to.
        since: When it began, by the clock.
        passed: Shares of the steps that runs before this one have passed.
        given_up: Why it is not gone on with but undone; empty else.
        reason: What is begun or gone on with, or why there is nothing to do.
    """

    version: int
    champion: int
    moment: datetime
    since: datetime
    passed: tuple[int, ...] = ()
    given_up: str = ""
    reason: str = ""


@task
def begin_release(
    ledger: Ledger,
    tracking: MlflowTracking,
    target: ServingTarget,
    spec: ModelSpec,
    version: int,
    as_of: datetime,
    cancelled: str = "",
) -> Begun:
    """Write into the ledger that a release begins, or find there the one to go on with.

    Args:
        ledger: Knows what was begun and has not ended.
        tracking: Knows the champion.
        target: Knows what serves.
        spec: The model's spec.
        version: The registry version; when 0 the one whose release stopped half-way, or for which too few rows were
            scored where scores alone decide.
        as_of: The time that a new release belongs to; one that is gone on with keeps its own.
        cancelled: A run that somebody cancelled, its id or its resource: what it left is undone, and nothing else done.
    """
    told = ledger.records(model=spec.name)
    left = open_release(told)
    if left is not None and left.cancelled and not version:
        cancelled = left.run  # whoever was to undo it died over that
    if cancelled and (left is None or not left.run or not cancelled.endswith(left.run)):
        left, version = None, 0
    if not version and not cancelled and left is None and spec.scoring.candidates == "only":
        version = undecided_version(told)
    wanted, trusted = version or (left.version if left else 0), tracking.champion(spec.name) or 0
    if not wanted:
        return Begun(0, trusted, as_of, as_of, reason=f"No release of {spec.name} was begun and has not ended.")
    if left is not None and cancelled:
        undone = _resumed(ledger, spec, left, trusted, cancelled=True)
        return undone._replace(given_up=undone.given_up or f"Its run was cancelled; version {wanted} is undone.")
    if left is not None and not version and left.asks not in ("", run_key()) and still_asks(left.asks):
        return Begun(0, trusted, as_of, as_of, reason=f"Run {left.asks} waits for a person's answer about {wanted}.")
    if left is not None and left.version == wanted:
        return _resumed(ledger, spec, left, trusted)
    if trusted > wanted or (trusted == wanted and is_in_service(spec, target, wanted)):
        return Begun(0, trusted, as_of, as_of, reason=f"Version {trusted} is champion already.")
    if left is not None:  # it stopped half-way, and this run came before the one that would go on with it
        given = {"outcome": "Outdated", "reason": f"Version {wanted} was released before it was gone on with."}
        record_stage.fn(ledger, spec, ENDED, str(left.version), as_of, given, key=f"{run_key()}:{left.version}")
    began = record_stage.fn(ledger, spec, BEGUN, str(wanted), as_of, {"champion": trusted, "run": run_key()})
    since = datetime.fromisoformat(began.at)
    return Begun(wanted, trusted, as_of, since, reason=f"The release of version {wanted} begins.")


def _resumed(ledger: Ledger, spec: ModelSpec, left: OpenRelease, trusted: int, *, cancelled: bool = False) -> Begun:
    moment, wanted = datetime.fromisoformat(left.as_of), left.version
    said = f"The release of version {wanted} goes on."
    if left.run != run_key():  # else this very run was suspended, or tried again by hand
        told = {"run": run_key()} | ({"cancelled": True} if cancelled else {})
        record_stage.fn(ledger, spec, RESUMED, str(wanted), moment, told)
        said = f"The release of version {wanted}, which stopped half-way, goes on."
    given_up = _usurped(spec, left.champion, wanted, trusted)
    if not given_up and left.resumed >= MOST_RESUMED:
        given_up = f"Its runs stopped {left.resumed + 1} times without an end; it is undone."
    since = datetime.fromisoformat(left.at)
    return Begun(wanted, left.champion, moment, since, left.passed, given_up, said)


@task
def find_usurper(tracking: MlflowTracking, ledger: Ledger, spec: ModelSpec, begun: Begun) -> str:
    """Say who has decided otherwise about the champion since a release began; empty where nobody did.

    The alias in the registry is anybody's to move, and a rollback announces itself in the ledger. Either was decided
    after the gates did, so this release gives way.
    """
    told = [record for stage in (BEGUN, ROLLBACK_ASKED) for record in ledger.records(spec.name, stage)]
    asked = rollback_asked(sorted(told, key=lambda record: record.sequence), begun.version)
    return asked or _usurped(spec, begun.champion, begun.version, tracking.champion(spec.name) or 0)


def usurper_watch(tracking: MlflowTracking, ledger: Ledger, spec: ModelSpec, begun: Begun) -> Callable[[], str]:
    """What a step asks at each of its looks: `find_usurper`, whom an outage of the registry does not stop."""

    def usurped() -> str:
        try:
            return find_usurper.fn(tracking, ledger, spec, begun)
        except TrackingUnavailable as error:
            run_logger().warning("Nobody can say whether the champion was moved: %s", error)
            return ""

    return usurped


def end_release(
    places: Places,
    spec: ModelSpec,
    begun: Begun,
    name: str,
    steps: tuple[str, ...],
    data: DataVersion | None = None,
    event: Event = Event.CANARY_FAILED,
    looks: Sequence[tuple[int, Step]] = (),
) -> State:
    """End a release whose version does not take over: its traffic goes back first, then all are told.

    Args:
        places: Where things are.
        spec: The model's spec.
        begun: The release.
        name: Of the end state, such as `RolledBack`.
        steps: What was done, a sentence each; the last one says why it ends.
        data: The rows that the version learned from, where they are known.
        event: What is announced.
        looks: The steps of the rollout that were made, each with its share.

    Returns:
        The state for the flow to end in.
    """
    subject, moment, reason = str(begun.version), begun.moment, steps[-1]
    withdraw_version(spec, places.target, begun.version)
    record_stage(places.ledger, spec, ENDED, subject, moment, {"outcome": name, "reason": reason})
    announce(event, spec, subject, moment, version=begun.version, reason=reason, data=data)
    publish_rollout(spec, begun.version, steps, {}, looks=looks)
    return Completed(name=name, message=reason)


def _usurped(spec: ModelSpec, known: int, wanted: int, trusted: int) -> str:
    if trusted in (known, wanted):  # it is champion itself where a run died right after it was promoted
        return ""
    now = f"version {trusted}" if trusted else "no version"
    was = f"version {known}" if known else "none"
    return (
        f"The champion was moved by hand while version {wanted} rolled out: {now} is champion, {was} was. Version "
        f"{wanted} is undone and traffic stays where it was; release {now if trusted else 'a version'} with "
        f"mlops-release/{spec.name}, or move the alias back."
    )
