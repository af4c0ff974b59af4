"""An evaluation measures candidate, champion and baseline on the same rows, and says where it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from prefect_mlops.core.errors import DataError, PartError
from prefect_mlops.core.evaluation import evaluate
from prefect_mlops.core.evidence import Evidence
from prefect_mlops.core.gates import decide
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers import FittedModel

LOGISTIC = "sklearn.linear_model.LogisticRegression"
LINEAR = "sklearn.linear_model.LinearRegression"


def spec_of(
    problem: str = "binary", *, timed: bool = True, features: tuple[str, ...] = ("x", "z"), **parts: Any
) -> ModelSpec:
    gate = {"kind": "better-than-baseline", "metric": "rmse" if problem == "regression" else "log_loss"}
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "toy",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "tests"},
            "data": {"key": ["id"], "time": "at" if timed else None},
            "target": {"column": "y", "problem": problem, "positive": True if problem == "binary" else None},
            "features": {"numeric": features},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": LINEAR if problem == "regression" else LOGISTIC},
            "gates": [gate],
        }
        | parts
    )


def rows_of(count: int = 600, seed: int = 0, problem: str = "binary") -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "id": np.arange(count) + 10_000 * seed,
            "at": pd.date_range("2013-01-01", periods=count, freq="1h", tz="UTC"),
            "x": chance.normal(size=count),
            "z": chance.normal(size=count),
        }
    )
    signal = rows["x"] + rows["z"] + chance.normal(size=count)
    if problem == "binary":
        return rows.assign(y=signal > 0)
    return rows.assign(y=signal if problem == "regression" else pd.cut(signal, [-9, -1, 1, 9], labels=False))


def fit(spec: ModelSpec, rows: pd.DataFrame) -> FittedModel:
    return spec.resolved_trainer().fit(spec, rows)


def judged(
    spec: ModelSpec, rows: pd.DataFrame, *, champion: FittedModel | None = None, training: pd.DataFrame | None = None
) -> Evidence:
    learned = rows_of(problem=spec.target.problem) if training is None else training
    return evaluate(
        spec,
        candidate=fit(spec, learned),
        champion=champion,
        champion_version=None if champion is None else 3,
        rows=rows,
        training=learned,
        candidate_name="run-1",
        judged_on="25 days from 2013-01-01",
    )


def test_binary_evidence_holds_scikit_learns_values_for_all_three() -> None:
    spec, rows, learned = spec_of(), rows_of(seed=1), rows_of()
    weak = fit(spec_of(features=("x",)), learned)

    evidence = judged(spec, rows, champion=weak)

    strong_told = fit(spec, learned).predict(rows).probabilities
    weak_told = weak.predict(rows).probabilities
    assert strong_told is not None
    assert weak_told is not None
    strong, other = (sk.roc_auc_score(rows["y"], told[:, 1]) for told in (strong_told, weak_told))
    assert evidence.measured("roc_auc").value == pytest.approx(strong, abs=1e-12)
    assert evidence.measured("roc_auc", "champion").value == pytest.approx(other, abs=1e-12)
    assert evidence.measured("roc_auc", "baseline").value == 0.5
    prior = learned["y"].mean()
    assert evidence.measured("brier", "baseline").value == pytest.approx(((rows["y"] - prior) ** 2).mean())
    assert evidence.compared("roc_auc", "champion").advantage == pytest.approx(strong - other, abs=1e-12)
    assert evidence.compared("log_loss", "baseline").advantage > 0


@pytest.mark.parametrize(("timed", "freedom"), [(True, 24), (False, 599)])
def test_days_are_the_blocks_where_rows_have_a_time(timed: bool, freedom: int) -> None:
    evidence = judged(spec_of(timed=timed), rows_of(seed=1))

    assert evidence.measured("roc_auc").degrees_of_freedom == freedom
    assert evidence.compared("roc_auc", "baseline").degrees_of_freedom == freedom


def test_pairing_makes_a_comparison_sharper_than_two_values_apart() -> None:
    spec = spec_of(timed=False)
    evidence = judged(spec, rows_of(seed=1), champion=fit(spec, rows_of(seed=2)))

    apart = sum(evidence.measured("roc_auc", who).standard_error ** 2 for who in ("candidate", "champion")) ** 0.5  # type: ignore[arg-type]
    assert evidence.compared("roc_auc", "champion").standard_error < apart / 3


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_every_metric_is_measured_for_all_and_compared_with_both(problem: str) -> None:
    spec, rows = spec_of(problem), rows_of(seed=1, problem=problem)
    evidence = judged(spec, rows, champion=fit(spec, rows_of(seed=2, problem=problem)))

    names = {measurement.metric for measurement in evidence.measurements}
    assert {(m.metric, m.subject) for m in evidence.measurements} == {
        (name, who) for name in names for who in ("candidate", "champion", "baseline")
    }
    assert {(c.metric, c.against) for c in evidence.comparisons} == {
        (name, who) for name in names for who in ("champion", "baseline")
    }
    assert decide(spec.resolved_gates(), evidence).outcome == "accepted"
    assert all(type(m.value) is float and type(m.standard_error) is float for m in evidence.measurements)


def test_evidence_survives_its_own_json_even_where_a_value_is_missing() -> None:
    evidence = judged(spec_of(), rows_of(seed=1).query("not y").head(40))

    read = Evidence.model_validate_json(evidence.model_dump_json())

    assert np.isnan(read.measured("roc_auc").value)
    assert read.model_dump_json() == evidence.model_dump_json()


@pytest.mark.parametrize(("positives", "outcome"), [(0, "not applicable"), (19, "not applicable"), (40, "pass")])
def test_too_few_rows_of_a_class_are_not_applicable_and_never_a_pass(positives: int, outcome: str) -> None:
    gates = [{"kind": "at-least", "metric": "roc_auc", "bound": 0.5, "on": on} for on in ("point", "confidence-bound")]
    spec, rows = spec_of(gates=gates, timed=False), rows_of(seed=1)
    few = pd.concat([rows[~rows["y"]], rows[rows["y"]].head(positives)])

    decision = decide(spec.resolved_gates(), judged(spec, few))

    assert [verdict.outcome for verdict in decision.verdicts] == [outcome, outcome]
    assert decision.accepted == (outcome == "pass")


def test_a_class_that_only_the_candidate_knows_counts_against_the_champion() -> None:
    spec, learned = spec_of("multiclass"), rows_of(problem="multiclass")
    old = fit(spec, learned[learned["y"] != 2])

    evidence = judged(spec, rows_of(seed=1, problem="multiclass"), champion=old)

    assert evidence.compared("log_loss", "champion").advantage > 1
    assert np.isfinite(evidence.measured("roc_auc_ovr_macro", "champion").value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.iloc[:0], "no rows to judge on"),
        (lambda rows: rows.assign(y=rows["y"].astype("Int64").where(rows["x"] > -1)), "have no label in 'y'"),
        (lambda rows: rows.assign(y=rows["y"] + 5), r"never saw: \['5', '6', '7'\]"),
        (lambda rows: rows.drop(columns="x"), "no column 'x'"),
        (lambda rows: rows.drop(columns="at"), "no column 'at' of timestamps"),
        (lambda rows: rows.assign(at=rows["at"].dt.tz_localize(None)), "no column 'at' of timestamps"),
        (lambda rows: rows.assign(at=rows["at"].where(rows["x"] > 0)), "'at' is missing in"),
        (lambda rows: rows.assign(x=np.inf), "'x' is infinite in 600 of 600"),
    ],
)
def test_rows_that_cannot_be_judged_on_are_refused(change: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        judged(spec_of("multiclass"), change(rows_of(seed=1, problem="multiclass")))


def test_a_champion_that_learned_from_a_column_that_is_gone_is_named_with_the_column() -> None:
    champion, rows = fit(spec_of(), rows_of()), rows_of(seed=1).drop(columns="z")

    with pytest.raises(DataError, match=r"The champion cannot answer the judging rows\. .*no column 'z'"):
        judged(spec_of(features=("x",)), rows, champion=champion)


def test_a_champion_without_its_version_is_refused() -> None:
    spec, rows = spec_of(), rows_of()
    with pytest.raises(DataError, match="go together"):
        evaluate(
            spec,
            candidate=fit(spec, rows),
            champion=None,
            champion_version=2,
            rows=rows,
            training=rows,
            candidate_name="run-1",
            judged_on="",
        )


@pytest.mark.parametrize(
    "parts",
    [
        {"gates": [{"kind": "at-least", "metric": "rmse", "bound": 1}]},
        {"monitors": [{"kind": "performance", "metric": "roc_aux", "max_loss": 0.1}]},
    ],
)
def test_a_gate_or_monitor_that_names_no_metric_of_the_problem_is_told(parts: dict[str, Any]) -> None:
    with pytest.raises(PartError, match="roc_auc"):
        judged(spec_of(**parts), rows_of(seed=1))


def test_other_judging_rows_have_another_digest() -> None:
    digests = {judged(spec_of(), rows_of(seed=seed)).holdout_digest for seed in (1, 1, 2)}

    assert len(digests) == 2
