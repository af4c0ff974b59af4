"""Package an accepted version, stage it, canary it, and make it champion, or undo it."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.core.events import Event
from prefect_mlops.core.specparameter import SpecParameter
from prefect_mlops.tasks import (
    announce,
    ask_approval,
    build_bento,
    deploy_bento,
    fetch_package,
    finish_rollout,
    foresee_rollout,
    is_in_service,
    load_places,
    one_writer,
    promote_version,
    publish_card,
    publish_rollout,
    read_champion,
    recall_stage,
    record_stage,
    render_model_card,
    run_canary,
    run_key,
    stage_bento,
    time_of_run,
    undo_rollout,
    withdraw_version,
)

__all__ = ["release"]

ENDS = {"roll back": "RolledBack", "undecided": "Undecided"}


@flow(name="mlops-release", timeout_seconds=4 * 3600)
def release(spec: SpecParameter, version: int, environment: str = "default", as_of: datetime | None = None) -> State:
    """Bring an accepted version into service, step by step, and undo it when a step goes wrong.

    Args:
        spec: What the model must be.
        version: The registry version, accepted by the gates.
        environment: Name of the block documents to use.
        as_of: The time that the release belongs to; the run's scheduled time by default.
    """
    moment, subject = time_of_run(as_of), str(version)
    places = load_places(environment)
    with one_writer(spec.name):
        champion = read_champion(places.tracking, spec)
        trusted = champion.version if champion else 0
        if trusted > version or (trusted == version and is_in_service(spec, places.target, version)):
            return Completed(name="Outdated", message=f"Version {trusted} is champion already.")
        package = fetch_package(places.tracking, spec, version)
        learned = package.lineage.data
        bento = build_bento(spec, package, places.bentos)
        record_stage(places.ledger, spec, "bento.built", subject, moment, {"bento": bento.tag})
        staged = recall_stage(places.ledger, spec, bento) or stage_bento(spec, bento, places.bentos)
        record_stage(places.ledger, spec, "bento.staged", subject, moment, {"report": staged, "bento": bento.tag})
        if not staged.fit:
            announce(Event.CANARY_FAILED, spec, subject, moment, version=version, reason=staged.reason, data=learned)
            publish_rollout(spec, version, (staged.reason,), {"bento": bento.tag}, staged)
            return Completed(name="Rejected", message=staged.reason)

        consent = ask_approval(spec, places.ledger, bento, staged, champion, moment)
        if consent.ended:
            withdraw_version(places.tracking, places.bentos, places.target, spec, version, bento.tag)
            announce(
                Event.APPROVAL_REFUSED, spec, subject, moment, version=version, reason=consent.reason, data=learned
            )
            publish_rollout(spec, version, (staged.reason, consent.reason), {"bento": bento.tag})
            return Completed(name=consent.ended, message=consent.reason)

        placed = deploy_bento(spec, bento, places.bentos, places.target, places.predictions)
        steps: tuple[str, ...] = (staged.reason, consent.reason, placed.reason, foresee_rollout(spec, placed))
        for share in spec.rollout.steps if champion else ():
            step = run_canary(spec, places.target, placed, share)
            steps = (*steps, f"{share}%: {step.reason}")
            looked = {"step": step, "share": share}
            record_stage(places.ledger, spec, "canary.step", subject, moment, looked, key=f"{run_key()}:{share}")
            if step.outcome != "go on":
                undo_rollout(spec, places.target, placed)
                announce(Event.CANARY_FAILED, spec, subject, moment, version=version, reason=step.reason, data=learned)
                publish_rollout(spec, version, steps, {"bento": bento.tag}, staged)
                return Completed(name=ENDS[step.outcome], message=steps[-1])

        finish_rollout(spec, places.target, placed)
        previous = promote_version(places.tracking, spec, version, moment)
        promoted = {"version": version, "slot": placed.slot, "previous": previous}
        record_stage(places.ledger, spec, "champion.promoted", subject, moment, promoted)

    links = {"bento": bento.tag, "served at": places.target.url(spec.name)}
    publish_rollout(spec, version, steps, links, staged)
    publish_card(spec, render_model_card(places.ledger, spec))
    announce(Event.CHAMPION_PROMOTED, spec, subject, moment, version=version, reason=steps[-1], data=learned)
    return Completed(name="Promoted", message=f"Version {version} is champion. {steps[-1]}")
