import json
import re
from importlib.metadata import version as installed
from pathlib import Path

import pytest

import prefect_mlops.tasks.packaging as build_module
from prefect_mlops.blocks import BentoStore
from prefect_mlops.core.errors import PartError, ServingError
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


def test_a_lock_holds_hashes_and_no_address_and_a_secret_anywhere_stops_the_build(
    store: BentoStore, toy_spec, toy_package
) -> None:
    spec = toy_spec(
        "binary", purpose={"decision": "d", "business_metric": "m", "owner": "https://me:hunter2@x.invalid"}
    )
    _, package, _ = toy_package(spec, 2)

    with pytest.raises(ServingError, match=r"a secret seems to stand in spec\.json, line \d+ \(Basic Auth") as refused:
        build_bento.fn(spec, package, store)
    bento = build_bento.fn(toy_spec("binary"), package, store)

    assert "hunter2" not in str(refused.value)
    lock = (store.path(bento.tag) / "src" / "requirements.lock.txt").read_text()
    assert "://" not in lock
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\w)", lock.strip()))


def test_skops_serves_what_onnx_cannot_and_trusts_no_more_than_was_declared(
    store: BentoStore, toy_spec, toy_package
) -> None:
    spec = toy_spec("binary", serving={"runtime": "skops"})
    _, package, _ = toy_package(spec, 2)

    source = store.path(build_bento.fn(spec, package, store).tag) / "src"

    contract = json.loads((source / "contract.json").read_text())
    assert contract["runtime"] == "skops"
    assert contract["trusted"] == list(package.trusted)
    assert not (source / "model.onnx").exists()
    imports = [
        word for path in source.glob("*.py") for word in re.findall(r"(?m)^ *(?:import|from) (\w+)", path.read_text())
    ]
    assert not {"pickle", "joblib", "mlflow", "prefect", "prefect_mlops"} & set(imports)


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        ("import bentoml\n", "it has no `service`"),
        ("import prefect_mlops.core\nservice = 1\n", "it imports prefect_mlops"),
        ("import polars\nservice = 1\n", "it imports polars"),
    ],
)
def test_a_service_of_a_team_that_could_not_run_is_refused_before_it_is_packaged(
    store: BentoStore,
    toy_spec,
    toy_package,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    refused: str,
) -> None:
    (tmp_path / "acme_service.py").write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = toy_spec("binary", serving={"service": "acme_service"})

    with pytest.raises(PartError, match=refused):
        build_bento.fn(spec, toy_package(spec, 2)[1], store)


def test_a_service_of_a_team_takes_the_place_of_ours(
    store: BentoStore, toy_spec, toy_package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Path(build_module.__file__).parent / "bento_service" / "service.py"
    (tmp_path / "acme_scores.py").write_text(f"{ours.read_text()}\n# of a team\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = toy_spec("binary", serving={"service": "acme_scores"})

    source = store.path(build_bento.fn(spec, toy_package(spec, 2)[1], store).tag) / "src"

    assert (source / "service.py").read_text().endswith("# of a team\n")
    assert not (source / "lean.py").exists()
