"""Package an accepted version, stage it, try it beside the champion, and make it champion, or undo it."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.core.events import Event
from prefect_mlops.core.rollout.machine import Step
from prefect_mlops.core.specparameter import SpecParameter
from prefect_mlops.tasks import (
    announce,
    ask_approval,
    begin_release,
    build_bento,
    deploy_bento,
    end_release,
    fetch_package,
    find_usurper,
    finish_rollout,
    foresee_rollout,
    hold_back_champion,
    load_places,
    one_writer,
    promote_version,
    publish_card,
    publish_rollout,
    publish_scores,
    recall_stage,
    record_stage,
    render_model_card,
    require_target,
    run_canary,
    run_key,
    run_shadow,
    stage_bento,
    time_of_run,
    try_beside,
    usurper_watch,
    withdraw_candidate,
)

__all__ = ["release"]

ENDS = {"roll back": "RolledBack", "undecided": "Undecided", "outdated": "Outdated"}
PATIENCE_SECONDS = 6 * 3600
"""A training may hold the model longer than most writers wait, and a version that was accepted must not get lost."""


@flow(name="mlops-release", timeout_seconds=8 * 24 * 3600)  # no plan takes more than a week
def release(
    spec: SpecParameter,
    version: int = 0,
    environment: str = "default",
    as_of: datetime | None = None,
    cancelled: str = "",
) -> State:
    """Bring an accepted version into service, step by step, and undo it when a step goes wrong.

    Args:
        spec: What the model must be.
        version: The registry version, accepted by the gates; when 0 the one whose release stopped half-way, or for
            which too few rows were scored where scores alone decide.
        environment: Name of the block documents to use.
        as_of: The time that the release belongs to; the run's scheduled time by default.
        cancelled: A release run that was cancelled: what it left half-way is undone, and nothing else is done.
    """
    places = load_places(environment)
    moment = time_of_run(as_of)
    with one_writer(spec.name, PATIENCE_SECONDS):
        begun = begin_release(places.ledger, places.tracking, places.target, spec, version, moment, cancelled)
        if not begun.version:
            return Completed(name="Outdated", message=begun.reason)
        if begun.given_up:
            return end_release(places, spec, begun, "RolledBack", (begun.reason, begun.given_up))
        require_target(spec, places.target)
        version, moment, subject = begun.version, begun.moment, str(begun.version)
        package = fetch_package(places.tracking, spec, version)
        learned = package.lineage.data
        bento = build_bento(spec, package, places.bentos)
        record_stage(places.ledger, spec, "bento.built", subject, moment, {"bento": bento.tag})
        staged = recall_stage(places.ledger, spec, bento) or stage_bento(spec, bento, places.bentos)
        record_stage(places.ledger, spec, "bento.staged", subject, moment, {"report": staged, "bento": bento.tag})
        if not staged.fit:
            return end_release(places, spec, begun, "Rejected", (staged.reason,), learned)

        consent = ask_approval(spec, places.ledger, bento, staged, begun.champion, moment, places.target)
        steps: tuple[str, ...] = (begun.reason, staged.reason, consent.reason)
        if consent.ended:
            withdraw_candidate(places.tracking, places.bentos, places.target, spec, version, bento.tag)
            return end_release(places, spec, begun, consent.ended, steps, learned, Event.APPROVAL_REFUSED)

        tried = try_beside(places, spec, version, moment)
        if tried.found:
            publish_scores(spec, tried.scores, tried.found)
            record_stage(places.ledger, spec, "candidate.scored", subject, moment, {"beside": tried.found})
        if tried.ended:
            return end_release(places, spec, begun, tried.ended, (*steps, *tried.steps), learned)
        usurped = find_usurper(places.tracking, places.ledger, spec, begun)
        if usurped:
            return end_release(places, spec, begun, "Outdated", (*steps, usurped), learned)
        placed = deploy_bento(spec, bento, places.bentos, places.target, places.predictions, places.personal)
        steps = (*steps, *tried.steps, placed.reason, foresee_rollout(spec, placed))
        publish_rollout(spec, version, steps, {"bento": bento.tag})
        looks: tuple[tuple[int, Step], ...] = ()
        for share in spec.rollout.shares if begun.champion and not tried.decides else ():
            gives_way = usurper_watch(places.tracking, places.ledger, spec, begun)
            beside = (begun, places.tables, places.predictions, gives_way)
            step = (
                run_canary(spec, places.target, placed, share, *beside)
                if share
                else run_shadow(spec, places.target, placed, *beside)
            )
            steps, looks = (*steps, f"{share}%: {step.reason}"), (*looks, (share, step))
            looked = {"step": step, "share": share}
            record_stage(places.ledger, spec, "canary.step", subject, moment, looked, key=f"{run_key()}:{share}")
            announce(Event.CANARY_STEPPED, spec, subject, moment, version=version, reason=steps[-1], data=learned)
            publish_rollout(spec, version, steps, {"bento": bento.tag}, looks=looks)
            if step.outcome != "go on":
                return end_release(places, spec, begun, ENDS[step.outcome], steps, learned, looks=looks)
        usurped = find_usurper(places.tracking, places.ledger, spec, begun)
        if usurped:
            return end_release(places, spec, begun, "Outdated", (*steps, usurped), learned)

        finish_rollout(spec, places.target, placed)
        promote_version(places.tracking, spec, version, moment)
        promoted = {"version": version, "slot": placed.slot, "previous": begun.champion or None}
        record_stage(places.ledger, spec, "champion.promoted", subject, moment, promoted)
        steps = (*steps, hold_back_champion(spec, places.target, placed))

    publish_rollout(
        spec, version, steps, {"bento": bento.tag, "served at": places.target.url(spec.name)}, staged, looks
    )
    publish_card(spec, render_model_card(places.ledger, spec))
    announce(Event.CHAMPION_PROMOTED, spec, subject, moment, version=version, reason=steps[-1], data=learned)
    return Completed(name="Promoted", message=f"Version {version} is champion. {steps[-1]}")
