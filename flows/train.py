"""Train a candidate, judge it against the champion, and register it when the gates accept it."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.core.events import Event
from prefect_mlops.core.specparameter import SpecParameter
from prefect_mlops.tasks import (
    announce,
    draw_decision,
    evaluate_candidate,
    judge_candidate,
    learn_candidate,
    load_anchor,
    load_champion,
    load_labelled_rows,
    load_places,
    load_suite,
    log_candidate,
    pin_versions,
    profile_candidate,
    publish_card,
    publish_decision,
    publish_experiment,
    read_champion,
    read_reign,
    record_stage,
    render_model_card,
    report_experiment,
    run_name,
    split_rows,
    time_candidate,
    time_of_run,
    trace_lineage,
    turn_to_write,
)

__all__ = ["train"]

OUTCOMES = {
    "accepted": Event.CANDIDATE_ACCEPTED,
    "rejected": Event.CANDIDATE_REJECTED,
    "undecided": Event.CANDIDATE_UNDECIDED,
}
LATER = "Nothing was learned. If `mlops-retrain` started this run, it tries again by itself; else start it again."


@flow(name="mlops-train", timeout_seconds=4 * 3600)
def train(
    spec: SpecParameter,
    environment: str = "default",
    as_of: datetime | None = None,
    data_version: int = -1,
    labels_version: int = -1,
    workers: int = 1,
) -> State:
    """Train a candidate and judge it on rows that neither it nor the champion learned from.

    Args:
        spec: What the model must be.
        environment: Name of the block documents to use.
        as_of: End of the window that is read; the run's scheduled time by default.
        data_version: Version of the accepted rows; the newest when -1.
        labels_version: Version of the labels; the newest when -1.
        workers: Processes that a search tries parameters in.
    """
    moment = time_of_run(as_of)
    places = load_places(environment)
    with turn_to_write(spec.name) as busy:
        if busy:
            return Completed(name="Postponed", message=f"{busy} {LATER}")
        versions = pin_versions(places.tables, spec, data_version, labels_version)
        champion = read_champion(places.tracking, spec)
        rows = load_labelled_rows(places.tables, spec, moment, versions)
        sets = split_rows(spec, rows, moment, champion.lineage.cutoff if champion else "")
        learned = learn_candidate(spec, sets.training, places.ledger, workers)
        reign = read_reign(places.ledger, spec, champion, sets, moment)
        trusted = load_champion(places.tracking, spec, champion.version) if champion else None
        evidence = evaluate_candidate(
            spec,
            learned.model,
            sets,
            champion=trusted,
            champion_version=champion.version if champion else None,
            anchor=load_anchor(places.tracking, spec),
            reign=reign,
            timings=time_candidate(spec, learned.model, sets.judging),
            candidate_name=run_name(),
        )
        decision = judge_candidate(spec, evidence)
        profile = profile_candidate(spec, learned.model, sets.reference)
        suite = load_suite(places.suites, spec)
        lineage = trace_lineage(spec, sets, moment, versions, suite, learned.spec.trainer)
        report = report_experiment(learned, sets, evidence, decision, trusted)
        pictures = draw_decision(spec, evidence, decision, report, places.ledger)
        logged = log_candidate(
            places.tracking,
            spec,
            learned.model,
            evidence,
            decision,
            lineage,
            profile,
            sets.reference,
            places.tables,
            judging=sets.judging,
            report=report,
            search=learned.search,
            pictures=pictures,
        )
        subject = str(logged.version or logged.run)
        made = {
            "evidence": evidence,
            "decision": decision,
            "lineage": lineage,
            "labels_version": versions.labels_version,
        }
        # Within the lock: the next training must see which rows were bet on.
        record_stage(places.ledger, spec, f"candidate.{decision.outcome}", subject, moment, made)

    publish_decision(spec, evidence, decision, {"MLflow": logged.link}, pictures)
    publish_experiment(spec, report, {"MLflow": logged.link})
    publish_card(spec, render_model_card(places.ledger, spec))
    announce(
        OUTCOMES[decision.outcome],
        spec,
        subject,
        moment,
        version=logged.version,
        data_version=versions.data_version,
        labels_version=versions.labels_version,
        data=lineage.data,
        reason=decision.summary,
    )
    return Completed(name=decision.outcome.capitalize(), message=decision.summary)
