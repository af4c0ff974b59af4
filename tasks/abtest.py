"""Let versions share the traffic for a while, look at what their users' labels say, and end it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from prefect import task

from prefect_mlops.core.abtest.plan import Comparison
from prefect_mlops.core.acceptance import ACCEPTED_AT, LABELLED_AT
from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.names import Slot, artifact_key, other_slot
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.rollout import deploy_bento, logged_with
from prefect_mlops.tasks.runs import run_logger

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import DeltaTables, Places, ServingTarget
    from prefect_mlops.core.abtest.judging import Finding
    from prefect_mlops.tasks.comparing import Opened
    from prefect_mlops.tasks.packaging import Bento

__all__ = ["end_arms", "look_again", "look_at_arms", "place_arm", "publish_look", "start_arms"]

FURTHER: tuple[Slot, ...] = ("c", "d")
"""Where arms after the second serve; that one serves where a release would put it."""


class Started(NamedTuple):
    """Where the arms serve, and where the target's list of requests stood before they shared the traffic."""

    slots: tuple[Slot, ...]
    position: int


@task
def place_arm(spec: ModelSpec, bento: Bento, places: Places, place: int) -> Slot:
    """Serve one arm's bento in a slot without traffic; a version that runs there already is left as it is.

    Args:
        spec: The model's spec.
        bento: Holds the arm's version.
        places: Where things are.
        place: The arm's place in the plan, from 1.

    Raises:
        NotFound: The champion does not run.
        ServingError: The bento does not become ready. Traffic is as it was either way.
    """
    target = places.target
    if place == 1:
        placed = deploy_bento.fn(spec, bento, places.bentos, target, places.predictions, places.personal)
        if placed.champion_slot is None:
            raise NotFound("running champion of", spec.name, f"Release it again with mlops-release/{spec.name}")
        return placed.slot
    slot = FURTHER[place - 2]
    running = target.slots(spec.name).get(slot)
    if running is None or running.tag != bento.tag:
        logged = logged_with(spec, places.predictions, places.personal)
        target.deploy(spec.name, slot, places.bentos, bento.tag, version=bento.version, **logged)
    return slot


@task
def start_arms(target: ServingTarget, spec: ModelSpec, plan: Comparison, slots: Sequence[Slot]) -> Started:
    """Divide the users among the arms; each stays with the one that meets it first.

    Args:
        target: Where all arms run.
        spec: The model's spec.
        plan: The plan.
        slots: Of the arms but the champion.

    Raises:
        NotFound: The champion does not run; traffic is as it was.
    """
    champion = target.trusted(spec.name)
    running = target.slots(spec.name).get(champion) if champion else None
    if champion is None or running is None or running.version != plan.arms[0].version:
        cure = f"Release it again with mlops-release/{spec.name}"
        raise NotFound("running champion", f"version {plan.arms[0].version} of {spec.name}", cure)
    position = target.requests(spec.name, slots[-1], 0).position
    started = Started((champion, *slots), position)
    weights = {slot: arm.percent for slot, arm in zip(started.slots, plan.arms, strict=True)}
    target.set_weights(spec.name, weights, plan.user_key)
    return started


@task
def look_at_arms(places: Places, spec: ModelSpec, opened: Opened, as_of: datetime) -> tuple[Finding | None, bytes]:
    """Say where a test stands, by the users whose first request has its outcome.

    Args:
        places: The target knows who asked whom; the tables hold predictions and what is known of them by now.
        spec: The model's spec.
        opened: A test that goes on.
        as_of: The time of the look.

    Returns:
        The finding, None where somebody else moved the traffic; and a picture of the effect over time.

    Raises:
        DataError: The metric cannot be read from the table, or the log of predictions does not name requests.
    """
    from prefect_mlops.core.abtest.judging import judge_arms
    from prefect_mlops.core.abtest.outcomes import first_requests, outcomes_of
    from prefect_mlops.core.abtest.report import draw_effects

    plan, target = opened.plan, places.target
    assert plan is not None
    assert opened.since is not None
    target.ensure(spec.name)
    if not _as_started(target, spec, plan, opened.slots):
        return None, b""
    seen = target.requests(spec.name, opened.slots[-1], opened.position).requests
    first = first_requests(seen, plan.arms[-1].percent, opened.slots)
    known = outcomes_of(
        spec, plan, first, _predictions(places.tables, spec, plan, opened.begun), _known(places, spec, plan)
    )
    days = (as_of - opened.since).total_seconds() / 86_400
    finding = judge_arms(plan, first["arm"].to_numpy(), known, days)
    run_logger().info("%s", finding.reason)
    return finding, draw_effects(plan, known)


@task
def end_arms(target: ServingTarget, spec: ModelSpec, plan: Comparison, slots: Sequence[Slot]) -> None:
    """Give all users back to the champion and empty the slots of the others.

    Where somebody else has moved the traffic meanwhile, that stays, and only arms without traffic are removed.

    Args:
        target: Where they run.
        spec: The model's spec.
        plan: The plan.
        slots: Of the arms, the champion first; empty where the test stopped before that was on record.
    """
    if not slots:
        champion = target.trusted(spec.name) or "a"
        slots = (champion, other_slot(champion), *FURTHER)[: len(plan.arms)]
    if _as_started(target, spec, plan, slots):
        target.set_weights(spec.name, {slots[0]: 100})
    running, weights, trusted = target.slots(spec.name), target.weights(spec.name), target.trusted(spec.name)
    for slot, arm in zip(slots[1:], plan.arms[1:], strict=True):
        mine = slot in running and running[slot].version == arm.version
        if mine and slot != trusted and not weights.get(slot):
            target.remove(spec.name, slot)


@task
def publish_look(spec: ModelSpec, plan: Comparison, finding: Finding, picture: bytes) -> None:
    """Show where a test stands in the Prefect UI: each arm's effect, its interval over time, and the split."""
    from prefect.artifacts import create_markdown_artifact

    from prefect_mlops.core.abtest.report import comparison_report

    key = artifact_key(spec.name, "comparison")
    create_markdown_artifact(comparison_report(plan, finding, picture), key=key, description=finding.reason)


@task
def look_again(spec: ModelSpec, plan: Comparison) -> None:
    """Have this run's deployment look again later; a run without one is on its own."""
    from datetime import UTC, timedelta

    from prefect import runtime
    from prefect.deployments import run_deployment

    if runtime.deployment.id is None:
        return
    run_deployment(
        f"mlops-compare/{spec.name}",
        scheduled_time=datetime.now(UTC) + timedelta(hours=plan.look_hours),
        timeout=0,
        as_subflow=False,
        idempotency_key=f"look-after-{runtime.flow_run.id}",
    )


def _as_started(target: ServingTarget, spec: ModelSpec, plan: Comparison, slots: Sequence[Slot]) -> bool:
    """Whether slots and weights are still those of the test."""
    running = {slot: occupied.version for slot, occupied in target.slots(spec.name).items()}
    weights = target.weights(spec.name)
    return all(
        running.get(slot) == arm.version and weights.get(slot) == arm.percent
        for slot, arm in zip(slots, plan.arms, strict=True)
    )


def _predictions(tables: DeltaTables, spec: ModelSpec, plan: Comparison, begun: datetime | None) -> pd.DataFrame:
    """What the arms answered to whom since the test began."""
    import pandas as pd

    from prefect_mlops.core.predictions import only_answered

    table, columns = f"{spec.name}-predictions", ["request_id", "version", "key", "prediction", "answered"]
    if not tables.exists(table):
        return pd.DataFrame(columns=columns)
    if "request_id" not in tables.types_of(table).names:
        cure = "Package the versions again; their servers then say which request each prediction answers"
        raise DataError(f"The predictions of {spec.name} name no requests", cure)
    found = only_answered(tables.read(table, columns=columns, time="predicted_at", after=begun))
    found = found[found["version"].isin([arm.version for arm in plan.arms]) & found["prediction"].notna()]
    return found[found["key"] != ""].drop_duplicates(["request_id", "key", "version"], keep="last")


def _known(places: Places, spec: ModelSpec, plan: Comparison) -> pd.DataFrame:
    """What is known by now, and since when."""
    import pandas as pd

    from prefect_mlops.core.abtest.outcomes import OWN_METRICS
    from prefect_mlops.core.predictions import keys_as_logged

    tables = places.tables
    table = plan.outcomes or f"{spec.name}-{'labels' if spec.data.labels == 'later' else 'accepted'}"
    column = spec.target.column if plan.metric in OWN_METRICS else plan.metric
    if not tables.exists(table):
        return pd.DataFrame(columns=["key", "known", "at"])
    there = tables.types_of(table).names
    if missing := [name for name in (column, *spec.data.key) if name not in there]:
        raise DataError(
            f"Table {table!r} has no column {_said(missing)}", f"It has {_said(there)}; or name another table"
        )
    stamp = next((name for name in (LABELLED_AT, ACCEPTED_AT) if name in there), None)
    rows = tables.read(table, columns=[*dict.fromkeys([*spec.data.key, column, *([stamp] if stamp else [])])])
    secret = places.personal.secret()
    found = pd.DataFrame({"key": keys_as_logged(rows, spec, secret), "known": rows[column]})
    found["at"] = rows[stamp] if stamp else 0
    return found.sort_values("at", kind="stable").drop_duplicates("key", keep="last")


def _said(names: Sequence[object]) -> str:
    return ", ".join(map(str, names))
