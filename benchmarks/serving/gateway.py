"""What the gateway adds to a request, and how soon a change of weights is live among 500 models."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.serving.asking import Asker, bodies_for
from benchmarks.serving.models import Served
from prefect_mlops.blocks import BentoStore
from prefect_mlops.blocks.placements import Assignment, ModelPlaces, Occupied, Placements, changing
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.blocks.targets import LocalTarget

__all__ = ["added_by_gateway", "many_models"]

ADDED_MS, LIVE_MS = 0.25, 150.0
TURNS, A_TURN = 40, 50
MODELS, CHANGES = 500, 21


def added_by_gateway(served: Served) -> dict[str, Any]:
    """Medians of single requests, straight to the server and through the gateway in turns."""
    model = served.spec.name
    with tempfile.TemporaryDirectory() as name:
        target, port = _serving(served, Path(name))
        try:
            straight = target.slots(model)["a"].process.port
            ways = {
                "straight": (straight, bodies_for("/predict", "rows", served.asked)),
                "through": (port, bodies_for(f"/{model}/predict", "rows", served.asked)),
            }
            taken: dict[str, list[float]] = {way: [] for way in ways}
            for turn in range(TURNS + 1):
                for way, (at, requests) in ways.items():
                    with Asker(at) as asker:
                        times = asker.times(requests, A_TURN)
                    taken[way] += times if turn else []  # the first turn warms up
        finally:
            target.stop()
    middle = {way: statistics.median(times) for way, times in taken.items()}
    added = middle["through"] - middle["straight"]
    return {
        "p50_ms": {way: round(value, 4) for way, value in middle.items()},
        "added_ms": round(added, 4),
        "asked_ms": ADDED_MS,
        "holds": added <= ADDED_MS,
    }


def many_models(served: Served, models: int = MODELS) -> dict[str, Any]:
    """Change the weights of one model among many, each with two slots; they share two servers, which costs nothing."""
    model = served.spec.name
    with tempfile.TemporaryDirectory() as name:
        target, port = _serving(served, Path(name), slots=("a", "b"))
        try:
            running = target.slots(model)
            with changing(target.root()) as placements:
                for number in range(models - 1):
                    _add(placements, f"model-{number}", running)
            target.set_weights(model, {"a": 100})  # the gateway learns of them all
            written: list[float] = []
            requests = bodies_for(f"/{model}/predict", "rows", served.asked)
            for change in range(CHANGES):
                share = 1 + change * 4
                begun = time.perf_counter()
                target.set_weights(model, {"a": 100 - share, "b": share})
                written.append(1000 * (time.perf_counter() - begun))
                with Asker(port) as asker:
                    asker.times(requests, 10)
        finally:
            target.stop()
    middle, worst = statistics.median(written), max(written)
    return {
        "models": models,
        "live_ms": {"median": round(middle, 1), "largest": round(worst, 1)},
        "asked_ms": LIVE_MS,
        "holds": middle <= LIVE_MS,
    }


def _serving(served: Served, folder: Path, slots: tuple[Any, ...] = ("a",)) -> tuple[LocalTarget, int]:
    store = BentoStore(home=str(folder / "bentos"))
    tag, port = served.bento(store), free_port()
    target = LocalTarget(folder=str(folder / "served"), port=port)
    try:
        for slot in slots:
            target.deploy(served.spec.name, slot, store, tag, version=1, spool=folder / "spool")
        target.set_weights(served.spec.name, {"a": 100})
    except BaseException:
        target.stop()
        raise
    return target, port


def _add(placements: Placements, model: str, running: dict[Any, Occupied]) -> None:
    wanted = {
        slot: Assignment.model_validate(each.model_dump(include=set(Assignment.model_fields)))
        for slot, each in running.items()
    }
    placements.models[model] = ModelPlaces(wanted=wanted, slots=dict(running), weights={"a": 90, "b": 10}, trusted="a")
