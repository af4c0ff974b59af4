"""Rows that no table may take are found, kept as they are, and come back with their types."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_mlops.core.quarantine import Cause, as_records, rows_of_records, sift, without
from prefect_mlops.core.spec import ModelSpec

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def spec() -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "churn",
            "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
            "data": {"key": ["id"], "time": "at", "ahead_days": 1},
            "target": {"column": "left", "problem": "binary", "positive": True},
            "features": {"numeric": ["age"]},
            "split": {"kind": "by-time"},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": [{"kind": "better-than-baseline", "metric": "log_loss"}],
        }
    )


def batch(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"id": ["a", "b", "c", "d"], "at": pd.Timestamp(NOON), "age": [1, 2, 3, 4], **columns})


def found(spec: ModelSpec, rows: pd.DataFrame) -> dict[str, list[int]]:
    return {cause.reason: cause.positions.tolist() for cause in sift(spec, rows, NOON)}


def test_nothing_is_set_aside_from_a_clean_batch(spec: ModelSpec) -> None:
    assert found(spec, batch()) == {}


def test_rows_without_key_or_time_are_set_aside(spec: ModelSpec) -> None:
    times = [pd.Timestamp(NOON), pd.NaT, pd.Timestamp(NOON), pd.Timestamp(NOON)]

    assert found(spec, batch(id=["a", "b", None, "d"], at=times)) == {
        "id: the row has no key": [2],
        "at: the row has no time": [1],
    }


def test_of_equal_rows_the_first_stays_and_of_contradicting_ones_none(spec: ModelSpec) -> None:
    rows = batch(id=["a", "a", "b", "b"], age=[1, 1, 3, 4])

    assert found(spec, rows) == {
        "the row repeats an earlier one": [1],
        "id: other rows have the same key and other values": [2, 3],
    }


def test_a_time_may_lie_as_far_ahead_as_the_spec_allows(spec: ModelSpec) -> None:
    ahead = [timedelta(0), timedelta(days=1), timedelta(days=1, microseconds=1), timedelta(days=-900)]

    assert found(spec, batch(at=[pd.Timestamp(NOON + d) for d in ahead])) == {
        "at: the time lies after the batch's own": [2]
    }


def test_cells_that_cannot_be_compared_do_not_stop_it(spec: ModelSpec) -> None:
    rows = batch(id=["a", "a", "b", "c"], age=[[1], [1], [2], [3]])

    assert found(spec, rows) == {"id: other rows have the same key and other values": [0, 1]}


def test_whoever_is_set_aside_is_on_record_with_all_reasons_and_the_rest_goes_on() -> None:
    rows = batch()
    causes = [Cause("too old", np.array([1, 3])), Cause("too late", np.array([3]))]

    records = as_records(rows, "b1", causes, NOON)

    assert records["row"].tolist() == [1, 3]
    assert [json.loads(text) for text in records["reasons"]] == [["too old"], ["too old", "too late"]]
    assert without(rows, causes)["id"].tolist() == ["a", "c"]


def test_rows_come_back_with_the_types_of_their_table() -> None:
    rows = batch(ok=[True, False, None, True], age=[1.5, 0.1 + 0.2, np.nan, 1e300])
    known = pa.schema([("at", pa.timestamp("us", "UTC")), ("age", pa.float64()), ("ok", pa.bool_())])

    back = rows_of_records(as_records(rows, "b1", [Cause("r", np.arange(4))], NOON), known)

    pd.testing.assert_series_equal(back["age"], rows["age"])
    assert back["ok"].tolist() == [True, False, None, True]
    assert (back["at"] == pd.Timestamp(NOON)).all()
    assert back["quarantine_reasons"].tolist() == ["r"] * 4


def test_a_value_of_another_type_stays_text() -> None:
    rows = batch(age=[1, "two", 3, 4])

    back = rows_of_records(as_records(rows, "b", [Cause("r", np.arange(4))], NOON), pa.schema([("age", pa.int64())]))

    assert back["age"].tolist() == ["1", "two", "3", "4"]


def test_personal_values_are_not_in_the_records() -> None:
    rows = batch(mail="ada@example.com")

    kept = as_records(rows, "b", [Cause("r", np.array([0]))], NOON, ["mail"])
    replaced = as_records(rows, "b", [Cause("r", np.array([0]))], NOON, ["mail"], lambda column: column.str.len())

    assert json.loads(kept["values"][0])["mail"] is None
    assert json.loads(replaced["values"][0])["mail"] == "15"


cells = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=4), st.booleans(), st.lists(st.integers()))


@given(st.lists(cells, min_size=1, max_size=8), st.data())
def test_any_rows_can_be_kept_and_none_is_lost(values: list[object], data: st.DataObject) -> None:
    rows = pd.DataFrame({"x": pd.Series(values, dtype=object)})
    some = st.sets(st.integers(0, len(values) - 1), min_size=1)
    causes = [Cause(name, np.array(sorted(data.draw(some)))) for name in "ab"]

    records = as_records(rows, "b", causes, NOON)

    assert len(records) + len(without(rows, causes)) == len(rows)
    assert len(rows_of_records(records)) == len(records)
