"""What looks at infrastructure: tools in an environment of their own, made from their lock."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of hadolint, zizmor and checkov."""
    done = subprocess.run([ROOT / "scripts" / "tools.sh"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"The tools of requirements-tools.lock cannot be installed here: {done.stderr.strip()[-300:]}")
    return ROOT / ".tools" / "bin"
