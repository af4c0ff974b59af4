"""Tell people and automations: artifacts in the Prefect UI, and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prefect import task
from prefect.events import emit_event

from prefect_mlops.core.events import Event, event_payload, model_resource
from prefect_mlops.core.lineage import DataVersion
from prefect_mlops.core.names import artifact_key
from prefect_mlops.tasks.runs import publish_markdown

if TYPE_CHECKING:
    from datetime import datetime

    from prefect_mlops.blocks import Ledger
    from prefect_mlops.core.evidence import Decision, Evidence
    from prefect_mlops.core.experiments.records import Report
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["announce", "draw_decision", "publish_card", "publish_decision"]


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


def _unread(table: str, version: int) -> DataVersion | None:
    return DataVersion(table=table, version=version, rows=-1, digest="") if version >= 0 else None


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
    publish_markdown(report, key=key, description=plain(decision.summary))


@task
def publish_card(spec: ModelSpec, card: str) -> None:
    """Show the model card in the Prefect UI."""
    publish_markdown(card, key=artifact_key(spec.name, "card"), description=spec.purpose.decision)
