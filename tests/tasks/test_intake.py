"""A batch comes in exactly once: its good rows as a table version, the others with their reasons in quarantine."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefect_mlops.blocks import Places
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.intake import Intake
from prefect_mlops.core.spec import Expectation, ModelSpec, Suite
from prefect_mlops.core.specfile import parse_spec
from prefect_mlops.tasks import find_waiting, load_quarantined, release_quarantined, take_batch

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADA = "ada.lovelace@example.com"
SPEC = """
spec_version: 1
name: churn
purpose: {decision: Whom to call., business_metric: Customers kept., owner: crm@example.com}
data: {key: [id], time: at, labels: later, personal: [mail]}
target: {column: left, problem: binary, positive: true}
features: {numeric: [age], category: [plan]}
split: {kind: by-time, judge_days: 1}
suite:
  expectations:
    - type: expect_column_values_to_be_between
      kwargs: {column: age, min_value: 0, max_value: 120}
      meta: {action: quarantine}
    - {type: expect_column_values_to_be_in_set, kwargs: {column: plan, value_set: [a, b]}}
    - {type: expect_column_values_to_match_regex, kwargs: {column: mail, regex: "^[^@]+@"}, severity: warning}
    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 3}}
trainer: {kind: sklearn, estimator: sklearn.linear_model.LogisticRegression}
gates: [{kind: better-than-baseline, metric: log_loss}]
"""


@pytest.fixture
def spec() -> ModelSpec:
    return parse_spec(SPEC)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.local(tmp_path / "home")


def rows(count: int = 6, **columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"id": [f"c{i}" for i in range(count)], "at": pd.Timestamp(NOON), "age": 30.0, "plan": "a"})
    return frame.assign(mail=[f"m{i}@example.com" for i in range(count)]).assign(**columns)


def drop(places: Places, frame: pd.DataFrame, name: str, tmp_path: Path) -> str:
    path = tmp_path / name
    frame.to_parquet(path, index=False)
    return places.source.put(path, f"churn/{name}")


def take(places: Places, spec: ModelSpec, batch: str, as_of: datetime = NOON) -> Intake:
    return take_batch.fn(places, places.source, spec, spec.suite, batch, as_of)


def stages(places: Places) -> list[str]:
    return [record.stage for record in places.ledger.records()]


def test_rows_that_do_not_fit_are_set_aside_and_the_rest_is_accepted(
    places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    ages = [30.0, 400.0, -1.0, np.nan, 30.0, 30.0]
    ids = ["c0", "c1", "c2", "c3", None, "c5"]
    intake = take(places, spec, drop(places, rows(age=ages, id=ids), "mixed.parquet", tmp_path))

    assert (intake.outcome, intake.aside) == ("accepted", 3)
    assert places.tables.read("churn-accepted")["id"].tolist() == ["c0", "c3", "c5"]
    waiting = load_quarantined.fn(places.tables, spec)
    assert waiting["quarantine_row"].tolist() == [1, 2, 4]
    assert waiting["age"].tolist() == [400.0, -1.0, 30.0]
    assert "between" in waiting["quarantine_reasons"][0]
    assert "no key" in waiting["quarantine_reasons"][2]


def test_a_batch_that_must_not_be_accepted_is_set_aside_whole(places: Places, spec: ModelSpec, tmp_path: Path) -> None:
    intake = take(places, spec, drop(places, rows(plan="z"), "z.parquet", tmp_path))

    assert (intake.outcome, intake.aside) == ("rejected", 6)
    assert not places.tables.exists("churn-accepted")
    assert len(load_quarantined.fn(places.tables, spec, "churn/z.parquet")) == 6
    assert find_waiting.fn(places.source, spec) == ()


BROKEN: dict[str, Any] = {
    "no rows": rows(0),
    "a column is missing": rows().drop(columns="age"),
    "times have no zone": rows(at=pd.Timestamp("2026-01-01")),
    "every time lies in the future": rows(at=pd.Timestamp("2036-01-01", tz="UTC")),
    "one key for all": rows(id="c0"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_batch_is_rejected_with_a_reason_and_never_reaches_the_table(
    broken: str, places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    take(places, spec, drop(places, rows(), "good.parquet", tmp_path))
    intake = take(places, spec, drop(places, BROKEN[broken], "bad.parquet", tmp_path))

    assert intake.outcome == "rejected"
    assert len(intake.reason) > 20
    assert len(places.tables.read("churn-accepted")) == 6
    assert stages(places) == ["data.accepted", "data.quarantined"]


@pytest.mark.parametrize("columns", [{"extra": 1}, {"age": "thirty"}, {"age": None}], ids=["extra", "type", "nulls"])
def test_a_batch_of_another_shape_is_rejected_and_a_column_of_nulls_is_not(
    columns: dict[str, Any], places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    unchecked = spec.model_copy(update={"suite": spec.suite.model_copy(update={"expectations": ()})})
    take(places, unchecked, drop(places, rows(), "good.parquet", tmp_path))

    intake = take(places, unchecked, drop(places, rows(**columns), "other.parquet", tmp_path))

    assert intake.outcome == ("accepted" if columns == {"age": None} else "rejected"), intake.reason


def test_a_file_that_cannot_be_read_is_kept_and_the_reason_is_on_record(
    places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.parquet"
    rows().to_parquet(whole)
    half = tmp_path / "half.parquet"
    half.write_bytes(whole.read_bytes()[:-200])

    intake = take(places, spec, places.source.put(half, "churn/half.parquet"))

    assert intake.outcome == "rejected"
    kept = [path for path in (tmp_path / "home" / "landing").rglob("*half.parquet*") if path.is_file()]
    assert [path.read_bytes() for path in kept] == [half.read_bytes()]
    assert "cannot be read" in json.dumps(places.ledger.records()[0].body)


def test_a_csv_without_zones_is_refused_with_the_cure_and_taken_once_the_spec_says_which(
    places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    frame = rows(at="2026-01-01 12:00:00")
    (tmp_path / "rows.csv").write_text(frame.to_csv(index=False))
    (tmp_path / "naive.parquet").write_bytes(frame.assign(at=NOON.replace(tzinfo=None)).to_parquet(index=False))
    zoned = spec.model_copy(update={"data": spec.data.model_copy(update={"timezone": "Europe/Berlin"})})

    for name in ("rows.csv", "naive.parquet"):
        refused = take(places, spec, places.source.put(tmp_path / name, f"churn/{name}"))
        assert (refused.outcome, "data: {timezone: Europe/Berlin}" in refused.reason) == ("rejected", True)
        taken = take(places, zoned, places.source.put(tmp_path / name, f"churn/zoned-{name}"))
        assert taken.outcome == "accepted", taken.reason

    assert {str(at) for at in places.tables.read("churn-accepted")["at"]} == {"2026-01-01 11:00:00+00:00"}


def test_a_row_whose_time_changed_clocks_make_unclear_waits_until_somebody_says_its_offset(
    places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    zoned = spec.model_copy(update={"data": spec.data.model_copy(update={"timezone": "Europe/Berlin"})})
    times = ["2025-10-26 02:30:00", "2025-10-26T02:30:00+01:00", *["2025-10-26 12:00:00"] * 4]
    (tmp_path / "rows.csv").write_text(rows(at=times, mail="m@example.com").to_csv(index=False))

    taken = take(places, zoned, places.source.put(tmp_path / "rows.csv", "churn/rows.csv"))

    waiting = load_quarantined.fn(places.tables, zoned)
    assert (taken.outcome, taken.version.rows if taken.version else 0, taken.aside) == ("accepted", 5, 1)
    assert waiting["at"].tolist() == ["2025-10-26 02:30:00 Europe/Berlin"]
    assert "twice or not at all in Europe/Berlin" in waiting["quarantine_reasons"].iloc[0]

    with pytest.raises(DataError, match=r"'at' .* holds no times"):
        release_quarantined.fn(places, places.source, zoned, zoned.suite, waiting.assign(mail="m@example.com"), NOON)
    corrected = waiting.assign(at="2025-10-26 02:30:00+02:00", mail="m@example.com")
    release_quarantined.fn(places, places.source, zoned, zoned.suite, corrected, NOON)
    assert places.tables.read("churn-accepted")["at"].min() == pd.Timestamp("2025-10-26T00:30:00Z")


def test_rows_of_a_rejected_batch_that_came_again_are_not_released_a_second_time(
    places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    zoned = spec.model_copy(update={"data": spec.data.model_copy(update={"timezone": "Europe/Berlin"})})
    (tmp_path / "rows.csv").write_text(rows(at="2026-01-01 12:00:00", plan="z").to_csv(index=False))
    assert take(places, zoned, places.source.put(tmp_path / "rows.csv", "churn/rows.csv")).outcome == "rejected"
    (tmp_path / "rows.csv").write_text(rows(at="2026-01-01 12:00:00").to_csv(index=False))
    assert take(places, zoned, places.source.put(tmp_path / "rows.csv", "churn/rows.csv")).outcome == "accepted"
    waiting = load_quarantined.fn(places.tables, zoned).assign(plan="a", mail="m@example.com")

    assert {str(at) for at in waiting["at"]} == {"2026-01-01 11:00:00+00:00"}
    with pytest.raises(DataError, match=r"6 of the rows have a key \(id\) that was accepted already"):
        release_quarantined.fn(places, places.source, zoned, zoned.suite, waiting, NOON)
    assert len(places.tables.read("churn-accepted")) == 6


def test_the_same_batch_again_is_known_and_other_rows_under_its_name_are_refused(
    places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    first = take(places, spec, drop(places, rows(), "b.parquet", tmp_path))
    again = take(places, spec, drop(places, rows(), "b.parquet", tmp_path), datetime(2026, 1, 2, tzinfo=UTC))
    other = take(places, spec, drop(places, rows(age=31.0), "b.parquet", tmp_path))

    assert (first.outcome, again.outcome, other.outcome) == ("accepted", "known", "rejected")
    assert again.version == first.version
    assert "new name" in other.reason
    assert len(places.tables.read("churn-accepted")) == 6


def test_a_rejected_batch_may_come_again_corrected_under_its_name(
    places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    assert take(places, spec, drop(places, rows(plan="z"), "b.parquet", tmp_path)).outcome == "rejected"
    assert take(places, spec, drop(places, rows(), "b.parquet", tmp_path)).outcome == "accepted"


@pytest.mark.parametrize("stop", ["quarantine_rows", "accept_rows", "record_stage"])
def test_whoever_dies_in_between_is_taken_up_where_he_stopped(
    stop: str, places: Places, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect_mlops.tasks import intake as steps

    batch = drop(places, rows(age=[400.0, 1, 2, 3, 4, 5]), "b.parquet", tmp_path)
    step = getattr(steps, stop)

    class Dying:
        @staticmethod
        def fn(*arguments: Any, **keys: Any) -> None:
            step.fn(*arguments, **keys)
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(steps, stop, Dying)
        with pytest.raises(KeyboardInterrupt):
            take(places, spec, batch)
    intake = take(places, spec, find_waiting.fn(places.source, spec)[0])

    assert intake.outcome in ("accepted", "known")
    assert sorted(places.tables.read("churn-accepted")["id"]) == ["c1", "c2", "c3", "c4", "c5"]
    assert len(load_quarantined.fn(places.tables, spec)) == 1
    assert stages(places) == ["data.accepted"]
    assert find_waiting.fn(places.source, spec) == ()


def test_corrected_rows_come_back_with_their_personal_values(places: Places, spec: ModelSpec, tmp_path: Path) -> None:
    frame = rows(age=[400.0, 500.0, 2, 3, 4, 5], mail=[ADA, *["x@example.com"] * 5])
    take(places, spec, drop(places, frame, "b.parquet", tmp_path))
    waiting = load_quarantined.fn(places.tables, spec)
    assert ADA not in waiting.to_csv()
    one = waiting.head(1).assign(age=40.0)

    back = release_quarantined.fn(places, places.source, spec, spec.suite, one, NOON)
    accepted = places.tables.read("churn-accepted").set_index("id")

    assert back.version is not None
    assert back.version.rows == 1
    assert (accepted.loc["c0", "age"], accepted.loc["c0", "mail"]) == (40.0, ADA)
    assert load_quarantined.fn(places.tables, spec)["id"].tolist() == ["c1"]
    with pytest.raises(DataError, match="not in quarantine"):
        release_quarantined.fn(places, places.source, spec, spec.suite, one, NOON)


def test_rows_that_still_do_not_fit_stay_where_they_are(places: Places, spec: ModelSpec, tmp_path: Path) -> None:
    take(places, spec, drop(places, rows(age=[400.0, 1, 2, 3, 4, 5]), "b.parquet", tmp_path))
    waiting = load_quarantined.fn(places.tables, spec)

    for wrong in (waiting, waiting.drop(columns="quarantine_row"), waiting.head(0), waiting.assign(quarantine_row=77)):
        with pytest.raises(DataError):
            release_quarantined.fn(places, places.source, spec, spec.suite, wrong, NOON)

    assert len(load_quarantined.fn(places.tables, spec)) == 1
    assert len(places.tables.read("churn-accepted")) == 5


def test_a_source_without_a_landing_folder_wants_a_name(spec: ModelSpec) -> None:
    from prefect_mlops.blocks import DeltaSource

    with pytest.raises(DataError, match="Name the batch"):
        find_waiting.fn(DeltaSource(root="/nowhere"), spec)
    assert find_waiting.fn(DeltaSource(root="/nowhere"), spec, "flights@3") == ("flights@3",)


def test_a_batch_is_held_against_those_before_it_and_a_short_history_is_told(
    places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    asked = (
        Expectation(type="expect_batch_row_count_to_be_like_last", kwargs={"at_least": 2}),
        Expectation(
            type="expect_batch_column_values_to_be_known", kwargs={"column": "plan"}, meta={"action": "quarantine"}
        ),
    )
    suite = Suite(expectations=asked, data_docs=True)

    def come(frame: pd.DataFrame, name: str) -> Intake:
        named = frame.assign(id=[f"{name}-{number}" for number in range(len(frame))])
        return take_batch.fn(places, places.source, spec, suite, drop(places, named, f"{name}.parquet", tmp_path), NOON)

    first, second = come(rows(), "one"), come(rows(8), "two")
    other, small = come(rows(plan=["z", *"aaaaa"]), "three"), come(rows(2), "four")

    assert first.outcome == second.outcome == "accepted"
    assert "was not asked: 0 batches were accepted, 2 are needed" in first.reason
    assert "was not asked" in second.reason
    assert (other.outcome, other.aside) == ("accepted", 1)
    assert small.outcome == "rejected"
    assert "Great Expectations" in other.page
