"""Decide whether a model is due to be trained again, and train it if so."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.core.specparameter import SpecParameter
from prefect_mlops.flows.train import train
from prefect_mlops.tasks import check_due, load_labelled_rows, load_places, pin_versions, read_champion, time_of_run

__all__ = ["retrain"]


@flow(name="mlops-retrain", timeout_seconds=4 * 3600)
def retrain(
    spec: SpecParameter,
    environment: str = "default",
    as_of: datetime | None = None,
    data_version: int = -1,
    labels_version: int = -1,
    reason: str = "",
) -> State:
    """Train again if there are enough fresh labels and the spec's budget allows it.

    Args:
        spec: What the model must be.
        environment: Name of the block documents to use.
        as_of: End of the window that is read; the run's scheduled time by default.
        data_version: Version of the accepted rows; the newest when -1.
        labels_version: Version of the labels; the newest when -1.
        reason: Why somebody asks, for people.
    """
    moment = time_of_run(as_of)
    places = load_places(environment)
    versions = pin_versions(places.tables, spec, data_version, labels_version)
    champion = read_champion(places.tracking, spec)
    labelled = load_labelled_rows(places.tables, spec, moment, versions)
    due = check_due(places.ledger, spec, labelled, champion, moment, versions)
    if not due.due:
        return Completed(name="NotDue", message=due.reason)

    trained = train(spec, environment, moment, versions.data_version, versions.labels_version, return_state=True)
    if not trained.is_completed():
        return trained
    return Completed(name=trained.name, message=f"{reason} {trained.message}".strip())
