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
    drop_hold_back,
    judge_champion,
    judge_health,
    load_places,
    load_recent_rows,
    observe_model,
    pin_versions,
    publish_health,
    read_champion,
    record_stage,
    time_of_run,
    watch_champion,
)

__all__ = ["monitor"]

STATES = {
    "breached": Event.HEALTH_BREACHED,
    "degraded": Event.MODEL_DEGRADED,
    "drifted": Event.DATA_DRIFTED,
}


@flow(name="mlops-monitor", retries=1, retry_delay_seconds=10, timeout_seconds=3600)
def monitor(
    spec: SpecParameter,
    environment: str = "default",
    as_of: datetime | None = None,
    data_version: int = -1,
    labels_version: int = -1,
    promoted: int = 0,
) -> State:
    """Look at the recent window and at the champion's predictions, and say how the model is.

    Args:
        spec: What the model must be.
        environment: Name of the block documents to use.
        as_of: End of the recent window; the run's scheduled time by default.
        data_version: Version of the accepted rows; the newest when -1.
        labels_version: Version of the labels; the newest when -1.
        promoted: A version whose promotion is watched: its errors and latency alone are looked at, which is cheap and
            is done again soon. Everything is looked at when 0.
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
    service = judge_champion(places.tables, places.ledger, places.target, spec, champion.version)
    drop_hold_back(spec, places.target, service)
    if promoted:
        return watch_champion(places, spec, champion.version, promoted, service, moment)

    recent = load_recent_rows(places.tables, spec, moment, versions)
    seen = observe_model(places.tables, spec, champion, recent, moment, places.personal)
    findings = (*judge_health(spec, seen), *service.findings)
    publish_health(spec, seen, findings)
    state = worst_state(findings)
    reason = " ".join(finding.reason for finding in findings)
    looked = {"seen": seen, "state": state, "collected": collected}
    record_stage(places.ledger, spec, "monitor.looked", str(champion.version), moment, looked)
    told = [finding for finding in findings if finding.state in STATES]
    data = describe_recent(spec, recent, versions) if told and len(recent) else None
    for finding in told:
        event, version, began = STATES[finding.state], champion.version, finding.began
        about = {"version": version, **known}
        announce(event, spec, str(version), moment, reason=finding.reason, began=began, data=data, **about)
    return Completed(name=state.capitalize(), message=reason)
