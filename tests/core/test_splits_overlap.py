"""Rows that stand on both sides of a split are found, and a hold-out has one digest."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.evaluation import holdout_digest
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.splits.overlap import Overlap, overlap, twins_by_chance

rows = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 2), st.sampled_from(["p", "q", None]), st.booleans()), min_size=1
)


def frame_of(cells: list[tuple[int, int, str | None, bool]]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=["id", "x", "c", "y"])


def found(training: pd.DataFrame, judging: pd.DataFrame) -> Overlap:
    return overlap(training, judging, ("id",), ("x", "c"), "y")


@settings(max_examples=50, deadline=None)
@given(rows, rows)
def test_overlap_is_what_comparing_every_pair_of_rows_finds(
    learned: list[tuple[int, int, str | None, bool]], judged: list[tuple[int, int, str | None, bool]]
) -> None:
    told = found(frame_of(learned), frame_of(judged))

    for positions, cells in (
        (told.same_key, slice(0, 1)),
        (told.same_features, slice(1, 3)),
        (told.same_rows, slice(1, 4)),
    ):
        known = {row[cells] for row in learned}
        assert positions.tolist() == [place for place, row in enumerate(judged) if row[cells] in known]


def test_a_column_counts_by_its_values_whatever_types_the_two_sides_have() -> None:
    learned = pd.DataFrame({"id": [1, 2], "x": [1, 2], "c": ["p", None], "y": [True, False]})
    judged = pd.DataFrame({"id": [3, 4], "x": [1.0, None], "c": ["p", "p"], "y": [True, False]})

    assert found(learned, judged).same_rows.tolist() == [0]


def test_overlap_is_told_in_a_sentence() -> None:
    learned, judged = frame_of([(1, 0, "p", True)]), frame_of([(1, 0, "p", False), (2, 1, "p", True)])

    assert found(learned, judged).sentence == (
        "Of 2 judging rows 1 (50.0%) have a key that stands in training, "
        "1 (50.0%) have the features of a training row, 0 (0.0%) its target too."
    )
    assert found(learned, judged.tail(1)).sentence.startswith("None of 1 judging rows stands in training")


def test_a_missing_column_and_missing_rows_are_refused() -> None:
    whole = frame_of([(1, 0, "p", True)])

    with pytest.raises(DataError, match="judging rows have no column c"):
        found(whole, whole.drop(columns="c"))
    with pytest.raises(DataError, match="no judging rows"):
        found(whole, whole.head(0))


@pytest.mark.parametrize(("values", "share"), [(2, 1.0), (10, 0.85), (30, 0.05), (1_000, 0.0)])
def test_rows_of_independent_columns_are_seldom_a_point_more_alike_than_chance_says(values: int, share: float) -> None:
    chance, more, shares = np.random.default_rng(values), 0, []
    for _ in range(100):
        cells = {name: chance.integers(0, values, 1_000) for name in ("x", "c")}
        many = pd.DataFrame({"id": np.arange(1_000), **cells, "y": chance.random(1_000) < 0.3})
        learned, judged = many.head(700), many.tail(300)
        shares.append(found(learned, judged).shares[2])
        more += shares[-1] > twins_by_chance(learned, judged, ("x", "c", "y")) + 0.01

    print(f"{values} values: {np.mean(shares):.3f} alike, more than said in {more} of 100")
    assert np.mean(shares) >= share
    assert more <= 3


def test_hundreds_of_thousands_of_rows_are_compared_in_seconds() -> None:
    chance = np.random.default_rng(0)
    cells = {f"f{number}": chance.normal(size=200_000) for number in range(8)}
    many = pd.DataFrame({"id": np.arange(200_000), **cells, "y": chance.random(200_000) < 0.5})
    judged = pd.concat([many.iloc[150_000:], many.head(5)])

    began = time.process_time()
    told = overlap(many.iloc[:150_000], judged, ("id",), tuple(cells), "y")

    assert time.process_time() - began < 3
    assert told.same_rows.tolist() == list(range(50_000, 50_005))
    assert twins_by_chance(many.iloc[:150_000], judged, (*cells, "y")) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16))
def test_a_hold_out_has_one_digest_whatever_the_order_of_its_rows_and_the_models_features(seed: int) -> None:
    spec = ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "toy",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "tests"},
            "data": {"key": ["id"]},
            "target": {"column": "y", "problem": "binary", "positive": True},
            "features": {"numeric": ["x"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": [{"kind": "at-least", "metric": "roc_auc", "bound": 0.5}],
        }
    )
    held = frame_of([(number, number % 3, "p", number % 2 == 0) for number in range(20)])
    digest = holdout_digest(spec, held)

    assert holdout_digest(spec, held.sample(frac=1.0, random_state=seed).drop(columns="c")) == digest
    assert holdout_digest(spec, held.drop(index=seed % 20)) != digest
    flipped = held.assign(y=held["y"] ^ (held["id"] == seed % 20))
    assert holdout_digest(spec, flipped) != digest
