"""One name loads all blocks of an environment, through a real Prefect server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness
from pydantic import SecretStr

from prefect_mlops.blocks import FileSource, LocalTarget, Places, SqlSource
from prefect_mlops.blocks.places import load_source
from prefect_mlops.blocks.serving_target import GROUP, load_target, target_by_slug
from prefect_mlops.core.errors import DataError, NotFound, PartError
from tests.blocks.own_target import OwnTarget

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


@pytest.mark.usefixtures("server")
def test_a_target_of_ones_own_is_found_by_its_entry_point_and_held_against_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "own-1.dist-info"
    named.mkdir()
    (named / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1\n")
    (named / "entry_points.txt").write_text(f"[{GROUP}]\nown = tests.blocks.own_target:OwnTarget\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    LocalTarget(folder=str(tmp_path)).save("mine", overwrite=True)
    assert isinstance(load_target("mine"), LocalTarget)

    OwnTarget().save("mine", overwrite=True)

    assert isinstance(load_target("mine"), OwnTarget)
    assert isinstance(target_by_slug("own-target/mine"), OwnTarget)
    (named / "entry_points.txt").write_text(f"[{GROUP}]\nown = prefect_mlops.blocks.sources:SqlSource\n")
    with pytest.raises(PartError, match="it is not a serving target: it has no capabilities, "):
        load_target("mine")
    (named / "entry_points.txt").write_text(f"[{GROUP}]\nown = no_such_module:Target\n")
    with pytest.raises(PartError, match="its module does not load"):
        load_target("mine")


@pytest.mark.usefixtures("server")
def test_a_source_is_named_by_its_slug_and_is_the_landing_folder_without_one(tmp_path: Path) -> None:
    places = Places.local(tmp_path)
    SqlSource(url=SecretStr("sqlite://")).save("warehouse", overwrite=True)

    assert load_source("", places) is places.source
    assert isinstance(load_source("mlops-sql-source/warehouse", places), SqlSource)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("slug", "error", "said"),
    [
        ("warehouse", DataError, "is no block slug"),
        ("mlops-sql-source/elsewhere", NotFound, "Save it in the Prefect UI"),
        ("mlops-no-source/warehouse", NotFound, "Save it in the Prefect UI"),
        ("mlops-personal-key/odd", DataError, "gives no batches"),
    ],
)
def test_a_slug_that_names_no_source_is_refused_with_its_cure(
    slug: str, error: type[Exception], said: str, tmp_path: Path
) -> None:
    places = Places.local(tmp_path)
    places.personal.save("odd", overwrite=True)

    with pytest.raises(error, match=said):
        load_source(slug, places)


@pytest.mark.usefixtures("server")
def test_a_bucket_keeps_its_keys_when_it_is_saved() -> None:
    FileSource(folder="s3://b/in", storage_options={"aws_secret_access_key": SecretStr("s")}).save("b", overwrite=True)

    loaded = FileSource.load("b")

    assert isinstance(loaded, FileSource)
    assert loaded.storage_options["aws_secret_access_key"].get_secret_value() == "s"
