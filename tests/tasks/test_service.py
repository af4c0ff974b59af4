import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import pytest

from prefect_mlops.core.contract import contract_of
from prefect_mlops.core.trainers.fitted import prepare

SERVICE = Path(importlib.util.find_spec("prefect_mlops.tasks").submodule_search_locations[0]) / "bento_service"  # type: ignore[union-attr,index]


@pytest.fixture
def reader(tmp_path: Path, toy_spec) -> ModuleType:
    """The file beside it that reads a model by ONNX Runtime."""
    return _beside_a_contract("onnx_model", tmp_path, toy_spec)


@pytest.fixture
def spooling(tmp_path: Path, toy_spec) -> ModuleType:
    """The file beside it that writes the log."""
    return _beside_a_contract("spool", tmp_path, toy_spec)


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


@pytest.fixture
def spool(spooling: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    monkeypatch.setattr(
        prometheus_client,
        "Counter",
        lambda name, text, make=prometheus_client.Counter: make(name, text, registry=registry),
    )
    contract = json.loads((tmp_path / "contract.json").read_text())
    spool = spooling.Spool(str(tmp_path / "spool"), "b", contract)
    yield spool
    spool.close()


def test_lines_go_to_a_file_of_this_very_process(spool, tmp_path: Path) -> None:
    spool.put([{"n": 1}, {"n": 2}])
    spool.close()

    (file,) = (tmp_path / "spool" / "toy-binary").iterdir()
    assert file.name.startswith(f"b-{os.getpid()}-")
    assert [json.loads(line) for line in file.read_text().splitlines()] == [{"n": 1}, {"n": 2}]


def test_a_full_disk_stops_nobody_and_what_waits_is_written_once_there_is_room(
    spool, spooling: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "UNWRITTEN_BYTES", 20)
    room = os.open(tmp_path / "room.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    spool._file = os.open("/dev/full", os.O_WRONLY)
    for number in range(5):
        spool._append([{"n": number}])
    dropped = spool._dropped._value.get()
    spool._file = room
    spool._append([{"n": 5}])
    spool._append([{"n": 6}])

    kept = [json.loads(line)["n"] for line in (tmp_path / "room.jsonl").read_text().splitlines()]
    assert kept == [0, 1, 2, 6]
    assert dropped == 2
    assert spool._dropped._value.get() == 3


@pytest.mark.parametrize("value", [3, 3.0, "3", 2.5, True, "", "a b", None, 10**15, 1e300])
def test_a_category_is_written_as_in_training(reader: ModuleType, value: object) -> None:
    import pandas as pd

    frame = pd.DataFrame({"day": pd.Series([value], dtype=object)})

    assert reader.text_of(value) == prepare(frame, ("day",), ("day",))["day"][0]


@pytest.mark.parametrize(("values", "key"), [([7], "7"), (["7", 8], '["7", "8"]'), ([None, 8], ""), ([2.5], "2.5")])
def test_a_key_is_bare_text_or_a_json_list(spooling: ModuleType, values: list[object], key: str) -> None:
    assert spooling._key(values) == key
