"""Tell people and automations what became of the batches that landed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.errors import TrackingUnavailable
from prefect_mlops.core.events import Event
from prefect_mlops.core.intake import end_of
from prefect_mlops.core.names import artifact_key, holds_labels
from prefect_mlops.core.reports import intake_report
from prefect_mlops.tasks.publishing import announce
from prefect_mlops.tasks.runs import publish_markdown, run_logger, run_name

if TYPE_CHECKING:
    from datetime import datetime

    from prefect_mlops.blocks import MlflowTracking
    from prefect_mlops.core.intake import Intake
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.tasks.data import Versions

__all__ = ["announce_intake", "log_validation", "publish_intake"]


@task
def publish_intake(spec: ModelSpec, taken: Sequence[Intake]) -> None:
    """Show what became of the batches of one run, with what the validation found, in the Prefect UI."""
    key = artifact_key(spec.name, "validation")
    publish_markdown(intake_report(spec, taken), key=key, description=end_of(taken)[1])


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
