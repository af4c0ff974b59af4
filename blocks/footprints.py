"""What a server costs its machine: memory and processor time of a process and all that it started."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

__all__ = ["Footprint", "footprint_of"]


class Footprint(NamedTuple):
    """What a tree of processes has taken until now.

    Attributes:
        memory_mb: Resident memory; pages that two processes share count twice.
        cpu_seconds: Of user and system, of the processes that run and of children that were waited for.
        processes: How many run.
    """

    memory_mb: float
    cpu_seconds: float
    processes: int


def footprint_of(pid: int) -> Footprint:
    """Measure a process with its children and theirs; zeros where it is gone."""
    import psutil

    memory, seconds, count = 0.0, 0.0, 0
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        for process in [leader, *leader.children(recursive=True)]:
            with contextlib.suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                memory += process.memory_info().rss / 2**20
                seconds += times.user + times.system + times.children_user + times.children_system
                count += 1
    return Footprint(memory, seconds, count)
