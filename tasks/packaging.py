"""Turn a registry version into a bento, and try the real bento before it may see traffic."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import uuid
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefect import task

from prefect_mlops.core.contract import Contract, contract_of
from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    from prefect_mlops.blocks import BentoStore
    from prefect_mlops.tasks.registry import Package

__all__ = ["Bento", "Staged", "build_bento", "stage_bento"]

SERVICE = Path(__file__).parent / "bento_service"
NEEDED = ("bentoml", "numpy", "pandas", "scikit-learn", "skops", "uvloop", "httptools")
TOLERANCE = 1e-9
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
    import numpy as np

    if len(served) != len(golden["rows"]):
        return float("inf")
    if contract.problem == "regression":
        said, offline = [answer["prediction"] for answer in served], golden["predictions"]
    else:
        said = [list(answer["probabilities"].values()) for answer in served]  # type: ignore[attr-defined]  # JSON
        offline = golden["probabilities"]
    return float(np.max(np.abs(np.asarray(said, dtype=float) - np.asarray(offline, dtype=float))))
