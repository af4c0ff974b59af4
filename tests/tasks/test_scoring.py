"""Accepted rows are scored once a window, whatever happens, with real tables and a real registry."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from prefect_mlops.blocks import DeltaTables, Places
from prefect_mlops.blocks.scores import ScoreTable
from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.splits import key_text
from prefect_mlops.tasks import load_champion, promote_version
from prefect_mlops.tasks.scorers import OnnxModel, load_scorer
from tests.tasks.scoring_cases import A_DAY, accept, day, score, spec_of, train_version, visits

ROOT = Path(__file__).parents[2]
SPEC = spec_of()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Places in which version 1 learned from ten days and is champion, and version 2 waits."""
    places, rows = Places.local(tmp_path_factory.mktemp("trained")), visits(0, 10)
    accept(places, SPEC, rows, "history", day(10))
    assert train_version(places, SPEC, rows, day(10)) == 1
    assert train_version(places, SPEC, rows.head(900), day(10), promoted=False) == 2
    return places


@pytest.fixture
def places(trained: Places, tmp_path: Path) -> Places:
    """That registry with version 1 as champion, and a copy of its tables for one test."""
    trained.tracking.alias(SPEC.name, 1, "champion")
    shutil.copytree(trained.tables.root, tmp_path / "tables")
    return trained._replace(tables=DeltaTables(root=str(tmp_path / "tables")))


def held(places: Places, arm: str = "champion") -> pd.DataFrame:
    """All scores on record, in the order of their ids."""
    rows = places.tables.read("visits-scores")
    return rows[rows["arm"] == arm].sort_values("prediction_id", ignore_index=True)


def test_new_rows_are_scored_as_the_champion_says_and_nothing_that_it_learned_from(places: Places) -> None:
    new = visits(10, 3)
    accept(places, SPEC, new, "new", day(13))

    done = score(places, SPEC, day(13))

    found = held(places).sort_values("key", ignore_index=True)
    said = load_champion.fn(places.tracking, SPEC, 1).predict(new)
    assert [(window.name, window.rows) for window in done.windows] == [
        (f"2026-01-{number}", A_DAY) for number in (11, 12, 13)
    ]
    assert found["key"].tolist() == key_text(new, ["visit"]).tolist()
    assert found["prediction"].tolist() == [str(label) for label in said.labels]
    assert said.probabilities is not None
    np.testing.assert_allclose(np.stack(found["probabilities"]), said.probabilities, atol=1e-6)
    np.testing.assert_allclose(found["score"], said.probabilities[:, 1], atol=1e-6)
    assert found["event_time"].tolist() == new["at"].tolist()
    assert {*found["version"]} == {1}
    assert {*found["data_version"]} == {1}
    assert not {*SPEC.features.names, "buys"} & {*found.columns}


def test_a_day_that_was_not_over_when_the_champion_learned_is_scored_with_its_rest(tmp_path: Path) -> None:
    places, rows = Places.local(tmp_path), visits(0, 11)
    noon = rows["at"] < day(10) + timedelta(hours=12)
    accept(places, SPEC, rows[noon], "history", day(10) + timedelta(hours=12))
    train_version(places, SPEC, rows[noon], day(10) + timedelta(hours=12))

    assert score(places, SPEC, day(10) + timedelta(hours=12)).windows == ()
    accept(places, SPEC, rows[~noon], "rest", day(11))

    assert [(window.name, window.rows) for window in score(places, SPEC, day(11)).windows] == [("2026-01-11", A_DAY)]


def test_a_version_that_was_converted_answers_by_onnx_runtime_categories_included(places: Places) -> None:
    found = load_scorer(places.tracking, SPEC, 1)

    assert isinstance(found, OnnxModel)
    odd = visits(10, 1).assign(shop=["north", None, "nobody's", ""] * 50)
    odd.loc[3, "pages"] = None
    np.testing.assert_allclose(
        found.predict(odd).probabilities,
        load_champion.fn(places.tracking, SPEC, 1).predict(odd).probabilities,
        atol=1e-6,
    )


def test_a_file_that_does_not_answer_as_the_model_did_is_left_alone(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    other = spec_of(features={"numeric": ["pages", "minutes", "shop"]})

    found = load_scorer(places.tracking, other, 1)

    assert not isinstance(found, OnnxModel)
    assert "Version 1 is read by skops, not by ONNX Runtime" in caplog.text


def test_scoring_again_changes_nothing_and_ids_depend_on_nothing_but_row_and_version(places: Places) -> None:
    accept(places, SPEC, visits(10, 2), "new", day(12))
    score(places, SPEC, day(12))
    table, before = ScoreTable(places.tables, "visits"), held(places)
    version = places.tables.version(table.name)

    again = score(places, SPEC, day(12))
    span = score(places, SPEC, day(12), start=date(2026, 1, 11), end=date(2026, 1, 13))

    assert (again.windows, span.windows, places.tables.version(table.name)) == ((), (), version)
    shutil.rmtree(places.tables.path(table.name))
    score(places, SPEC, day(13))
    assert held(places)["prediction_id"].tolist() == before["prediction_id"].tolist()
    assert before["prediction_id"].is_unique


def test_rows_that_come_late_replace_their_window_and_leave_the_others(places: Places) -> None:
    rows = visits(10, 2)
    accept(places, SPEC, rows.drop(index=[3, 7]), "most", day(12))
    score(places, SPEC, day(12))
    before = held(places)
    accept(places, SPEC, rows.loc[[3, 7]], "late", day(13))

    done = score(places, SPEC, day(13))

    assert [window.name for window in done.windows] == ["2026-01-11"]
    after = held(places)
    assert sorted(after["key"]) == sorted(key_text(rows, ["visit"]))
    assert {*before["prediction_id"]} < {*after["prediction_id"]}
    untouched = after[after["window"] == "2026-01-12"]
    assert untouched["scored_at"].tolist() == before[before["window"] == "2026-01-12"]["scored_at"].tolist()


def test_a_new_champion_scores_what_is_new_and_a_span_only_when_it_is_asked_for(places: Places) -> None:
    accept(places, SPEC, visits(10, 3), "new", day(13))
    score(places, SPEC, day(13))
    promote_version.fn(places.tracking, SPEC, 2, day(13))
    accept(places, SPEC, visits(13, 1), "newer", day(14))

    assert [window.name for window in score(places, SPEC, day(14)).windows] == ["2026-01-14"]
    asked = score(places, SPEC, day(14), start=date(2026, 1, 12), end=date(2026, 1, 13))

    assert [(window.name, window.why(2)) for window in asked.windows] == [("2026-01-12", "version 2 instead of 1")]
    found = held(places)
    versions = found.groupby("window")["version"].agg(["min", "max", "size"]).to_dict("index")
    assert {name: (each["min"], each["max"], each["size"]) for name, each in versions.items()} == {
        "2026-01-11": (1, 1, A_DAY),
        "2026-01-12": (2, 2, A_DAY),
        "2026-01-13": (1, 1, A_DAY),
        "2026-01-14": (2, 2, A_DAY),
    }
    assert found["prediction_id"].is_unique


def test_a_run_of_an_earlier_moment_takes_no_row_away(places: Places) -> None:
    accept(places, SPEC, visits(10, 2), "new", day(12))
    score(places, SPEC, day(12))
    promote_version.fn(places.tracking, SPEC, 2, day(12))

    done = score(places, SPEC, day(11) + timedelta(hours=12), start=date(2026, 1, 12))

    assert done.windows == ()
    assert len(held(places)) == 2 * A_DAY


def test_rows_without_times_are_scored_by_when_they_were_accepted(tmp_path: Path) -> None:
    spec = spec_of(data={"key": ["visit", "shop"]}, features={"numeric": ["pages", "minutes"]})
    places, rows = Places.local(tmp_path), visits(0, 6).fillna({"shop": 'ö "corner"'})
    accept(places, spec, rows.head(800), "history", day(1))
    assert train_version(places, spec, rows.head(800), day(2)) == 1
    accept(places, spec, rows[800:900], "first", day(3))
    accept(places, spec, rows[900:], "second", day(4))

    done = score(places, spec, day(5))

    assert [(window.name, window.rows) for window in done.windows] == [
        ("2026-01-04T000000.000000Z", 100),
        ("2026-01-05T000000.000000Z", 300),
    ]
    assert sorted(held(places)["key"]) == sorted(key_text(rows[800:], ["visit", "shop"]))
    with pytest.raises(DataError, match=r"windows of another kind than `scoring.window` says"):
        score(places, SPEC, day(5))


def test_two_runs_at_once_score_every_row_once(places: Places) -> None:
    accept(places, SPEC, visits(10, 4), "new", day(14))

    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(score, places, SPEC, day(14)) for _ in range(3)]
        scored = [each.result().rows for each in done]

    found = held(places)
    assert sorted(scored)[-1] == 4 * A_DAY
    assert sorted(found["key"]) == sorted(key_text(visits(10, 4), ["visit"]))
    assert found["prediction_id"].is_unique


KILLED = """
import sys, time
from prefect_mlops.blocks import DeltaTables, MlflowTracking, Places
from prefect_mlops.tasks import scoring
from tests.tasks.scoring_cases import day, score, spec_of

read = scoring._score_rows

def read_and_wait(*given):
    yield from read(*given)
    print("written", flush=True)
    time.sleep(600)

scoring._score_rows = read_and_wait
home, tables, uri, artifacts = sys.argv[1:]
places = Places.local(__import__("pathlib").Path(home))
tracking = MlflowTracking(tracking_uri=uri, artifacts=artifacts)
score(places._replace(tables=DeltaTables(root=tables), tracking=tracking), spec_of(), day(14))
"""


@pytest.mark.process
def test_a_run_that_is_killed_before_its_commit_leaves_files_that_nobody_reads(places: Places, tmp_path: Path) -> None:
    rows = visits(10, 4, a_day=20_000)
    accept(places, SPEC, rows, "new", day(14))
    where = [tmp_path / "home", places.tables.root, places.tracking.tracking_uri, places.tracking.artifacts]
    command = [sys.executable, "-c", KILLED, *map(str, where)]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stdout is not None
    assert "written" in run.stdout.readline()
    run.kill()
    run.wait()

    files = [*Path(places.tables.path("visits-scores")).glob("window=*/**/*.parquet")]
    assert files
    assert ScoreTable(places.tables, "visits").recorded("champion").windows == {}
    done = score(places, SPEC, day(14))

    assert done.rows == len(rows)
    found = held(places)
    assert sorted(found["key"]) == sorted(key_text(rows, ["visit"]))
    assert found["prediction_id"].is_unique


def test_rows_in_a_bucket_are_scored_into_it_and_once(trained: Places, delta_bucket: dict[str, Any]) -> None:
    trained.tracking.alias(SPEC.name, 1, "champion")
    places = trained._replace(tables=DeltaTables(root="s3://lake/models", storage_options=delta_bucket))
    for number in (10, 12):
        accept(places, SPEC, visits(number, 2), f"rows-{number}", day(14))

    assert [score(places, SPEC, day(14)).rows for _ in range(2)] == [4 * A_DAY, 0]
    again = score(places, SPEC, day(14), start=date(2026, 1, 12), end=date(2026, 1, 13))
    assert again.windows == ()
    assert sorted(held(places)["key"]) == sorted(key_text(visits(10, 4), ["visit"]))


def test_what_another_run_wrote_since_this_one_looked_is_not_written_over(places: Places) -> None:
    rows = visits(10, 1)
    accept(places, SPEC, rows.head(150), "most", day(11))
    table = ScoreTable(places.tables, "visits")
    score(places, SPEC, day(11))
    seen, before = table.recorded("champion"), held(places)
    accept(places, SPEC, rows.tail(50), "late", day(12))
    score(places, SPEC, day(12))

    stale = places.tables.read("visits-scores").head(0)

    assert seen.windows["2026-01-11"].rows == len(before) == 150
    assert table.replace("champion", ["2026-01-11"], [pa.Table.from_pandas(stale)], seen.table_version) is None
    assert len(held(places)) == A_DAY


@pytest.mark.parametrize(
    ("span", "told"),
    [
        ({"start": date(2026, 1, 12), "end": date(2026, 1, 12)}, "are none"),
        ({"start": date(2026, 1, 13), "end": date(2026, 1, 12)}, "are none"),
        ({"end": date(2026, 1, 15)}, "The end 2026-01-15 lies after 2026-01-13"),
        ({"start": date(2026, 2, 1)}, "The start 2026-02-01 lies after"),
    ],
)
def test_a_span_that_is_none_or_in_the_future_is_refused(places: Places, span: dict[str, Any], told: str) -> None:
    accept(places, SPEC, visits(10, 2), "new", day(12))

    with pytest.raises(DataError, match=told):
        score(places, SPEC, day(12), **span)

    assert not places.tables.exists("visits-scores")


def test_a_version_of_the_rows_that_is_gone_is_told(places: Places) -> None:
    with pytest.raises(NotFound, match=r"There is no version 'visits-accepted 9'. Ask for one up to 0"):
        score(places, SPEC, day(12), data_version=9)


def test_a_column_that_the_champion_looks_at_and_nobody_sends_is_named(places: Places) -> None:
    shutil.rmtree(places.tables.path("visits-accepted"))
    accept(places, SPEC, visits(10, 1).drop(columns="buys").assign(buys=True), "whole", day(11))
    fewer = spec_of(features={"numeric": ["pages"]})
    shutil.rmtree(places.tables.path("visits-accepted"))
    accept(places, fewer, visits(10, 1).drop(columns=["minutes", "shop"]), "fewer", day(11))

    with pytest.raises(DataError, match="Table 'visits-accepted' has no column minutes, shop"):
        score(places, fewer, day(11))


def test_rows_without_a_key_stop_their_windows_and_leave_the_table_as_it_was(places: Places) -> None:
    accept(places, SPEC, visits(10, 1), "good", day(11))
    score(places, SPEC, day(11))
    before = held(places)
    nameless = visits(11, 1).assign(accepted_at=pd.Timestamp(day(12)))
    nameless["visit"] = nameless["visit"].astype("Int64").where(nameless.index != 4)
    places.tables.append("visits-accepted", nameless, "by another tool")

    with pytest.raises(DataError, match="Key column 'visit' is missing in 1 rows"):
        score(places, SPEC, day(12))

    pd.testing.assert_frame_equal(held(places), before)
    files = [*Path(places.tables.path("visits-scores")).glob("window=2026-01-12/**/*.parquet")]
    assert files == []


def test_a_stranger_to_time_is_told_of_and_scored_by_none(places: Places) -> None:
    rows = visits(10, 1).assign(accepted_at=pd.Timestamp(day(11)))
    rows["at"] = rows["at"].where(rows.index >= 5)
    places.tables.append("visits-accepted", rows, "by another tool")

    assert score(places, SPEC, day(11)).rows == A_DAY - 5


def test_many_windows_are_committed_in_groups_and_a_group_is_whole(places: Places) -> None:
    accept(places, SPEC, visits(10, 40, a_day=5), "new", day(50))

    done = score(places, SPEC, day(50))

    assert len(done.windows) == 40
    # Made, 31 days, 9 days.
    assert places.tables.version("visits-scores") == 2
    assert len(held(places)) == 200


def model_spec(**parts: Any) -> ModelSpec:
    return spec_of(name="other", **parts)


@pytest.mark.parametrize("problem", ["multiclass", "regression"])
def test_other_problems_are_on_record_as_they_are_answered(tmp_path: Path, problem: str) -> None:
    estimator = "LogisticRegression" if problem == "multiclass" else "Ridge"
    spec = model_spec(
        target={"column": "y", "problem": problem},
        trainer={"kind": "sklearn", "estimator": f"sklearn.linear_model.{estimator}"},
        gates=[{"kind": "better-than-baseline", "metric": "log_loss" if problem == "multiclass" else "rmse"}],
    )
    rows = visits(0, 10)
    signal = rows["pages"] + rows["minutes"]
    rows["y"] = pd.cut(signal, [-99, -1, 1, 99], labels=["low", "mid", "high"]).astype(str)
    rows["y"] = rows["y"] if problem == "multiclass" else 40 * signal
    places = Places.local(tmp_path)
    accept(places, spec, rows.head(1600), "history", day(8))
    train_version(places, spec, rows.head(1600), day(8))
    accept(places, spec, rows[1600:], "new", day(10))

    score(places, spec, day(10))

    found = places.tables.read("other-scores").sort_values("key", ignore_index=True)
    said = load_champion.fn(places.tracking, spec, 1).predict(rows[1600:])
    if problem == "regression":
        np.testing.assert_allclose(found["score"], said.labels, rtol=1e-6, atol=1e-4)
        np.testing.assert_array_equal(found["prediction"].astype(float), found["score"])
        assert found["probabilities"].isna().all()
    else:
        assert said.probabilities is not None
        assert found["prediction"].tolist() == said.labels.tolist()
        np.testing.assert_allclose(np.stack(found["probabilities"]), said.probabilities, atol=1e-6)
        assert found["score"].isna().all()
