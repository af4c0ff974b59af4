"""Processes that serve: started in sessions of their own so that they outlive a run, ended by process id."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from prefect_mlops.core.errors import ServingError

if TYPE_CHECKING:
    from prefect_mlops.blocks.bentos import BentoStore

__all__ = ["BentoProcess", "ServingProcess", "free_port"]

BOOT_SECONDS = 90.0
FAILURES = (b"Application startup failed", b"Traceback (most recent call last)")
OPTIONS = (
    'services.logging.access.enabled=false services.tracing.excluded_urls=".*" '
    "services.workers=1 services.traffic.timeout=60"
)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServingProcess(BaseModel):
    """A process that we started, told apart from a later one with the same id by its time of creation."""

    model_config = ConfigDict(frozen=True)

    pid: int
    created: float
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def spawn(cls, command: Sequence[str], environment: Mapping[str, str], port: int, log: Path) -> ServingProcess:
        """Start a command in a session of its own; what it says goes to a log file."""
        import psutil

        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            child = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(pid=child.pid, created=psutil.Process(child.pid).create_time(), port=port, log=log)

    def alive(self) -> bool:
        """Whether it still runs."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def wait_ready(self, path: str, what: str, failures: Sequence[bytes] = ()) -> None:
        """Wait until it says that it is ready.

        Raises:
            ServingError: It ended, said that it failed, or took too long; the end of its log is quoted. It is stopped.
        """
        import httpx

        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(self.url + path, timeout=2).status_code == 200:
                    return
            said = self.log.read_bytes()
            if not self.alive() or any(failure in said for failure in failures):
                time.sleep(0.5)
                break
            time.sleep(0.1)
        tail = " / ".join(self.log.read_text(errors="replace").strip().splitlines()[-3:])
        self.stop()
        raise ServingError(f"{what} did not become ready: {tail}", f"Look at {self.log}")

    def stop(self) -> None:
        """End it and all it started; nothing happens when it is gone."""
        import psutil

        if not self.alive():
            return
        process = psutil.Process(self.pid)
        family = [process, *process.children(recursive=True)]
        for ends in (psutil.Process.terminate, psutil.Process.kill):
            for member in family:
                with contextlib.suppress(psutil.Error):
                    ends(member)
            _, family = psutil.wait_procs(family, timeout=5)


class BentoProcess(ServingProcess):
    """A bento served by `bentoml serve`."""

    @classmethod
    def start(cls, store: BentoStore, tag: str, *, slot: str, spool: Path | None, log: Path) -> BentoProcess:
        """Serve a bento on a free port and wait until it is ready.

        Args:
            store: Where the bento is.
            tag: Which bento.
            slot: The slot's name, for the prediction log.
            spool: Where predictions are logged; None for nowhere.
            log: Where the server's own output goes.

        Raises:
            NotFound: The bento is not in the store.
            ServingError: It did not become ready.
        """
        path = store.path(tag)
        port = free_port()
        environment = store.environment() | {"MLOPS_SLOT": slot, "OMP_NUM_THREADS": "1", "BENTOML_CONFIG_OPTIONS": OPTIONS}
        if spool is not None:
            environment["MLOPS_SPOOL"] = str(spool)
        command = [sys.executable, "-m", "bentoml", "serve", str(path), "--host", "127.0.0.1", "--port", str(port)]
        started = cls.spawn(command, environment, port, log)
        started.wait_ready("/readyz", f"Bento {tag}", FAILURES)
        return started
