"""Turn a registry version into a bento."""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefect import task

from prefect_mlops.core.contract import contract_of
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    from prefect_mlops.blocks import BentoStore
    from prefect_mlops.tasks.registry import Package

__all__ = ["Bento", "build_bento"]

SERVICE = Path(__file__).parent / "bento_service"
NEEDED = ("bentoml", "numpy", "pandas", "scikit-learn", "skops", "uvloop", "httptools")


class Bento(NamedTuple):
    """One packaged version."""

    tag: str
    model: str
    version: int


@task
def build_bento(spec: ModelSpec, package: Package, store: BentoStore) -> Bento:
    """Package a registry version; the same contents give the same bento and are built once.

    Args:
        spec: What the model must be.
        package: What the registry keeps of the version; nothing in it is unpickled.
        store: Where the bento goes.

    Raises:
        ServingError: BentoML refused to build it.
    """
    contract = contract_of(spec, package.version, package.features, package.classes, package.trusted)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("service.py", "spool.py", "segments.py"):
            shutil.copy(SERVICE / part, folder / part)
        (folder / "model.skops").write_bytes(package.model)
        (folder / "contract.json").write_text(contract.model_dump_json(indent=1))
        (folder / "golden.json").write_text(package.golden)
        (folder / "lineage.json").write_text(package.lineage.model_dump_json(indent=1))
        (folder / "spec.json").write_text(spec.model_dump_json(indent=1))
        needed = (*NEEDED, *(["lightgbm"] if any(name.startswith("lightgbm.") for name in package.trusted) else []))
        (folder / "requirements.txt").write_text("".join(f"{name}=={installed(name)}\n" for name in needed))
        tag = store.build(folder, spec.name)
    return Bento(tag, spec.name, package.version)
