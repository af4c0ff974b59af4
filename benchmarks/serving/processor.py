"""Processor time that one request takes of a server and all its children, and what it takes to the first answer."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.asking import Asker
from benchmarks.serving.models import Served, made
from benchmarks.serving.servers import FLOOR, MLFLOW, NAIVE, OURS, PEERS, Server, all_served, empty_request, started

__all__ = ["ASKS", "calibration_ms", "cold_starts", "per_request", "rounds_of"]

ASKS = {"mixed": 0.10, "flights": 0.10, "numeric": 0.15}
"""The most that a request may take, as a share of what the naive BentoML service takes."""
EMPTY_MS, START_SECONDS, START_MB = 0.4, 2.5, 120.0
ROUNDS, REQUESTS, OF_PEERS, WARM = 5, 1000, 120, 50


def calibration_ms() -> float:
    """Milliseconds of a loop of plain Python, told beside every figure: how fast this machine is right now."""
    begun, total = time.process_time(), 0
    for number in range(200_000):
        total += number % 7
    return 1000 * (time.process_time() - begun)


def rounds_of(servers: Sequence[Server], rounds: int, requests: int, of_peers: int) -> dict[str, list[float]]:
    """Milliseconds of processor time a request of each server, for each round; all are asked in turn."""
    taken: dict[str, list[float]] = {server.name: [] for server in servers}
    for server in servers:
        with Asker(server.port) as asker:
            asker.times(server.requests, WARM)
    for _ in range(rounds):
        for server in servers:
            count = requests if server.name in (OURS, FLOOR) else of_peers
            begun = server.footprint().cpu_seconds
            with Asker(server.port) as asker:  # an idle connection would be closed meanwhile
                asker.times(server.requests, count)
            time.sleep(0.3)  # what a log writes a moment later is of these requests, too
            taken[server.name].append(1000 * (server.footprint().cpu_seconds - begun) / count)
    return taken


def same_answers(servers: Sequence[Server]) -> float:
    """The largest difference between servers over some rows; a peer that computes something else would be none."""

    def chance(told: Any) -> float:
        while isinstance(told, dict):
            told = told["predictions"] if "predictions" in told else list(told["probabilities"].values())
            told = told[0] if isinstance(told, list) and isinstance(told[0], dict) else told
        return float(np.ravel(told)[-1])

    worst = 0.0
    for place in range(10):
        said = []
        for server in servers:
            with Asker(server.port) as asker:
                said.append(chance(json.loads(asker.ask(server.requests[place])[1])))
        worst = max(worst, max(said) - min(said))
    return worst


def per_request(
    name: str,
    peers: tuple[str, ...] = PEERS,
    rounds: int = ROUNDS,
    requests: int = REQUESTS,
    of_peers: int = OF_PEERS,
) -> dict[str, Any]:
    """One model served by all; the ratio is the median over rounds, each with the peers beside it."""
    served = made(name)
    with tempfile.TemporaryDirectory() as folder, all_served(served, Path(folder), peers) as servers:
        difference = same_answers(servers)
        before = calibration_ms()
        taken = rounds_of(servers, rounds, requests, of_peers)
        empty = rounds_of([servers[0]._replace(requests=[empty_request()])], rounds, requests, of_peers)[OURS]
        after = calibration_ms()
    medians = {peer: statistics.median(each) for peer, each in taken.items()}
    ratio = statistics.median(ours / naive for ours, naive in zip(taken[OURS], taken[NAIVE], strict=True))
    return {
        "model": name,
        "cpu_ms_per_request": {peer: round(value, 4) for peer, value in medians.items()},
        "rounds": {peer: [round(value, 4) for value in each] for peer, each in taken.items()},
        "share_of_naive": round(ratio, 4),
        "asked_share": ASKS[name],
        "holds": ratio <= ASKS[name],
        "empty_ms": round(statistics.median(empty), 4),
        "empty_asked_ms": EMPTY_MS,
        "empty_holds": statistics.median(empty) <= EMPTY_MS,
        "largest_difference_of_answers": difference,
        "calibration_ms": [round(before, 2), round(after, 2)],
    }


def cold_starts(served: Served, rounds: int = 3, peers: tuple[str, ...] = (NAIVE, MLFLOW)) -> dict[str, Any]:
    """Processor seconds and memory until the first answer, in the environment that runs this."""
    seconds: dict[str, list[float]] = {name: [] for name in (OURS, *peers)}
    memory: dict[str, list[float]] = {name: [] for name in (OURS, *peers)}
    for _ in range(rounds):
        for name in (OURS, *peers):
            with tempfile.TemporaryDirectory() as folder, started(name, served, Path(folder) / "0") as server:
                with Asker(server.port) as asker:
                    asker.times(server.requests, 1)
                found = server.footprint()
            seconds[name].append(found.cpu_seconds)
            memory[name].append(found.memory_mb)
    ours, size = statistics.median(seconds[OURS]), statistics.median(memory[OURS])
    return {
        "cpu_seconds": {name: round(statistics.median(each), 2) for name, each in seconds.items()},
        "memory_mb": {name: round(statistics.median(each), 1) for name, each in memory.items()},
        "asked": {"cpu_seconds": START_SECONDS, "memory_mb": START_MB},
        "holds": ours <= START_SECONDS and size <= START_MB,
    }
