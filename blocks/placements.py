"""What a local target runs and where, in one file that all its users change under a lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from prefect_mlops.blocks.serving import BentoProcess, ServingProcess
from prefect_mlops.core.names import Slot
from prefect_mlops.core.parts import Frozen

__all__ = ["Assignment", "Occupied", "Placements", "changing", "read_placements"]


class Assignment(Frozen):
    """What should run in a slot.

    Attributes:
        tag: The bento.
        version: The registry version that it holds.
        store: Home of the store that holds the bento.
        spool: Where it logs predictions; None for nowhere.
    """

    tag: str
    version: int
    store: str
    spool: Path | None


class Occupied(Assignment):
    """What runs in a slot.

    Attributes:
        process: Its server.
        ready: Whether it ever answered; the starter of one that did not may have died.
    """

    process: BentoProcess
    ready: bool = False


class ModelPlaces(BaseModel):
    """The slots of one model, the percent of traffic that each gets, and which of them last had all of it.

    `rollout` numbers the deployments into its slots, and `user_key` is the request header that names a user, if any.
    """

    slots: dict[Slot, Occupied] = {}
    weights: dict[Slot, int] = {}
    trusted: Slot | None = None
    rollout: int = 0
    user_key: str = ""


class Placements(BaseModel):
    """All that a target knows; `generation` counts what was told to the gateway."""

    gateway: ServingProcess | None = None
    generation: int = 0
    models: dict[str, ModelPlaces] = {}

    def of(self, model: str) -> ModelPlaces:
        """A model's slots, to be changed."""
        return self.models.setdefault(model, ModelPlaces())


def read_placements(folder: Path) -> Placements:
    """What is written now; empty where nothing ever was."""
    path = folder / "state.json"
    return Placements.model_validate_json(path.read_bytes()) if path.exists() else Placements()


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[Placements]:
    """The placements under a lock, written back also when a change fails halfway: its processes run all the same."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        placements = read_placements(folder)
        try:
            yield placements
        finally:
            path = folder / "state.json"
            partial = path.with_name(f".state.{os.getpid()}")
            partial.write_text(placements.model_dump_json(indent=1))
            partial.replace(path)
