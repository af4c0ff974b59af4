"""The supervisor of a target: starts again what ends, with patience that ends too, and may be killed itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prefect_mlops.blocks.gateway import ensure_gateway
from prefect_mlops.blocks.occupying import bring_up, forgive, missing, note_end, serving
from prefect_mlops.blocks.placements import Occupied, Placements, Trouble, changing, read_placements
from prefect_mlops.core.errors import MlopsError, ServingError
from prefect_mlops.core.names import Slot

__all__ = ["made_so", "pause_seconds", "supervise", "supervising", "supervisor_of"]

TICK_SECONDS = 0.2
CALM_SECONDS = 60.0
"""A server that answered for so long has its earlier ends forgotten."""
BOOTS_AT_ONCE = 4
LONGEST_PAUSE_SECONDS = 30.0
Say = Callable[[str], None]


def pause_seconds(ends: int) -> float:
    """How long to wait before a server is started again that ended so often in a row.

    Examples:
        >>> [pause_seconds(ends) for ends in (1, 2, 3, 4, 5, 6, 7, 8)]
        [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    """
    return 0.0 if ends < 2 else min(2.0 ** (ends - 2), LONGEST_PAUSE_SECONDS)


def supervisor_of(folder: Path) -> int | None:
    """The process id of the supervisor that looks after a folder; None where none does."""
    try:
        with (folder / "supervisor").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        said = (folder / "supervisor").read_text()
        return int(said) if said.isdigit() else 0
    return None


@contextlib.contextmanager
def supervising(folder: Path) -> Iterator[None]:
    """Be the only supervisor of a folder; the system takes the right back when the process ends, however it ends.

    Raises:
        ServingError: Another one is there.
    """
    with (folder / "supervisor").open("a+") as file:
        for attempt in range(20):  # who only asks whether one is there holds the file for a moment
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == 19:
                    raise ServingError(
                        f"Process {supervisor_of(folder)} supervises {folder} already",
                        "Leave it to that one, or end it first; the servers go on meanwhile",
                    ) from None
                time.sleep(0.05)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def made_so(folder: Path, model: str, slot: Slot, order: int) -> Occupied:
    """Wait until the supervisor has brought a slot up; where none is, or it ends meanwhile, do its work.

    Raises:
        ServingError: The version does not become ready.
    """
    while supervisor_of(folder) is not None:
        places = read_placements(folder).of(model)
        occupied, trouble = serving(places, slot), places.troubles.get(slot)
        if trouble and trouble.order == order:
            raise ServingError(trouble.said.rstrip("."), f"Look at logs/{model}-{slot}.log in {folder}")
        if occupied and occupied.order == order:
            return occupied
        if slot not in places.wanted or places.wanted[slot].order != order:
            break
        time.sleep(0.05)
    return bring_up(folder, model, slot)


def supervise(folder: Path, stopped: threading.Event, say: Say) -> None:
    """Make what runs what is wanted, again and again, until told to stop; what runs then goes on.

    Servers are nobody's children, so they outlive this process, and are known again by process id and time of
    creation. The gateway is started again for ever, a server six times in a row.

    Args:
        folder: The target's; `supervising` is held.
        stopped: Set by whoever wants this to end.
        say: Gets a sentence about whatever happens.
    """
    booting: set[tuple[str, Slot]] = set()
    gateway, said = _Gateway(folder, say), ""
    while not stopped.wait(TICK_SECONDS):
        try:
            gateway.look()
            _look(folder, booting, say)
            said = ""
        except (MlopsError, OSError) as error:  # a damaged state, a full disk: what runs goes on, and so do we
            if str(error) != said:
                said = str(error)
                say(f"Nothing is started again meanwhile: {said}")


def _look(folder: Path, booting: set[tuple[str, Slot]], say: Say) -> None:
    placements = read_placements(folder)
    for name, slot in _calmed(placements):
        forgive(folder, name, slot)
    for name, slot in missing(placements):
        if (name, slot) in booting or len(booting) >= BOOTS_AT_ONCE:
            continue
        ended = note_end(folder, name, slot)
        if ended:
            say(f"{name}-{slot} {ended.said}. {_next(ended)}")
        if _due(ended or placements.of(name).troubles.get(slot), placements.of(name).wanted[slot].order):
            booting.add((name, slot))
            threading.Thread(target=_boot, args=(folder, name, slot, booting, say), daemon=True).start()


def _calmed(placements: Placements) -> list[tuple[str, Slot]]:
    return [
        (name, slot)
        for name, places in placements.models.items()
        for slot, trouble in places.troubles.items()
        if time.time() - trouble.since > CALM_SECONDS and serving(places, slot)
    ]


def _due(trouble: Trouble | None, order: int) -> bool:
    if trouble is None or trouble.order != order:
        return True
    return not trouble.given_up and time.time() >= trouble.since + pause_seconds(trouble.ends)


def _boot(folder: Path, model: str, slot: Slot, booting: set[tuple[str, Slot]], say: Say) -> None:
    try:
        occupied = bring_up(folder, model, slot)
        say(f"{model}-{slot} serves version {occupied.version} (process {occupied.process.pid})")
    except MlopsError as error:
        trouble = read_placements(folder).of(model).troubles.get(slot)
        say(f"{model}-{slot}: {error} {_next(trouble) if trouble else ''}")
    finally:
        booting.discard((model, slot))


def _next(trouble: Trouble) -> str:
    if trouble.given_up:
        return f"Given up after {trouble.ends} ends in a row: deploy again, or mend it and start `prefect-mlops serve`."
    return f"It is started again in {pause_seconds(trouble.ends):g} s."


class _Gateway:
    """Keeps the gateway up: nothing is served without it, so it is never given up."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder, self._say = folder, say
        self._ends, self._next, self._up = 0, 0.0, 0.0

    def look(self) -> None:
        placements = read_placements(self._folder)
        if placements.listening is None or time.monotonic() < self._next:
            return
        if placements.gateway and placements.gateway.alive():
            self._ends = 0 if time.monotonic() - self._up > CALM_SECONDS else self._ends
            return
        self._ends += 1
        self._next = time.monotonic() + pause_seconds(self._ends)
        try:
            with changing(self._folder) as placements:
                if placements.listening is None:
                    return
                running = ensure_gateway(self._folder, placements)
            self._up = time.monotonic()
            self._say(f"The gateway listens at port {placements.listening.port} (process {running.pid})")
        except MlopsError as error:
            self._say(f"The gateway: {error} It is tried again in {pause_seconds(self._ends + 1):g} s.")
