"""What a local target does on a full disk: it says so, its state stays whole, and the champion serves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.tasks.bento_service import run

pytestmark = [pytest.mark.process, pytest.mark.slow]

BOTH = """
import json, os, sys
from pathlib import Path
import httpx
from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.placements import ModelPlaces, changing, read_placements
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

def fill(pages_left=0):
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            filler.truncate(max(0, filler.tell() - 4096 * pages_left))

def grow():  # a state of more pages than the gateway's files, so that there is room for those alone
    with changing(target.root()) as placements:
        placements.models |= {f"model-{number}": ModelPlaces() for number in range(300)}

def running():
    return {slot: found.process.pid for slot, found in target.slots("echo").items()}

def halves():
    return [path.name for path in target.root().iterdir() if path.name.startswith(".")]

target.deploy("echo", "a", store, one, version=1, spool=None)
target.set_weights("echo", {"a": 100})
target.deploy("echo", "b", store, two, version=2, spool=None)
"""
DIVIDED = """
before, known = (target.root() / "state.json").read_bytes(), running()
fill()
said = told(lambda: target.set_weights("echo", {"a": 50, "b": 50}))
kept = (target.root() / "state.json").read_bytes() == before
full = versions(), target.weights("echo").get("b", 0), running() == known
(folder / "filler").unlink()
left = halves()
target.set_weights("echo", {"a": 50, "b": 50})
print(json.dumps([said, kept, *full, left, versions()]))
"""
REMOVED = """
grow()
target.set_weights("echo", {"a": 100})
seen, processes = [], {slot: found.process for slot, found in target.slots("echo").items()}
for pages_left in range(0, 60, 3):
    fill(pages_left)
    said = told(lambda: target.remove("echo", "b"))
    seen.append([said, versions(), "b" in target.slots("echo"), processes["b"].alive(), halves()])
    (folder / "filler").unlink()
    if said == "nothing":
        break
target.remove("echo", "b")
left = sorted(target.slots("echo")), processes["b"].alive(), sorted(read_placements(target.root()).of("echo").slots)
target.deploy("echo", "b", store, two, version=2, spool=None)
target.set_weights("echo", {"a": 50, "b": 50})
print(json.dumps([seen, left, versions()]))
"""
STOPPED = """
grow()
target.set_weights("echo", {"a": 100})
seen, processes = [], [found.process for found in target.slots("echo").values()]
for pages_left in range(0, 60, 3):
    fill(pages_left)
    said = told(target.stop)
    serves = versions() if said != "nothing" else []
    seen.append([said, serves, sorted(target.slots("echo")), halves()])
    (folder / "filler").unlink()
    if said == "nothing":
        break
target.stop()
print(json.dumps([seen, [each.alive() for each in processes], read_placements(target.root()).models]))
"""


@pytest.fixture
def on_a_small_disk(tmp_path: Path, echo_folder: Any) -> Any:
    """Runs a script on a disk of two megabytes, on which two versions serve; what it prints last."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip(
            "This machine lets nobody mount a small disk: allow user namespaces (`unshare -rm true`), or run as root"
        )
    # Through `run.py`, as targets start what we build: what BentoML itself starts dies where its metrics find no room.
    store, tags = BentoStore(home=str(tmp_path / "bentos")), {}
    for version in (1, 2):
        folder = echo_folder(version)
        shutil.copy(str(run.__file__), folder)
        tags[version] = store.build(folder, "echo")
    small = tmp_path / "small"
    small.mkdir()
    mounted = f'mount -t tmpfs -o size=2m tmpfs {small} && exec "$0" "$@"'
    told = [str(small), str(store.folder()), str(free_port()), tags[1], tags[2]]

    def execute(script: str) -> Any:
        whole = f"{BOTH}try:\n{textwrap.indent(script, '    ')}finally:\n    target.stop()\n"
        done = subprocess.run(
            [unshare, "-rm", "sh", "-c", mounted, sys.executable, "-c", whole, *told],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return execute


def test_traffic_that_was_to_be_divided_stays_the_champions(on_a_small_disk: Any) -> None:
    said, kept, versions, share, same, halves, after = on_a_small_disk(DIVIDED)

    assert "No space left" in said
    assert "Make room" in said
    assert (kept, versions, share, same, halves) == (True, [1], 0, True, [])
    assert after == [1, 2]


def test_a_slot_that_cannot_be_emptied_keeps_its_server_and_is_emptied_once_there_is_room(on_a_small_disk: Any) -> None:
    seen, left, after = on_a_small_disk(REMOVED)

    assert "No space left" in seen[0][0]
    assert "Make room" in seen[0][0]
    for said, versions, listed, alive, halves in seen:
        assert (versions, halves) == ([1], [])
        assert listed == alive == (said != "nothing")
    assert len(seen) > 3
    assert left == [["a"], False, ["a"]]
    assert after == [1, 2]


def test_what_cannot_be_stopped_goes_on_and_is_stopped_once_there_is_room(on_a_small_disk: Any) -> None:
    seen, alive, models = on_a_small_disk(STOPPED)

    assert "No space left" in seen[0][0]
    assert "Make room" in seen[0][0]
    for said, versions, listed, halves in seen:
        assert halves == []
        assert (versions, listed) == (([1], ["a", "b"]) if said != "nothing" else ([], []))
    assert len(seen) > 3
    assert (alive, models) == ([False, False], {})
