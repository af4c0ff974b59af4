"""Tell people and automations: artifacts in the Prefect UI, and events."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task
from prefect.events import emit_event

from prefect_mlops.core.errors import TrackingUnavailable
from prefect_mlops.core.events import Event, event_payload, model_resource
from prefect_mlops.core.intake import end_of
from prefect_mlops.core.lineage import DataVersion
from prefect_mlops.core.names import artifact_key, holds_labels
from prefect_mlops.core.reports import drift_report, intake_report, rollout_report
from prefect_mlops.tasks.runs import run_logger, run_name

if TYPE_CHECKING:
    from datetime import datetime

    from prefect_mlops.blocks import Ledger, MlflowTracking
    from prefect_mlops.core.evidence import Decision, Evidence
    from prefect_mlops.core.experiments.records import Report
    from prefect_mlops.core.intake import Intake
    from prefect_mlops.core.monitors import Finding, Seen
    from prefect_mlops.core.rollout.machine import Step
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.staging import Staged
    from prefect_mlops.tasks.data import Versions

__all__ = [
    "announce",
    "draw_decision",
    "publish_card",
    "publish_decision",
    "publish_health",
    "publish_intake",
    "publish_rollout",
]


@task
def announce(
    event: Event,
    spec: ModelSpec,
    subject: str,
    as_of: datetime,
    batch: str = "",
    version: int = 0,
    data_version: int = -1,
    labels_version: int = -1,
    reason: str = "",
    data: DataVersion | None = None,
    labels: DataVersion | None = None,
    began: str = "",
) -> None:
    """Emit an event about a model, with every key that a trigger may name.

    Args:
        event: What happened.
        spec: The model's spec.
        subject: The batch or version it happened to; one reaction for each.
        as_of: The time it belongs to.
        batch: The batch, for events about data.
        version: The registry version, for events about versions.
        data_version: Version of the accepted rows that whoever reacts must read.
        labels_version: Version of the labels that whoever reacts must read.
        reason: One sentence for people.
        data: The accepted rows that it is about, whole; where they are not given, the payload names their table and
            version alone.
        labels: The labels that it is about, likewise.
        began: Since when it is so, for states that can tell.
    """
    suffix = "labels" if spec.data.labels == "later" else "accepted"
    payload = event_payload(
        as_of=as_of.isoformat(),
        batch=batch,
        version=version,
        data_version=data_version,
        labels_version=labels_version,
        data=data or _unread(f"{spec.name}-accepted", data_version),
        labels=labels or _unread(f"{spec.name}-{suffix}", labels_version),
        reason=reason,
        began=began,
    )
    emit_event(event=event.value, resource=model_resource(spec.name, subject), payload=payload)


@task
def publish_intake(spec: ModelSpec, taken: Sequence[Intake]) -> None:
    """Show what became of the batches of one run, with what the validation found, in the Prefect UI."""
    key = artifact_key(spec.name, "validation")
    _publish(intake_report(spec, taken), key=key, description=end_of(taken)[1])


@task
def announce_intake(spec: ModelSpec, taken: Sequence[Intake], as_of: datetime, versions: Versions) -> None:
    """Say of every batch what became of it, and once for all of them that there are new labels.

    A batch that was known before is announced again: whoever accepted it may have died before it could say so.

    Args:
        spec: The model's spec.
        taken: What one run took in.
        as_of: The time it belongs to.
        versions: Which versions of the tables whoever reacts must read.
    """
    told = announce.fn
    for intake in taken:
        if intake.aside or intake.outcome == "rejected":
            told(Event.DATA_QUARANTINED, spec, intake.batch, as_of, batch=intake.batch, reason=intake.reason)
        if intake.outcome != "rejected" and not holds_labels(intake.batch):
            told(Event.DATA_ACCEPTED, spec, intake.batch, as_of, batch=intake.batch, data=intake.version)
    accepted = [intake for intake in taken if intake.outcome != "rejected"]
    rows = [intake.version for intake in accepted if not holds_labels(intake.batch)]
    labelled = [intake for intake in accepted if spec.data.labels == "with-rows" or holds_labels(intake.batch)]
    if labelled:
        last, data = labelled[-1], rows[-1] if rows else None
        told(
            Event.LABELS_ARRIVED,
            spec,
            last.batch,
            as_of,
            batch=last.batch,
            **versions._asdict(),
            data=data,
            labels=last.version,
        )


def _unread(table: str, version: int) -> DataVersion | None:
    return DataVersion(table=table, version=version, rows=-1, digest="") if version >= 0 else None


@task
def log_validation(tracking: MlflowTracking, spec: ModelSpec, taken: Sequence[Intake]) -> str:
    """Keep the validation reports of one run in MLflow, as one run of the experiment `<model>-data`.

    Data that was accepted stays accepted where MLflow does not answer: that is a warning.

    Returns:
        A link to the run; empty where there was no report or nobody took it.
    """
    reported = [(intake, intake.report) for intake in taken if intake.report is not None]
    if not reported:
        return ""
    try:
        client = tracking.client()
        experiment = tracking.experiment_id(f"{spec.name}-data")
        run = client.create_run(experiment, run_name=run_name(), tags={"mlops.suite": reported[0][1].suite_digest})
        with tempfile.TemporaryDirectory() as folder:
            for intake, report in reported:
                file = Path(folder, re.sub(r"[^A-Za-z0-9._-]", "_", intake.batch))
                Path(f"{file}.json").write_text(report.model_dump_json(indent=1))
                if intake.page:
                    Path(f"{file}.html").write_text(intake.page)
            client.log_artifacts(run.info.run_id, folder, "validation")
        client.set_terminated(run.info.run_id)
    except TrackingUnavailable as error:
        run_logger().warning("The validation reports are not in MLflow: %s", error)
        return ""
    return tracking.run_url(experiment, run.info.run_id)


@task
def draw_decision(
    spec: ModelSpec,
    evidence: Evidence,
    decision: Decision,
    report: Report | None = None,
    ledger: Ledger | None = None,
) -> dict[str, bytes]:
    """Draw the pictures that the artifact and the page of a decision share.

    Args:
        spec: The model's spec; one that says `report: false` has no pictures.
        evidence: What was measured.
        decision: What the gates said.
        report: The training's, whose calibration curve or residuals are shown too.
        ledger: Knows what was bet against this champion before.

    Returns:
        PNG bytes by name.
    """
    if not spec.report:
        return {}
    from prefect_mlops.core.decisions.history import wagers_of
    from prefect_mlops.core.decisions.pictures import decision_pictures

    records = ledger.records(model=spec.name) if ledger is not None and evidence.wagers else []
    drawn = decision_pictures(spec, evidence, decision, wagers_of(records, evidence.champion_version))
    return drawn | (report.pictures if report is not None else {})


@task
def publish_decision(
    spec: ModelSpec,
    evidence: Evidence,
    decision: Decision,
    links: dict[str, str],
    pictures: Mapping[str, bytes] | None = None,
) -> None:
    """Show the decision in the Prefect UI: verdicts, differences, slices, bets and worn rows.

    Args:
        spec: The model's spec.
        evidence: What was measured.
        decision: What the gates said.
        links: Addresses by name.
        pictures: From `draw_decision`.
    """
    from prefect_mlops.core.decisions.report import decision_report
    from prefect_mlops.core.documents.markdown import plain

    key = artifact_key(spec.name, "decision")
    report = decision_report(spec, evidence, decision, links, pictures)
    # The UI reads descriptions as Markdown too.
    _publish(report, key=key, description=plain(decision.summary))


@task
def publish_health(spec: ModelSpec, seen: Seen, findings: tuple[Finding, ...]) -> None:
    """Show what the monitors found, with the drift table, in the Prefect UI."""
    key = artifact_key(spec.name, "health")
    description = " ".join(finding.reason for finding in findings)
    _publish(drift_report(spec, seen, findings), key=key, description=description)


@task
def publish_rollout(
    spec: ModelSpec,
    version: int,
    steps: tuple[str, ...],
    links: dict[str, str],
    staged: Staged | None = None,
    looks: Sequence[tuple[int, Step]] = (),
) -> None:
    """Show how a rollout went, step by step, and what the trial before it showed, in the Prefect UI."""
    key = artifact_key(spec.name, "rollout")
    _publish(rollout_report(spec, version, steps, links, staged, looks), key=key, description=steps[-1])


@task
def publish_card(spec: ModelSpec, card: str) -> None:
    """Show the model card in the Prefect UI."""
    _publish(card, key=artifact_key(spec.name, "card"), description=spec.purpose.decision)


def _publish(markdown: str, key: str, description: str) -> None:
    from prefect.artifacts import create_markdown_artifact

    create_markdown_artifact(markdown, key=key, description=description)
