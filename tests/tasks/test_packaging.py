import json
from importlib.metadata import version as installed

import pytest

from prefect_mlops.blocks import BentoStore
from prefect_mlops.core.errors import ServingError
from prefect_mlops.tasks import build_bento, stage_bento

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BentoStore:
    return BentoStore(home=str(tmp_path_factory.mktemp("bentos")))


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


def test_a_flipped_byte_of_the_model_is_found_before_anything_starts(store: BentoStore, toy_spec, toy_package) -> None:
    spec = toy_spec("binary")
    _, package, _ = toy_package(spec, 9)
    bento = build_bento.fn(spec, package, store)
    model = store.path(bento.tag) / "src" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)

    with pytest.raises(ServingError, match=r"damaged.*Run mlops-release again"):
        stage_bento.fn(spec, bento, store)

    assert build_bento.fn(spec, package, store) == bento
    assert store.verified(bento.tag)
