"""Take a batch that has landed: validate it, then accept it as a table version or set it aside."""

from datetime import datetime

from prefect import flow
from prefect.states import Completed, State

from prefect_mlops.blocks import Places
from prefect_mlops.core.events import Event
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import (
    accept_labels,
    accept_rows,
    announce,
    load_batch,
    load_suite,
    publish_validation,
    quarantine_rows,
    record_stage,
    time_of_run,
    validate_data,
)

__all__ = ["ingest"]


@flow(name="mlops-ingest", retries=1, retry_delay_seconds=5, timeout_seconds=3600)
def ingest(spec: ModelSpec, batch: str, environment: str = "default", as_of: datetime | None = None) -> State:
    """Validate a batch that has landed, and accept or quarantine it.

    Args:
        spec: What the model must be.
        batch: The file's name in the landing folder; one that starts with `labels-` holds labels that came later.
        environment: Name of the block documents to use.
        as_of: The time the batch belongs to; the run's scheduled time by default.
    """
    moment = time_of_run(as_of)
    places = Places.load(environment)
    rows = load_batch(places.source, batch)

    if batch.startswith("labels-"):
        labels = accept_labels(places.tables, spec, rows, batch, moment)
        record_stage(places.ledger, spec, "labels.accepted", batch, moment, key=batch, labels=labels)
        data_version = places.tables.version(f"{spec.name}-accepted")
        announce(
            Event.LABELS_ARRIVED, spec, batch, moment, batch=batch, data_version=data_version, labels_version=labels.version
        )
        return Completed(name="Accepted", message=f"{labels.rows:,} labels are version {labels.version}.")

    report = validate_data(rows, load_suite(places.suites, spec), personal=spec.data.personal)
    publish_validation(spec, batch, report)
    if report.blocked:
        reasons = tuple(failure.reason for failure in report.failures)
        where = quarantine_rows(places.tables, spec, rows, batch, reasons)
        record_stage(places.ledger, spec, "data.quarantined", batch, moment, key=batch, report=report, where=where)
        announce(Event.DATA_QUARANTINED, spec, batch, moment, batch=batch, reason=report.summary)
        return Completed(name="Rejected", message=report.summary)

    data = accept_rows(places.tables, spec, rows, batch, moment)
    record_stage(places.ledger, spec, "data.accepted", batch, moment, key=batch, data=data, report=report)
    announce(Event.DATA_ACCEPTED, spec, batch, moment, batch=batch, data_version=data.version)
    if spec.data.labels == "with-rows":
        announce(
            Event.LABELS_ARRIVED, spec, batch, moment, batch=batch, data_version=data.version, labels_version=data.version
        )
    return Completed(name="Accepted", message=f"{data.rows:,} rows are version {data.version}. {report.summary}")
