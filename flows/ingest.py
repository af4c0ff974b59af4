"""Take a batch that has landed: validate it, then accept it as a table version or set it aside."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.core.events import Event
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import (
    accept_labels,
    accept_rows,
    announce,
    load_batch,
    load_places,
    load_suite,
    pin_versions,
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
    places = load_places(environment)
    rows = load_batch(places.source, batch)

    if batch.startswith("labels-"):
        labels = accept_labels(places.tables, spec, rows, batch, moment)
        record_stage(places.ledger, spec, "labels.accepted", batch, moment, {"labels": labels}, key=batch)
        known = pin_versions(places.tables, spec, labels_version=labels.version)._asdict()
        announce(Event.LABELS_ARRIVED, spec, batch, moment, batch=batch, **known)
        return Completed(name="Accepted", message=f"{labels.rows:,} labels are version {labels.version}.")

    report = validate_data(rows, load_suite(places.suites, spec), personal=spec.data.personal)
    publish_validation(spec, batch, report)
    if report.blocked:
        reasons = tuple(failure.reason for failure in report.failures)
        where = quarantine_rows(places.tables, spec, rows, batch, reasons)
        record_stage(
            places.ledger, spec, "data.quarantined", batch, moment, {"report": report, "where": where}, key=batch
        )
        announce(Event.DATA_QUARANTINED, spec, batch, moment, batch=batch, reason=report.summary)
        return Completed(name="Rejected", message=report.summary)

    data = accept_rows(places.tables, spec, rows, batch, moment)
    record_stage(places.ledger, spec, "data.accepted", batch, moment, {"data": data, "report": report}, key=batch)
    announce(Event.DATA_ACCEPTED, spec, batch, moment, batch=batch, data_version=data.version)
    if spec.data.labels == "with-rows":
        known = pin_versions(places.tables, spec, data.version)._asdict()
        announce(Event.LABELS_ARRIVED, spec, batch, moment, batch=batch, **known)
    return Completed(name="Accepted", message=f"{data.rows:,} rows are version {data.version}. {report.summary}")
