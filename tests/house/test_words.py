"""The words of the Makefile: what `make setup` says when it cannot, and that none is undescribed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("Makefile", "pyproject.toml", "requirements-dev.lock", "requirements-data.lock")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make setup` needs of a fresh clone."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in NEEDED:
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    return folder


def run(command: list[str], folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A command, to its end, with what it said."""
    # A `make` around these tests has no part in them.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(command, cwd=folder, env=own | env, capture_output=True, text=True, check=False)


@pytest.mark.process
def test_setup_without_python_says_which_one_is_needed(clone: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "make", "dirname", "mkdir", "ln", "sha256sum", "cat", "cut", "df", "awk", "rm", "sed"):
        found = shutil.which(name)
        assert found, name
        (tools / name).symlink_to(found)

    done = run(["make", "setup", "SHELL=/bin/bash"], clone, {"PATH": str(tools)})

    assert done.returncode != 0
    assert "setup: Python 3.11 or newer is needed and none was found; install it" in done.stderr


@pytest.mark.process
def test_setup_without_a_network_says_what_to_do(clone: Path) -> None:
    # An index that nobody answers for, and none of the wheels that may lie on this machine.
    nowhere = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": str(clone), "UV_OFFLINE": "1"}

    done = run(["make", "setup"], clone, nowhere | {"PATH": os.environ["PATH"].partition(os.pathsep)[2]})

    assert done.returncode != 0
    assert "setup: the packages could not be installed" in done.stderr
    assert "run `make setup` again" in done.stderr


@pytest.mark.process
def test_setup_on_a_full_disk_says_how_much_is_needed(clone: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = f"mount -t tmpfs -o size=64m small '{small}' && cp -r '{clone}/.' '{small}' && cd '{small}' && make setup"
    if subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this machine lets nobody mount a small file system")

    done = run(["unshare", "-rm", "bash", "-c", mounted], tmp_path, {})

    assert done.returncode != 0
    assert "GB are free in" in done.stderr
    assert "the environment needs 4" in done.stderr


def test_every_word_says_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text()

    described = set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE))

    assert described == set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
