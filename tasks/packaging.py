"""Turn a registry version into a bento."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from prefect import task

from prefect_mlops.core.contract import contract_of
from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.own_service import own_service
from prefect_mlops.tasks.secret_scan import secrets_in
from prefect_mlops.tasks.serving_locks import packages_in, serving_lock

if TYPE_CHECKING:
    from prefect_mlops.blocks import BentoStore
    from prefect_mlops.tasks.registry import Package

__all__ = ["Bento", "build_bento"]

SERVICE = Path(__file__).parent / "bento_service"
PARTS = ("service.py", "entrance.py", "onnx_model.py", "skops_model.py", "spool.py", "segments.py", "run.py")
LEAN = "lean.py"


class Bento(NamedTuple):
    """One packaged version."""

    tag: str
    model: str
    version: int


@task
def build_bento(spec: ModelSpec, package: Package, store: BentoStore) -> Bento:
    """Package a registry version; the same contents give the same bento and are built once.

    It is served by ONNX Runtime where the version has an ONNX file, by skops elsewhere, unless the spec wants one of
    both. The bento carries all that it was made from, and the lock of the environment that it needs.

    Args:
        spec: What the model must be.
        package: What the registry keeps of the version; nothing in it is unpickled.
        store: Where the bento goes.

    Raises:
        ServingError: The spec wants a runtime that cannot stand for the model, a secret stands in a file that the
            bento would carry, its environment cannot be locked, or BentoML refused to build it.
        PartError: The service that the spec names cannot be taken.
    """
    runtime = _runtime_of(spec, package)
    contract = contract_of(
        spec,
        package.version,
        package.features,
        package.classes,
        package.trusted,
        runtime=runtime,
        threshold=package.threshold,
        quantiles=package.quantiles,
    )
    boosted = any(name.startswith("lightgbm.") for name in package.trusted)
    lock = serving_lock("onnx" if runtime == "onnx" else "lightgbm" if boosted else "skops", store.folder() / "locks")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in PARTS:
            shutil.copy(SERVICE / part, folder / part)
        if spec.serving.service is not None:
            beside = {Path(part).stem for part in PARTS if part != "service.py"}
            source = own_service(spec.serving.service, beside, packages_in(lock))
            (folder / "service.py").write_text(source, encoding="utf-8")
        else:
            shutil.copy(SERVICE / LEAN, folder / LEAN)
        model = package.onnx if runtime == "onnx" else package.model
        (folder / f"model.{runtime}").write_bytes(model)
        (folder / "contract.json").write_text(contract.model_dump_json(indent=1))
        (folder / "golden.json").write_text(package.golden)
        (folder / "lineage.json").write_text(package.lineage.model_dump_json(indent=1))
        (folder / "spec.json").write_text(spec.model_dump_json(indent=1))
        (folder / "requirements.lock.txt").write_text(lock)
        secrets = secrets_in(folder)
        if secrets:
            where = "; ".join(map(str, secrets[:5]))
            raise ServingError(
                f"Version {package.version} of {spec.name} was not packaged: a secret seems to stand in {where}",
                "Take it out of the spec or the service, and change it where it was valid",
            )
        tag = store.build(folder, spec.name)
    return Bento(tag, spec.name, package.version)


def _runtime_of(spec: ModelSpec, package: Package) -> Literal["onnx", "skops"]:
    """What reads the model.

    Raises:
        ServingError: The spec wants ONNX Runtime, and the version has no ONNX file.
    """
    if spec.serving.runtime == "onnx" and not package.onnx:
        raise ServingError(
            f"The spec's serving.runtime is onnx, and version {package.version} cannot be served so: "
            f"{package.without_onnx}",
            "Set serving.runtime to auto, or train a version that converts",
        )
    return "onnx" if package.onnx and spec.serving.runtime != "skops" else "skops"
