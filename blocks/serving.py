"""Processes that serve: they outlive the run that starts them, and are ended with all that they started."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import psutil

    from prefect_mlops.blocks.bentos import BentoStore

__all__ = ["BentoProcess", "ServingProcess", "free_port", "quiet_environment"]

BOOT_SECONDS = 90.0
GRACE_SECONDS = 8.0
FAILURES = (b"Application startup failed", b"Traceback (most recent call last)")
MARK = "MLOPS_PROCESS"
ORPHAN = '"$@" >"$0" 2>&1 </dev/null & echo $!'
"""Runs its arguments in the background, says their process id and leaves; `$0` is the log."""


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quiet_environment() -> dict[str, str]:
    """What any child may know of this process's environment: nothing of Prefect, whose settings hold secrets."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_", "BENTOML_"))
    }


class ServingProcess(Frozen):
    """A process that we started, told apart from a later one with the same id by its time of creation.

    Attributes:
        pid: Its process id.
        created: When it was created, as the system says it.
        mark: In its environment and in that of all its descendants, which are found by it.
        port: Where it answers, on 127.0.0.1.
        log: What it says.
    """

    pid: int
    created: float
    mark: str
    port: int
    log: str  # as a Path it would be most of what reading a state of a thousand servers takes

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def spawn(cls, command: Sequence[str], environment: Mapping[str, str], port: int, log: Path) -> Self:
        """Start a command in a session of its own, as nobody's child.

        Envoy ends itself when its parent ends, so a shell starts the command in the background and leaves first.
        """
        import psutil

        mark = uuid.uuid4().hex
        log.parent.mkdir(parents=True, exist_ok=True)
        launched = subprocess.run(
            ["sh", "-c", ORPHAN, str(log), *command],
            env={**environment, MARK: mark},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            check=True,
        )
        pid = int(launched.stdout)
        return cls(pid=pid, created=psutil.Process(pid).create_time(), mark=mark, port=port, log=str(log))

    def alive(self) -> bool:
        """Whether it still runs."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def wait_ready(self, path: str, what: str, failures: Sequence[bytes] = (), seconds: float = BOOT_SECONDS) -> None:
        """Wait until it answers; one that does not is ended.

        Args:
            path: Answers 200 when it is ready.
            what: How to call it in an error.
            failures: Words in the log that mean it will never be ready: a supervisor starts a failing worker again
                for ever, with its port open all the while.
            seconds: How long to wait.

        Raises:
            ServingError: It ended, said that it failed, or took too long; the end of its log is quoted.
        """
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                if self._answers(path):
                    return
                said = Path(self.log).read_bytes()
                if not self.alive() or any(failure in said for failure in failures):
                    time.sleep(0.5)  # for the last words to arrive
                    break
                time.sleep(0.05)
        except BaseException:
            self.stop()
            raise
        late = f"was not ready in {seconds:g} s"
        ended = "ended" if not self.alive() else "failed" if time.monotonic() < deadline else late
        self.stop()
        raise ServingError(f"{what} {ended}: {self.last_words()}", f"Look at {self.log}")

    def stop(self) -> None:
        """End it and all it started, gently first; nothing happens when they are gone."""
        import psutil

        if self.alive():
            leader = psutil.Process(self.pid)
            with contextlib.suppress(psutil.Error):
                leader.terminate()
            with contextlib.suppress(psutil.TimeoutExpired):
                leader.wait(GRACE_SECONDS)
        family = self._family()
        for member in family:
            with contextlib.suppress(psutil.Error):
                member.kill()
        psutil.wait_procs(family, timeout=GRACE_SECONDS)
        self.alive()  # reaps it

    def _answers(self, path: str) -> bool:
        import httpx

        try:
            return httpx.get(self.url + path, timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def last_words(self) -> str:
        """The exception that the log ends with; where there is none, its last lines."""
        if not Path(self.log).exists():
            return "it left no log"
        lines = [line.strip() for line in Path(self.log).read_text(errors="replace").splitlines() if line.strip()]
        raised = [number for number, line in enumerate(lines) if re.match(r"[\w.]+(Error|Exception)\b", line)]
        said = lines[raised[-1] : raised[-1] + 2] if raised else lines[-3:]
        return " / ".join(said)[:600].rstrip(".")

    def _family(self) -> list[psutil.Process]:
        """All that carry the mark; a worker is found also when its supervisor was killed and it has a new session."""
        import psutil

        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == self.mark:
                    found.append(process)
        return found


class BentoProcess(ServingProcess):
    """A bento served by uvicorn, through the `run.py` that it carries; by `bentoml serve` where it carries none."""

    @classmethod
    def launch(
        cls, store: BentoStore, tag: str, *, slot: str, spool: str | Path | None, log: Path, personal: str = ""
    ) -> Self:
        """Start serving a bento on a free port, without waiting until it is ready.

        Args:
            store: Where the bento is.
            tag: Which bento.
            slot: The slot's name, for the prediction log.
            spool: Where predictions are logged; None for nowhere.
            log: Where the server's own output goes.
            personal: The key of the stand-ins for personal values, for the prediction log.

        Raises:
            NotFound: The bento is not in the store.
            ServingError: The bento is damaged.
        """
        path = store.verified(tag)
        home = log.with_suffix(".home")  # its metrics lie there, and servers that share them delete each other's
        home.mkdir(parents=True, exist_ok=True)
        own = {"BENTOML_HOME": str(home), "MLOPS_SLOT": slot, "OMP_NUM_THREADS": "1"}
        if spool is not None:
            own["MLOPS_SPOOL"] = str(spool)
        if personal:
            own["MLOPS_PERSONAL_KEY"] = personal
        port = free_port()
        runner = path / "src" / "run.py"
        serve = [str(runner)] if runner.is_file() else ["-m", "bentoml", "serve", str(path)]
        command = [sys.executable, *serve, "--host", "127.0.0.1", "--port", str(port)]
        kept = {name: value for name, value in store.environment().items() if not name.startswith("MLOPS_")}
        return cls.spawn(command, kept | own, port, log)

    def wait_serving(self, tag: str, seconds: float = BOOT_SECONDS) -> None:
        """Wait so long until it is ready for requests.

        Raises:
            ServingError: It did not become ready, and was ended.
        """
        self.wait_ready("/readyz", f"Bento {tag}", FAILURES, seconds)
