"""`prefect-mlops serve`: the process that keeps a target's servers up, and the table of what they do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from prefect_mlops.blocks.gateway import ensure_gateway
from prefect_mlops.blocks.occupying import serving
from prefect_mlops.blocks.placements import ModelPlaces, changing, read_placements
from prefect_mlops.blocks.supervision import supervise, supervising, supervisor_of
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.core.errors import NotFound
from prefect_mlops.core.names import Slot

__all__ = ["find_target", "serve_target", "status_lines"]


def find_target(environment: str, folder: Path | None, port: int | None) -> LocalTarget:
    """The target of an environment, or of a folder; a folder needs no Prefect server, so it starts when that is down.

    Raises:
        NotFound: The environment has no target block.
    """
    if folder is None:
        try:
            return cast(LocalTarget, LocalTarget.load(environment))
        except ValueError as error:
            raise NotFound("block", f"mlops-target/{environment}", "Run `prefect-mlops bootstrap`") from error
    known = read_placements(folder).listening
    told = known.model_dump(exclude_none=True) if known else {}
    return LocalTarget.model_validate({"folder": str(folder), **told, **({"port": port} if port else {})})


def serve_target(target: LocalTarget) -> None:
    """Supervise until SIGTERM or Ctrl-C; the servers go on then, as they do when this process is killed.

    Raises:
        PortInUse: The gateway's port is taken.
        ServingError: The folder has a supervisor already.
    """
    folder, stopped = target.root(), threading.Event()
    with supervising(folder):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        with changing(folder) as placements:
            placements.listening = target.listening()
            gateway = ensure_gateway(folder, placements)
        _say(f"supervising {folder}, gateway at port {target.port} (process {gateway.pid})")
        supervise(folder, stopped, _say)
        _say("left; the servers go on. `prefect-mlops serve --stop` ends them")


def status_lines(target: LocalTarget) -> Iterator[str]:
    """One line for the supervisor, one for the gateway, one for each slot."""
    folder = target.root()
    placements, supervisor = read_placements(folder), supervisor_of(folder)
    yield f"supervisor  {f'process {supervisor}' if supervisor else 'none: what ends stays down'}"
    gateway = placements.gateway
    up = gateway is not None and gateway.alive()
    yield f"gateway     {f'port {target.port}, process {gateway.pid}' if gateway and up else 'down'}"
    yield f"{'slot':<28}{'version':>8}{'traffic':>9}  {'state':<32}{'process':>9}"
    for name, places in sorted(placements.models.items()):
        for slot in sorted({*places.wanted, *places.troubles}):
            yield _slot_line(name, places, slot)


def _slot_line(model: str, places: ModelPlaces, slot: Slot) -> str:
    wanted, trouble = places.wanted.get(slot), places.troubles.get(slot)
    occupied = serving(places, slot)
    state = "serves" if occupied else "starts" if wanted else "never became ready"
    if trouble:
        ends = f"ended {trouble.ends} time{'s' * (trouble.ends > 1)}"
        state = "given up, " + ends if trouble.given_up and wanted else f"{state}, {ends}"
    version = str(wanted.version) if wanted else "-"
    mirrored = places.mirror if places.mirror and places.mirror.slot == slot else None
    traffic = f"copy {mirrored.percent}%" if mirrored else f"{places.weights.get(slot, 0)}%"
    pid = str(occupied.process.pid) if occupied else "-"
    said = f"\n    {trouble.said}" if trouble and not occupied else ""
    return f"{f'{model}-{slot}':<28}{version:>8}{traffic:>9}  {state:<32}{pid:>9}{said}"


def _say(sentence: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {sentence}", flush=True)
