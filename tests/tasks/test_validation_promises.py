"""Validation tells nobody, leaves nothing on disk, quotes no personal value, and names what it cannot read."""

import os
import socket
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.spec import Expectation, Suite
from prefect_mlops.tasks import validate_data
from prefect_mlops.tasks.expectations.quiet import quiet_context

SECRET = "ada-lovelace"


def asked(kind: str, **kwargs: Any) -> Suite:
    return Suite(expectations=(Expectation(type=f"expect_{kind}", kwargs=kwargs),))


def test_neither_network_nor_temporary_folder_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    plainly = asked("column_values_to_match_regex", column="name", regex="(?=a)a")

    report = validate_data.fn(pd.DataFrame({"name": ["ada"]}), plainly)

    assert not report.failures
    assert list(tmp_path.iterdir()) == []


def test_great_expectations_is_told_to_report_to_nobody_and_to_draw_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GX_ANALYTICS_ENABLED", "true")

    context = quiet_context()

    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
    assert not context.variables.progress_bars["globally"]


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("column_values_to_be_between", {"min_value": 0, "max_value": 3}),
        ("column_mean_to_be_between", {"min_value": 0, "max_value": 3}),
        ("column_max_to_be_between", {"min_value": 0, "max_value": 3}),
        ("column_sum_to_be_between", {"min_value": 0, "max_value": 3}),
        ("column_distinct_values_to_be_in_set", {"value_set": ["x"]}),
        ("column_most_common_value_to_be_in_set", {"value_set": ["x"]}),
    ],
)
@pytest.mark.parametrize("values", [[SECRET, "b"], [SECRET, 1]])
def test_what_great_expectations_says_of_personal_values_is_masked(
    kind: str, kwargs: dict[str, Any], values: list[Any]
) -> None:
    rows = pd.DataFrame({"name": values})

    report = validate_data.fn(rows, asked(kind, column="name", **kwargs), personal=("name",))

    assert report.failures
    assert SECRET not in report.model_dump_json()


@pytest.mark.parametrize("kept", [0, 3, 200, -9, -1])
def test_a_truncated_file_is_refused_with_a_cure(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"age": range(1000)}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(DataError, match="Write it again"):
        validate_data.fn(path, asked("column_values_to_not_be_null", column="age"))


def test_a_file_with_a_broken_page_is_refused_with_a_cure(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"age": range(1000), "name": "a"}).to_parquet(path)
    written = bytearray(path.read_bytes())
    written[4:400] = b"\xff" * 396
    path.write_bytes(bytes(written))

    with pytest.raises(DataError, match="Write it again"):
        validate_data.fn(path, asked("column_values_to_not_be_null", column="age"))


def test_a_path_where_nothing_lies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows at"):
        validate_data.fn(tmp_path / "gone.parquet", asked("column_values_to_not_be_null", column="age"))
