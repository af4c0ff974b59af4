"""Put away a version about which nobody decided in time."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.core.events import Event
from prefect_mlops.core.specparameter import SpecParameter
from prefect_mlops.tasks import (
    announce,
    find_lapse,
    load_places,
    one_writer,
    publish_rollout,
    record_lapse,
    time_of_run,
    withdraw_candidate,
)

__all__ = ["withdraw"]


@flow(name="mlops-withdraw", timeout_seconds=3600)
def withdraw(spec: SpecParameter, run: str, environment: str = "default", as_of: datetime | None = None) -> State:
    """Record that a release was not approved in time, and remove what it had staged.

    A release run that failed for any other reason is left as it is.

    Args:
        spec: What the model must be.
        run: The release run that failed.
        environment: Name of the block documents to use.
        as_of: The time that it belongs to; the run's scheduled time by default.
    """
    moment = time_of_run(as_of)
    places = load_places(environment)
    with one_writer(spec.name):
        lapse = find_lapse(places.ledger, spec, run)
        if not lapse.run:
            return Completed(name="Refused", message=lapse.reason)
        withdraw_candidate(places.tracking, places.bentos, places.target, spec, lapse.version, lapse.bento)
        record_lapse(places.ledger, spec, lapse, moment)

    version, reason = lapse.version, lapse.reason
    publish_rollout(spec, version, (reason,), {"bento": lapse.bento})
    announce(Event.APPROVAL_REFUSED, spec, str(version), moment, version=version, reason=reason)
    return Completed(name="Rejected", message=reason)
