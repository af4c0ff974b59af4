"""Look at the model in service, and announce what is wrong for as long as it is."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.core.events import Event
from prefect_mlops.core.monitors import worst_state
from prefect_mlops.core.specparameter import SpecParameter
from prefect_mlops.tasks import (
    announce,
    collect_predictions,
    describe_recent,
    judge_health,
    load_places,
    load_recent_rows,
    observe_model,
    pin_versions,
    publish_health,
    read_champion,
    record_stage,
    time_of_run,
)

__all__ = ["monitor"]

STATES = {"degraded": Event.MODEL_DEGRADED, "drifted": Event.DATA_DRIFTED}


@flow(name="mlops-monitor", retries=1, retry_delay_seconds=10, timeout_seconds=3600)
def monitor(
    spec: SpecParameter,
    environment: str = "default",
    as_of: datetime | None = None,
    data_version: int = -1,
    labels_version: int = -1,
) -> State:
    """Look at the recent window and at the champion's predictions, and say how the model is.

    Args:
        spec: What the model must be.
        environment: Name of the block documents to use.
        as_of: End of the recent window; the run's scheduled time by default.
        data_version: Version of the accepted rows; the newest when -1.
        labels_version: Version of the labels; the newest when -1.
    """
    moment = time_of_run(as_of)
    places = load_places(environment)
    versions = pin_versions(places.tables, spec, data_version, labels_version)
    champion = read_champion(places.tracking, spec)
    known = versions._asdict()
    if champion is None:
        reason = f"{spec.name} has no champion yet."
        announce(Event.CHAMPION_MISSING, spec, "none", moment, reason=reason, **known)
        return Completed(name="Unserved", message=reason)

    collected = collect_predictions(places.predictions, places.tables, spec)
    recent = load_recent_rows(places.tables, spec, moment, versions)
    seen = observe_model(places.tables, spec, champion, recent, moment, places.personal)
    findings = judge_health(spec, seen)
    publish_health(spec, seen, findings)
    state = worst_state(findings)
    reason = " ".join(finding.reason for finding in findings)
    looked = {"seen": seen, "state": state, "collected": collected}
    record_stage(places.ledger, spec, "monitor.looked", str(champion.version), moment, looked)
    told = [finding for finding in findings if finding.state in STATES]
    data = describe_recent(spec, recent, versions) if told and len(recent) else None
    for finding in told:
        event, version = STATES[finding.state], champion.version
        announce(event, spec, str(version), moment, version=version, reason=finding.reason, data=data, **known)
    return Completed(name=state.capitalize(), message=reason)
