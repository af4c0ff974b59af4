"""`prefect-mlops serve` keeps servers up, is alone in doing so, and neither a damaged state nor a full disk ends it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
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
from prefect_mlops.tasks.bento_service import run

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


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


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
    wait_until(lambda: supervisor_of(target.root()) == first.pid)
    target.deploy("echo", "a", store, tags[1], version=1, spool=None)
    target.set_weights("echo", {"a": 100})
    before = target.slots("echo")["a"].process

    second = supervise()
    assert second.wait(60) != 0
    assert f"Process {first.pid} supervises" in (tmp_path / "said").read_text()

    kill(before)
    wait_until(lambda: target.slots("echo") and version_at(target) == 1)
    assert target.slots("echo")["a"].process != before
    assert any("echo-a" in line and "100%" in line and "ended 1 time" in line for line in status_lines(target))

    state = target.root() / "state.json"
    whole = state.read_bytes()
    state.write_bytes(whole[:80])
    wait_until(lambda: "is damaged" in (tmp_path / "said").read_text())
    assert (version_at(target), first.poll()) == (1, None)
    state.write_bytes(whole)

    first.kill()
    first.wait()
    kill(target.slots("echo")["a"].process)
    supervise()
    wait_until(lambda: target.slots("echo") and version_at(target) == 1)


def test_a_bento_that_never_loads_is_told_to_whoever_deploys_it_also_under_a_supervisor(
    target: LocalTarget, supervise: Callable[[], subprocess.Popen[bytes]], tmp_path: Path, echo_folder
) -> None:
    supervise()
    wait_until(lambda: supervisor_of(target.root()))
    store, folder = BentoStore(home=str(tmp_path / "bentos")), echo_folder(14)
    service = folder / "service.py"
    init = "def __init__(self): raise OSError('no model')\n    @bentoml.api"
    service.write_text(service.read_text().replace("@bentoml.api", init))

    with pytest.raises(ServingError, match="no model"):
        target.deploy("echo", "a", store, store.build(folder, "echo"), version=14, spool=None)

    assert target.slots("echo") == {}
    assert read_placements(target.root()).of("echo").wanted == {}
    assert any("never became ready" in line for line in status_lines(target))


FULL = """
import json, os, sys
from pathlib import Path
import httpx
from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.core.errors import ServingError

folder, home, port, one, two = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
target, store = LocalTarget(folder=str(folder / "serving"), port=port), BentoStore(home=home)

def versions():
    said = (httpx.post(f"{target.url('echo')}/predict", json={}, timeout=10, trust_env=False) for _ in range(20))
    return sorted({answer.json()["version"] for answer in said})

def told(act):
    try:
        act()
    except ServingError as error:
        return str(error)
    return "nothing"

try:
    target.deploy("echo", "a", store, one, version=1, spool=None)
    target.set_weights("echo", {"a": 100})
    target.deploy("echo", "b", store, two, version=2, spool=None)
    before = (target.root() / "state.json").read_bytes()
    running = {slot: found.process.pid for slot, found in target.slots("echo").items()}
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            pass
    said = told(lambda: target.set_weights("echo", {"a": 50, "b": 50}))
    kept = (target.root() / "state.json").read_bytes() == before
    full = versions(), target.weights("echo").get("b", 0), {s: f.process.pid for s, f in target.slots("echo").items()}
    (folder / "filler").unlink()
    halves = [path.name for path in target.root().iterdir() if path.name.startswith(".")]
    target.set_weights("echo", {"a": 50, "b": 50})
    print(json.dumps([said, kept, full[0], full[1], full[2] == running, halves, versions()]))
finally:
    target.stop()
"""


def test_on_a_full_disk_the_state_and_the_traffic_are_the_old_ones(tmp_path: Path, echo_folder) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("No mounts of our own on this machine")
    # Through `run.py`, as targets start what we build: what BentoML itself starts dies where its metrics find no room.
    store, tags = BentoStore(home=str(tmp_path / "bentos")), {}
    for version in (1, 2):
        folder = echo_folder(version)
        shutil.copy(str(run.__file__), folder)
        tags[version] = store.build(folder, "echo")
    small = tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size=2m tmpfs {small} && exec "$0" "$@"'
    told = [str(small), str(store.folder()), str(free_port()), tags[1], tags[2]]

    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", script, sys.executable, "-c", FULL, *told],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    said, kept, versions, share, same, halves, after = json.loads(done.stdout)
    assert "No space left" in said
    assert "Make room" in said
    assert (kept, versions, share, same, halves) == (True, [1], 0, True, [])
    assert after == [1, 2]
