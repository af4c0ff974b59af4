"""Batches come in whole or not at all, and what was accepted is read back as it was at a version."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefect_mlops.blocks import DeltaTables
from prefect_mlops.core.errors import DataError, NotFound, SchemaMismatch, TrainingError
from prefect_mlops.core.lineage import DataVersion, digest_rows
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import parse_spec
from prefect_mlops.tasks import (
    accept_labels,
    accept_rows,
    describe_recent,
    load_data,
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


ROWS_THAT_DO_NOT_FIT: dict[str, tuple[Any, type[Exception], str]] = {
    "no rows": (lambda rows: rows.head(0), DataError, "no rows"),
    "a key missing": (lambda rows: rows.drop(columns="id"), DataError, "lacks the columns id"),
    "the time missing": (lambda rows: rows.drop(columns="at"), DataError, "lacks the columns at"),
    "a feature missing": (lambda rows: rows.drop(columns="plan"), DataError, "lacks the columns plan"),
    "a column more": (lambda rows: rows.assign(more=1), SchemaMismatch, "more: the table lacks it"),
    "a column twice": (lambda rows: pd.concat([rows, rows[["at"]]], axis=1), DataError, "stand there twice: at"),
    "a column of ours": (lambda rows: rows.assign(accepted_at=NOON), DataError, "'accepted_at', which is ours"),
    "another type": (lambda rows: rows.assign(age="old"), SchemaMismatch, "age: the table has double"),
    "mixed types": (lambda rows: rows.assign(plan=[1, *rows["plan"][1:]]), DataError, "'plan'.*several types"),
    "a key of another type": (lambda rows: rows.assign(id=range(len(rows))), SchemaMismatch, "id: the table has"),
    "rows without a key": (lambda rows: rows.assign(id=[None, *rows["id"][1:]]), DataError, "1 rows without id"),
    "a key twice": (
        lambda rows: rows.assign(id=[rows["id"][1], *rows["id"][1:]]),
        DataError,
        "1 keys that stand there twice",
    ),
    "keys that are lists": (lambda rows: rows.assign(id=[["c"]] * len(rows)), DataError, "holds lists"),
    "no zone": (
        lambda rows: rows.assign(at=rows["at"].dt.tz_localize(None)),
        DataError,
        "'at' of .* have no time zone",
    ),
    "times as text": (lambda rows: rows.assign(at=rows["at"].astype("str")), DataError, "'at' .* holds no times"),
    "times as numbers": (lambda rows: rows.assign(at=1_700_000_000), DataError, "'at' .* holds no times but int64"),
    "dates": (lambda rows: rows.assign(at=rows["at"].dt.date), DataError, "'at' .* holds no times but date32"),
    "a time missing": (lambda rows: rows.assign(at=[pd.NaT, *rows["at"][1:]]), DataError, "1 rows without at"),
    "no time at all": (lambda rows: rows.assign(at=None), DataError, "rows without at"),
    "the future": (lambda rows: rows.assign(at=NOON + timedelta(seconds=1)), DataError, "100 rows whose at lies after"),
}


FAULTS = [
    pytest.param(fault, first, id=f"{fault} in a {'first' if first else 'later'} batch")
    for fault, (_, error, _) in ROWS_THAT_DO_NOT_FIT.items()
    for first in (True, False)
    if not (first and error is SchemaMismatch)  # a first batch settles the columns and their types
]


@pytest.mark.parametrize(("fault", "first"), FAULTS)
def test_a_batch_that_does_not_fit_is_refused_whole_and_the_table_stays(
    fault: str, first: bool, spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame
) -> None:
    spoil, error, said = ROWS_THAT_DO_NOT_FIT[fault]
    if not first:
        accept_rows.fn(tables, spec, rows.head(100), "first", NOON)
    before = tables.version("churn-accepted")

    with pytest.raises(error, match=said) as raised:
        accept_rows.fn(tables, spec, spoil(rows.tail(100).reset_index(drop=True)), "second", NOON)

    assert "'second'" in str(raised.value) or "'churn-accepted'" in str(raised.value)
    assert tables.version("churn-accepted") == before
    if not first:
        assert sorted(tables.read("churn-accepted")["id"]) == sorted(rows["id"].head(100))


LABELS_THAT_DO_NOT_FIT: dict[str, tuple[Any, type[Exception], str]] = {
    "no rows": (lambda labels: labels.head(0), DataError, "no rows"),
    "the target missing": (lambda labels: labels.drop(columns="left"), DataError, "lacks the columns left"),
    "the key missing": (lambda labels: labels.drop(columns="id"), DataError, "lacks the columns id"),
    "a column more": (lambda labels: labels.assign(why="?"), DataError, "beside the labels and their key: 'why'"),
    "a column of ours": (lambda labels: labels.assign(labelled_at=NOON), DataError, "'labelled_at', which is ours"),
    "no label known": (lambda labels: labels.assign(left=None), DataError, "holds no label in 'left'"),
    "a key twice": (lambda labels: labels.assign(id="c1"), DataError, "99 keys that stand there twice"),
    "rows without a key": (lambda labels: labels.assign(id=None), DataError, "100 rows without id"),
    "another type": (lambda labels: labels.assign(left="yes"), SchemaMismatch, "left: the table has bool"),
    "a key of another type": (lambda labels: labels.assign(id=range(100)), SchemaMismatch, "id: the table has string"),
}


@pytest.mark.parametrize("fault", LABELS_THAT_DO_NOT_FIT)
def test_labels_that_do_not_fit_are_refused_whole_and_the_table_stays(
    fault: str, spec: ModelSpec, tables: DeltaTables, labels: pd.DataFrame
) -> None:
    spoil, error, said = LABELS_THAT_DO_NOT_FIT[fault]
    accept_labels.fn(tables, spec, labels.head(100), "labels-first", NOON)

    with pytest.raises(error, match=said):
        accept_labels.fn(tables, spec, spoil(labels.tail(100).reset_index(drop=True)), "labels-second", NOON)

    assert tables.version("churn-labels") == 0
    assert len(tables.read("churn-labels")) == 100


def test_labels_whose_keys_could_never_meet_those_of_the_rows_are_refused_and_the_other_way_round(
    spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame, labels: pd.DataFrame, tmp_path: Path
) -> None:
    accept_rows.fn(tables, spec, rows.assign(id=rows.index), "rows", NOON)
    with pytest.raises(SchemaMismatch, match="'churn-accepted': id: the table has int64, the batch string"):
        accept_labels.fn(tables, spec, labels, "labels-1", NOON)
    accept_labels.fn(tables, spec, labels.assign(id=labels.index.astype("int16")), "labels-1", NOON)

    others = DeltaTables(root=str(tmp_path / "others"))
    accept_labels.fn(others, spec, labels, "labels-1", NOON)
    with pytest.raises(SchemaMismatch, match="'churn-labels': id: the table has string, the batch int64"):
        accept_rows.fn(others, spec, rows.assign(id=rows.index), "rows", NOON)


def test_a_moment_without_a_zone_is_refused(
    spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame, labels: pd.DataFrame
) -> None:
    for accept, batch in ((accept_rows, rows), (accept_labels, labels)):
        with pytest.raises(DataError, match=r"as_of .* has no time zone"):
            accept.fn(tables, spec, batch, "batch", NOON.replace(tzinfo=None))


@pytest.mark.parametrize("dtype", ["datetime64[ns, America/New_York]", "timestamp[ms, tz=UTC][pyarrow]", "object"])
def test_times_are_moments_however_they_are_held(
    dtype: str, spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame
) -> None:
    told = accept_rows.fn(tables, spec, rows.assign(at=rows["at"].astype(dtype)), "batch", NOON)

    assert (told.first, told.last) == (rows["at"].min().isoformat(), NOON.isoformat())


def test_a_row_may_lie_ahead_as_far_as_the_spec_says(spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame) -> None:
    patient = spec.model_copy(update={"data": spec.data.model_copy(update={"ahead_days": 1.0})})

    accept_rows.fn(tables, patient, rows, "batch", NOON - timedelta(days=1))
    with pytest.raises(DataError, match="1 rows whose at lies after 2026-01-01T11:00"):
        accept_rows.fn(tables, patient, rows, "other", NOON - timedelta(days=1, hours=1))


def test_load_data_says_exactly_what_it_read(spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame) -> None:
    accept_rows.fn(tables, spec, rows.head(50), "first", NOON)
    accept_rows.fn(tables, spec, rows.tail(150), "second", NOON)

    old = load_data.fn(tables, "churn-accepted", version=0, columns=["plan", "age"], time="at")
    new = load_data.fn(tables, "churn-accepted", time="at", after=NOON - timedelta(hours=60), before=NOON)

    pd.testing.assert_frame_equal(old.rows, rows.head(50)[["plan", "age"]])
    assert old.version == DataVersion(
        table="churn-accepted",
        version=0,
        rows=50,
        digest=digest_rows(rows.head(50)[["plan", "age"]]),
        first=(NOON - timedelta(hours=49)).isoformat(),
        last=NOON.isoformat(),
        columns={"plan": "str", "age": "float64"},
    )
    assert (new.version.version, new.version.rows, len(new.rows)) == (1, 60, 60)
    assert new.version == DataVersion.of(new.rows, "churn-accepted", 1, "at")


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"table": "other"}, NotFound, "no table 'other'"),
        ({"version": 9}, NotFound, "no version 'churn-accepted 9'"),
        ({"version": -1}, NotFound, "counted from 0"),
        ({"columns": ["id", "none"]}, DataError, "no column none"),
        ({"time": "plan"}, DataError, "'plan' holds no times"),
        ({"after": NOON}, DataError, "without its time column"),
        ({"time": "at", "before": NOON.replace(tzinfo=None)}, DataError, "no time zone"),
    ],
)
def test_load_data_says_what_is_not_there(
    asked: dict[str, Any], error: type[Exception], said: str, spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame
) -> None:
    accept_rows.fn(tables, spec, rows, "batch", NOON)

    with pytest.raises(error, match=said):
        load_data.fn(**{"tables": tables, "table": "churn-accepted", **asked})


def test_an_empty_window_has_a_digest_and_no_time_span(
    spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame
) -> None:
    accept_rows.fn(tables, spec, rows, "batch", NOON)

    nothing = load_data.fn(tables, "churn-accepted", columns=["id"], time="at", after=NOON).version

    assert (nothing.rows, len(nothing.digest), nothing.first, nothing.last) == (0, 64, "", "")


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


def test_columns_that_rows_are_weighed_and_cut_by_are_read_though_no_feature(
    spec: ModelSpec, tables: DeltaTables, rows: pd.DataFrame, labels: pd.DataFrame
) -> None:
    more = rows.assign(counts=1.5, taught=2.0, side="left", region="north", unasked=0)
    accept_rows.fn(tables, spec, more, "b1", NOON)
    accept_labels.fn(tables, spec, labels, "l1", NOON)
    gates = [
        *spec.model_dump(mode="json")["gates"],
        {"kind": "fair-across", "column": "side"},
        {"kind": "holds-on-slices", "metrics": ["accuracy"], "columns": ["region", "plan"]},
    ]
    data = spec.data.model_dump(mode="json") | {"weight": "counts"}
    trainer = spec.trainer.model_dump(mode="json") | {"weight": "taught"}
    changed = spec.model_dump(mode="json") | {"gates": gates, "data": data, "trainer": trainer}

    found = load_labelled_rows.fn(tables, ModelSpec.model_validate(changed), NOON, pin_versions.fn(tables, spec))

    assert {"counts", "taught", "side", "region"} <= {*found.columns}
    assert "unasked" not in found.columns


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
    told = describe_recent.fn(spec, recent, pin_versions.fn(tables, spec))
    assert (told.table, told.rows, len(told.digest)) == (f"{spec.name}-accepted", 48, 64)
    assert "left" not in told.columns


def test_training_before_anything_arrived_says_what_to_do(spec: ModelSpec, tables: DeltaTables) -> None:
    nothing = load_labelled_rows.fn(tables, spec, NOON, pin_versions.fn(tables, spec))

    with pytest.raises(DataError):
        split_rows.fn(spec, nothing, NOON)


def test_one_class_and_infinite_features_are_refused_by_name(spec: ModelSpec, rows: pd.DataFrame) -> None:
    with pytest.raises((DataError, TrainingError), match="left"):
        train_candidate.fn(spec, rows.assign(left=True))
    with pytest.raises((DataError, TrainingError), match="age"):
        train_candidate.fn(spec, rows.assign(left=rows["age"] > 40, age=np.inf))
