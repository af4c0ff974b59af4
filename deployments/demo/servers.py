"""The processes of a demo: a Prefect server, a worker and the MLflow UI, each ended by its own process id."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import httpx
import psutil

from prefect_mlops.core.errors import DataError, PortInUse, ServingError

__all__ = ["Process", "enter_environment", "require_disk", "require_port", "run_command", "start_server"]

BIN = Path(sys.executable).parent


class Process:
    """A child of ours in a session of its own, whose output goes to a log file.

    Args:
        name: What it is, for people.
        command: The program and its arguments.
        environment: Its whole environment.
        log: Where its output goes.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self._output: IO[bytes] = log.open("wb")
        self._child = subprocess.Popen(
            command, env=dict(environment), stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def cpu_seconds(self) -> float:
        """CPU seconds of the process and of all children that it has waited for."""
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(self.pid).cpu_times()
            return float(times.user + times.system + times.children_user + times.children_system)
        return 0.0

    def wait_for(self, url: str, seconds: float) -> None:
        """Wait until an address answers.

        Raises:
            ServingError: It ended, or did not answer in time; the end of its log is quoted.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                raise ServingError(f"The {self.name} ended at once: {self.tail()}", f"Look at {self.log}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url, timeout=2).status_code < 500:
                    return
            time.sleep(0.3)
        raise ServingError(
            f"The {self.name} did not answer within {seconds:.0f} s: {self.tail()}", f"Look at {self.log}"
        )

    def stop(self) -> None:
        """End it and all that it started, politely first; nothing happens when it has ended already."""
        family = []
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            family = [process, *process.children(recursive=True)]
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=8)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=5)
        self._output.close()

    def tail(self) -> str:
        """The end of its log."""
        return " / ".join(self.log.read_text(errors="replace").strip().splitlines()[-4:])


def start_server(name: str, command: list[str], environment: Mapping[str, str], log: Path, url: str) -> Process:
    """Start a server and wait until it answers; it is ended again when it does not."""
    process = Process(name, command, environment, log)
    try:
        process.wait_for(url, seconds=120)
    except BaseException:
        process.stop()
        raise
    return process


def run_command(command: list[str], environment: Mapping[str, str], folder: Path) -> None:
    """Run a command to its end.

    Raises:
        ServingError: It failed; the end of its output is quoted.
    """
    done = subprocess.run(command, env=dict(environment), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " / ".join((done.stdout + done.stderr).strip().splitlines()[-6:])
        raise ServingError(
            f"`{' '.join([Path(command[0]).name, *command[1:]])}` failed: {said}", "Mend that and run it again"
        )


def require_port(port: int, purpose: str, variable: str) -> None:
    """Make sure that nobody listens on a port.

    Raises:
        PortInUse: Somebody does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            cure = f"End that process, or choose another port: {variable}={port + 10000} make demo"
            raise PortInUse(port, purpose, cure) from error


def require_disk(folder: Path, gigabytes: float) -> None:
    """Make sure that a folder has room.

    Raises:
        DataError: It has not.
    """
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise DataError(
            f"Only {free:.1f} GB are free under {folder}, the demo needs {gigabytes:g}", "Make room and run it again"
        )


def enter_environment(folder: Path, prefect_port: int) -> None:
    """Make this process, and all that it starts, see a demo's own Prefect home, database and places, nobody else's.

    Args:
        folder: Everything of the demo lies in it.
        prefect_port: The port of its Prefect server.
    """
    folder.mkdir(parents=True, exist_ok=True)  # or Prefect warns that its home cannot be made
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_", "BENTOML_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.clear()
    os.environ |= {
        **kept,
        "PATH": f"{BIN}{os.pathsep}{kept.get('PATH', '')}",
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_MESSAGING_BROKER": "prefect_mlops.deployments.broker",
        "PREFECT_DEPLOYMENT_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "1",
        "PREFECT_INTEGRATIONS_MLOPS_HOME": str(folder / "home"),
        "PREFECT_INTEGRATIONS_MLOPS_COMMIT": _commit(),
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "BENTOML_DO_NOT_TRACK": "true",
        "OMP_NUM_THREADS": "2",
    }


def _commit() -> str:
    """The commit that is checked out here; workers run elsewhere and could not ask git. Empty outside of a clone."""
    with contextlib.suppress(OSError):
        asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return ""
