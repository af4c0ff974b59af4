"""Bring a packaged version into a slot, give it traffic step by step, and take it away again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from prefect import task

from prefect_mlops.core.names import Slot, other_slot
from prefect_mlops.core.reign import TAKES_OVER
from prefect_mlops.core.rollout import requests_needed
from prefect_mlops.core.rollout.machine import Position, Step, advance
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.runs import run_logger

if TYPE_CHECKING:
    from prefect_mlops.blocks import BentoStore, Ledger, MlflowTracking, PredictionLog, ServingTarget
    from prefect_mlops.core.rollout.requests import Request
    from prefect_mlops.tasks.packaging import Bento

__all__ = [
    "Placed",
    "choose_rollback",
    "deploy_bento",
    "finish_rollout",
    "foresee_rollout",
    "is_in_service",
    "run_canary",
    "undo_rollout",
]


class Placed(NamedTuple):
    """Where a version serves, and who has the traffic beside it."""

    slot: Slot
    champion_slot: Slot | None
    reason: str


class RollbackChoice(NamedTuple):
    """The version to go back to, or None, and why."""

    version: int | None
    reason: str


@task
def deploy_bento(
    spec: ModelSpec, bento: Bento, store: BentoStore, target: ServingTarget, predictions: PredictionLog
) -> Placed:
    """Serve a bento in the slot that has no traffic; a version that runs there already is left as it is.

    Raises:
        ServingError: It did not become ready; traffic is as it was.
    """
    for problem in target.ensure(spec.name):
        run_logger().warning("This slot died and cannot be started again: %s", problem)
    running = target.slots(spec.name)
    trusted = target.trusted(spec.name)
    champion = trusted if trusted in running else None
    for known, occupied in running.items():
        if occupied.tag == bento.tag:
            if known == champion:  # a run before this one died between the last step and the promotion
                beside = other_slot(known)
                champion = beside if beside in running else None
            return Placed(known, champion, f"Version {bento.version} runs in slot {known} already.")
    slot: Slot = other_slot(champion) if champion else "a"
    if champion and target.weights(spec.name).get(slot):  # left by a rollout that crashed
        target.set_weights(spec.name, {champion: 100})
    target.deploy(spec.name, slot, store, bento.tag, version=bento.version, spool=predictions.folder())
    return Placed(slot, champion, f"Version {bento.version} runs in slot {slot}.")


@task
def foresee_rollout(spec: ModelSpec, placed: Placed) -> str:
    """Say how many requests each step will need at the least, before any is sent."""
    if placed.champion_slot is None:
        return "It takes all traffic at once: no champion runs beside it."
    plan = spec.rollout
    steps = ", ".join(
        f"{need.canary} to the canary at {need.share}%, of {need.requests:,}" for need in requests_needed(plan)
    )
    once = f"first of each `{plan.user_key}`" if plan.user_key else "first of each `x-request-id`"
    return f"Requests needed where none fails or is slow: {steps}. Events count once, the {once}."


@task
def run_canary(spec: ModelSpec, target: ServingTarget, placed: Placed, share: int) -> Step:
    """Give the canary a share of the traffic and watch it until its tests decide.

    All requests of the rollout count against it, also those of earlier steps and those that a run before this one
    saw, if it crashed; a step that such a run had passed is not done again.

    Args:
        spec: Its rollout plan holds limits and alphas.
        target: Where it serves.
        placed: Its slot.
        share: Percent of the traffic, one of the plan's steps.

    Returns:
        `go on`; `roll back`, or `undecided` when the plan's time is up, and then the champion has all traffic again;
        `go on` at once where no champion runs.

    Raises:
        NotFound: The canary does not run any more; traffic is as it was.
    """
    from prefect_mlops.core.rollout.judging import Requests, judge_requests

    plan, champion = spec.rollout, placed.champion_slot
    if champion is None:
        return Step(outcome="go on", reason="No champion runs beside it that could take the other requests.")
    if target.weights(spec.name).get(placed.slot, 0) > share:
        return Step(outcome="go on", reason="A run before this one had passed this step.")
    begun = time.monotonic()
    target.set_weights(spec.name, {placed.slot: share, champion: 100 - share}, plan.user_key)
    position, read = Position(step=plan.steps.index(share)), 0
    seen: list[Request] = []
    while True:
        more, read = target.requests(spec.name, placed.slot, read)
        seen += more
        look = judge_requests(plan, Requests.of(seen), share, time.monotonic() - begun)
        moved, step = advance(plan, position, look)
        run_logger().info("%s%% to slot %s: %s", share, placed.slot, step.reason)
        if moved != position:
            if moved.share(plan) == 0:  # before anything is recorded or told: each request counts
                target.set_weights(spec.name, {champion: 100})
            return step
        time.sleep(plan.poll_seconds)


def is_in_service(spec: ModelSpec, target: ServingTarget, version: int) -> bool:
    """Whether a version runs in a slot; an adopted champion may not yet."""
    return any(occupied.version == version for occupied in target.slots(spec.name).values())


@task
def finish_rollout(spec: ModelSpec, target: ServingTarget, placed: Placed) -> None:
    """Give the version all traffic; the slot of the former champion stays up for a rollback."""
    target.set_weights(spec.name, {placed.slot: 100})


@task
def undo_rollout(spec: ModelSpec, target: ServingTarget, placed: Placed) -> None:
    """Give all traffic back to the champion and empty the canary's slot."""
    if placed.champion_slot is not None:
        target.set_weights(spec.name, {placed.champion_slot: 100})
    target.remove(spec.name, placed.slot)


@task
def choose_rollback(ledger: Ledger, tracking: MlflowTracking, spec: ModelSpec, version: int = 0) -> RollbackChoice:
    """Say which version to go back to.

    Args:
        ledger: Knows who was champion.
        tracking: Knows who is.
        spec: The model's spec.
        version: A version that somebody asks for; the champion before this one when 0.
    """
    champion = tracking.champion(spec.name)
    if champion is None:
        return RollbackChoice(None, f"{spec.name} has no champion to roll back.")
    if version == champion:
        return RollbackChoice(None, f"Version {version} is champion already.")
    if version:
        return RollbackChoice(version, "asked for")
    history = [record for record in ledger.records(model=spec.name) if record.stage in TAKES_OVER]
    takings = [record.body for record in history if record.body["version"] == champion]
    previous = [taking["previous"] for taking in takings if taking["previous"] != champion]
    if not previous or previous[-1] is None:
        return RollbackChoice(None, f"Version {champion} is the first champion; there is none to go back to.")
    return RollbackChoice(int(previous[-1]), "the champion before")
