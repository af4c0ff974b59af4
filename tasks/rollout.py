"""Bring a packaged version into a slot, give it traffic step by step, and take it away again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from prefect import task

from prefect_mlops.core.names import Slot, other_slot
from prefect_mlops.core.reign import PROMOTED, TAKES_OVER
from prefect_mlops.core.rollout import requests_needed
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.runs import run_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefect_mlops.blocks import BentoStore, Ledger, MlflowTracking, PersonalKey, PredictionLog, ServingTarget
    from prefect_mlops.core.ledger import Record
    from prefect_mlops.tasks.packaging import Bento

__all__ = [
    "Placed",
    "choose_rollback",
    "deploy_bento",
    "finish_rollout",
    "foresee_rollout",
    "hold_back_champion",
    "is_in_service",
    "logged_with",
    "undo_rollout",
    "withdraw_version",
]

TURNS = ("a", "b")
"""The slots that a champion may have; others are an A/B test's."""


class Placed(NamedTuple):
    """Where a version serves, and who has the traffic beside it."""

    slot: Slot
    champion_slot: Slot | None
    reason: str


class Logged(TypedDict):
    """What a target tells a server of its prediction log."""

    spool: str
    personal: str


class RollbackChoice(NamedTuple):
    """The version to go back to, or None, and why."""

    version: int | None
    reason: str


@task
def deploy_bento(
    spec: ModelSpec,
    bento: Bento,
    store: BentoStore,
    target: ServingTarget,
    predictions: PredictionLog,
    personal: PersonalKey | None = None,
) -> Placed:
    """Serve a bento in the slot that has no traffic; a version that runs there already is left as it is.

    Args:
        spec: The model's spec.
        bento: What is served.
        store: Where it is.
        target: Where it is served.
        predictions: Where its predictions are logged.
        personal: The key of the stand-ins for personal values; only servers whose log hashes some are given it.

    Raises:
        ServingError: It did not become ready; traffic is as it was.
    """
    for problem in target.ensure(spec.name):
        run_logger().warning("This slot died and cannot be started again: %s", problem)
    running = {slot: one for slot, one in target.slots(spec.name).items() if slot in TURNS}
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
    target.deploy(spec.name, slot, store, bento.tag, version=bento.version, **logged_with(spec, predictions, personal))
    return Placed(slot, champion, f"Version {bento.version} runs in slot {slot}.")


def logged_with(spec: ModelSpec, predictions: PredictionLog, personal: PersonalKey | None) -> Logged:
    """What a server is told of its prediction log: where it is, and the key where it hashes personal values."""
    hashes = spec.serving.personal == "hashed" and spec.data.personal
    return {
        "spool": predictions.address(),
        "personal": personal.secret().decode() if personal and hashes else "",
    }


@task
def foresee_rollout(spec: ModelSpec, placed: Placed) -> str:
    """Say how many requests each step will need at the least, before any is sent."""
    if placed.champion_slot is None:
        return "It takes all traffic at once: no champion runs beside it."
    if spec.scoring.candidates == "only":
        return "It takes all traffic at once: its scores beside the champion's have decided."
    plan = spec.rollout
    steps = ", ".join(
        f"{need.canary} to the canary at {need.share}%, of {need.requests:,}"
        if need.share
        else f"{need.requests:,} copied to the shadow"
        for need in requests_needed(plan)
    )
    once = f"first of each `{plan.user_key}`" if plan.user_key else "first of each `x-request-id`"
    said = f"Requests needed where none fails or is slow: {steps}. Events count once, the {once}."
    run_logger().info(said)
    return said


def is_in_service(spec: ModelSpec, target: ServingTarget, version: int) -> bool:
    """Whether a version runs in a slot; an adopted champion may not yet."""
    return any(occupied.version == version for occupied in target.slots(spec.name).values())


@task
def finish_rollout(spec: ModelSpec, target: ServingTarget, placed: Placed) -> None:
    """Give the version all traffic; the slot of the former champion stays up for a rollback."""
    target.set_weights(spec.name, {placed.slot: 100})


@task
def hold_back_champion(spec: ModelSpec, target: ServingTarget, placed: Placed) -> str:
    """Leave the former champion its part of the plan, so that the new one can be held against it while it is watched.

    The new one had all traffic for a moment, so it is the one that is trusted, whatever happens next.

    Returns:
        Who has the traffic now.
    """
    held = spec.rollout.hold_back
    if not held or placed.champion_slot is None:
        return f"Slot {placed.slot} has all traffic."
    target.set_weights(spec.name, {placed.slot: 100 - held, placed.champion_slot: held}, spec.rollout.user_key)
    return (
        f"Slot {placed.slot} has {100 - held}% of the traffic, slot {placed.champion_slot} keeps {held}% as a measure."
    )


@task
def undo_rollout(spec: ModelSpec, target: ServingTarget, placed: Placed) -> None:
    """Give all traffic back to the champion and empty the canary's slot."""
    if placed.champion_slot is not None:
        target.set_weights(spec.name, {placed.champion_slot: 100})
    target.remove(spec.name, placed.slot)


@task
def withdraw_version(spec: ModelSpec, target: ServingTarget, version: int) -> None:
    """Undo the rollout of a version wherever it runs; nothing happens where it does not, or serves alone."""
    running, trusted = target.slots(spec.name), target.trusted(spec.name)
    for slot, occupied in running.items():
        champion = trusted if trusted != slot else other_slot(slot)
        if occupied.version == version and champion in running:
            undo_rollout.fn(spec, target, Placed(slot, champion, ""))


@task
def choose_rollback(
    ledger: Ledger, tracking: MlflowTracking, spec: ModelSpec, version: int = 0, began: str = ""
) -> RollbackChoice:
    """Say which version to go back to.

    Args:
        ledger: Knows who was champion.
        tracking: Knows who is.
        spec: The model's spec.
        version: A version that somebody asks for; the champion before this one when 0.
        began: Since when the champion has breached its limits, ISO 8601, where a breach asks. One that did not begin
            while a promotion was watched has other causes than the promotion, and moves nothing.
    """
    champion = tracking.champion(spec.name)
    if champion is None:
        return RollbackChoice(None, f"{spec.name} has no champion to roll back.")
    if version == champion:
        return RollbackChoice(None, f"Version {version} is champion already.")
    if version:
        return RollbackChoice(version, "asked for")
    history = [record for record in ledger.records(model=spec.name) if record.stage in TAKES_OVER]
    takings = [record for record in history if record.body["version"] == champion]
    if began and (refused := _not_watched(spec, champion, takings, began)):
        return RollbackChoice(None, refused)
    previous = [taking.body["previous"] for taking in takings if taking.body["previous"] != champion]
    if not previous or previous[-1] is None:
        return RollbackChoice(None, f"Version {champion} is the first champion; there is none to go back to.")
    return RollbackChoice(int(previous[-1]), "the champion before")


def _not_watched(spec: ModelSpec, champion: int, takings: Sequence[Record], began: str) -> str:
    """Why a breach does not take a promotion back; empty where it does."""
    from prefect_mlops.core.health import within_watch

    if not takings or takings[-1].stage != PROMOTED:
        return f"Version {champion} was not promoted by a release; a breach takes nothing back."
    promoted, breached = (datetime.fromisoformat(text).astimezone(UTC) for text in (takings[-1].at, began))
    if within_watch(spec.rollout, promoted, breached):
        return ""
    minutes = f"{spec.rollout.watch_minutes:g} minutes"
    return (
        f"The breach began at {breached:%Y-%m-%d %H:%M:%S} UTC, not within {minutes} after version {champion} was "
        f"promoted at {promoted:%Y-%m-%d %H:%M:%S} UTC; it has other causes, or roll back by hand."
    )
