"""What a local target should run, and what runs, in one file that all its users change under a lock."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from prefect_mlops.blocks.envoyroutes import Listening, Mirror
from prefect_mlops.blocks.replacing import replace_file
from prefect_mlops.blocks.serving import BentoProcess, ServingProcess
from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.names import Slot
from prefect_mlops.core.parts import Frozen

__all__ = ["Assignment", "Occupied", "Placements", "Trouble", "changing", "read_placements", "unwritten"]


class Assignment(Frozen):
    """What should run in a slot.

    Attributes:
        tag: The bento.
        version: The registry version that it holds.
        store: Home of the store that holds the bento.
        spool: Where it logs predictions, a folder or `s3://bucket/prefix`; None for nowhere.
        order: Numbers the deployments of a target, so that a later one is told from an earlier.
        proven: Whether it was ever ready; what was is started again when it ends.
    """

    tag: str
    version: int
    store: str
    spool: str | None
    order: int = 0
    proven: bool = False


class Occupied(Assignment):
    """What runs in a slot.

    Attributes:
        process: Its server.
        ready: Whether it ever answered; the starter of one that did not may have died.
    """

    process: BentoProcess
    ready: bool = False


class Trouble(Frozen):
    """A server that ended, or never became ready.

    Attributes:
        order: Which deployment's.
        ends: How often in a row it ended.
        said: Its last words.
        since: When it last ended, in seconds since 1970.
        given_up: Whether it is not started again until a deployment, or a person, asks for it.
    """

    order: int
    ends: int
    said: str
    since: float
    given_up: bool


class ModelPlaces(BaseModel):
    """One model: what its slots should hold (`wanted`) and what runs there (`slots`), and how its traffic is divided.

    `trusted` is the slot that last had all traffic, `former` the one before it while its server is still that of then,
    and never one that was rolled back, `rollout` numbers the deployments into its slots, and `user_key` is
    the request header that names a user, if any.
    """

    wanted: dict[Slot, Assignment] = {}
    slots: dict[Slot, Occupied] = {}
    troubles: dict[Slot, Trouble] = {}
    weights: dict[Slot, int] = {}
    trusted: Slot | None = None
    former: Slot | None = None
    rollout: int = 0
    user_key: str = ""
    mirror: Mirror | None = None

    def trust(self, weights: Mapping[Slot, int]) -> None:
        """Trust whoever gets all traffic; who had it before may stand in for it, unless this undoes a promotion.

        Examples:
            >>> places = ModelPlaces(trusted="a")
            >>> places.trust({"b": 100})
            >>> places.trusted, places.former
            ('b', 'a')
            >>> places.trust({"a": 100})
            >>> places.trusted, places.former
            ('a', None)
        """
        for slot, weight in weights.items():
            if weight == 100 and slot != self.trusted:
                self.trusted, self.former = slot, None if slot == self.former else self.trusted


class Placements(BaseModel):
    """All that a target knows; `generation` counts the deployments and what was told to the gateway."""

    gateway: ServingProcess | None = None
    listening: Listening | None = None
    generation: int = 0
    models: dict[str, ModelPlaces] = {}

    def of(self, model: str) -> ModelPlaces:
        """A model's slots, to be changed."""
        return self.models.setdefault(model, ModelPlaces())


def read_placements(folder: Path) -> Placements:
    """What is written now; empty where nothing ever was.

    Raises:
        ServingError: The file is damaged. Whatever runs goes on as it is.
    """
    return _read(folder)[0]


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[Placements]:
    """The placements under a lock, written back also when a change fails halfway: its processes run all the same.

    Raises:
        ServingError: The file is damaged.
        OSError: It cannot be written. It is the old one then, and processes that it does not name are ended.
    """
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        placements, before = _read(folder)
        try:
            yield placements
        finally:
            content = placements.model_dump_json(indent=1).encode()
            if content != before:
                try:
                    replace_file(folder / "state.before.json", before)
                    replace_file(folder / "state.json", content)
                except OSError:
                    known = _processes(Placements.model_validate_json(before))
                    for process in _processes(placements):
                        if process not in known:
                            process.stop()
                    raise


def unwritten(folder: Path, error: OSError) -> ServingError:
    """What to say where the state could not be written."""
    said = f"{folder} cannot be written ({error.strerror}); what served before goes on with the traffic it had"
    return ServingError(said, "Make room there and run again")


def _processes(placements: Placements) -> list[ServingProcess]:
    servers = [occupied.process for places in placements.models.values() for occupied in places.slots.values()]
    return [*servers, *([placements.gateway] if placements.gateway else [])]


def _read(folder: Path) -> tuple[Placements, bytes]:
    """The placements, and the bytes that they were read from."""
    path = folder / "state.json"
    try:
        content = path.read_bytes()
        return Placements.model_validate_json(content), content
    except FileNotFoundError:
        return Placements(), Placements().model_dump_json(indent=1).encode()
    except ValidationError as error:
        raise ServingError(
            f"{path} is damaged ({error.error_count()} errors); the servers and their traffic are as they were",
            "Copy state.before.json, the state before the last change, over it and run again",
        ) from error
