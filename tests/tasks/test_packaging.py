import json
from importlib.metadata import version as installed
from pathlib import Path

import psutil
import pytest

from prefect_mlops.blocks import BentoStore
from prefect_mlops.blocks.serving import MARK
from prefect_mlops.core.errors import ServingError
from prefect_mlops.tasks import build_bento, stage_bento

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BentoStore:
    return BentoStore(home=str(tmp_path_factory.mktemp("bentos")))


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_a_staged_bento_answers_as_the_model_did_offline(
    store: BentoStore, toy_spec, toy_package, problem: str
) -> None:
    spec = toy_spec(problem)
    _, package, _ = toy_package(spec, 4)

    staged = stage_bento.fn(build_bento.fn(spec, package, store), store)

    assert staged.fit, staged.reason
    assert staged.largest_difference is not None
    assert staged.largest_difference <= 1e-5
    assert staged.latency_p50_ms is not None
    assert staged.latency_p99_ms is not None
    assert 0 < staged.latency_p50_ms <= staged.latency_p99_ms
    assert list(serving(store)) == []


def test_a_version_is_built_once_and_carries_what_it_was_made_from(store: BentoStore, toy_spec, toy_package) -> None:
    spec = toy_spec("multiclass")
    _, package, _ = toy_package(spec, 7)

    bento = build_bento.fn(spec, package, store)

    source = store.path(bento.tag) / "src"
    assert build_bento.fn(spec, package, store) == bento
    assert build_bento.fn(spec, package._replace(version=8), store).tag != bento.tag
    assert json.loads((source / "spec.json").read_text())["name"] == spec.name
    assert json.loads((source / "lineage.json").read_text())["spec_digest"] == spec.digest
    assert json.loads((source / "contract.json").read_text())["version"] == 7
    assert f"onnxruntime=={installed('onnxruntime')} " in (source / "requirements.lock.txt").read_text()


def test_a_bento_that_answers_otherwise_than_offline_is_not_fit(store: BentoStore, toy_spec, toy_package) -> None:
    spec = toy_spec("regression")
    _, package, _ = toy_package(spec, 5)
    golden = json.loads(package.golden)
    golden["predictions"][3] += 1e-2
    bento = build_bento.fn(spec, package._replace(golden=json.dumps(golden)), store)

    staged = stage_bento.fn(bento, store)

    assert not staged.fit
    assert "differ by 0.00" in staged.reason


def test_a_bento_that_cannot_load_its_model_is_not_fit_and_says_why(store: BentoStore, toy_spec, toy_package) -> None:
    spec = toy_spec("binary")
    _, package, _ = toy_package(spec, 6)
    bento = build_bento.fn(spec, package._replace(trusted=(), onnx=b""), store)

    staged = stage_bento.fn(bento, store)

    assert not staged.fit
    assert "Untrusted types found" in staged.reason
    assert list(serving(store)) == []


def test_a_flipped_byte_of_the_model_is_found_before_anything_starts(store: BentoStore, toy_spec, toy_package) -> None:
    spec = toy_spec("binary")
    _, package, _ = toy_package(spec, 9)
    bento = build_bento.fn(spec, package, store)
    model = store.path(bento.tag) / "src" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)

    with pytest.raises(ServingError, match=r"damaged.*Run mlops-release again"):
        stage_bento.fn(bento, store)

    assert build_bento.fn(spec, package, store) == bento
    assert store.verified(bento.tag)


def serving(store: BentoStore):
    """Processes that were started for this store's bentos."""
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if MARK in environment and Path(environment.get("BENTOML_HOME", "/")).is_relative_to(store.home):
            yield process
