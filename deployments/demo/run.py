"""One command that closes the whole loop on real flights: servers up, flows deployed, months played, all ended."""

import atexit
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import psutil

from prefect_mlops.blocks import DeltaTables, LocalTarget
from prefect_mlops.blocks.scores import ScoreTable
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.demo.report import Stage, table_of, write_results
from prefect_mlops.deployments.demo.servers import (
    BIN,
    Process,
    require_disk,
    require_port,
    run_command,
    start_server,
)
from prefect_mlops.deployments.demo.story import Story
from prefect_mlops.deployments.demo.traffic import Caller
from prefect_mlops.deployments.demo.watch import RunWatcher

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Ports", "run_demo"]

SPEC = Path(__file__).parent.parent / "specs" / "flights-late.yaml"


class Ports(NamedTuple):
    """The ports of a demo's servers."""

    prefect: int
    mlflow: int
    gateway: int


def run_demo(last_month: int, keep: bool, folder: Path, ports: Ports, results: Path | None = None) -> None:
    """Play the demo.

    Args:
        last_month: The last month of 2013 to play, from 4 to 12.
        keep: Leave the servers up until Ctrl-C.
        folder: Everything of the demo lies in it; it is emptied first.
        ports: Where its servers listen, on 127.0.0.1.
        results: Folder for the table of seconds as JSON; none is written when None.

    Raises:
        PortInUse: One of the ports is taken.
        ServingError: A server did not come up, or a stage did not end as the story goes.
    """
    require_port(ports.prefect, "the Prefect server", "DEMO_PREFECT_PORT")
    require_port(ports.mlflow, "the MLflow UI", "DEMO_MLFLOW_PORT")
    require_port(ports.gateway, "the gateway", "DEMO_GATEWAY_PORT")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    require_disk(folder, gigabytes=2)
    environment = dict(os.environ)
    signal.signal(signal.SIGTERM, _interrupt)

    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        processes = stack.enter_context(_ended_together())
        _tell("Starting a Prefect server; deploying the flows; starting a worker")
        _start_prefect(processes, folder, environment, ports.prefect)
        target = _deploy(processes, folder, environment, ports.gateway)
        stack.callback(target.stop)
        setup_seconds = time.monotonic() - begun
        _tell(f"{'set-up':<60} {setup_seconds:6.1f} s")
        stages = _play(last_month, folder, processes, target)
        seconds = time.monotonic() - begun
        _tell(f"{seconds:.0f} s in all, {setup_seconds:.0f} of them set-up")
        if results:
            _tell(f"wrote {write_results(results, last_month, setup_seconds, seconds, stages)}")
        _tell(f"\nPrefect UI   http://127.0.0.1:{ports.prefect}")
        _tell(f"MLflow UI    http://127.0.0.1:{ports.mlflow}")
        _tell(f"the model    {target.url(load_spec(SPEC).name)}/predict")
        if keep:
            _start_mlflow(processes, folder, environment, ports.mlflow)
            _tell("All of it stays up until Ctrl-C.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
        else:
            _tell("All of it is ended now; `make demo KEEP=1` keeps it up.")


@contextlib.contextmanager
def _ended_together() -> Iterator[dict[str, Process]]:
    """Processes that are ended in reverse order, however this process ends."""
    processes: dict[str, Process] = {}

    def end() -> None:
        for name in reversed(list(processes)):
            processes.pop(name).stop()

    atexit.register(end)
    try:
        yield processes
    finally:
        end()
        atexit.unregister(end)


def _start_prefect(processes: dict[str, Process], folder: Path, environment: dict[str, str], port: int) -> None:
    prefect = str(BIN / "prefect")
    run_command([prefect, "server", "database", "upgrade", "-y"], environment, folder)
    processes["server"] = start_server(
        "Prefect server",
        [prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        environment,
        folder / "logs" / "server.log",
        f"http://127.0.0.1:{port}/api/health",
    )


def _start_mlflow(processes: dict[str, Process], folder: Path, environment: dict[str, str], port: int) -> None:
    home = Path(environment["PREFECT_INTEGRATIONS_MLOPS_HOME"])
    command = [str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(home / "artifacts")]
    log = folder / "logs" / "mlflow.log"
    processes["mlflow"] = start_server("MLflow UI", command, environment, log, f"http://127.0.0.1:{port}/health")


def _deploy(processes: dict[str, Process], folder: Path, environment: dict[str, str], gateway_port: int) -> LocalTarget:
    """Blocks, work pool, limits and automations; then the flows, by `prefect deploy`; then a worker."""
    home = Path(environment["PREFECT_INTEGRATIONS_MLOPS_HOME"])
    project = folder / "project"
    (project / "specs").mkdir(parents=True)
    shutil.copy(SPEC, project / "specs" / SPEC.name)
    mlops, prefect = str(BIN / "prefect-mlops"), str(BIN / "prefect")
    run_command([mlops, "sync"], environment, project)
    run_command([mlops, "bootstrap", "--home", str(home)], environment, project)
    target = LocalTarget(folder=str(home / "serving"), port=gateway_port)
    target.save("default", overwrite=True)
    run_command([prefect, "--no-prompt", "deploy", "--all"], environment, project)
    _pause_schedules()
    processes["worker"] = Process(
        "worker",
        [prefect, "worker", "start", "--pool", "local", "--type", "process", "--name", "demo"],
        environment,
        folder / "logs" / "worker.log",
    )
    return target


def _pause_schedules() -> None:
    """The demo's clock stands in 2013; a schedule that fires now would look at an empty window."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            for schedule in deployment.schedules:
                client.update_deployment_schedule(deployment.id, schedule.id, active=False)


def _play(last_month: int, folder: Path, processes: dict[str, Process], target: LocalTarget) -> list[Stage]:
    from prefect.client.orchestration import get_client

    spec = load_spec(SPEC)
    drops = folder / "drops"
    drops.mkdir()
    caller = Caller(target.url(spec.name), [*spec.features.names, *spec.data.key, *filter(None, [spec.data.time])])

    def cpu_seconds() -> float:
        own = psutil.Process().cpu_times()
        return own.user + own.system + sum(process.cpu_seconds() for process in processes.values())

    def scored_keys() -> "pd.Series":
        tables = DeltaTables(root=str(folder / "home" / "tables"))
        return ScoreTable(tables, spec.name).read("champion", ["key"])["key"]

    with get_client(sync_client=True) as client:
        story = Story(spec, drops, RunWatcher(client), caller, scored_keys, cpu_seconds, _tell)
        try:
            story.play(last_month)
        finally:
            _tell("\n" + table_of(story.stages))
            _tell(f"{caller.sent:,} requests, {caller.failed} failed")
            caller.close()
    return story.stages


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
