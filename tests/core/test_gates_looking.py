"""Gates that look at rows: leaks are named, shaken rows told apart, probabilities mean what they say, limits hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.evaluation import evaluate
from prefect_mlops.core.evidence import Verdict
from prefect_mlops.core.gates import Calibrated, FastEnough, NoLeakage, Robust, SmallEnough, decide
from prefect_mlops.core.gates.scored import Timings
from prefect_mlops.core.metrics.encoding import encode_predictions
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers import FittedModel
from prefect_mlops.core.trainers.fitted import Predictions
from tests.core.scored_cases import evidence_with, scored_of


class Told:
    """A fitted binary model with a formula."""

    def __init__(self, formula: Any, classes: tuple[Any, ...] = (False, True)) -> None:
        self.formula, self.classes_ = formula, np.asarray(classes)

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        told = np.asarray(self.formula(rows), dtype=np.float64)
        return np.column_stack([1 - told, told])

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return self.classes_[(self.predict_proba(rows)[:, 1] >= 0.5).astype(int)]


def honest(rows: pd.DataFrame) -> np.ndarray:
    return np.asarray(stats.norm.cdf(rows["x"].fillna(0.0)))


def rows_of(count: int = 4_000, seed: int = 0) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": np.arange(count) + 1_000_000 * seed,
            "at": pd.date_range("2026-01-01", periods=count, freq="1min", tz="UTC") + pd.Timedelta(days=30 * seed),
            "x": chance.normal(size=count),
            "z": chance.normal(size=count),
            "shop": chance.choice(["north", "south"], count),
        }
    )
    return frame.assign(y=frame["x"] + chance.normal(size=count) > 0)


def spec_of(*gates: dict[str, Any], **parts: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "toy",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "tests"},
            "data": {"key": ["id"]},
            "target": {"column": "y", "problem": "binary", "positive": True},
            "features": {"numeric": ["x", "z"], "category": ["shop"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": [*gates],
            **parts,
        }
    )


def asked(
    gate: dict[str, Any],
    formula: Any = honest,
    *,
    rows: pd.DataFrame | None = None,
    training: pd.DataFrame | None = None,
    timings: Timings | None = None,
    champion: bool = False,
    **parts: Any,
) -> Verdict:
    spec = spec_of(gate, **parts)
    model = FittedModel(Told(formula), ("x", "z"), (False, True))
    evidence = evaluate(
        spec,
        candidate=model,
        champion=model if champion else None,
        champion_version=1 if champion else None,
        rows=rows_of(seed=1) if rows is None else rows,
        training=rows_of() if training is None else training,
        candidate_name="run",
        judged_on="rows",
        timings=timings,
    )
    (verdict,) = decide(spec.resolved_gates(), evidence).verdicts
    return verdict


LEAKAGE = {"kind": "no-leakage"}


def test_honest_rows_hold_no_leak() -> None:
    verdict = asked(LEAKAGE)

    assert (verdict.outcome, verdict.family, verdict.p_value) == ("pass", "limit", None)


def test_a_row_on_both_sides_is_named_by_its_key() -> None:
    training, rows = rows_of(), rows_of(seed=1)
    mixed = pd.concat([rows, training.head(3)], ignore_index=True)

    verdict = asked(LEAKAGE, rows=mixed, training=training)

    assert verdict.outcome == "fail"
    assert "3 of 4,003 judging rows have a key that stands in training, such as 0, 1, 2" in verdict.reason


def test_twins_across_the_split_are_a_leak_where_they_are_many() -> None:
    training, rows = rows_of(), rows_of(seed=1)
    twins = training.head(400).assign(id=np.arange(400) + 9_000_000)

    verdict = asked(LEAKAGE, rows=pd.concat([rows, twins], ignore_index=True), training=training)

    assert verdict.outcome == "fail"
    assert "9.09% of judging rows equal a training row" in verdict.reason
    assert "`split: {kind: by-group}`; where they are no copies, raise `max_twins` of the gate." in verdict.reason


def coarse(count: int, seed: int) -> pd.DataFrame:
    """Three features of two values each: sixteen different rows, with the target."""
    chance = np.random.default_rng(seed)
    bits = {name: chance.integers(0, 2, count) for name in ("x", "z", "shop")}
    rows = pd.DataFrame({"id": np.arange(count) + 1_000_000 * seed, **bits})
    return rows.assign(y=rows["x"] + rows["z"] + chance.normal(size=count) > 1)


@pytest.mark.parametrize("count", [60, 300, 4_000])
def test_few_possible_rows_are_alike_by_chance_and_no_leak(count: int) -> None:
    verdict = asked(LEAKAGE, rows=coarse(count // 3, seed=1), training=coarse(count, seed=0))
    (twins,) = (check for check in verdict.checks if "twin" in check.name)

    assert verdict.outcome == "pass"
    assert twins.value is not None
    assert twins.value > 0.9
    assert "do by chance" in twins.reason


def test_a_table_whose_rows_were_doubled_before_the_split_leaks_though_training_holds_twins_too() -> None:
    doubled = pd.concat([rows_of(2_000).assign(shop="north")] * 3, ignore_index=True).sample(frac=1.0, random_state=0)
    doubled = doubled.assign(id=np.arange(6_000))

    verdict = asked(LEAKAGE, rows=doubled.tail(1_500), training=doubled.head(4_500))

    assert verdict.outcome == "fail"
    assert "of judging rows equal a training row" in verdict.reason


def test_copies_among_rows_of_which_none_is_like_another_by_design_are_a_leak() -> None:
    chance = np.random.default_rng(0)
    places, y = chance.permutation(64 * 64), chance.random(64 * 64) < 0.5
    grid = rows_of(64 * 64).assign(x=places // 64, z=places % 64, shop="north", y=y)
    training, rest = grid.head(3_000), grid.tail(1_096)
    mixed = pd.concat([rest, training.head(150).assign(id=np.arange(150) + 9_000_000)], ignore_index=True)

    assert asked(LEAKAGE, rows=rest, training=training).outcome == "pass"
    assert asked(LEAKAGE, rows=mixed, training=training).outcome == "fail"


def test_a_column_that_is_the_target_is_named() -> None:
    rows = rows_of(seed=1)

    verdict = asked(LEAKAGE, rows=rows.assign(z=rows["y"] * 2.0 + 1.0))

    assert verdict.outcome == "fail"
    assert "Column 'z' alone tells the target" in verdict.reason


@pytest.mark.parametrize(("days", "outcome"), [(0, "fail"), (40, "pass")])
def test_training_rows_from_after_the_judgement_are_time_travel(days: int, outcome: str) -> None:
    training = rows_of().assign(at=lambda rows: rows["at"] + pd.Timedelta(days=40 - days))
    timed = {"data": {"key": ["id"], "time": "at"}, "split": {"kind": "by-time"}}

    verdict = asked(LEAKAGE, training=training, champion=True, **timed)

    assert verdict.outcome == outcome
    assert any("later than 2026-01-31" in check.reason for check in verdict.checks)


ROBUST = {"kind": "robust", "metric": "accuracy"}


def test_a_smooth_model_stands_a_little_noise() -> None:
    verdict = asked(ROBUST)

    assert (verdict.outcome, verdict.family) == ("pass", "alarm")
    assert {check.name for check in verdict.checks} == {
        "noise of 0.05 standard deviations",
        "5% of values missing",
        "columns in another order",
    }


def test_a_model_that_reads_digits_is_shaken_by_noise() -> None:
    rows = rows_of(seed=1).assign(x=lambda rows: rows["x"].round(1))
    even = rows.assign(y=(rows["x"] * 10).round() % 2 == 0)

    verdict = asked(ROBUST, lambda rows: ((rows["x"] * 10).round() % 2 == 0) * 0.98 + 0.01, rows=even)

    assert verdict.outcome == "fail"
    assert verdict.checks[0].name == "noise of 0.05 standard deviations"
    assert verdict.checks[0].low is not None
    assert verdict.checks[0].low > 0.02


def test_a_model_that_counts_columns_by_place_is_found() -> None:
    model = FittedModel(Told(lambda rows: stats.norm.cdf(rows.iloc[:, 0].to_numpy(dtype=float))), ("x",), (False, True))

    class ByPlace(FittedModel):
        """It forgets to take its features by name."""

        def predict(self, rows: pd.DataFrame) -> Any:
            return super().predict(rows.rename(columns=dict(zip(rows.columns, self.order, strict=False))))

        order = ("id", "at", "x", "z", "shop", "y")

    spec = spec_of(ROBUST | {"missing": 0})
    evidence = evaluate(
        spec,
        candidate=ByPlace(*model),
        rows=rows_of(seed=1).assign(z=lambda rows: rows["x"] * -1.0)[["id", "at", "x", "z", "shop", "y"]],
        training=rows_of(),
        candidate_name="run",
        judged_on="rows",
    )
    (verdict,) = decide(spec.resolved_gates(), evidence).verdicts

    assert verdict.outcome == "fail"
    assert "columns in another order" in verdict.reason


def test_a_model_that_cannot_take_a_missing_value_is_no_silent_pass() -> None:
    def refuses(rows: pd.DataFrame) -> Any:
        if rows["x"].isna().any():
            raise DataError("x is missing", "Impute it")
        return honest(rows)

    verdict = asked(ROBUST, refuses)

    assert verdict.outcome == "fail"
    assert "does not answer: x is missing" in verdict.reason


CALIBRATED = {"kind": "calibrated"}


def test_true_probabilities_are_calibrated_and_bent_ones_are_not() -> None:
    honest_one = asked(CALIBRATED)
    bent = asked(CALIBRATED, lambda rows: honest(rows) ** 3)

    assert (honest_one.outcome, bent.outcome) == ("pass", "fail")
    assert bent.value is not None
    assert bent.value > 0.02
    assert "y = True" in bent.reason


def test_a_gap_too_small_to_matter_is_no_alarm_however_sure_it_is() -> None:
    rows = rows_of(400_000, seed=1)
    verdict = asked(CALIBRATED | {"max_error": 0.05}, lambda rows: np.clip(honest(rows) + 0.02, 0, 1), rows=rows)

    assert verdict.outcome == "pass"


@pytest.mark.parametrize("gate", [CALIBRATED, ROBUST])
def test_too_few_rows_are_not_applicable(gate: dict[str, Any]) -> None:
    verdict = asked(gate, rows=rows_of(15, seed=1))

    assert verdict.outcome == "not applicable"


def test_a_missing_probability_is_told_and_not_judged() -> None:
    with pytest.raises(DataError, match="predictions are missing"):
        asked(CALIBRATED, lambda rows: np.where(rows["x"] > 2, np.nan, honest(rows)))


TIMINGS = Timings(np.array([1.0] * 98 + [9.0] * 2), 50_000.0, 3.5)


@pytest.mark.parametrize(
    ("gate", "outcome", "said"),
    [
        ({"kind": "fast-enough", "p99_ms": 10}, "pass", "99% of 100 single rows took at most 9 ms"),
        ({"kind": "fast-enough", "p99_ms": 5}, "fail", "the limit is 5 ms"),
        ({"kind": "fast-enough", "p50_ms": 2, "rows_per_second": 60_000}, "fail", "50,000 rows a second"),
        ({"kind": "small-enough", "max_mb": 3}, "fail", "3.5 MB; the limit is 3 MB"),
        ({"kind": "small-enough", "max_mb": 4}, "pass", "3.5 MB"),
    ],
)
def test_limits_are_held_as_they_are(gate: dict[str, Any], outcome: str, said: str) -> None:
    verdict = asked(gate, timings=TIMINGS)

    assert (verdict.outcome, verdict.family, verdict.adjusted_p) == (outcome, "limit", None)
    assert said in verdict.reason


def test_what_nobody_measured_is_not_applicable() -> None:
    verdict = asked({"kind": "small-enough", "max_mb": 4})

    assert verdict.outcome == "not applicable"
    assert "time_candidate" in verdict.reason


def test_a_gate_on_speed_asks_for_something() -> None:
    with pytest.raises(ValueError, match="at least one of p50_ms"):
        FastEnough()


@pytest.mark.parametrize("gate", [Calibrated(), Robust(metric="accuracy"), NoLeakage(), SmallEnough(max_mb=1)])
def test_every_gate_says_its_family(gate: Any) -> None:
    assert gate.family in ("alarm", "limit")


def test_a_pipeline_that_refuses_missing_values_by_itself_is_no_silent_pass() -> None:
    rows = rows_of()
    taught = LogisticRegression().fit(rows[["x"]], rows["y"].astype(bool))
    model = FittedModel(taught, ("x",), (False, True))
    judged = rows_of(seed=1)
    y = judged["y"].astype(int).to_numpy()
    said = encode_predictions(model.predict(judged), model.classes, model.classes)
    gate = Robust(metric="accuracy")

    found = gate.judge(evidence_with(gate.examine(scored_of(judged, y, said, model=model))))

    assert found.outcome == "fail"
    assert "does not answer: Input X contains NaN" in found.reason


def test_a_gap_just_within_the_tolerance_alarms_in_at_most_one_case_of_twenty() -> None:
    gate, alarms, runs = Calibrated(), 0, 200
    chance = np.random.default_rng(1)
    for _ in range(runs):
        told = chance.uniform(0.1, 0.9, 3_000)
        y = (chance.random(3_000) < told + 0.019).astype(np.int64)
        said = Predictions((told > 0.5).astype(np.int64), np.stack([1 - told, told], axis=1))
        scored = scored_of(pd.DataFrame({"x": told}), y, said)
        alarms += gate.judge(evidence_with(gate.examine(scored))).outcome == "fail"

    low, high = stats.binomtest(alarms, runs).proportion_ci(0.999, "exact")
    print(f"alarms within the tolerance: {alarms / runs:.3f} ({low:.3f} to {high:.3f})")
    assert low <= 0.05
