"""Tell people and automations: artifacts in the Prefect UI, and events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

from prefect_mlops.core.events import Event, event_payload, model_resource
from prefect_mlops.core.names import artifact_key
from prefect_mlops.core.reports import decision_report, drift_report, rollout_report, validation_report

if TYPE_CHECKING:
    from datetime import datetime

    from prefect_mlops.core.evidence import Decision, Evidence
    from prefect_mlops.core.monitors import Finding, Seen
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.validation import ValidationReport

__all__ = ["announce", "publish_card", "publish_decision", "publish_health", "publish_rollout", "publish_validation"]


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
    """
    payload = event_payload(
        as_of=as_of.isoformat(),
        batch=batch,
        version=version,
        data_version=data_version,
        labels_version=labels_version,
        reason=reason,
    )
    emit_event(event=event.value, resource=model_resource(spec.name, subject), payload=payload)


@task
def publish_validation(spec: ModelSpec, batch: str, report: ValidationReport) -> None:
    """Show the validation report in the Prefect UI."""
    key = artifact_key(spec.name, "validation")
    create_markdown_artifact(validation_report(spec, batch, report), key=key, description=report.summary)


@task
def publish_decision(spec: ModelSpec, evidence: Evidence, decision: Decision, links: dict[str, str]) -> None:
    """Show the decision with its reasons, and the metrics table, in the Prefect UI."""
    key = artifact_key(spec.name, "decision")
    create_markdown_artifact(decision_report(spec, evidence, decision, links), key=key, description=decision.summary)


@task
def publish_health(spec: ModelSpec, seen: Seen, findings: tuple[Finding, ...]) -> None:
    """Show what the monitors found, with the drift table, in the Prefect UI."""
    key = artifact_key(spec.name, "health")
    description = " ".join(finding.reason for finding in findings)
    create_markdown_artifact(drift_report(spec, seen, findings), key=key, description=description)


@task
def publish_rollout(spec: ModelSpec, version: int, steps: tuple[str, ...], links: dict[str, str]) -> None:
    """Show how a rollout went, step by step, in the Prefect UI."""
    key = artifact_key(spec.name, "rollout")
    create_markdown_artifact(rollout_report(spec, version, steps, links), key=key, description=steps[-1])


@task
def publish_card(spec: ModelSpec, card: str) -> None:
    """Show the model card in the Prefect UI."""
    create_markdown_artifact(card, key=artifact_key(spec.name, "card"), description=spec.purpose.decision)
