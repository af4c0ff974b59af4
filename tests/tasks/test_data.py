"""Batches come in whole or not at all, and what was accepted is read back as it was at a version."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefect_mlops.blocks import DeltaTables
from prefect_mlops.core.errors import DataError, SchemaMismatch, TrainingError
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import parse_spec
from prefect_mlops.tasks import (
    accept_labels,
    accept_rows,
    load_labelled_rows,
    load_recent_rows,
    pin_versions,
    split_rows,
    train_candidate,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def spec() -> ModelSpec:
    return parse_spec("""
spec_version: 1
name: churn
purpose: {decision: Whom to call., business_metric: Customers kept., owner: crm@example.com}
data: {key: [id], time: at, labels: later, recent_days: 2}
target: {column: left, problem: binary, positive: true}
features: {numeric: [age], category: [plan]}
split: {kind: by-time, judge_days: 1}
trainer: {kind: sklearn, estimator: sklearn.linear_model.LogisticRegression}
gates: [{kind: better-than-baseline, metric: log_loss}]
""")


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(root=str(tmp_path))


@pytest.fixture
def rows() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": [f"c{number}" for number in range(200)],
            "at": pd.to_datetime([NOON - timedelta(hours=number) for number in range(200)], utc=True),
            "age": chance.normal(40, 10, 200),
            "plan": chance.choice(["free", "paid"], 200),
        }
    )


@pytest.fixture
def labels(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"id": rows["id"], "left": rows["age"] > 40})


@pytest.mark.parametrize("column", ["id", "at", "age", "plan"])
def test_a_batch_that_lacks_a_column_is_refused_whole(
    spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame, column: str
) -> None:
    with pytest.raises(DataError, match=f"lacks the columns {column}"):
        accept_rows.fn(tables, spec, rows.drop(columns=column), "batch", NOON)

    assert tables.version("churn-accepted") == -1


def test_labels_without_the_target_are_refused(spec: ModelSpec, tables: DeltaTables, labels: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="lacks the columns left"):
        accept_labels.fn(tables, spec, labels.drop(columns="left"), "labels-1", NOON)


def test_an_empty_batch_is_refused(spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="no rows"):
        accept_rows.fn(tables, spec, rows.head(0), "batch", NOON)


def test_a_key_twice_is_refused(spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="1 keys that stand there twice"):
        accept_rows.fn(tables, spec, rows.assign(id=["c1", *rows["id"][1:]]), "batch", NOON)


def test_times_without_a_zone_are_refused(spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="zone"):
        accept_rows.fn(tables, spec, rows.assign(at=rows["at"].dt.tz_localize(None)), "batch", NOON)


def test_another_type_is_refused_and_the_table_stays(spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame) -> None:
    accept_rows.fn(tables, spec, rows.head(100), "first", NOON)

    with pytest.raises(SchemaMismatch, match="age"):
        accept_rows.fn(tables, spec, rows.tail(100).assign(age="old"), "second", NOON)

    assert len(tables.read("churn-accepted")) == 100


def test_a_run_reads_the_versions_that_its_event_named(
    spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame, labels: pd.DataFrame
) -> None:
    accept_rows.fn(tables, spec, rows.head(100), "first", NOON)
    accept_labels.fn(tables, spec, labels.head(100), "labels-first", NOON)
    then = pin_versions.fn(tables, spec)
    accept_rows.fn(tables, spec, rows.tail(100), "second", NOON)
    accept_labels.fn(tables, spec, labels.tail(100), "labels-second", NOON)

    assert len(load_labelled_rows.fn(tables, spec, NOON, then)) == 100
    assert len(load_labelled_rows.fn(tables, spec, NOON, pin_versions.fn(tables, spec))) == 200


def test_rows_newer_than_as_of_are_not_read(
    spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame, labels: pd.DataFrame
) -> None:
    accept_rows.fn(tables, spec, rows, "batch", NOON)
    accept_labels.fn(tables, spec, labels, "labels-1", NOON)

    earlier = NOON - timedelta(hours=50)
    found = load_labelled_rows.fn(tables, spec, earlier, pin_versions.fn(tables, spec))

    assert found["at"].max() == pd.Timestamp(earlier)


def test_the_recent_window_keeps_rows_without_a_label(
    spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame, labels: pd.DataFrame
) -> None:
    accept_rows.fn(tables, spec, rows, "batch", NOON)
    accept_labels.fn(tables, spec, labels.head(10), "labels-1", NOON)

    recent = load_recent_rows.fn(tables, spec, NOON, pin_versions.fn(tables, spec))

    assert len(recent) == 48
    assert recent["left"].notna().sum() == 10


def test_training_before_anything_arrived_says_what_to_do(spec: ModelSpec, tables: DeltaTables) -> None:
    nothing = load_labelled_rows.fn(tables, spec, NOON, pin_versions.fn(tables, spec))

    with pytest.raises(DataError):
        split_rows.fn(spec, nothing, NOON)


def test_one_class_and_infinite_features_are_refused_by_name(spec: ModelSpec, rows: pd.DataFrame) -> None:
    with pytest.raises((DataError, TrainingError), match="left"):
        train_candidate.fn(spec, rows.assign(left=True))
    with pytest.raises((DataError, TrainingError), match="age"):
        train_candidate.fn(spec, rows.assign(left=rows["age"] > 40, age=np.inf))
