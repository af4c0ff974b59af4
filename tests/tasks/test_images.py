"""A bento is the same bytes wherever it is built, and an image with it is built from nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from prefect_mlops.blocks import BentoStore
from prefect_mlops.core.errors import ServingError
from prefect_mlops.tasks import build_bento, containerize_bento
from prefect_mlops.tasks.packaging import Bento

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def made(toy_spec, toy_package) -> tuple[Any, Any]:
    spec = toy_spec("binary")
    return spec, toy_package(spec, 3)[1]


@pytest.fixture(scope="module")
def built(made: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[BentoStore, Bento]:
    store = BentoStore(home=str(tmp_path_factory.mktemp("first")))
    return store, build_bento.fn(*made, store)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a bento."""
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_another_time_and_another_hash_seed_give_the_same_bytes(
    made: tuple[Any, Any], built: tuple[BentoStore, Bento], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, bento = built
    monkeypatch.setenv("PYTHONHASHSEED", "4242")
    other = BentoStore(home=str(tmp_path))

    assert build_bento.fn(*made, other) == bento

    assert contents(other.path(bento.tag)) == contents(store.path(bento.tag))


def test_an_image_is_built_from_the_lock_and_the_bento_alone(built: tuple[BentoStore, Bento], tmp_path: Path) -> None:
    store, bento = built
    folder = containerize_bento.fn(bento, store, tmp_path / "image")
    version = bento.tag.partition(":")[2]

    assert sorted(path.name for path in folder.iterdir()) == sorted(["Dockerfile", "requirements.lock.txt", version])
    written = (folder / "Dockerfile").read_text()
    assert "--require-hashes" in written
    assert f'"{version}/src/run.py"' in written
    assert json.loads((folder / version / "src" / "contract.json").read_text())["version"] == 3
    with pytest.raises(ServingError, match="holds something already"):
        containerize_bento.fn(bento, store, folder)
