"""Try a version beside its champion: on copies of requests first, then on a share of them, until the tests decide."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, cast

from prefect import task

from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.rollout.machine import Look, Position, Step, advance
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.answers import labels_version, read_answers, read_truths
from prefect_mlops.tasks.runs import run_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from prefect_mlops.blocks import DeltaTables, PredictionLog, ServingTarget
    from prefect_mlops.core.names import Slot
    from prefect_mlops.core.rollout.answers import Sides
    from prefect_mlops.core.rollout.judging import Labelled, Requests
    from prefect_mlops.core.rollout.requests import Request
    from prefect_mlops.tasks.releases import Begun
    from prefect_mlops.tasks.rollout import Placed

__all__ = ["run_canary", "run_shadow"]


class Mirroring(Protocol):
    """A target that can copy requests to a slot whose answers nobody sees."""

    def mirror(self, model: str, slot: Slot | None, percent: int = 100) -> None:
        """Copy a share of a model's requests to a slot; None ends it."""


ALONE = Step(outcome="go on", reason="No champion runs beside it that could take the other requests.")
PASSED = Step(outcome="go on", reason="A run before this one had passed this step.")


@task
def run_shadow(
    spec: ModelSpec,
    target: ServingTarget,
    placed: Placed,
    begun: Begun,
    tables: DeltaTables,
    predictions: PredictionLog,
    usurped: Callable[[], str] | None = None,
) -> Step:
    """Give the version a copy of each request and compare its answers with the champion's until the tests decide.

    Nobody sees its answers. What counts are pairs of lines in the log of predictions that name the same row of the
    same request.

    Args:
        spec: Its rollout plan holds the shadow and the alphas.
        target: Where it serves.
        placed: Its slot.
        begun: The release, whose pairs all count, also those that a run before this one saw.
        tables: Where the log of predictions and the labels are.
        predictions: What servers have logged.
        usurped: Asked at each look: why the rollout gives way to another champion, empty as long as it does not.

    Returns:
        `go on`, `roll back`, or `undecided` when its time is up; `outdated` when it gives way; `go on` at once where
        no champion runs or a run before this one had passed it. No request is copied any more.

    Raises:
        ServingError: The target cannot copy requests.
    """
    from prefect_mlops.core.rollout.answers import pair_answers
    from prefect_mlops.core.rollout.shadow import judge_shadow

    plan, champion = spec.rollout, placed.champion_slot
    if champion is None:
        return ALONE
    if 0 in begun.passed or target.weights(spec.name).get(placed.slot, 0) > 0:
        return PASSED
    mirroring = _require_mirror(target)
    sides = _sides(spec, target, placed.slot, champion, plan.shadow.tolerance if plan.shadow else 0.0)

    def look(seconds: float) -> Look:
        mirroring.mirror(spec.name, placed.slot)  # a target that has only the log sends what came since the last look
        lines = read_answers(tables, predictions, spec, begun.since)
        truths = read_truths(tables, spec) if plan.quality else read_truths(tables, spec).iloc[:0]
        return judge_shadow(plan, pair_answers(lines, truths, sides), seconds)

    if usurped and (why := usurped()):
        return Step(outcome="outdated", reason=why)
    mirroring.mirror(spec.name, placed.slot)
    try:
        return _watch(spec, Position(), look, "In the shadow", usurped=usurped)
    finally:
        mirroring.mirror(spec.name, None)


@task
def run_canary(
    spec: ModelSpec,
    target: ServingTarget,
    placed: Placed,
    share: int,
    begun: Begun | None = None,
    tables: DeltaTables | None = None,
    predictions: PredictionLog | None = None,
    usurped: Callable[[], str] | None = None,
) -> Step:
    """Give the canary a share of the traffic and watch it until its tests decide.

    All requests of the rollout count against it, also those of earlier steps and those that a run before this one
    saw, if it crashed; a step that such a run had passed is not done again. Labels that come meanwhile count where
    the plan judges answers.

    Args:
        spec: Its rollout plan holds limits and alphas.
        target: Where it serves.
        placed: Its slot.
        share: Percent of the traffic, one of the plan's steps.
        begun: The release; with `tables` and `predictions` it says where answers and labels are.
        tables: Where the log of predictions and the labels are.
        predictions: What servers have logged.
        usurped: As in `run_shadow`.

    Returns:
        `go on`; `roll back`, or `undecided` when the plan's time is up, and then the champion has all traffic again;
        `outdated` when it gives way, with the traffic as it is; `go on` at once where no champion runs.

    Raises:
        NotFound: The canary does not run any more; traffic is as it was.
    """
    from prefect_mlops.core.rollout.judging import Requests, judge_requests

    plan, champion = spec.rollout, placed.champion_slot
    if champion is None:
        return ALONE
    if target.weights(spec.name).get(placed.slot, 0) > share:
        return PASSED
    labelled = None
    if plan.quality and begun and tables and predictions:
        sides = _sides(spec, target, placed.slot, champion, plan.quality.tolerance)
        labelled = _by_labels(spec, tables, predictions, begun.since, sides)
    if usurped and (why := usurped()):
        return Step(outcome="outdated", reason=why)
    target.set_weights(spec.name, {placed.slot: share, champion: 100 - share}, plan.user_key)
    seen: list[Request] = []
    read = 0

    def look(seconds: float) -> Look:
        nonlocal read
        more, read = target.requests(spec.name, placed.slot, read)
        seen.extend(more)
        requests = Requests.of(seen)
        return judge_requests(plan, requests, share, seconds, labelled(requests) if labelled else None)

    def undo() -> None:
        target.set_weights(spec.name, {champion: 100})

    position = Position(step=plan.shares.index(share))
    return _watch(spec, position, look, f"{share}% to slot {placed.slot}", undo, usurped)


def _watch(
    spec: ModelSpec,
    position: Position,
    look: Callable[[float], Look],
    where: str,
    undo: Callable[[], None] | None = None,
    usurped: Callable[[], str] | None = None,
) -> Step:
    """Look again and again until a step ends; one that fails is undone before anything is recorded or told."""
    begun = time.monotonic()
    while True:
        moved, step = advance(spec.rollout, position, look(time.monotonic() - begun))
        run_logger().info("%s: %s", where, step.reason)
        if moved != position:
            if undo and moved.share(spec.rollout) == 0:
                undo()
            return step
        time.sleep(spec.rollout.poll_seconds)
        if usurped and (why := usurped()):
            return step.model_copy(update={"outcome": "outdated", "reason": why})


def _by_labels(
    spec: ModelSpec, tables: DeltaTables, predictions: PredictionLog, since: datetime, sides: Sides
) -> Callable[[Requests], Labelled | None]:
    """A look at the answers that have a label; tables are read only when labels have come since the last one."""
    from prefect_mlops.core.rollout.answers import wrong_answers

    known, found = -1, None

    def look(requests: Requests) -> Labelled | None:
        nonlocal known, found
        version = labels_version(tables, spec)
        if version != known:
            lines = read_answers(tables, predictions, spec, since)
            found, known = wrong_answers(requests, lines, read_truths(tables, spec), sides), version
        return found

    return look


def _sides(spec: ModelSpec, target: ServingTarget, slot: Slot, champion: Slot, tolerance: float) -> Sides:
    from prefect_mlops.core.rollout.answers import Sides

    running = target.slots(spec.name)
    if not {slot, champion} <= set(running):
        lost = ", ".join(sorted({slot, champion} - set(running)))
        raise ServingError(f"Slot {lost} of {spec.name} does not run any more", "Run the release again")
    regression = spec.target.problem == "regression"
    return Sides(running[champion].version, running[slot].version, regression, tolerance)


def _require_mirror(target: ServingTarget) -> Mirroring:
    able = getattr(target, "capabilities", None)
    if able is None or not able().mirror:
        cure = "Leave `rollout.shadow` out of the spec, or serve the model on a target that can"
        raise ServingError(f"{type(target).__name__} cannot copy requests to a shadow", cure)
    return cast("Mirroring", target)
