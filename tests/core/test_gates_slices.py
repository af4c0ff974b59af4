"""A slice on which the candidate is worse is named, and chance among many slices is not taken for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks import slices as bench
from prefect_mlops.core.evidence import Verdict
from prefect_mlops.core.gates.scored import Examining, Scored
from prefect_mlops.core.gates.slices import HoldsOnSlices
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.metrics.sampling import drawn
from prefect_mlops.core.scans.losses import HANDS, judging, loss_between
from prefect_mlops.core.scans.maxt import Loss, detectable, power_of, step_down, tail_chance
from prefect_mlops.core.scans.slicing import slice_rows
from prefect_mlops.core.trainers.fitted import Predictions
from tests.core.scored_cases import evidence_with, said_by, scored_of, spec_for
from tests.tables import REAL_TABLES

ACCURACY = HoldsOnSlices(metrics=("accuracy",), columns=("town",))


def verdict(gate: HoldsOnSlices, scored: Scored) -> Verdict:
    return gate.judge(evidence_with(gate.examine(scored)))


def towns(count: int = 4_000, *, wrong_in: dict[str, float] | None = None, seed: int = 0, **parts: Any) -> Scored:
    """Rows in four towns; both models are right in 85%, the candidate in fewer where it is told so."""
    chance = np.random.default_rng(seed)
    rows = pd.DataFrame({"id": np.arange(count), "town": chance.choice(["Bonn", "Jena", "Kiel", "Ulm"], count)})
    rows["size"] = chance.normal(size=count)
    y = chance.integers(0, 2, count)
    right = rows["town"].map(lambda town: 1 - (wrong_in or {}).get(town, 0.15)).to_numpy()
    champion = parts.pop("champion", said_by(y, chance.random(count) < 0.85))
    return scored_of(rows, y, said_by(y, chance.random(count) < right), champion, **parts)


def test_a_slice_that_fell_by_ten_points_is_named_with_its_numbers() -> None:
    found = verdict(ACCURACY, towns(wrong_in={"Ulm": 0.25}))

    assert found.outcome == "fail"
    assert found.family == "alarm"
    assert found.metric == "accuracy"
    assert found.checks[0].name == "town = Ulm"
    assert found.reason.startswith("accuracy on town = Ulm is 0.7")
    assert "worse than the champion's 0.8" in found.reason
    assert found.value is not None
    assert found.value < 0
    assert found.high is not None
    assert found.high < 0
    assert found.p_value == min(check.adjusted_p for check in found.checks if check.adjusted_p is not None)


def test_nothing_fails_where_both_models_say_the_same() -> None:
    scored = towns()
    same = scored._replace(said={"candidate": scored.said["champion"], "champion": scored.said["champion"]})

    found = verdict(ACCURACY, same)

    assert found.outcome == "pass"
    assert {check.p_value for check in found.checks} == {1.0}


def test_a_loss_within_the_tolerance_is_no_alarm() -> None:
    scored = towns(wrong_in={"Ulm": 0.25})
    gate = HoldsOnSlices(metrics=("accuracy", "log_loss"), columns=("town",), max_loss={"accuracy": 0.15})

    checks = {(check.name, check.metric): check for check in gate.examine(scored).checks}

    assert checks["town = Ulm", "accuracy"].bound == -0.15
    assert checks["town = Ulm", "accuracy"].adjusted_p == pytest.approx(1.0, abs=0.1)
    assert (checks["town = Ulm", "log_loss"].adjusted_p or 0) < 0.05


@pytest.mark.parametrize(("bound", "outcome"), [(0.7, "pass"), (0.84, "fail")])
def test_without_a_champion_a_slice_must_reach_the_bound(bound: float, outcome: str) -> None:
    gate = HoldsOnSlices(metrics=("accuracy",), columns=("town",), at_least=bound)

    found = verdict(gate, towns(wrong_in={"Ulm": 0.25}, champion=None))

    assert found.outcome == outcome
    assert found.bound == bound
    assert f"to be at least {bound}" in found.reason


@pytest.mark.parametrize(
    ("bounds", "told"),
    [({}, "There is no champion yet"), ({"at_most": 0.9}, "better where it is higher: name `at_least`")],
)
def test_without_a_champion_or_a_fitting_bound_nothing_is_judged(bounds: dict[str, float], told: str) -> None:
    found = verdict(HoldsOnSlices(metrics=("accuracy",), columns=("town",), **bounds), towns(champion=None))

    assert found.outcome == "not applicable"
    assert told in found.reason


def test_a_slice_may_be_held_against_all_rows() -> None:
    gate = HoldsOnSlices(metrics=("accuracy", "roc_auc"), columns=("town",), against="whole", max_loss=0.02)

    found = verdict(gate, towns(wrong_in={"Ulm": 0.3}))

    assert found.outcome == "fail"
    assert found.checks[0].name == "town = Ulm"
    assert "worse than that on all rows" in found.reason


def test_the_error_of_a_slice_beside_all_rows_counts_its_rows_once() -> None:
    """accuracy of a quarter less that of all is 3/4 of its distance from the rest: var = (3/4)^2 (v/n1 + v/n2)."""
    count = 100_000
    chance = np.random.default_rng(0)
    y = chance.integers(0, 2, count)
    rows = pd.DataFrame({"town": np.repeat(["Ulm", "Bonn"], [count // 4, count - count // 4])})
    scored = scored_of(rows, y, said_by(y, chance.random(count) < 0.8))
    gate = HoldsOnSlices(metrics=("accuracy",), columns=("town",), against="whole", max_loss=0.01)

    check = next(check for check in gate.examine(scored).checks if check.name == "town = Ulm")

    assert check.high is not None
    assert check.value is not None
    assert check.minimum_detectable is not None
    error = (check.minimum_detectable - (check.high - check.value)) / stats.norm.ppf(0.8)
    assert error == pytest.approx(0.75 * 0.4 * (4 / count + 4 / (3 * count)) ** 0.5, rel=0.02)


def test_days_that_lean_together_are_no_evidence_row_by_row() -> None:
    """One bad day of twenty is chance where days are blocks, and proof where each row stands by itself."""
    chance = np.random.default_rng(1)
    day = np.repeat(np.arange(20), 200)
    y = chance.integers(0, 2, len(day))
    rows = pd.DataFrame({"town": ["Ulm"] * len(day)})
    right = chance.random(len(day)) < np.where(day == 3, 0.1, 0.85)
    models = said_by(y, right), said_by(y, chance.random(len(day)) < 0.85)

    outcomes = [verdict(ACCURACY, scored_of(rows, y, *models, blocks=blocks)).outcome for blocks in (None, day)]

    assert outcomes == ["fail", "pass"]


def test_rows_of_weight_zero_are_as_good_as_absent() -> None:
    scored = towns(wrong_in={"Ulm": 0.25})
    chance = np.random.default_rng(5)
    weight = chance.choice([0.0, 1.0, 2.0], len(scored.y))
    kept = np.flatnonzero(weight)
    said = {
        who: Predictions(one.labels[kept], None if one.probabilities is None else one.probabilities[kept])
        for who, one in scored.said.items()
    }
    fewer = scored._replace(rows=scored.rows.iloc[kept], y=scored.y[kept], said=said, weight=weight[kept])

    whole, part = (ACCURACY.examine(one) for one in (scored._replace(weight=weight), fewer))

    assert [check.p_value for check in whole.checks] == [check.p_value for check in part.checks]


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_weights_that_are_none_are_told(wrong: float) -> None:
    weight = np.ones(4_000)
    weight[:3] = wrong

    found = verdict(ACCURACY, towns(weight=weight))

    assert found.outcome == "not applicable"
    assert "3 of 4,000 rows have a weight that is missing, negative or infinite" in found.reason


def test_what_cannot_be_judged_is_listed_with_its_reason() -> None:
    scored = towns()
    rows = scored.rows.assign(rare=np.where(np.arange(4_000) < 30, "few", "many"), at=pd.Timestamp("2026-01-01"))
    scored = scored._replace(rows=rows, spec=spec_for(data={"key": ["id"], "personal": ["size"]}))
    gate = HoldsOnSlices(metrics=("accuracy",), columns=("rare", "size", "age", "at"))

    found = verdict(gate, scored)

    reasons = {check.name: check.reason for check in found.checks if check.p_value is None}
    assert reasons["rare = few"] == "30 rows, fewer than 100"
    assert "is personal" in reasons["size"]
    assert "no column 'age'" in reasons["age"]
    assert "holds times" in reasons["at"]
    assert found.outcome == "pass"
    assert "Not looked at" in found.reason


def test_a_slice_of_one_class_or_of_missing_scores_has_a_reason_instead_of_a_value() -> None:
    scored = towns()
    y = np.where(scored.rows["town"] == "Ulm", 1, scored.y)
    told = scored.said["candidate"].probabilities
    assert told is not None
    told = told.copy()
    told[np.flatnonzero(scored.rows["town"] == "Kiel")[0]] = np.nan
    said = {**scored.said, "candidate": Predictions(scored.said["candidate"].labels, told)}
    gate = HoldsOnSlices(metrics=("roc_auc",), columns=("town",))

    checks = {check.name: check for check in gate.examine(scored._replace(y=y, said=said)).checks}

    assert checks["town = Ulm"].p_value is None
    assert "rests on 0 rows of the class that counts" in checks["town = Ulm"].reason
    assert checks["town = Kiel"].reason == "roc_auc has no value where scores are missing"
    assert checks["town = Bonn"].p_value is not None


def test_constant_predictions_are_judged() -> None:
    scored = towns()
    constant = Predictions(np.ones(4_000, dtype=np.int64), np.full((4_000, 2), 0.5))
    gate = HoldsOnSlices(metrics=("roc_auc", "accuracy", "log_loss"), columns=("town",))

    found = verdict(gate, scored._replace(said={**scored.said, "candidate": constant}))

    assert found.outcome == "fail"


def test_ten_thousand_values_are_cut_to_those_with_rows() -> None:
    chance = np.random.default_rng(0)
    names = np.where(chance.random(50_000) < 0.5, "AA", chance.integers(0, 10_000, 50_000).astype(str))

    found = slice_rows(pd.DataFrame({"plane": names}), ["plane"], minimum_rows=100)

    assert [one.name for one in found.slices] == ["plane = AA"]
    assert found.aside[-1].name.endswith("more values of plane")
    assert sum(one.rows for one in found.aside) == int((names != "AA").sum())


def test_numbers_are_cut_at_quantiles_and_named_by_them() -> None:
    distance = pd.Series([*np.repeat([200.0, 500.0, 900.0], 100), *np.linspace(1_000, 5_000, 100), np.nan])

    found = slice_rows(pd.DataFrame({"distance": distance}), ["distance"], minimum_rows=1)

    assert {one.name: len(one.rows) for one in found.slices} == {
        "distance <= 200": 100,
        "distance in (200, 500]": 100,
        "distance in (500, 900]": 100,
        "distance > 900": 100,
        "distance is missing": 1,
    }


def test_two_columns_cut_at_once_and_every_row_is_counted() -> None:
    rows = pd.DataFrame({"carrier": ["AA", "AA", "UA"] * 200, "origin": ["JFK", "LGA"] * 300})

    found = slice_rows(rows, ["carrier", "origin"], minimum_rows=50, intersections=True)

    crossed = [one for one in found.slices if " and " in one.name]
    assert "carrier = AA and origin = JFK" in {one.name for one in crossed}
    assert sorted(np.concatenate([one.rows for one in crossed])) == list(range(600))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"against": "whole"}, "half of all slices are worse than the whole"),
        ({"metrics": ("accuracy", "f1"), "at_least": 0.5}, "one bound fits one metric"),
        ({"at_least": 0.5, "at_most": 0.9}, "give the one that fits"),
        ({"max_loss": {"f1": 0.1}}, "f1 is not among the gate's metrics"),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        HoldsOnSlices.model_validate({"metrics": ("accuracy",), "columns": ("town",)} | keys)


def test_it_looks_at_rows_and_comes_back_from_its_own_text() -> None:
    gate = HoldsOnSlices(metrics=("accuracy",), columns=("town",), effect={"accuracy": 0.1})

    assert isinstance(gate, Examining)
    assert HoldsOnSlices.model_validate_json(gate.model_dump_json()) == gate


def test_a_regression_and_several_classes_are_cut_too() -> None:
    chance = np.random.default_rng(2)
    rows = pd.DataFrame({"town": chance.choice(["Bonn", "Ulm"], 2_000)})
    y = chance.normal(size=2_000)
    noise = chance.normal(size=(2, 2_000)) * np.where(rows["town"] == "Ulm", [[2.0], [1.0]], 1.0)
    amounts = scored_of(
        rows, y, Predictions(y + noise[0], None), Predictions(y + noise[1], None), spec=spec_for("regression")
    )
    classes = chance.integers(0, 3, 2_000)
    told = np.where(chance.random((2, 2_000)) < 0.8, classes, (classes + 1) % 3)
    several = scored_of(rows, classes, *(Predictions(one, np.eye(3)[one]) for one in told), spec=spec_for("multiclass"))

    worse = verdict(HoldsOnSlices(metrics=("rmse", "mae"), columns=("town",)), amounts)
    fine = verdict(HoldsOnSlices(metrics=("accuracy", "balanced_accuracy"), columns=("town",)), several)

    assert (worse.outcome, worse.checks[0].name) == ("fail", "town = Ulm")
    assert fine.outcome == "pass"


def losses_of(correlation: float, count: int = 8) -> list[Loss]:
    chance = np.random.default_rng(0)
    shared = chance.normal(size=(HANDS, 1))
    hands = correlation**0.5 * shared + (1 - correlation) ** 0.5 * chance.normal(size=(HANDS, count))
    return [Loss(0.0, 1.0, 10**6, 0.0, 1_000, one) for one in hands.T]


def test_independent_losses_are_corrected_as_by_sidak_step_by_step() -> None:
    p_values = [0.001, 0.004, 0.01, 0.03, 0.2, 0.5, 0.7, 0.9]

    found = step_down(p_values, losses_of(0.0), 0.05, seed=0).adjusted

    sidak = multipletests(p_values, method="holm-sidak")[1]
    assert found[:4] == pytest.approx(sidak[:4], abs=0.015)
    assert (found <= multipletests(p_values, method="holm")[1] + 1e-12).all()


def test_losses_that_go_together_are_corrected_less() -> None:
    p_values = np.full(8, 0.01)

    alone, together = (step_down(p_values, losses_of(rho), 0.05, seed=0).adjusted[0] for rho in (0.0, 0.95))

    assert together < alone / 2


def test_a_p_value_beyond_the_draws_is_still_told_apart() -> None:
    found = step_down([1e-9, *[0.5] * 7], losses_of(0.3), 0.05, seed=0).adjusted

    assert found[0] == pytest.approx(8e-9)


def test_the_tail_of_a_skewed_mean_is_as_thin_as_it_is_said_to_be() -> None:
    """Rare large gains, 500 rows: Student's tail alone is exceeded three to four times too often."""
    chance = np.random.default_rng(0)
    plain = careful = 0
    runs = 40
    for _ in range(runs):
        rows = 1.0 - chance.standard_exponential((2_500, 500))
        mean, apart = rows.mean(axis=1), rows - rows.mean(axis=1, keepdims=True)
        squares = (apart**2).sum(axis=1)
        error = np.sqrt(squares / 499 / 500)
        skewness = (apart**3).sum(axis=1) / squares**1.5
        plain += sum(tail_chance(*one, 499) <= 1e-3 for one in zip(mean, error, strict=True))
        careful += sum(tail_chance(*one[:2], 499, one[2]) <= 1e-3 for one in zip(mean, error, skewness, strict=True))

    low, high = stats.binomtest(careful, runs * 2_500).proportion_ci(0.999, "exact")
    print(f"careful tail at 1 in 1,000: {careful / runs / 2_500:.5f} ({low:.5f} to {high:.5f}), plain {plain}")
    assert low <= 1e-3 * 1.1
    assert plain > 1.8 * careful


def test_a_loss_is_no_surer_than_the_rows_let_it_be_that_it_rests_on() -> None:
    """Recall of 50 positives among 500 rows: Student's t of 49 degrees of freedom, not of 499."""
    chance = np.random.default_rng(0)
    y = (np.arange(500) < 50).astype(np.int64)
    models = [said_by(y, chance.random(500) < 0.8) for _ in range(2)]
    scored = scored_of(pd.DataFrame({"town": ["Ulm"] * 500}), y, *models)
    rows = judging(scored)
    assert not isinstance(rows, str)
    recall, accuracy = (
        loss_between(metric, rows, *(drawn(metric, rows.answered(said)) for said in models))
        for metric in (metric_named("recall", "binary"), metric_named("accuracy", "binary"))
    )

    assert isinstance(recall, Loss)
    assert isinstance(accuracy, Loss)
    assert (recall.degrees_of_freedom, accuracy.degrees_of_freedom) == (49, 499)


def test_the_detectable_loss_is_found_as_often_as_it_is_said() -> None:
    loss = Loss(0.0, 0.02, 499, -0.1, 500, np.ones(4))

    assert power_of(loss, 3.4, detectable(loss, 3.4, 0.8)) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("name", [*bench.NULLS][:2])
def test_two_hundred_checks_of_equal_models_fail_in_at_most_one_case_of_twenty(name: str) -> None:
    found = bench.error_rate(bench.NULLS[name], 200)

    print(name, found)
    assert found["interval"][0] <= bench.LEVEL


@pytest.mark.slow
def test_a_fallen_slice_is_named_as_often_as_is_printed() -> None:
    found = bench.power(bench.FALLS["accuracy 0.85 to 0.75"], 400)

    print(found)
    assert found["accuracy"]["interval"][1] >= 0.90
    disagree = [name for name in ("accuracy", "balanced_accuracy", "recall", "cost") if not found[name]["agrees"]]
    assert not disagree


def test_real_flights_are_cut_and_judged() -> None:
    rows = REAL_TABLES["flights"].rows()
    rows = rows[rows["late"].notna()].reset_index(drop=True)
    chance = np.random.default_rng(0)
    y = rows["late"].astype(int).to_numpy()
    fallen = (rows["carrier"] == "UA") & (chance.random(len(rows)) < 0.1)
    champion = said_by(y, chance.random(len(rows)) < 0.8)
    candidate = said_by(y, (champion.labels == y) & ~fallen)
    gate = HoldsOnSlices(metrics=("accuracy", "brier"), columns=("carrier", "origin", "distance"), intersections=True)

    found = verdict(gate, scored_of(rows, y, candidate, champion))

    assert found.outcome == "fail"
    assert found.checks[0].name.startswith("carrier = UA")
    assert any(check.name.startswith("distance in (") for check in found.checks)
