"""Where the drill takes place: a target, its supervisor, its callers, and what they saw."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.drill_parts import MODEL, SERVICE, USER
from prefect_mlops.blocks import BentoStore, LocalTarget
from prefect_mlops.blocks.serving import ServingProcess, free_port
from prefect_mlops.tasks.bento_service import run

__all__ = ["Ground", "Seen", "kill"]

PATIENCE_SECONDS = 120.0


class Seen(NamedTuple):
    """What a caller saw of one request."""

    began: float
    ended: float
    user: str
    status: int
    version: int


class Ground:
    """Where the drill takes place: the target, its supervisor and its callers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.notes = folder, folder / "notes"
        self.notes.mkdir(parents=True)
        self.store = BentoStore(home=str(folder / "bentos"))
        self.target = LocalTarget(folder=str(folder / "serving"), port=free_port())
        self.tags = {version: self._build(version) for version in (1, 2)}
        self._ours: list[subprocess.Popen[str]] = []
        self._file, self._read, self._seen = folder / "calls.jsonl", 0, list[Seen]()

    def _build(self, version: int) -> str:
        made = self.folder / f"version-{version}"
        made.mkdir()
        (made / "service.py").write_text(SERVICE)
        (made / "version.txt").write_text(str(version))
        (made / "requirements.txt").write_text("bentoml\n")
        shutil.copy(run.__file__, made)  # as in every bento that we build
        return self.store.build(made, MODEL)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a process of the drill, to be ended with it."""
        log = (self.folder / "processes.log").open("a")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        started = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True, env=kept
        )
        self._ours.append(started)
        return started

    def supervise(self) -> subprocess.Popen[str]:
        """`prefect-mlops serve`, when it says that it supervises."""
        program = str(Path(sys.executable).parent / "prefect-mlops")
        folder, port = str(self.target.folder), str(self.target.port)
        started = self.start(program, "serve", "--folder", folder, "--port", port)
        said = started.stdout.readline() if started.stdout else ""
        if "supervising" not in said:
            raise RuntimeError(f"The supervisor did not start: {said} {started.poll()}")
        return started

    def drive(self, *steps: int) -> subprocess.Popen[str]:
        """The process that drives a rollout of version 2."""
        told = [str(self.folder), str(self.target.port), self.tags[2], ",".join(map(str, steps))]
        return self.start("-m", "benchmarks.drill_parts", "drive", *told)

    def call(self) -> None:
        """Let callers begin."""
        self.start("-m", "benchmarks.drill_parts", "call", self.target.url(MODEL), str(self._file))

    def seen(self, since: float = 0.0, until: float = float("inf")) -> list[Seen]:
        """What callers saw of requests that lie wholly between two times."""
        if self._file.exists():
            with self._file.open("rb") as file:
                file.seek(self._read)
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read += len(whole)
            self._seen += (Seen(*json.loads(line)) for line in whole.splitlines())
        return [each for each in self._seen if each.began >= since and each.ended <= until]

    def wait(self, requests: int, like: Callable[[Seen], bool] = lambda _: True) -> None:
        """Until callers have seen so many more requests, of some kind."""
        since, deadline = time.time(), time.monotonic() + PATIENCE_SECONDS
        while sum(like(each) for each in self.seen(since)) < requests:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Callers saw no {requests} such requests in {PATIENCE_SECONDS:g} s")
            time.sleep(0.1)

    def weights(self, **weights: int) -> float:
        """Divide the traffic, and say when it was live."""
        self.target.set_weights(MODEL, weights, USER)  # type: ignore[arg-type]  # keywords are any text
        return time.time()

    def end(self) -> None:
        """End all that was started."""
        for process in self._ours:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        self.target.stop()


def kill(process: ServingProcess) -> None:
    """As the kernel does it: the server and whatever it started, at once."""
    leader = psutil.Process(process.pid)
    family = [*leader.children(recursive=True), leader]
    for member in family:
        member.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=5)
