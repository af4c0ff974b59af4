"""Take in what has landed: accept good rows as table versions, set the others aside with their reasons."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from prefect_mlops.core.intake import end_of
from prefect_mlops.core.specparameter import SpecParameter
from prefect_mlops.tasks import (
    announce_intake,
    find_waiting,
    load_places,
    load_source,
    load_suite,
    log_validation,
    pin_versions,
    publish_intake,
    take_batch,
    time_of_run,
)

__all__ = ["ingest"]


@flow(name="mlops-ingest", retries=1, retry_delay_seconds=5, timeout_seconds=3600)
def ingest(
    spec: SpecParameter, batch: str = "", environment: str = "default", as_of: datetime | None = None, source: str = ""
) -> State:
    """Validate what has landed, and accept or quarantine it.

    Args:
        spec: What the model must be.
        batch: A batch's name in the source; all files that wait in the landing folder when empty. One whose file name
            starts with `labels-` holds labels that came later.
        environment: Name of the block documents to use.
        as_of: The time the batches belong to; the run's scheduled time by default.
        source: Slug of another source than the environment's landing folder, such as `mlops-sql-source/warehouse`.
    """
    moment = time_of_run(as_of)
    places = load_places(environment)
    landing = load_source(places, source)
    waiting = find_waiting(landing, spec, batch)
    if not waiting:
        return Completed(name="NothingNew", message="No file waits in the landing folder.")

    suite = load_suite(places.suites, spec)
    tried = [take_batch(places, landing, spec, suite, each, moment, return_state=True) for each in waiting]
    taken = [each.result() for each in tried if each.is_completed()]
    if taken:
        announce_intake(spec, taken, moment, pin_versions(places.tables, spec))
        publish_intake(spec, taken)
        log_validation(places.tracking, spec, taken)

    broken = [each.message for each in tried if not each.is_completed()]
    if broken:
        return Failed(message=f"{len(broken)} of {len(tried)} batches could not be taken in, first: {broken[0]}")
    name, message = end_of(taken)
    return Completed(name=name, message=message)
