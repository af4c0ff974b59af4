"""Turn a registry version into a bento, and try the real bento before it may see traffic."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from prefect import task

from prefect_mlops.core.contract import Contract, contract_of
from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.own_service import own_service
from prefect_mlops.tasks.secret_scan import secrets_in
from prefect_mlops.tasks.serving_locks import packages_in, serving_lock

if TYPE_CHECKING:
    from prefect_mlops.blocks import BentoStore
    from prefect_mlops.tasks.registry import Package

__all__ = ["Bento", "Staged", "build_bento", "stage_bento"]

SERVICE = Path(__file__).parent / "bento_service"
PARTS = ("service.py", "entrance.py", "onnx_model.py", "skops_model.py", "spool.py", "run.py")
TOLERANCE = 1e-5
LOOKS = 50


class Bento(NamedTuple):
    """One packaged version."""

    tag: str
    model: str
    version: int


class Staged(Frozen):
    """What a trial of the real bento showed.

    Attributes:
        fit: Whether it may see traffic.
        reason: One sentence.
        boot_seconds: Until it was ready.
        largest_difference: Between a served and an offline probability or value, over the golden rows.
        latency_p50_ms: Of single-row requests, the client included.
        latency_p99_ms: Likewise.
    """

    fit: bool
    reason: str
    boot_seconds: float = 0.0
    largest_difference: float | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None


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


@task
def stage_bento(bento: Bento, store: BentoStore) -> Staged:
    """Boot the real bento in a process of its own and hold its answers against the offline ones.

    Every golden row must be answered as it was when the model was trained, and a row with an unknown field must be
    refused with a 400. The process is ended in any case.

    Returns:
        A finding; a bento that does not boot or answers otherwise is not fit.

    Raises:
        NotFound: The bento is not in the store.
        ServingError: It is damaged.
    """
    from prefect_mlops.blocks.serving import BentoProcess

    path = store.verified(bento.tag)
    log = store.folder() / "staging" / f"{bento.tag.replace(':', '-')}-{uuid.uuid4().hex[:8]}.log"
    begun = time.monotonic()
    process = BentoProcess.launch(store, bento.tag, slot="staging", spool=None, log=log)
    try:
        process.wait_serving(bento.tag)
        staged = _try(process.url, path / "src", time.monotonic() - begun)
    except ServingError as error:
        return Staged(fit=False, reason=f"It did not boot: {error}")
    finally:
        process.stop()
        shutil.rmtree(log.with_suffix(".home"), ignore_errors=True)
    log.unlink()
    return staged


def _try(url: str, source: Path, boot_seconds: float) -> Staged:
    import httpx

    contract = Contract.model_validate_json((source / "contract.json").read_text())
    golden = json.loads((source / "golden.json").read_text())
    with httpx.Client(base_url=url, timeout=30) as client:
        answer = client.post("/predict", json={"rows": golden["rows"]})
        if answer.status_code != 200:
            said = answer.text[:200]
            return Staged(
                fit=False, reason=f"The golden rows got {answer.status_code}: {said}", boot_seconds=boot_seconds
            )
        difference = _difference(contract, golden, answer.json()["predictions"])
        refused = client.post("/predict", json={"rows": [{**golden["rows"][0], "no_such_field": 1}]}).status_code
        latencies = []
        for look in range(LOOKS):
            start = time.perf_counter()
            client.post("/predict", json={"rows": [golden["rows"][look % len(golden["rows"])]]}).raise_for_status()
            latencies.append(1000 * (time.perf_counter() - start))
    latencies.sort()
    measured = {
        "boot_seconds": boot_seconds,
        "largest_difference": difference,
        "latency_p50_ms": latencies[LOOKS // 2],
        "latency_p99_ms": latencies[-1],
    }
    if not difference <= TOLERANCE:
        reason = f"Served and offline predictions differ by {difference:.3g}; {TOLERANCE:g} is allowed."
        return Staged(fit=False, reason=reason, **measured)
    if refused != 400:
        return Staged(fit=False, reason=f"A row with an unknown field got {refused}, 400 was expected.", **measured)
    reason = (
        f"Staged: {len(golden['rows'])} golden rows answered as offline (difference {difference:.1g}), boot in "
        f"{boot_seconds:.1f} s, p50 {measured['latency_p50_ms']:.1f} ms."
    )
    return Staged(fit=True, reason=reason, **measured)


def _difference(contract: Contract, golden: dict[str, list[object]], served: list[dict[str, object]]) -> float:
    """The largest gap between served and offline numbers; infinite where the counts differ."""
    from prefect_mlops.core.runtimes import largest_difference

    if len(served) != len(golden["rows"]):
        return float("inf")
    if contract.problem == "regression":
        said: object = [[answer["prediction"]] for answer in served]
        offline: object = [[value] for value in golden["predictions"]]
    else:
        said = [list(answer["probabilities"].values()) for answer in served]  # type: ignore[attr-defined]  # JSON
        offline = golden["probabilities"]
    return largest_difference(offline, said)
