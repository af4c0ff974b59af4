"""`prefect-mlops serve` keeps servers up, is alone in doing so, and a damaged state does not end it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.placements import read_placements
from prefect_mlops.blocks.serving import ServingProcess, free_port
from prefect_mlops.blocks.supervision import supervisor_of
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.core.errors import ServingError
from prefect_mlops.deployments.serve import status_lines
from tests.waiting import until

pytestmark = pytest.mark.process

Echoes = tuple[BentoStore, dict[int, str]]
PROGRAM = str(Path(sys.executable).parent / "prefect-mlops")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[LocalTarget]:
    target = LocalTarget(folder=str(tmp_path / "serving"), port=free_port())
    yield target
    target.stop()


@pytest.fixture
def supervise(target: LocalTarget, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts `prefect-mlops serve` for the target; what it says is in `said`."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [PROGRAM, "serve", "--folder", str(target.folder), "--port", str(target.port)]
        with (tmp_path / "said").open("ab") as said:
            started.append(subprocess.Popen(command, stdout=said, stderr=said))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def kill(process: ServingProcess) -> None:
    for member in process._family():
        member.kill()
    psutil.wait_procs(process._family(), timeout=5)


def version_at(target: LocalTarget) -> int:
    said = httpx.post(f"{target.url('echo')}/predict", json={}, timeout=10, trust_env=False)
    return int(said.json()["version"]) if said.status_code == 200 else 0


def test_a_server_that_ends_is_started_again_and_a_second_supervisor_is_refused(
    target: LocalTarget, supervise: Callable[[], subprocess.Popen[bytes]], echoes: Echoes, tmp_path: Path
) -> None:
    store, tags = echoes
    first = supervise()
    until(lambda: supervisor_of(target.root()) == first.pid)
    target.deploy("echo", "a", store, tags[1], version=1, spool=None)
    target.set_weights("echo", {"a": 100})
    before = target.slots("echo")["a"].process

    second = supervise()
    assert second.wait(60) != 0
    assert f"Process {first.pid} supervises" in (tmp_path / "said").read_text()

    kill(before)
    until(lambda: target.slots("echo") and version_at(target) == 1)
    assert target.slots("echo")["a"].process != before
    assert any("echo-a" in line and "100%" in line and "ended 1 time" in line for line in status_lines(target))

    state = target.root() / "state.json"
    whole = state.read_bytes()
    state.write_bytes(whole[:80])
    until(lambda: "is damaged" in (tmp_path / "said").read_text())
    assert (version_at(target), first.poll()) == (1, None)
    state.write_bytes(whole)

    first.kill()
    first.wait()
    kill(target.slots("echo")["a"].process)
    supervise()
    until(lambda: target.slots("echo") and version_at(target) == 1)


def test_a_bento_that_never_loads_is_told_to_whoever_deploys_it_also_under_a_supervisor(
    target: LocalTarget, supervise: Callable[[], subprocess.Popen[bytes]], tmp_path: Path, echo_folder
) -> None:
    supervise()
    until(lambda: supervisor_of(target.root()))
    store, folder = BentoStore(home=str(tmp_path / "bentos")), echo_folder(14)
    service = folder / "service.py"
    init = "def __init__(self): raise OSError('no model')\n    @bentoml.api"
    service.write_text(service.read_text().replace("@bentoml.api", init))

    with pytest.raises(ServingError, match="no model"):
        target.deploy("echo", "a", store, store.build(folder, "echo"), version=14, spool=None)

    assert target.slots("echo") == {}
    assert read_placements(target.root()).of("echo").wanted == {}
    assert any("never became ready" in line for line in status_lines(target))
