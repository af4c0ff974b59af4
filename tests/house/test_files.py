"""What tracked files may not hold: machine paths, addresses of package indexes, tools left running."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = (
    *("requirements.lock", "requirements-dev.lock", "requirements-data.lock"),
    *("requirements-images.lock", "requirements-serving.lock", "requirements-tools.lock"),
)
# Folders of somebody's machine; system paths such as /etc/ssl are the same everywhere.
MACHINE_PATH = re.compile(r"(?<![\w.:/}~$-])/(?:work|root|home|opt|Users)/[A-Za-z0-9_.-]+")
# `.invalid` is the domain that tests may name, since nobody can own it.
INDEX = re.compile(
    r"(?:index-url|find-links|trusted-host)[ =]"
    r"|https?://(?![^/\s]*\.invalid/)[^\s\"'`]*(?:/simple\b|pypi\.|pythonhosted)",
    re.IGNORECASE,
)
LOCKED = re.compile(r"[\w.-]+==[\w.+!-]+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
# The rules above, and the words by which uv is told to leave addresses out.
EXEMPT = {"tests/house/test_files.py", "scripts/lock.sh"}


def tracked() -> list[str]:
    """Files that git knows or would take, as text."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [name for name in listed if name and name not in EXEMPT and (ROOT / name).is_file()]


@pytest.mark.parametrize("forbidden", [MACHINE_PATH, INDEX], ids=["machine path", "package index"])
def test_no_file_names_a_place_that_others_do_not_have(forbidden: re.Pattern[str]) -> None:
    found = []
    for name in tracked():
        text = (ROOT / name).read_text(errors="ignore")
        found += [f"{name}: {match.group()}" for match in forbidden.finditer(text)]

    assert not found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_names_versions_and_hashes_only(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()

    kinds = {
        line
        for line in lines
        if not re.fullmatch(r"[\w.-]+==[\w.+!-]+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line)
    }

    assert not kinds
    assert any("--hash" in line for line in lines)


def test_the_locks_of_running_and_developing_agree() -> None:
    running, developing = (
        set(re.findall(r"^([\w.-]+==\S+)", (ROOT / lock).read_text(), re.MULTILINE)) for lock in LOCKS[:2]
    )

    assert running <= developing
