"""Take a batch in: read it, validate it, accept what is good as a table version and set the rest aside."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.errors import DataError, SchemaMismatch
from prefect_mlops.core.intake import Intake
from prefect_mlops.core.lineage import DataVersion
from prefect_mlops.core.names import holds_labels
from prefect_mlops.core.spec import ModelSpec, Suite
from prefect_mlops.tasks.accepting import accept_labels, accept_rows
from prefect_mlops.tasks.governance import record_stage
from prefect_mlops.tasks.quarantine import quarantine_rows
from prefect_mlops.tasks.suites import read_history
from prefect_mlops.tasks.validation import find_failing_rows, render_data_docs, validate_data

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import Places
    from prefect_mlops.blocks.sources import BatchSource
    from prefect_mlops.core.suites.history import Resolved
    from prefect_mlops.core.validation import ValidationReport
    from prefect_mlops.core.zones import Placed

__all__ = ["find_waiting", "take_batch"]

STAGES = {False: ("data.accepted", "data"), True: ("labels.accepted", "labels")}
"""The ledger's stage of an accepted batch and the key of its version there, for rows and for labels."""


@task
def find_waiting(source: BatchSource, spec: ModelSpec, batch: str = "") -> tuple[str, ...]:
    """The batches that a run takes: the one that is named, else all that wait in the landing folder, oldest first.

    Raises:
        DataError: None is named and the source is no landing folder.
    """
    from prefect_mlops.blocks import FileSource

    if batch:
        return (batch,)
    if not isinstance(source, FileSource):
        what = f"A source of the kind {type(source).__name__} cannot tell which batches wait"
        raise DataError(what, "Name the batch: a table, or what fills in the query")
    return source.waiting(spec.name)


@task(task_run_name="take-{batch}", retries=2, retry_delay_seconds=2)
def take_batch(
    places: Places, source: BatchSource, spec: ModelSpec, suite: Suite, batch: str, as_of: datetime
) -> Intake:
    """Take one batch in, exactly once however often it is tried.

    Rows go to the quarantine first, then into the table, then on record, and last the file is moved away: whoever
    dies in between leaves a batch that the next try takes up where it stopped.

    Args:
        places: Tables, ledger and the key of personal stand-ins.
        source: Where the batch lies.
        spec: What the model must be.
        suite: What its rows must look like.
        batch: The batch's name; one whose file name starts with `labels-` holds labels.
        as_of: The time that the batch belongs to.

    Returns:
        What became of it. A batch that cannot be read or accepted is rejected: that is a finding, not a fault.

    Raises:
        NotFound: There is no such batch.
        DataError: The source is a database that does not answer, which says nothing about the batch.
    """
    from prefect_mlops.blocks import FileSource

    landed = source if isinstance(source, FileSource) else None
    try:
        rows = source.read(batch)
    except DataError as error:
        if landed is None:
            raise
        taken = _reject(places, spec, batch, None, (str(error),), as_of)
    else:
        taken = _taken(places, spec, suite, batch, rows, as_of)
    if landed is not None and taken.outcome == "rejected":
        landed.reject(batch)
    elif landed is not None:
        landed.settle(batch)
    return taken


def _taken(places: Places, spec: ModelSpec, suite: Suite, batch: str, rows: pd.DataFrame, as_of: datetime) -> Intake:
    from prefect_mlops.core.lineage import digest_rows
    from prefect_mlops.core.zones import place_in_zone

    digest, placed = digest_rows(rows), place_in_zone(rows, spec.data.time, spec.data.timezone, batch)
    try:
        known = _known(places, spec, batch, digest)
        if known is not None:
            return known
        if holds_labels(batch):
            return _take_labels(places, spec, batch, rows, digest, as_of)
        return _take_rows(places, spec, suite, batch, placed, digest, as_of)
    except (DataError, SchemaMismatch) as error:
        return _reject(places, spec, batch, placed.told, (str(error),), as_of)


def _known(places: Places, spec: ModelSpec, batch: str, digest: str) -> Intake | None:
    """The batch as it was accepted before; None where it is new."""
    stage, kept_as = STAGES[holds_labels(batch)]
    found = places.ledger.find(f"{spec.name}:{stage}:{batch}")
    if found is None:
        return None
    if found.body["batch_digest"] != digest:
        raise DataError(f"Other rows were accepted under the name {batch!r} before", "Send these under a new name")
    version = DataVersion.model_validate(found.body[kept_as])
    return Intake(batch=batch, outcome="known", version=version, reason=f"It is version {version.version} already.")


def _take_labels(
    places: Places, spec: ModelSpec, batch: str, rows: pd.DataFrame, digest: str, as_of: datetime
) -> Intake:
    labels = accept_labels.fn(places.tables, spec, rows, batch, as_of)
    stage, kept_as = STAGES[True]
    record_stage.fn(places.ledger, spec, stage, batch, as_of, {kept_as: labels, "batch_digest": digest}, key=batch)
    said = f"{labels.rows:,} labels are version {labels.version}."
    return Intake(batch=batch, outcome="accepted", version=labels, reason=said)


def _take_rows(
    places: Places, spec: ModelSpec, suite: Suite, batch: str, placed: Placed, digest: str, as_of: datetime
) -> Intake:
    from prefect_mlops.core.quarantine import Cause, sift, without
    from prefect_mlops.core.zones import UNCLEAR

    rows = placed.rows
    unclear = Cause(f"{spec.data.time}: the time {UNCLEAR.format(spec.data.timezone)}", placed.unclear)
    asked, left_out = _resolved(places, spec, suite, batch)
    report = validate_data.fn(rows, asked, personal=spec.data.personal)
    page = render_data_docs.fn(rows, asked, personal=spec.data.personal) if suite.data_docs else ""
    if report.blocked:
        reasons = tuple(result.reason for result in report.results if result.blocks)
        return _reject(places, spec, batch, placed.told, reasons, as_of, report, page)
    failing = []
    if any(result.action == "quarantine" for result in report.failures):
        found = find_failing_rows(rows, asked, report)
        failing = [Cause(report.results[each.result].rule, each.positions) for each in found]
    causes = (*([unclear] if len(placed.unclear) else []), *sift(spec, rows, as_of), *failing)
    good = without(rows, causes)
    if good.empty:
        return _reject(places, spec, batch, placed.told, tuple(cause.reason for cause in causes), as_of, report, page)
    aside = quarantine_rows.fn(places.tables, places.personal, spec, placed.told, batch, causes, as_of)
    data = accept_rows.fn(places.tables, spec, good, batch, as_of)
    stage, kept_as = STAGES[False]
    body = {kept_as: data, "report": report, "aside": aside, "batch_digest": digest}
    record_stage.fn(places.ledger, spec, stage, batch, as_of, body, key=batch)
    said = f"{data.rows:,} rows are version {data.version}"
    said += f", {aside:,} are in quarantine. {report.summary}" if aside else f". {report.summary}"
    said = " ".join((said, *left_out))
    return Intake(batch=batch, outcome="accepted", version=data, aside=aside, report=report, page=page, reason=said)


def _resolved(places: Places, spec: ModelSpec, suite: Suite, batch: str) -> Resolved:
    """The suite with its bounds from what was accepted before this batch, also where a run died after its append."""
    from prefect_mlops.core.suites.history import History, resolve_history

    done = places.tables.find(f"{spec.name}-accepted", batch)
    if done is not None and done.version == 0:
        return resolve_history(suite, History(known={}, nulls={}))
    before = done.version - 1 if done is not None else None
    return resolve_history(suite, read_history.fn(places, spec, suite, before))


def _reject(
    places: Places,
    spec: ModelSpec,
    batch: str,
    rows: pd.DataFrame | None,
    reasons: tuple[str, ...],
    as_of: datetime,
    report: ValidationReport | None = None,
    page: str = "",
) -> Intake:
    """Set a whole batch aside; one that could not even be read leaves its file alone."""
    import numpy as np

    from prefect_mlops.core.lineage import digest_rows
    from prefect_mlops.core.quarantine import Cause

    aside, digest = 0, ""
    if rows is not None and len(rows):
        causes = [Cause(reason, np.arange(len(rows))) for reason in reasons]
        aside = quarantine_rows.fn(places.tables, places.personal, spec, rows, batch, causes, as_of)
        digest = digest_rows(rows)
    body = {"reasons": reasons, "report": report, "aside": aside}
    record_stage.fn(places.ledger, spec, "data.quarantined", batch, as_of, body, key=f"{batch}:{digest[:16]}")
    said = report.summary if report is not None and report.blocked else " ".join(reasons)
    return Intake(batch=batch, outcome="rejected", aside=aside, report=report, page=page, reason=said)
