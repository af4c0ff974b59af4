"""Score accepted rows with the champion, as they come or over a span of days, and a candidate beside it."""

from datetime import date, datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.core.events import Event
from prefect_mlops.core.specparameter import SpecParameter
from prefect_mlops.tasks import (
    announce,
    compare_beside,
    load_places,
    pin_versions,
    plan_beside,
    plan_scores,
    publish_scores,
    read_champion,
    record_stage,
    score_windows,
    time_of_run,
)

__all__ = ["score"]


@flow(name="mlops-score", retries=1, retry_delay_seconds=10, timeout_seconds=12 * 3600)
def score(
    spec: SpecParameter,
    environment: str = "default",
    as_of: datetime | None = None,
    start: date | None = None,
    end: date | None = None,
    beside: int = 0,
    data_version: int = -1,
    labels_version: int = -1,
) -> State:
    """Score accepted rows that wait, or a span of days again, into the table `<model>-scores`.

    Args:
        spec: What the model must be.
        environment: Name of the block documents to use.
        as_of: Rows up to this are scored; the run's scheduled time by default.
        start: First UTC day of a span whose windows are replaced where the champion or their rows are others by now.
            Rows that wait, after those that the champion learned from, when neither is given.
        end: The day after the last one of the span.
        beside: A candidate's version, which scores the champion's windows too, as its shadow; none when 0.
        data_version: Version of the accepted rows; the newest when -1.
        labels_version: Version of the labels; the newest when -1.
    """
    moment = time_of_run(as_of)
    places = load_places(environment)
    champion = read_champion(places.tracking, spec)
    if champion is None:
        return Completed(name="Unserved", message=f"{spec.name} has no champion that could score.")

    versions = pin_versions(places.tables, spec, data_version, labels_version)
    read, version = versions.data_version, champion.version
    plan = plan_scores(places.tables, spec, version, champion.lineage, moment, read, start, end)
    scored = [score_windows(places.tables, places.tracking, spec, plan, moment)]
    compared = None
    if beside:
        shadow = plan_beside(places.tables, places.tracking, spec, beside, champion, moment, read, start, end)
        scored.append(score_windows(places.tables, places.tracking, spec, shadow, moment))
        compared = compare_beside(places.tables, spec, beside, champion, versions, start, end)

    said = " ".join([*(each.said for each in scored), *([compared.reason] if compared else [])])
    if not any(each.windows for each in scored) and not (compared and compared.rows):
        return Completed(name="NothingNew", message=said)
    body = {"scored": [each.record for each in scored], "data_version": read, "beside": compared}
    record_stage(places.ledger, spec, "scores.written", str(version), moment, body)
    publish_scores(spec, scored, compared)
    announce(Event.SCORES_WRITTEN, spec, str(version), moment, version=version, reason=said, **versions._asdict())
    return Completed(name="Scored", message=said)
