"""Splits keep what a model learned from apart from what judges it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.splits import ByKey, ByTime, RowSets, key_text

START = datetime(2013, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=90)

windows = st.tuples(st.integers(20, 60), st.integers(1, 15), st.integers(0, 2**16))


def rows_of(days: int, per_day: int = 20, first_key: int = 0) -> pd.DataFrame:
    count = days * per_day
    times = pd.date_range(START, periods=count, freq=timedelta(days=1) / per_day)
    return pd.DataFrame({"id": range(first_key, first_key + count), "at": times, "y": [n % 3 for n in range(count)]})


def by_time(rows: pd.DataFrame, as_of: datetime = AS_OF, after: datetime | None = None, **keys: object) -> RowSets:
    return ByTime.model_validate(keys).split(rows, key=("id",), time="at", as_of=as_of, after=after)


def by_key(rows: pd.DataFrame, **keys: object) -> RowSets:
    return ByKey.model_validate(keys).split(rows, key=("id",), time=None, as_of=AS_OF, after=None)


def ids(rows: pd.DataFrame) -> set[int]:
    return set(rows["id"])


@settings(max_examples=25, deadline=None)
@given(windows)
def test_with_a_champion_the_three_sets_are_apart_and_the_judging_rows_are_newer_than_both_models(
    window: tuple[int, int, int],
) -> None:
    days, judge_days, seed = window
    rows = rows_of(80).sample(frac=1.0, random_state=seed)
    as_of = START + timedelta(days=days)
    after = as_of - timedelta(days=1 + seed % 12)

    sets = by_time(rows, as_of, after, judge_days=judge_days)

    assert not ids(sets.training) & ids(sets.reference)
    assert not ids(sets.judging) & (ids(sets.training) | ids(sets.reference))
    assert sets.judging["at"].max() <= as_of
    assert sets.judging["at"].min() > max(datetime.fromisoformat(sets.cutoff), after)
    assert sets.judging["at"].min() > as_of - timedelta(days=judge_days)
    assert datetime.fromisoformat(sets.cutoff) == pd.concat([sets.training, sets.reference])["at"].max()
    assert len(sets.training) + len(sets.reference) + len(sets.judging) == (rows["at"] <= as_of).sum()


def test_without_a_champion_the_reference_judges_and_all_else_is_learned_from() -> None:
    rows = rows_of(100)

    sets = by_time(rows, reference_share=0.3)

    assert sets.judging is sets.reference
    assert ids(sets.training) | ids(sets.reference) == ids(rows[rows["at"] <= AS_OF])
    assert not ids(sets.training) & ids(sets.reference)
    assert len(sets.reference) / (rows["at"] <= AS_OF).sum() == pytest.approx(0.3, abs=0.04)
    assert sets.judged_on == "a random 30% of 1,801 rows up to 2013-04-01"


def test_judging_days_are_told_in_words() -> None:
    assert by_time(rows_of(90), after=START + timedelta(days=60)).judged_on == "10 days from 2013-03-22"


@settings(max_examples=25, deadline=None)
@given(st.integers(30, 79), st.integers(0, 2**16))
def test_a_row_once_held_out_is_held_out_always(days: int, seed: int) -> None:
    rows = rows_of(80)
    early = by_key(rows[rows["at"] <= START + timedelta(days=days)])
    late = by_key(rows.sample(frac=1.0, random_state=seed))

    assert ids(early.judging) <= ids(late.judging)
    assert ids(early.training) <= ids(late.training)
    assert not ids(late.judging) & ids(late.training)
    early_in_time = by_time(rows, START + timedelta(days=days))
    assert ids(early_in_time.reference) <= ids(by_time(rows).reference)


def test_a_larger_share_keeps_what_a_smaller_one_held_out() -> None:
    rows = rows_of(80)

    assert ids(by_key(rows, judge_share=0.1).judging) < ids(by_key(rows, judge_share=0.4).judging)


def test_the_hash_of_a_key_is_the_same_in_every_process() -> None:
    code = (
        "import pandas as pd; from datetime import datetime, UTC; from prefect_mlops.core.splits import ByKey;"
        "rows = pd.DataFrame({'id': [str(n) for n in range(200)]});"
        "sets = ByKey().split(rows, key=('id',), time=None, as_of=datetime(2013, 1, 1, tzinfo=UTC), after=None);"
        "print(','.join(sets.judging['id']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )

    here = by_key(pd.DataFrame({"id": range(200)}))
    assert run.stdout.strip().split(",") == [str(number) for number in here.judging["id"]]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pd.Series([7, 8]), "7"),
        (pd.Series([7.0, 8.0]), "7"),
        (pd.Series(["7", "8"]), "7"),
        (pd.Series(pd.to_datetime(["2013-01-01T05:00Z", "2013-01-02T05:00Z"])), "2013-01-01T05:00:00+00:00"),
    ],
)
def test_a_key_reads_the_same_whatever_its_type(column: pd.Series, text: str) -> None:
    assert key_text(pd.DataFrame({"id": column}), ("id",))[0] == text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.iloc[:0], "no labelled rows to split"),
        (lambda rows: pd.concat([rows, rows.tail(2)]), "2 of 1,802 rows repeat the key"),
        (lambda rows: rows.assign(at=rows["at"].dt.tz_localize(None)), "not timestamps with a time zone"),
        (lambda rows: rows.assign(at=rows["at"].astype(str)), "not timestamps with a time zone"),
        (lambda rows: rows.assign(at=rows["at"].where(rows["id"] > 2)), "missing in 3 rows"),
        (lambda rows: rows.assign(id=rows["id"].where(rows["id"] > 2)), "missing in 3 rows"),
        (lambda rows: rows.drop(columns="at"), "no time column 'at'"),
        (lambda rows: rows.drop(columns="id"), "no key column id"),
        (lambda rows: rows.assign(at=rows["at"] + timedelta(days=365)), "No labelled row is as old as"),
        (lambda rows: rows[rows["at"] > AS_OF - timedelta(days=3)], "are left to learn from"),
        (lambda rows: rows[rows["at"] < AS_OF - timedelta(days=30)], "No labelled row is newer than"),
    ],
)
def test_rows_that_cannot_be_split_are_refused_with_the_reason(change: object, said: str) -> None:
    rows = change(rows_of(91).query("id < 1800"))  # type: ignore[operator]

    with pytest.raises(DataError, match=said):
        by_time(rows, after=AS_OF - timedelta(days=20))


@pytest.mark.parametrize("name", ["as_of", "after"])
def test_a_time_without_a_zone_is_refused(name: str) -> None:
    moments = {"as_of": AS_OF, "after": AS_OF - timedelta(days=20)}
    moments[name] = moments[name].replace(tzinfo=None)

    with pytest.raises(DataError, match=f"`{name}`.*without a zone"):
        by_time(rows_of(90), moments["as_of"], moments["after"])


def test_values_of_a_key_never_stand_in_an_error() -> None:
    rows = pd.DataFrame({"id": ["ann@example.org"] * 2})

    with pytest.raises(DataError) as caught:
        by_key(rows)

    assert "ann" not in str(caught.value)
