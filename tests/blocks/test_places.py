"""One name loads all blocks of an environment, through a real Prefect server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from prefect_mlops.blocks import Places
from prefect_mlops.core.errors import NotFound

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


def save(places: Places, environment: str) -> None:
    for block in places:
        block.save(environment, overwrite=True)


@pytest.mark.usefixtures("server")
def test_what_was_saved_under_one_name_is_loaded_by_it(tmp_path: Path) -> None:
    places = Places.local(tmp_path)
    save(places, "whole")

    loaded = Places.load("whole")

    assert loaded.tables.root == str(tmp_path / "tables")
    assert loaded.ledger.url.get_secret_value() == places.ledger.url.get_secret_value()
    assert [type(block) for block in loaded] == [type(block) for block in places]


@pytest.mark.usefixtures("server")
def test_a_missing_block_is_named_with_its_cure() -> None:
    with pytest.raises(NotFound, match=r"mlops-source/nowhere.*prefect-mlops bootstrap"):
        Places.load("nowhere")


def test_a_process_that_imports_only_prefect_loads_our_class(server: str, tmp_path: Path) -> None:
    save(Places.local(tmp_path), "entry")
    code = (
        "from prefect.blocks.core import Block; block = Block.load('mlops-tables/entry');"
        "print(type(block).__module__, type(block).__name__)"
    )
    env = {"PREFECT_API_URL": server, "PATH": "", "HOME": str(tmp_path)}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)

    assert said.stdout.split() == ["prefect_mlops.blocks.tables", "DeltaTables"]
