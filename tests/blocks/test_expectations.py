"""A suite that was put into the store comes out as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefect_mlops.blocks.expectations import SuiteStore
from prefect_mlops.core.errors import DataError, NotFound, SpecError
from prefect_mlops.core.spec import Expectation, Suite

SUITE = Suite(
    expectations=(
        Expectation(type="expect_column_to_exist", kwargs={"column": "carrier"}),
        Expectation(
            type="expect_column_values_to_be_between",
            kwargs={"column": "distance", "min_value": 0, "mostly": 0.99},
            meta={"action": "warn"},
        ),
    )
)


@pytest.fixture
def store(tmp_path: Path) -> SuiteStore:
    return SuiteStore(folder=str(tmp_path / "suites"))


def test_what_is_put_in_comes_out(store: SuiteStore) -> None:
    store.put("flights", SUITE)

    assert store.get("flights") == SUITE
    assert store.get("flights").digest == SUITE.digest
    assert store.names() == ("flights",)


def test_a_suite_that_great_expectations_wrote_is_read(store: SuiteStore, tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    written = {
        "name": "gx",
        "id": "7c1d",
        "meta": {"great_expectations_version": "1.24.1"},
        "expectations": [
            {"type": "expect_column_to_exist", "kwargs": {"column": "a"}, "id": "1", "severity": "critical"}
        ],
    }
    (tmp_path / "suites" / "gx.json").write_text(json.dumps(written))

    assert store.get("gx").expectations[0].kwargs == {"column": "a"}


def test_a_missing_suite_is_named_with_those_that_are_there(store: SuiteStore) -> None:
    store.put("flights", SUITE)

    with pytest.raises(NotFound, match=r"'trains'.*it holds flights"):
        store.get("trains")


@pytest.mark.parametrize("text", ["[", "a: 1", "expectations: [3]", "expectations: [{type: DROP}]", ""])
def test_a_file_that_is_no_suite_is_refused(store: SuiteStore, tmp_path: Path, text: str) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "bad.yaml").write_text(text)

    with pytest.raises(SpecError, match="not a valid suite"):
        store.get("bad")


@pytest.mark.parametrize("name", ["../x", "", "a/b"])
def test_a_name_never_leads_out_of_the_store(store: SuiteStore, name: str) -> None:
    with pytest.raises(DataError):
        store.get(name)
