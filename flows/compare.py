"""Hold a version against the champion on real users, and say which is better once their labels tell."""

from datetime import datetime
from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.core.events import Event
from prefect_mlops.core.specparameter import SpecParameter
from prefect_mlops.tasks import (
    announce,
    build_bento,
    collect_predictions,
    end_arms,
    fetch_package,
    find_comparison,
    load_places,
    look_again,
    look_at_arms,
    one_writer,
    place_arm,
    publish_look,
    read_champion,
    record_stage,
    start_arms,
    time_of_run,
)
from prefect_mlops.tasks.comparing import Asked

__all__ = ["compare"]

ENDS = {
    "better": "Better",
    "worse": "Worse",
    "no difference": "NoDifference",
    "undecided": "Undecided",
    "invalid": "Invalid",
}


@flow(name="mlops-compare", timeout_seconds=3600)
def compare(
    spec: SpecParameter,
    against: list[int] | None = None,
    percent: int = 0,
    metric: str = "wrong",
    goal: Literal["less", "more"] = "less",
    matters: float = 0.1,
    max_days: float = 14,
    outcomes: str = "",
    look_hours: float = 6,
    stop: bool = False,
    environment: str = "default",
    as_of: datetime | None = None,
) -> State:
    """Begin an A/B test, or look at the one that goes on; it ends by itself, with all users back at the champion.

    Args:
        spec: What the model must be; `rollout.user_key` names the header that tells users apart.
        against: Versions to hold against the champion; none to look at the test that goes on.
        percent: Of the users, for each of them; equal parts for all arms when 0.
        metric: `wrong`, `cost` or `error`, or a numeric column of the outcomes.
        goal: Whether less or more of it is better.
        matters: The smallest relative change that matters; where all that is left is smaller, the test ends.
        max_days: When it ends undecided.
        outcomes: The table with the metric's column and the spec's keys; the labels' table when empty.
        look_hours: Until the next look, where this is the run of a deployment.
        stop: End the test that goes on, without a verdict.
        environment: Name of the block documents to use.
        as_of: The time of the look; the run's scheduled time by default.
    """
    moment = time_of_run(as_of)
    places = load_places(environment)
    with one_writer(spec.name):
        champion = read_champion(places.tracking, spec)
        asked = Asked(
            metric=metric,
            goal=goal,
            matters=matters,
            max_days=max_days,
            outcomes=outcomes,
            look_hours=look_hours,
        )
        opened = find_comparison(places.ledger, places.target, spec, champion, against or [], percent, asked)
        plan = opened.plan
        if plan is None:
            return Completed(name="Refused" if against else "Idle", message=opened.reason)
        about = (places.ledger, spec)
        if stop:
            end_arms(places.target, spec, plan, opened.slots)
            record_stage(*about, "comparison.ended", plan.subject, moment, {"reason": "It was stopped by hand."})
            return Completed(name="Stopped", message="It was stopped by hand; all users are the champion's again.")
        if not opened.slots:
            packages = [fetch_package(places.tracking, spec, arm.version) for arm in plan.arms[1:]]
            bentos = [build_bento(spec, package, places.bentos) for package in packages]
            if not opened.known:
                record_stage(*about, "comparison.planned", plan.subject, moment, {"plan": plan})
            look_again(spec, plan)
            slots = [place_arm(spec, bento, places, place) for place, bento in enumerate(bentos, 1)]
            started = start_arms(places.target, spec, plan, slots)
            record_stage(*about, "comparison.started", plan.subject, moment, started._asdict())
            return Completed(name="Ongoing", message=f"Users meet versions {plan.said}, decided by {plan.metric}.")

        look_again(spec, plan)
        finding = opened.decided
        if finding is None:
            collect_predictions(places.predictions, places.tables, spec)
            finding, picture = look_at_arms(places, spec, opened, moment)
            if finding is None:
                end_arms(places.target, spec, plan, opened.slots)
                reason = "Somebody else has moved the traffic, so the test is over; traffic is left as it is."
                record_stage(*about, "comparison.ended", plan.subject, moment, {"reason": reason})
                return Completed(name="Stopped", message=reason)
            publish_look(spec, plan, finding, picture)
            record_stage(*about, "comparison.looked", plan.subject, moment, {"finding": finding})
        if finding.verdict == "ongoing":
            return Completed(name="Ongoing", message=finding.reason)
        end_arms(places.target, spec, plan, opened.slots)
        record_stage(*about, "comparison.ended", plan.subject, moment, {"plan": plan, "finding": finding})

    winner, reason = finding.winner or 0, finding.reason
    announce(Event.COMPARISON_ENDED, spec, plan.subject, moment, version=winner, reason=reason)
    return Completed(name=ENDS[finding.verdict], message=reason)
