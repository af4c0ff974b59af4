"""A candidate scores beside the champion, and is held against it on the very same rows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefect_mlops.blocks import Places
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.scoring.beside import Beside
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import (
    accept_labels,
    compare_beside,
    load_champion,
    observe_model,
    pin_versions,
    plan_beside,
    promote_version,
    read_champion,
    score_windows,
    try_beside,
)
from prefect_mlops.tasks.data import load_recent_rows
from tests.tasks.scoring_cases import accept, day, score, spec_of, train_version, visits

LATER = spec_of(
    data={"key": ["visit"], "time": "at", "labels": "later"},
    monitors=[{"kind": "performance", "metric": "accuracy", "max_loss": 0.02, "min_labelled": 50}],
)
HALF = ["visit", "at", "pages", "minutes", "shop"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Ten days of history and ten new ones; version 1 is champion, 2 is like it, 3 sees one feature."""
    places, rows = Places.local(tmp_path_factory.mktemp("beside")), visits(0, 20)
    accept(places, LATER, rows[HALF], "rows", day(20))
    known = rows[rows["at"] < day(10)]
    assert train_version(places, LATER, known, day(10)) == 1
    assert train_version(places, LATER, known.sample(frac=0.9, random_state=1), day(10), promoted=False) == 2
    poor = spec_of(features={"numeric": ["pages"]}, data=LATER.data.model_dump())
    assert train_version(places, poor, known, day(10), promoted=False) == 3
    score(places, LATER, day(20))
    return places


def beside(places: Places, spec: ModelSpec, version: int) -> tuple[int, Beside]:
    champion = read_champion.fn(places.tracking, spec)
    assert champion is not None
    versions = pin_versions.fn(places.tables, spec)
    given: tuple[Any, ...] = (places.tables, places.tracking, spec)
    plan = plan_beside.fn(*given, version, champion, day(20), versions.data_version)
    done = score_windows.fn(*given, plan, day(20))
    return done.rows, compare_beside.fn(places.tables, spec, version, champion, versions)


def test_a_candidate_scores_the_champions_windows_once_and_is_judged_again_when_labels_come(places: Places) -> None:
    rows, first = beside(places, LATER, 3)
    new = visits(10, 10)
    said = [load_champion.fn(places.tracking, LATER, version).predict(new).labels for version in (1, 3)]

    assert (rows, first.rows, first.labelled) == (2000, 2000, 0)
    assert first.disagreed == np.sum(said[0] != said[1])
    accept_labels.fn(places.tables, LATER, new[["visit", "buys"]], "labels", day(20))
    rows, second = beside(places, LATER, 3)

    truth = new["buys"].to_numpy()
    assert (rows, second.labelled) == (0, 2000)
    assert second.champion_alone == np.sum((said[0] == truth) & (said[1] != truth))
    assert second.candidate_alone == np.sum((said[0] != truth) & (said[1] == truth))
    assert second.outcome == "roll back"
    assert second.reason.startswith("Version 3 is less often right than 1")
    assert second.rows_needed is not None


def test_a_candidate_that_answers_alike_may_go_on(places: Places) -> None:
    _, found = beside(places, LATER, 2)

    assert found.outcome == "go on"
    assert found.disagreed < 100
    shadow = places.tables.read("visits-scores", columns=["arm", "version"])
    assert set(zip(shadow["arm"], shadow["version"], strict=True)) == {("champion", 1), ("shadow", 2)}


def test_labels_that_come_with_their_rows_count_in_the_windows_of_those(tmp_path: Path) -> None:
    places, spec, rows = Places.local(tmp_path), spec_of(), visits(0, 20)
    accept(places, spec, rows, "rows", day(20))
    again = rows[rows["at"] >= day(19)].head(50)
    again = again.assign(at=again["at"] - timedelta(days=3), buys=~again["buys"])
    accept(places, spec, again, "the same visits on another day", day(20))
    known = rows[rows["at"] < day(10)]
    train_version(places, spec, known, day(10))
    train_version(places, spec_of(features={"numeric": ["pages"]}), known, day(10), promoted=False)
    score(places, spec, day(20))

    _, found = beside(places, spec, 2)

    new = pd.concat([rows[rows["at"] >= day(10)], again])
    truth = new["buys"].to_numpy()
    right = [load_champion.fn(places.tracking, spec, number).predict(new).labels == truth for number in (1, 2)]
    assert (found.rows, found.labelled) == (2050, 2050)
    assert found.champion_alone == np.sum(right[0] & ~right[1])
    assert found.candidate_alone == np.sum(~right[0] & right[1])


def test_the_champion_itself_is_no_candidate(places: Places) -> None:
    with pytest.raises(DataError, match="Version 1 of visits is the champion itself"):
        beside(places, LATER, 1)


def test_monitors_count_batch_scores_like_served_answers_but_none_of_rows_that_were_learned_from(
    places: Places,
) -> None:
    spec = LATER.model_copy(update={"data": LATER.data.model_copy(update={"recent_days": 30})})
    known = visits(0, 20).rename(columns={})
    labels = places.tables.read("visits-labels") if places.tables.exists("visits-labels") else known.iloc[:0]
    missing = known[~known["visit"].isin(labels["visit"])]
    if len(missing):
        accept_labels.fn(places.tables, LATER, missing[["visit", "buys"]], "more-labels", day(20))
    champion = read_champion.fn(places.tracking, spec)
    assert champion is not None
    score(places, spec, day(20), start=day(5).date())
    versions = pin_versions.fn(places.tables, spec)
    recent = load_recent_rows.fn(places.tables, spec, day(20), versions)

    seen = observe_model.fn(places.tables, spec, champion, recent, day(20))

    new = visits(10, 10)
    right = load_champion.fn(places.tracking, spec, 1).predict(new).labels == new["buys"].to_numpy()
    assert seen.labelled == 2000
    assert seen.value == pytest.approx(right.mean())
    promote_version.fn(places.tracking, spec, 2, day(20))
    other = read_champion.fn(places.tracking, spec)
    assert other is not None
    assert observe_model.fn(places.tables, spec, other, recent, day(20)).labelled == 0
    promote_version.fn(places.tracking, spec, 1, day(20))


def test_a_served_answer_and_a_score_of_one_row_count_once_and_the_newer_one(places: Places) -> None:
    import pyarrow as pa

    champion = read_champion.fn(places.tracking, LATER)
    assert champion is not None
    key = str(visits(19, 1)["visit"].iloc[0])
    served = pd.DataFrame(
        {
            "key": [key, key],
            "version": [1, 1],
            "predicted_at": pd.to_datetime(["2020-01-01", "2099-01-01"], utc=True),
            "prediction": ["old", "new"],
            "score": [0.5, 0.5],
            "probabilities": ["[0.5, 0.5]"] * 2,
        }
    )
    from prefect_mlops.tasks.monitoring import _score

    assert places.tables.append_spool(
        "visits-predictions", pa.Table.from_pandas(served, preserve_index=False), {"f": 1}, {"f": 0}
    )
    versions = pin_versions.fn(places.tables, LATER)
    recent = load_recent_rows.fn(places.tables, LATER, day(20), versions)

    found = _score(places.tables, LATER, champion, recent, None)

    assert found["key"].is_unique
    assert found.set_index("key")["prediction"][key] == "new"


@pytest.mark.parametrize("logged", ["hashed", "left-out"])
def test_scores_find_their_labels_by_a_personal_key_that_the_log_of_predictions_does_not_hold(
    places: Places, logged: str
) -> None:
    from prefect_mlops.tasks.monitoring import _score

    shown = {"data": LATER.data.model_dump() | {"personal": ["visit"]}, "serving": {"personal": logged}}
    spec = spec_of(monitors=[monitor.model_dump() for monitor in LATER.monitors], **shown)
    champion = read_champion.fn(places.tracking, LATER)
    assert champion is not None
    recent = load_recent_rows.fn(places.tables, spec, day(20), pin_versions.fn(places.tables, spec))

    found = _score(places.tables, spec, champion, recent, places.personal)

    assert len(found) == 2000
    assert found["key"].is_unique
    assert (found["prediction"].map(str) == found["target"].map(str)).mean() > 0.7


@pytest.mark.parametrize(
    ("candidates", "version", "ended"),
    [
        ("unscored", 3, ""),
        ("first", 3, "RolledBack"),
        ("only", 3, "RolledBack"),
        ("first", 2, ""),
        ("only", 2, ""),
        ("only", 1, ""),
    ],
)
def test_a_release_has_its_version_score_beside_the_champion_where_the_spec_says_so(
    places: Places, candidates: str, version: int, ended: str
) -> None:
    spec = spec_of(data=LATER.data.model_dump(), scoring={"candidates": candidates})

    tried = try_beside.fn(places, spec, version, day(20))

    assert tried.ended == ended
    assert (tried.found is None) == (candidates == "unscored" or version == 1)


def test_scores_that_alone_decide_and_cannot_yet_leave_a_release_undecided(places: Places) -> None:
    unsure = {"disagreement_limit": 0.01}  # the two differ in about as many rows
    first, only = (
        try_beside.fn(places, spec_of(data=LATER.data.model_dump(), scoring=unsure | {"candidates": said}), 2, day(20))
        for said in ("first", "only")
    )

    assert only.found is not None
    assert only.found.outcome == "hold", only.reason
    assert (first.ended, only.ended) == ("", "Undecided")
