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
    deploy_bento,
    fetch_package,
    find_comparison,
    load_places,
    look_again,
    look_at_arms,
    one_writer,
    publish_look,
    read_champion,
    record_stage,
    require_target,
    run_key,
    start_arms,
    time_of_run,
    undo_rollout,
)
from prefect_mlops.tasks.abtest import Asked

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
    percent: int = 50,
    metric: str = "wrong",
    goal: Literal["less", "more"] = "less",
    matters: float = 0.1,
    max_days: float = 14,
    outcomes: str = "",
    look_hours: float = 6,
    environment: str = "default",
    as_of: datetime | None = None,
) -> State:
    """Begin an A/B test, or look at the one that goes on; it ends by itself, with all users back at the champion.

    Args:
        spec: What the model must be; `rollout.user_key` names the header that tells users apart.
        against: Versions to hold against the champion; none to look at the test that goes on.
        percent: Of the users, for each of them.
        metric: `wrong`, `cost` or `error`, or a numeric column of the outcomes.
        goal: Whether less or more of it is better.
        matters: The smallest relative change that matters; where all that is left is smaller, the test ends.
        max_days: When it ends undecided.
        outcomes: The table with the metric's column and the spec's keys; the labels' table when empty.
        look_hours: Until the next look, where this is the run of a deployment.
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
        opened = find_comparison(places.ledger, spec, champion, against or [], percent, asked)
        if opened.plan is None:
            return Completed(name="Refused", message=opened.reason)
        plan, placed = opened.plan, opened.placed
        if placed is None:
            require_target(spec, places.target, ("rollout.user_key",))
            package = fetch_package(places.tracking, spec, plan.arms[1].version)
            bento = build_bento(spec, package, places.bentos)
            placed = deploy_bento(spec, bento, places.bentos, places.target, places.predictions, places.personal)
            start_arms(places.target, spec, plan, placed)
            begun = {"plan": plan, "slot": placed.slot, "champion_slot": placed.champion_slot}
            record_stage(places.ledger, spec, "comparison.started", run_key(), moment, begun)
            look_again(spec, plan)
            return Completed(name="Ongoing", message=f"Users meet versions {plan.said}, decided by {plan.metric}.")

        collect_predictions(places.predictions, places.tables, spec)
        finding, picture = look_at_arms(places.target, places.tables, spec, opened, moment)
        if finding is None:
            reason = "Somebody else has moved the traffic, so the test is over; traffic is left as it is."
            record_stage(places.ledger, spec, "comparison.ended", run_key(), moment, {"reason": reason})
            return Completed(name="Stopped", message=reason)
        publish_look(spec, plan, finding, picture)
        if finding.verdict == "ongoing":
            record_stage(places.ledger, spec, "comparison.looked", run_key(), moment, {"finding": finding})
            look_again(spec, plan)
            return Completed(name="Ongoing", message=finding.reason)
        undo_rollout(spec, places.target, placed)
        record_stage(places.ledger, spec, "comparison.ended", run_key(), moment, {"plan": plan, "finding": finding})

    winner, reason = finding.winner or 0, finding.reason
    announce(Event.COMPARISON_ENDED, spec, run_key(), moment, version=winner, reason=reason)
    return Completed(name=ENDS[finding.verdict], message=reason)
