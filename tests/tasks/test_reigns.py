"""Daily retrains against one champion, with real MLflow and ledger: every row counts once, and looks are paid for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prefect import flow

from prefect_mlops.blocks import Places
from prefect_mlops.core.evidence import Decision, Evidence
from prefect_mlops.core.gates.worn import COMPARED
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import (
    evaluate_candidate,
    judge_candidate,
    load_anchor,
    load_champion,
    log_candidate,
    profile_candidate,
    promote_version,
    read_champion,
    read_reign,
    record_stage,
    split_rows,
    time_candidate,
    train_candidate,
)
from prefect_mlops.tasks.data import Versions
from prefect_mlops.tasks.governance import trace_lineage

START = datetime(2026, 1, 1, tzinfo=UTC)
A_DAY = 200


def spec_of(*features: str, **parts: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": parts.pop("name", "visits"),
            "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
            "data": {"key": ["visit"], "time": "at"},
            "target": {"column": "buys", "problem": "binary", "positive": True},
            "features": {"numeric": features},
            "split": {"kind": "by-time", "judge_days": 7},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": [{"kind": "better-than-champion", "metric": "accuracy", "effect": 0.02}],
            **parts,
        }
    )


def visits(days: int, seed: int = 3) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    count = days * A_DAY
    frame = pd.DataFrame(
        {
            "visit": np.arange(count),
            "at": pd.date_range(START, periods=count, freq=timedelta(days=1) / A_DAY, tz="UTC"),
            "pages": random.normal(size=count),
            "minutes": random.normal(size=count),
        }
    )
    return frame.assign(buys=frame["pages"] + frame["minutes"] + random.normal(size=count) > 0)


@pytest.fixture
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places.local(tmp_path_factory.mktemp("home"))


def train_once(places: Places, spec: ModelSpec, rows: pd.DataFrame, moment: datetime) -> tuple[Evidence, Decision, int]:
    """What mlops-train does between its rows and its ledger line, and the promotion that a release would make."""
    champion = read_champion.fn(places.tracking, spec)
    sets = split_rows.fn(spec, rows, moment, champion.lineage.cutoff if champion else "")
    model = train_candidate.fn(spec, sets.training)
    evidence = evaluate_candidate.fn(
        spec,
        model,
        sets,
        champion=load_champion.fn(places.tracking, spec, champion.version) if champion else None,
        champion_version=champion.version if champion else None,
        anchor=load_anchor.fn(places.tracking, spec),
        reign=read_reign.fn(places.ledger, spec, champion, sets, moment),
        timings=time_candidate.fn(spec, model, sets.judging),
        candidate_name=f"run-{moment:%m%d}",
    )
    decision = judge_candidate.fn(spec, evidence)
    profile = profile_candidate.fn(spec, model, sets.reference)
    lineage = trace_lineage.fn(spec, sets, moment, Versions(1, 1))
    logged = log_candidate.fn(places.tracking, spec, model, evidence, decision, lineage, profile, sets.reference)
    subject = str(logged.version or logged.run)
    body = {"evidence": evidence, "decision": decision}
    record_stage.fn(places.ledger, spec, f"candidate.{decision.outcome}", subject, moment, body, key=moment.isoformat())
    if logged.version:
        promote_version.fn(places.tracking, spec, logged.version, moment)
        record_stage.fn(places.ledger, spec, "champion.promoted", subject, moment, {}, key=moment.isoformat())
    return evidence, decision, logged.version


def test_a_better_line_of_candidates_is_found_on_fresh_rows_and_each_row_counts_once(places: Places) -> None:
    rows = visits(60)
    day = START + timedelta(days=20)
    first, decision, version = train_once(places, spec_of("pages"), rows[rows["at"] <= day], day)
    assert (decision.outcome, version, first.wagers) == ("accepted", 1, ())

    counted, worth = 0, []
    for number in range(1, 36):
        moment = day + timedelta(days=number)
        evidence, decision, version = train_once(
            places, spec_of("pages", "minutes"), rows[rows["at"] <= moment], moment
        )
        (wager,) = evidence.wagers
        assert wager.rows - counted <= A_DAY + 1
        counted, worth = wager.rows, [*worth, wager.e_value]
        if version:
            break

    assert decision.accepted, worth
    assert worth[-1] >= 20
    assert number >= 7
    assert counted == ((rows["at"] > day) & (rows["at"] <= moment)).sum()
    trusted = read_champion.fn(places.tracking, spec_of("pages"))
    assert trusted is not None
    assert trusted.version == 2
    assert places.tracking.aliased("visits", "anchor") == 2

    evidence, decision, _ = train_once(
        places, spec_of("pages", "minutes"), rows[rows["at"] <= moment + timedelta(days=1)], moment + timedelta(days=1)
    )
    (wager,) = evidence.wagers
    assert (wager.champion_version, wager.looks) == (2, 1)
    assert wager.rows <= A_DAY + 1
    assert evidence.champion_reported
    assert evidence.champion_reported[0].rows <= A_DAY + 1
    assert decision.outcome == "undecided"


@pytest.mark.process
@pytest.mark.usefixtures("prefect_api")
def test_looking_at_judging_rows_is_on_record_once_a_run_and_before_its_result(places: Places) -> None:
    spec, rows = spec_of("pages"), visits(40)
    day = START + timedelta(days=20)
    train_once(places, spec, rows[rows["at"] <= day], day)
    champion = read_champion.fn(places.tracking, spec)
    assert champion is not None
    sets = split_rows.fn(spec, rows, day + timedelta(days=9), champion.lineage.cutoff)

    @flow
    def looks_twice() -> tuple[int, int]:
        counts = []
        for _ in range(2):
            reign = read_reign.fn(places.ledger, spec, champion, sets, day)
            assert reign is not None
            assert reign.holdout_use is not None
            counts.append(reign.holdout_use.comparisons)
        return counts[0], counts[1]

    assert looks_twice() == (1, 1)
    assert looks_twice() == (2, 2)
    records = places.ledger.records(model=spec.name, stage=COMPARED)
    assert [record.body["champion"] for record in records] == [1, 1]


def test_a_worn_hold_out_decides_nothing_more(places: Places) -> None:
    gate = {"kind": "better-than-champion", "metric": "accuracy", "rows": "holdout", "planned": 2}
    data = {"key": ["visit"]}
    split = {"kind": "by-key", "judge_share": 0.3}
    weak, like, strong = (
        spec_of(*features, gates=[gate], data=data, split=split)
        for features in (("pages",), ("minutes",), ("pages", "minutes"))
    )
    rows = visits(40).drop(columns="at")
    _, decision, _ = train_once(places, weak, rows, START)
    assert decision.accepted

    outcomes = [train_once(places, like, rows, START + timedelta(days=number))[1] for number in range(1, 4)]

    assert [decision.outcome for decision in outcomes] == ["undecided"] * 3
    assert "fresh rows" in outcomes[-1].summary
    _, decision, _ = train_once(places, strong, rows, START + timedelta(days=9))
    assert decision.outcome == "undecided"


def test_a_model_without_times_is_never_spent_where_rows_count_as_they_arrive(places: Places) -> None:
    gate = {"kind": "better-than-champion", "metric": "accuracy", "rows": "fresh"}
    parts: dict[str, Any] = {"gates": [gate], "data": {"key": ["visit"]}, "split": {"kind": "by-key"}}
    weak, strong = (spec_of(*features, **parts) for features in (("pages",), ("pages", "minutes")))
    rows = visits(80).rename(columns={"at": "accepted_at"})
    day = START + timedelta(days=20)
    _, decision, _ = train_once(places, weak, rows[rows["accepted_at"] <= day], day)
    assert decision.accepted

    counted = 0
    for number in range(2, 60, 2):
        moment = day + timedelta(days=number)
        seen = rows[rows["accepted_at"] <= moment]
        evidence, decision, _ = train_once(places, strong, seen, moment)
        (wager,) = evidence.wagers
        assert counted <= wager.rows <= (seen["accepted_at"] > day).sum() * 0.4
        counted = wager.rows
        if decision.accepted:
            break

    assert decision.accepted
    assert wager.e_value >= 20
