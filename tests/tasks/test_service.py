import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from prefect_mlops.core.contract import contract_of
from prefect_mlops.core.trainers.fitted import prepare

SERVICE = Path(importlib.util.find_spec("prefect_mlops.tasks").submodule_search_locations[0]) / "bento_service"  # type: ignore[union-attr,index]


@pytest.fixture
def service(tmp_path: Path, toy_spec) -> ModuleType:
    """The service file as a bento holds it, with a contract beside it."""
    return _beside_a_contract("service", tmp_path, toy_spec)


def _beside_a_contract(name: str, tmp_path: Path, toy_spec) -> ModuleType:
    contract = contract_of(toy_spec("binary"), 3, ["x", "day"], [False, True], [])
    (tmp_path / "contract.json").write_text(contract.model_dump_json())
    (tmp_path / f"{name}.py").write_text((SERVICE / f"{name}.py").read_text())
    found = importlib.util.spec_from_file_location(f"{name}_{tmp_path.name}", tmp_path / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("value", [3, 3.0, "3", 2.5, True, "", "a b", None, 10**15, 1e300])
def test_a_category_is_written_as_in_training(service: ModuleType, value: object) -> None:
    import pandas as pd

    frame = pd.DataFrame({"day": pd.Series([value], dtype=object)})

    assert service._text(value) == prepare(frame, ("day",), ("day",))["day"][0]
