"""Groups, strata, embargoes and folds keep what teaches apart from what judges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.splits import ByGroup, ByKey, ByTime, Fold, RowSets

START = datetime(2013, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=60)
Split = ByTime | ByKey | ByGroup

seeds = st.integers(0, 2**20)
counts = st.integers(2, 6)


def rows_of(count: int = 600, seed: int = 0, first: int = 0, groups: int = 30) -> pd.DataFrame:
    """Rows of sixty days in a random order."""
    chance = np.random.default_rng(seed)
    hours = pd.to_timedelta(chance.integers(0, 60 * 24, count), unit="h")
    return pd.DataFrame(
        {
            "id": range(first, first + count),
            "at": pd.Timestamp(START) + hours,
            "store": chance.integers(0, groups, count),
            "y": chance.choice(list("abc"), count, p=[0.7, 0.2, 0.1]),
        }
    )


def split(part: Split, rows: pd.DataFrame, after: datetime | None = None) -> RowSets:
    return part.split(rows, key=("id",), time="at", as_of=AS_OF, after=after)


def folds(part: Split, rows: pd.DataFrame, count: int = 5, seed: int = 0) -> tuple[Fold, ...]:
    return part.folds(rows, key=("id",), time="at", count=count, seed=seed)


def ids(rows: pd.DataFrame) -> set[int]:
    return set(rows["id"])


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(0, 240), st.booleans())
def test_an_embargo_lies_between_what_taught_and_what_judges(seed: int, hours: int, champion: bool) -> None:
    rows, embargo = rows_of(seed=seed), timedelta(hours=hours)
    after = AS_OF - timedelta(days=1 + seed % 20) if champion else None
    part = ByTime(judge_days=15, embargo_days=hours / 24)
    if after is not None and after + embargo >= AS_OF - timedelta(days=1):
        after = AS_OF - embargo - timedelta(days=2)

    sets = split(part, rows, after)

    if hours or champion:
        gap = sets.judging["at"].min() - max([datetime.fromisoformat(sets.cutoff), *([after] if after else [])])
        assert gap > embargo
        assert gap - embargo < timedelta(days=30)
    assert not ids(sets.training) & ids(sets.reference)
    assert not ids(sets.training) & ids(sets.judging)


def test_an_embargo_is_told_in_words() -> None:
    assert (
        split(ByTime(embargo_days=2.5), rows_of()).judged_on == "10 days from 2013-02-20, after an embargo of 2.5 days"
    )


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(1, 59))
def test_a_group_once_held_out_is_never_trained_on_when_rows_and_groups_are_added(seed: int, days: int) -> None:
    rows = pd.concat([rows_of(seed=seed), rows_of(seed=seed + 1, first=600, groups=45)])
    early = rows[rows["at"] <= START + timedelta(days=days)]
    if early["store"].nunique() < 20:
        return

    before, later = split(ByGroup(group="store"), early), split(ByGroup(group="store"), rows.sample(frac=1.0))

    assert not set(later.training["store"]) & set(later.judging["store"])
    assert set(before.judging["store"]) <= set(later.judging["store"])
    assert not set(before.judging["store"]) & set(later.training["store"])
    assert ids(later.training) | ids(later.judging) == ids(rows)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_row_of_a_stratum_once_held_out_is_never_trained_on(seed: int) -> None:
    early = rows_of(seed=seed)
    rows = pd.concat([early, rows_of(900, seed + 1, first=600)])

    before, later = split(ByKey(stratify="y"), early), split(ByKey(stratify="y"), rows)

    assert ids(before.judging) <= ids(later.judging)
    assert set(before.judging["y"]) == set(before.training["y"]) == set(rows["y"])


@settings(max_examples=25, deadline=None)
@given(seeds, counts)
@pytest.mark.parametrize("part", [ByKey(), ByKey(stratify="y"), ByGroup(group="store")], ids=["key", "strata", "group"])
def test_folds_by_key_and_group_partition_the_rows(part: Split, seed: int, count: int) -> None:
    made = folds(part, rows_of(seed=seed), count, seed)

    assert sorted(np.concatenate([fold.judging for fold in made])) == list(range(600))
    for fold in made:
        assert not set(fold.training) & set(fold.judging)
        assert len(fold.training) + len(fold.judging) == 600


@settings(max_examples=25, deadline=None)
@given(seeds, counts, st.floats(0, 4))
def test_folds_by_time_never_learn_from_what_comes_later(seed: int, count: int, embargo: float) -> None:
    rows = rows_of(seed=seed)

    made = folds(ByTime(embargo_days=embargo), rows, count)

    for fold in made:
        gap = rows["at"].iloc[fold.judging].min() - rows["at"].iloc[fold.training].max()
        assert gap > timedelta(0)
        assert gap >= timedelta(days=embargo)
        assert len(fold.judging) == pytest.approx(600 / (count + 1), abs=30)
    for older, newer in pairwise(made):
        assert set(older.training) | set(older.judging) >= set(older.training)
        assert set(older.training) < set(newer.training)
        assert not set(older.judging) & set(newer.judging)


@pytest.mark.parametrize("part", [ByTime(), ByKey(), ByKey(stratify="y"), ByGroup(group="store")], ids=repr)
def test_the_order_of_the_rows_does_not_matter_to_folds(part: Split) -> None:
    rows = rows_of()
    shuffled = rows.sample(frac=1.0, random_state=3)

    for one, other in zip(folds(part, rows), folds(part, shuffled), strict=True):
        assert ids(rows.iloc[one.judging]) == ids(shuffled.iloc[other.judging])
        assert ids(rows.iloc[one.training]) == ids(shuffled.iloc[other.training])


def test_a_rows_fold_by_key_stays_when_rows_are_added_and_changes_with_the_seed() -> None:
    rows = rows_of()
    first = folds(ByKey(), rows)[0]

    assert ids(rows.iloc[first.judging]) <= ids(rows_of(900).iloc[folds(ByKey(), rows_of(900))[0].judging])
    assert set(first.judging) != set(folds(ByKey(), rows, seed=1)[0].judging)


def test_stratified_folds_hold_each_value_to_one_row() -> None:
    rows = rows_of(613)

    counted = pd.DataFrame([rows["y"].iloc[fold.judging].value_counts() for fold in folds(ByKey(stratify="y"), rows)])

    assert (counted.max() - counted.min()).max() <= 1
    assert len({len(fold.judging) for fold in folds(ByKey(stratify="y"), rows)}) <= 2


def test_folds_by_group_keep_groups_whole_and_sizes_near() -> None:
    rows = rows_of()

    made = folds(ByGroup(group="store"), rows)

    for fold in made:
        assert not set(rows["store"].iloc[fold.training]) & set(rows["store"].iloc[fold.judging])
        assert len(fold.judging) == pytest.approx(120, abs=6)


def test_how_many_groups_and_rows_judge_is_told_in_words() -> None:
    sets = split(ByGroup(group="store"), rows_of())

    groups = sets.judging["store"].nunique()
    assert sets.judged_on == f"{groups} of 30 groups by store, {len(sets.judging)} of 600 rows"


@pytest.mark.parametrize("name", [7, 7.0, "7"])
def test_a_group_is_the_same_whatever_its_type(name: object) -> None:
    rows = rows_of()
    typed = rows.assign(store=rows["store"].astype(object).where(rows["store"] != 7, name))

    assert ids(split(ByGroup(group="store"), typed).judging) == ids(split(ByGroup(group="store"), rows).judging)


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        (ByGroup(group="store"), lambda rows: rows.assign(store=1), "All 600 rows are of one group"),
        (ByGroup(group="shop"), lambda rows: rows, "no column 'shop', which split.group names"),
        (ByGroup(group="store"), lambda rows: rows.assign(store=rows["store"].where(rows["id"] > 2)), "in 3 of 600"),
        (ByKey(stratify="y"), lambda rows: rows.assign(y=np.where(rows["id"] < 1, "z", rows["y"])), "'z'.*of 1"),
        (ByKey(stratify="z"), lambda rows: rows, "no column 'z', which split.stratify names"),
        (ByTime(), lambda rows: rows.assign(at=rows["at"].dt.tz_localize(None)), "not timestamps with a time zone"),
        (ByTime(embargo_days=70), lambda rows: rows, "left to learn from"),
    ],
)
def test_rows_that_cannot_be_split_so_are_refused(part: Split, change: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        split(part, change(rows_of()))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        (ByGroup(group="store"), lambda rows: rows.assign(store=rows["id"] % 3), "3 groups.*give no 5 folds"),
        (
            ByKey(stratify="y"),
            lambda rows: rows.assign(y=np.where(rows["id"] < 2, "rare", rows["y"])),
            "'rare' in column 'y' has 2 rows, of which 5 folds need one each",
        ),
        (ByKey(), lambda rows: rows.head(3), "3 rows give no 5 folds"),
        (ByTime(), lambda rows: rows.assign(at=rows["at"].dt.tz_localize(None)), "not timestamps with a time zone"),
        (ByTime(), lambda rows: rows.assign(at=rows["at"].where(rows["id"] > 2)), "missing in 3 rows"),
        (ByTime(), lambda rows: rows.assign(at=pd.Timestamp(START)), "1 different times"),
        (ByTime(embargo_days=30), lambda rows: rows, "Fold 1 of 5 has no rows to learn from"),
    ],
)
def test_rows_that_give_no_folds_are_refused(part: Split, change: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        folds(part, change(rows_of()))  # type: ignore[operator]


def test_names_of_groups_never_stand_in_an_error() -> None:
    rows = rows_of().assign(store="ann@example.org")

    with pytest.raises(DataError) as caught:
        split(ByGroup(group="store"), rows)

    assert "example.org" not in str(caught.value)
