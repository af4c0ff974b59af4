"""The life of a target's gateway: started when none runs, told what changed, and drained before it ends."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

from prefect_mlops.blocks import envoy
from prefect_mlops.blocks.envoyadmin import command, gateway_idle, wait_idle, wait_live
from prefect_mlops.blocks.placements import Placements, read_placements
from prefect_mlops.blocks.serving import ServingProcess, free_port, quiet_environment
from prefect_mlops.core.errors import PortInUse, ServingError
from prefect_mlops.core.names import Slot

__all__ = ["drain_slot", "end_gateway", "ensure_gateway", "tell_again", "tell_gateway"]

BOOT_SECONDS = 20.0
PORT_SECONDS = 2.0


def ensure_gateway(folder: Path, placements: Placements) -> ServingProcess:
    """The running Envoy, started when none of ours runs; the caller holds the lock.

    Raises:
        NotFound: Envoy is not installed.
        PortInUse: Its port is taken.
        ServingError: It does not start.
    """
    if placements.gateway and placements.gateway.alive():
        return placements.gateway
    if placements.listening is None:
        raise ServingError(f"No target listens for the state in {folder}", "Give `prefect-mlops serve` its --port")
    binary = envoy.envoy_binary()
    if placements.gateway:
        placements.gateway.stop()
    _require_port(placements.listening.port, PORT_SECONDS if placements.gateway else 0.0)
    told = _write(folder, placements)
    admin_port = free_port()
    bootstrap = envoy.write_bootstrap(folder, placements.listening.port, admin_port)
    start = [binary, "-c", str(bootstrap), "--use-dynamic-base-id", "--concurrency", "2"]
    start += ["--file-flush-interval-msec", str(envoy.FLUSH_MS), "--log-level", "warning"]
    gateway = ServingProcess.spawn(start, quiet_environment(), admin_port, folder / "logs" / "envoy.log")
    gateway.wait_ready("/ready", "The gateway", seconds=BOOT_SECONDS)
    wait_live(gateway.url, *told)
    placements.gateway = gateway
    return gateway


def tell_gateway(folder: Path, placements: Placements) -> None:
    """Write the gateway's files and wait until it acts on them; the caller holds the lock.

    Raises:
        ServingError: It does not take them.
    """
    gateway = ensure_gateway(folder, placements)
    wait_live(gateway.url, *_write(folder, placements))


def tell_again(folder: Path) -> None:
    """Tell the gateway the state as it is written, after a change that could not be written; nothing is started."""
    placements = read_placements(folder)
    if placements.gateway and placements.gateway.alive():
        tell_gateway(folder, placements)


def drain_slot(folder: Path, model: str, slot: Slot, patience_seconds: float) -> None:
    """Wait until a slot without traffic has answered what it was sent; what takes longer is cut off.

    A gateway that does not answer sends it nothing either.
    """
    placements = read_placements(folder)
    gateway = placements.gateway
    if slot in placements.of(model).slots and gateway and gateway.alive():
        with contextlib.suppress(ServingError):
            wait_idle(gateway.url, model, slot, patience_seconds)


def end_gateway(gateway: ServingProcess, patience_seconds: float) -> None:
    """Take no new connection, let the requests under way end, and end."""
    if gateway.alive():
        with contextlib.suppress(ServingError):
            command(gateway.url, "/drain_listeners")
            gateway_idle(gateway.url, patience_seconds)
    gateway.stop()


def _require_port(port: int, patience_seconds: float) -> None:
    """The sockets of a killed gateway close a moment after it is gone, so then it is worth to wait."""
    deadline = time.monotonic() + patience_seconds
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return
            except OSError as error:
                if time.monotonic() >= deadline:
                    cure = "End that process, or set another `port` in the target block"
                    raise PortInUse(port, "the gateway", cure) from error
        time.sleep(0.05)


def _write(folder: Path, placements: Placements) -> envoy.Told:
    placements.generation += 1
    served = {
        model: envoy.Served(
            {slot: occupied.process.port for slot, occupied in places.slots.items() if occupied.ready},
            places.weights,
            places.rollout,
            places.user_key,
            places.trusted,
            places.mirror,
            places.former,
        )
        for model, places in placements.models.items()
    }
    assert placements.listening is not None
    return envoy.write_files(folder, served, placements.listening)
