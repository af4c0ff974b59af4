"""The fastapi pin: beside Prefect 3.8 a newer one breaks the server's routes, then the server (see TRAPS.md)."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import PrefectServer


def test_fastapi_is_older_than_the_first_that_breaks_prefect() -> None:
    major, minor = (int(part) for part in version("fastapi").split(".")[:2])

    assert (major, minor) < (0, 151)


@pytest.mark.process
@pytest.mark.parametrize("listing", ["work-pool ls", "deployment ls", "flow-run ls"])
def test_a_real_server_starts_and_answers_what_newer_ones_refuse(listing: str, prefect_server: PrefectServer) -> None:
    command = [sys.executable, "-m", "prefect", *listing.split()]

    done = subprocess.run(command, env=prefect_server.env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
