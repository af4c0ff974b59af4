"""The processes that make the trials of a search: started, timed, ended by their pid, and replaced."""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from prefect_mlops.core.errors import TrainingError
from prefect_mlops.tasks import trials

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna

    from prefect_mlops.core.search.space import Search

__all__ = ["memory_for_each", "run_workers"]

POLL_SECONDS = 0.5
RESERVE = 0.9
"""The share of free memory that workers may take together, so that the machine lives."""


class _Worker:
    """One process, and the trial that it said it is making."""

    def __init__(self, job: Path, log: Path, threads: int) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        env.setdefault("OMP_NUM_THREADS", str(threads))
        # -P: the folder of the script holds modules whose names would stand before others.
        command = [sys.executable, "-P", trials.__file__, str(job), str(os.getpid())]
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file
            )
        assert self.process.stdout is not None
        self.said = self.process.stdout
        self.making: int | None = None
        self.since = 0.0
        self.made = 0
        self.stopped = self.ended = False

    def listen(self) -> None:
        """Read what it said since; nothing at all means that it has ended."""
        told = os.read(self.said.fileno(), 65_536)
        for line in told.decode().splitlines():
            begun = line.startswith("begin ")
            self.making, self.since = (int(line[6:]), time.monotonic()) if begun else (None, 0.0)
            self.made += not begun
        self.ended = not told

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300].rstrip(".") if lines else f"it ended with {self.process.returncode}"


def run_workers(
    study: optuna.Study,
    search: Search,
    job: dict[str, Any],
    count: int,
    tell: Callable[[int], None] | None = None,
) -> None:
    """Let some processes make trials until there is nothing more to try.

    A trial that takes too long is failed, and its process ended. What was tried by a process that ended otherwise is
    tried once more by another.

    Args:
        study: The study in its storage.
        search: What the spec asks for.
        job: What a worker needs to know.
        count: How many processes.
        tell: Called with the number of finished trials whenever it has grown.

    Raises:
        TrainingError: A worker cannot do its work at all.
    """
    threads = max(1, (os.cpu_count() or 1) // count)
    with tempfile.TemporaryDirectory(prefix="prefect-mlops-search-") as folder, selectors.DefaultSelector() as waiting:
        path = Path(folder) / "job"
        path.write_bytes(pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL))
        path.chmod(0o600)  # the storage's URL may hold a password
        crew: list[_Worker] = []

        def hire() -> None:
            worker = _Worker(path, Path(folder) / f"{len(crew)}.log", threads)
            crew.append(worker)
            waiting.register(worker.said, selectors.EVENT_READ, worker)

        try:
            for _ in range(count):
                hire()
            told = 0
            while waiting.get_map():
                made = sum(worker.made for worker in crew)
                if tell is not None and made > told:
                    told = made
                    tell(len(trials.finished(study)))
                for key, _ in waiting.select(POLL_SECONDS):
                    worker: _Worker = key.data
                    worker.listen()
                    if worker.ended:
                        waiting.unregister(worker.said)
                        worker.said.close()
                        if _needs_another(study, search, worker):
                            hire()
                for worker in crew:
                    if worker.making is not None and not (worker.ended or worker.stopped):
                        _stop_late(study, search, worker)
        finally:
            for worker in crew:
                worker.process.kill()
                worker.process.wait()


def memory_for_each(search: Search, workers: int) -> int:
    """Bytes that one worker may take: what the spec says, or its part of what is free on this machine."""
    if search.memory_mib is not None:
        return search.memory_mib * 2**20
    free = psutil.virtual_memory().available
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    with contextlib.suppress(OSError, ValueError):  # no such limit here
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return int(free * RESERVE / workers)


def _needs_another(study: optuna.Study, search: Search, worker: _Worker) -> bool:
    """Whether a process that has ended left something undone."""
    code = worker.process.wait()
    if code == 0:
        return False
    if worker.making is None:
        raise TrainingError("the search", f"a worker of it ended before it could try anything: {worker.last_words()}")
    if not worker.stopped:
        trials.bury_dead(study, search, suspects=(worker.making,))
    return True


def _stop_late(study: optuna.Study, search: Search, worker: _Worker) -> None:
    if worker.making is not None and time.monotonic() - worker.since > search.seconds_per_trial:
        reason = f"it took longer than {search.seconds_per_trial} s (search.seconds_per_trial)"
        trials.fail_trial(study, worker.making, reason)
        worker.stopped = True
        worker.process.kill()
