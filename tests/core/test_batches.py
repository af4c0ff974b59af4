"""A batch becomes columns without a value changing, or is refused with the cure."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pyarrow as pa
import pytest

from prefect_mlops.core.batches import as_columns, fit_columns
from prefect_mlops.core.errors import DataError, SchemaMismatch

NOON = pd.Timestamp("2013-01-01 12:00", tz="America/New_York")


def test_an_index_never_comes_along() -> None:
    assert as_columns(pd.DataFrame({"a": [1, 2, 3]})[1:], "b").column_names == ["a"]


@pytest.mark.parametrize("dtype", ["str", "object", "category", "string"])
def test_text_is_one_type_however_pandas_held_it(dtype: str) -> None:
    rows = as_columns(pd.DataFrame({"a": pd.Series(["x", None], dtype=dtype)}), "b")

    assert rows.schema.types == [pa.string()]
    assert rows.to_pydict() == {"a": ["x", None]}


def test_times_become_the_same_moment_in_utc() -> None:
    moment = as_columns(pd.DataFrame({"at": [NOON]}), "b")["at"][0].as_py()

    assert moment == NOON.to_pydatetime()
    assert moment.utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pd.DataFrame({"a": []}), "no rows"),
        (pd.DataFrame({0: [1]}), "no text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "twice"),
        (pd.DataFrame({"a": pd.Series([1, "x"], dtype=object)}), "several types"),
        (pd.DataFrame({"a": pd.Series([NOON, 0], dtype="category")}), "several types"),
        (pd.DataFrame({"at": pd.to_datetime(["2013-01-01"])}), "'at' of batch 'b' have no time zone"),
        (pd.DataFrame({"at": [pd.Timestamp("2013-01-01 00:00:00.000000001", tz="UTC")]}), "lose digits"),
        (pd.DataFrame({"a": pd.Series([2**63 + 1], dtype="uint64")}), "lose digits"),
        (pd.DataFrame({"a": [pd.Timedelta(1, "h")]}), "no Delta table holds"),
        (pd.DataFrame({"a": [[], [None, None]]}), "'a' of batch 'b' hold no value that would tell their type"),
    ],
)
def test_what_cannot_be_held_as_it_is_is_refused(frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(DataError, match=says):
        as_columns(frame, "b")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([1, 2], pa.int32()), pa.int64()),
        (pa.array([1, 2]), pa.float64()),
        (pa.array([1.0, None]), pa.int64()),
        (pa.array([None, None]), pa.string()),
        (pa.array([None, None], pa.float64()), pa.string()),
    ],
)
def test_what_loses_nothing_is_cast(values: pa.Array, kind: pa.DataType) -> None:
    fitted = fit_columns(pa.table({"a": values}), pa.schema([("a", kind)]), "t")

    assert fitted.schema.types == [kind]
    assert fitted["a"].to_pylist() == values.to_pylist()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([750.5, None]), pa.int64()),
        (pa.array([750.0]), pa.int64()),
        (pa.array([2**53 + 1]), pa.float64()),
        (pa.array(["1"]), pa.int64()),
        (pa.array([1]), pa.string()),
        (pa.array([True]), pa.int64()),
        (pa.array([1]), pa.int32()),
    ],
)
def test_what_could_lose_something_is_refused(values: pa.Array, kind: pa.DataType) -> None:
    with pytest.raises(SchemaMismatch, match=r"a: the table has"):
        fit_columns(pa.table({"a": values}), pa.schema([("a", kind)]), "t")


def test_all_differences_are_named_at_once() -> None:
    rows = pa.table({"a": ["x"], "c": [1]})

    with pytest.raises(SchemaMismatch) as caught:
        fit_columns(rows, pa.schema([("a", pa.int64()), ("b", pa.int64())]), "t")

    assert [difference.split(":")[0] for difference in caught.value.differences] == ["b", "c", "a"]


def test_columns_come_in_the_tables_order() -> None:
    known = pa.schema([("a", pa.int64()), ("b", pa.int64())])

    assert fit_columns(pa.table({"b": [2], "a": [1]}), known, "t").to_pydict() == {"a": [1], "b": [2]}
