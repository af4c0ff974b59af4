"""Give a model's traffic back to a version that was champion before."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.core.events import Event
from prefect_mlops.core.specparameter import SpecParameter
from prefect_mlops.tasks import (
    announce,
    build_bento,
    choose_rollback,
    deploy_bento,
    fetch_package,
    finish_rollout,
    first_writer,
    load_places,
    promote_version,
    publish_rollout,
    record_stage,
    time_of_run,
)

__all__ = ["rollback"]


@flow(name="mlops-rollback", timeout_seconds=3600)
def rollback(
    spec: SpecParameter,
    version: int = 0,
    reason: str = "asked for by hand",
    began: str = "",
    environment: str = "default",
    as_of: datetime | None = None,
) -> State:
    """Make the previous champion, or any version, champion again.

    It waits for no release: one that goes on is told by the ledger, gives its traffic back and ends as Outdated.

    Args:
        spec: What the model must be.
        version: The version to go back to; the champion before this one when 0.
        reason: Why, for people.
        began: Since when the champion breaches its limits, where a breach asks: one that did not begin while its
            promotion was watched moves nothing.
        environment: Name of the block documents to use.
        as_of: The time that the rollback belongs to; the run's scheduled time by default.
    """
    moment = time_of_run(as_of)
    places = load_places(environment)
    wanted = choose_rollback(places.ledger, places.tracking, spec, version, began)
    if wanted.version is None:
        return Completed(name="Refused", message=wanted.reason)
    record_stage(places.ledger, spec, "rollback.asked", str(wanted.version), moment, {"reason": reason})
    with first_writer(spec.name):
        wanted = choose_rollback(places.ledger, places.tracking, spec, version, began)
        if wanted.version is None:
            return Completed(name="Refused", message=wanted.reason)
        package = fetch_package(places.tracking, spec, wanted.version)
        bento = build_bento(spec, package, places.bentos)
        placed = deploy_bento(spec, bento, places.bentos, places.target, places.predictions, places.personal)
        finish_rollout(spec, places.target, placed)
        previous = promote_version(places.tracking, spec, wanted.version, moment)
        restored = {"version": wanted.version, "slot": placed.slot, "previous": previous, "reason": reason}
        record_stage(places.ledger, spec, "champion.rolled-back", str(wanted.version), moment, restored)

    said = f"Version {wanted.version} is champion again instead of {previous}: {reason}."
    publish_rollout(spec, wanted.version, (said, placed.reason), {"bento": bento.tag})
    event, learned = Event.CHAMPION_ROLLED_BACK, package.lineage.data
    announce(event, spec, str(wanted.version), moment, version=wanted.version, reason=reason, data=learned)
    return Completed(name="RolledBack", message=said)
