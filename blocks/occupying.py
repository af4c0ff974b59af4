"""Slots made what was ordered of them: a server started, waited for and told to the gateway, whoever asks for it.

A deployment writes an order; whoever is there makes it so: the supervisor, or the flow itself where none runs.
Both do it through `bring_up`, which may be called by several at once and be killed anywhere in between.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.gateway import end_gateway, tell_gateway
from prefect_mlops.blocks.placements import Assignment, ModelPlaces, Occupied, Placements, Trouble, changing
from prefect_mlops.blocks.secretfiles import read_secret
from prefect_mlops.blocks.serving import BentoProcess
from prefect_mlops.core.errors import MlopsError, ServingError
from prefect_mlops.core.names import Slot

__all__ = ["bring_up", "end_all", "forgive", "missing", "note_end", "require_idle", "serving", "vacate", "withdraw"]

MOST_ENDS = 6
"""How often in a row a server may end before nobody starts it again by himself."""


def serving(places: ModelPlaces, slot: Slot) -> Occupied | None:
    """What answers in a slot now, as ordered; None where nothing does."""
    wanted, occupied = places.wanted.get(slot), places.slots.get(slot)
    if wanted is None or occupied is None or occupied.order != wanted.order:
        return None
    return occupied if occupied.ready and occupied.process.alive() else None


def require_idle(placements: Placements, model: str, slot: Slot) -> None:
    """Refuse a slot that has traffic.

    Raises:
        ServingError: It has.
    """
    share = placements.of(model).weights.get(slot)
    if share:
        raise ServingError(f"Slot {slot} of {model} still takes {share}% of the traffic", "Move it first")


def missing(placements: Placements, model: str | None = None) -> list[tuple[str, Slot]]:
    """The slots that should serve and do not, of one model or of all."""
    return [
        (name, slot)
        for name, places in placements.models.items()
        for slot in places.wanted
        if model in (None, name) and serving(places, slot) is None
    ]


def bring_up(folder: Path, model: str, slot: Slot) -> Occupied:
    """Make a slot serve what was last ordered for it; nothing is started where that runs already.

    Raises:
        NotFound: Nothing is ordered, or the bento is not in the store any more.
        ServingError: It does not become ready. One that never was is ordered no more; one that was keeps its order,
            and its trouble is noted.
    """
    with changing(folder) as placements:
        places = placements.of(model)
        wanted = places.wanted.get(slot)
        if wanted is None:
            raise _superseded(model, slot)
        running = places.slots.get(slot)
        if running is None or running.order != wanted.order or not running.process.alive():
            if running:
                running.process.stop()  # a worker may have outlived its parent
                del places.slots[slot]
            try:
                running = _launch(folder, model, slot, wanted)
            except MlopsError as error:
                _note(places, slot, wanted, str(error))
                raise
            places.slots[slot] = running
    failure: ServingError | None = None
    try:
        running.process.wait_serving(running.tag)
    except ServingError as error:
        failure = error
    with changing(folder) as placements:
        places = placements.of(model)
        ours = places.slots.get(slot)
        if ours is None or ours.process != running.process:
            running.process.stop()
            raise failure or _superseded(model, slot)
        if failure:
            del places.slots[slot]
            _note(places, slot, places.wanted[slot], str(failure))
            raise failure
        if not ours.ready:
            places.wanted[slot] = places.wanted[slot].model_copy(update={"proven": True})
            places.slots[slot] = ours.model_copy(update={"ready": True, "proven": True})
            tell_gateway(folder, placements)
        return places.slots[slot]


def withdraw(folder: Path, placements: Placements, model: str, slot: Slot) -> None:
    """Take a slot's server out of sight, first the gateway's; it runs, and is written down, until `vacate`.

    Two steps, each written by itself, so that where nothing can be written nothing has ended either. The caller holds
    the lock and has drained the slot.
    """
    places = placements.of(model)
    places.wanted.pop(slot, None)
    places.troubles.pop(slot, None)
    places.weights.pop(slot, None)
    if places.mirror and places.mirror.slot == slot:
        places.mirror = None
    if places.former == slot:
        places.former = None
    if slot in places.slots:
        places.slots[slot] = places.slots[slot].model_copy(update={"ready": False})
        if placements.gateway and placements.gateway.alive():
            tell_gateway(folder, placements)


def vacate(placements: Placements, model: str, slot: Slot) -> None:
    """End what runs in a slot that was withdrawn; the caller holds the lock."""
    occupied = placements.of(model).slots.pop(slot, None)
    if occupied:
        occupied.process.stop()


def end_all(folder: Path, patience_seconds: float) -> None:
    """End the gateway and every server, once it is written that none is wanted.

    Raises:
        OSError: That cannot be written; then everything goes on. Where it is written and all has ended, but not that,
            the next call finds nothing to end.
        ServingError: The state is damaged.
    """
    with changing(folder) as placements:
        placements.listening = None
        for places in placements.models.values():
            places.wanted.clear()
    with changing(folder) as placements:
        if placements.gateway:
            end_gateway(placements.gateway, patience_seconds)
        for places in placements.models.values():
            for occupied in places.slots.values():
                occupied.process.stop()
        placements.gateway, placements.listening, placements.models = None, None, {}


def note_end(folder: Path, model: str, slot: Slot) -> Trouble | None:
    """Write down that a server which answered has ended; None where somebody started it again meanwhile."""
    with changing(folder) as placements:
        places = placements.of(model)
        wanted, occupied = places.wanted.get(slot), places.slots.get(slot)
        if wanted is None or occupied is None or not occupied.ready or occupied.process.alive():
            return None
        said = f"ended: {occupied.process.last_words()}"
        places.slots[slot] = occupied.model_copy(update={"ready": False})
        _note(places, slot, wanted, said)
        return places.troubles[slot]


def forgive(folder: Path, model: str, slot: Slot) -> None:
    """Forget the troubles of a server that has answered for long enough."""
    with changing(folder) as placements, contextlib.suppress(KeyError):
        del placements.of(model).troubles[slot]


def _launch(folder: Path, model: str, slot: Slot, wanted: Assignment) -> Occupied:
    """Start a server, to be written down before it is ready: if we die now, whoever comes next finds it."""
    log = folder / "logs" / f"{model}-{slot}.log"
    store = BentoStore(home=wanted.store)
    secret = read_secret(folder, model)
    process = BentoProcess.launch(store, wanted.tag, slot=slot, spool=wanted.spool, log=log, personal=secret)
    return Occupied(**wanted.model_dump(), process=process)


def _note(places: ModelPlaces, slot: Slot, wanted: Assignment, said: str) -> None:
    """An order that never became ready is withdrawn at once, so that its slot is free and its flow told."""
    known = places.troubles.get(slot)
    ends = known.ends + 1 if known and known.order == wanted.order else 1
    given_up = ends >= MOST_ENDS or not wanted.proven
    if not wanted.proven:
        places.wanted.pop(slot, None)
    places.troubles[slot] = Trouble(
        order=wanted.order, ends=ends, said=said[:600], since=time.time(), given_up=given_up
    )


def _superseded(model: str, slot: Slot) -> ServingError:
    return ServingError(f"Slot {slot} of {model} was given to another version meanwhile", "Run the flow again")
