"""Weights count as scikit-learn counts them, and metrics are found by names, thresholds and import paths."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from prefect_mlops.core.errors import DataError, PartError
from prefect_mlops.core.gates.confidence import confidence_bounds
from prefect_mlops.core.metrics import compare, measure, metric_named
from prefect_mlops.core.metrics.measuring import rests_on_enough
from prefect_mlops.core.metrics.metric import Problem
from prefect_mlops.core.spec import Costs
from prefect_mlops.core.trainers.fitted import Predictions

Rows = tuple[np.ndarray, Predictions, np.ndarray]
WEIGHED: dict[tuple[Problem, str], Callable[..., float]] = {
    ("binary", "roc_auc"): lambda y, p, _, w: sk.roc_auc_score(y, p[:, 1], sample_weight=w),
    ("binary", "average_precision"): lambda y, p, _, w: sk.average_precision_score(y, p[:, 1], sample_weight=w),
    ("binary", "log_loss"): lambda y, p, _, w: sk.log_loss(y, p[:, 1], sample_weight=w),
    ("binary", "brier"): lambda y, p, _, w: sk.brier_score_loss(y, p[:, 1], sample_weight=w),
    ("binary", "accuracy"): lambda y, _, said, w: sk.accuracy_score(y, said, sample_weight=w),
    ("binary", "accuracy@0.7"): lambda y, p, _, w: sk.accuracy_score(y, p[:, 1] >= 0.7, sample_weight=w),
    ("binary", "balanced_accuracy"): lambda y, _, said, w: sk.balanced_accuracy_score(y, said, sample_weight=w),
    ("binary", "f1"): lambda y, _, said, w: sk.f1_score(y, said, sample_weight=w),
    ("binary", "f1@0.3"): lambda y, p, _, w: sk.f1_score(y, p[:, 1] >= 0.3, sample_weight=w),
    ("binary", "precision@0.3"): lambda y, p, _, w: sk.precision_score(y, p[:, 1] >= 0.3, sample_weight=w),
    ("binary", "recall@0.3"): lambda y, p, _, w: sk.recall_score(y, p[:, 1] >= 0.3, sample_weight=w),
    ("multiclass", "log_loss"): lambda y, p, _, w: sk.log_loss(y, p, sample_weight=w),
    ("multiclass", "balanced_accuracy"): lambda y, _, said, w: sk.balanced_accuracy_score(y, said, sample_weight=w),
    **{
        ("multiclass", f"{name}_{average}"): lambda y, _, said, w, name=name, average=average: getattr(
            sk, f"{name}_score"
        )(y, said, average=average, sample_weight=w)
        for name in ("precision", "recall", "f1")
        for average in ("macro", "weighted")
    },
    **{
        ("multiclass", f"roc_auc_ovr_{average}"): lambda y, p, _, w, average=average: sk.roc_auc_score(
            y, p, multi_class="ovr", average=average, sample_weight=w
        )
        for average in ("macro", "weighted")
    },
    ("regression", "mae"): lambda y, _, said, w: sk.mean_absolute_error(y, said, sample_weight=w),
    ("regression", "rmse"): lambda y, _, said, w: sk.root_mean_squared_error(y, said, sample_weight=w),
    ("regression", "r2"): lambda y, _, said, w: sk.r2_score(y, said, sample_weight=w),
    ("regression", "mape"): lambda y, _, said, w: sk.mean_absolute_percentage_error(y, said, sample_weight=w),
    ("regression", "pinball@0.9"): lambda y, _, said, w: sk.mean_pinball_loss(y, said, alpha=0.9, sample_weight=w),
}


def rows_of(problem: Problem, rows: int = 800, *, ties: bool = False) -> Rows:
    chance = np.random.default_rng(1)
    weight = chance.exponential(size=rows)
    if problem == "regression":
        y = chance.normal(10, 3, rows)
        return y, Predictions(y + chance.normal(0.3, 1.5, rows), None), weight
    classes = 2 if problem == "binary" else 4
    y = chance.integers(0, classes, rows)
    raw = np.exp(chance.normal(size=(rows, classes)) + 1.2 * np.eye(classes)[y])
    told = raw / raw.sum(axis=1, keepdims=True)
    if ties:
        told = np.round(told, 1)
    return y, Predictions(told.argmax(axis=1), told), weight


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize(("problem", "name"), WEIGHED)
def test_a_value_equals_scikit_learns_with_weights_and_without(
    problem: Problem, name: str, weighed: bool, ties: bool
) -> None:
    y, said, weight = rows_of(problem, ties=ties and problem == "binary" and name != "log_loss")
    chosen = weight if weighed else None

    value = metric_named(name, problem).value(y, said, chosen)

    assert value == pytest.approx(WEIGHED[problem, name](y, said.probabilities, said.labels, chosen), abs=1e-12)


@pytest.mark.parametrize(("problem", "name"), WEIGHED)
def test_an_influence_is_the_derivative_by_what_its_row_counts(problem: Problem, name: str) -> None:
    y, said, weight = rows_of(problem)
    metric, step = metric_named(name, problem), 1e-4

    influence = metric.influence(y, said, weight)

    assert influence.mean() == pytest.approx(0.0, abs=1e-9)
    for row in (3, 77, 500):
        more, less = weight.copy(), weight.copy()
        more[row] *= 1 + step
        less[row] *= 1 - step
        slope = (metric.value(y, said, more) - metric.value(y, said, less)) / (2 * step)
        assert influence[row] == pytest.approx(slope * len(y), abs=1e-4)


@pytest.mark.parametrize(("problem", "name"), WEIGHED)
def test_a_row_of_weight_zero_is_as_good_as_absent(problem: Problem, name: str) -> None:
    y, said, weight = rows_of(problem)
    weight[::3] = 0.0
    kept = weight > 0
    told = None if said.probabilities is None else said.probabilities[kept]
    metric = metric_named(name, problem)

    found = measure(metric, y, said, None, weight)

    assert found == pytest.approx(measure(metric, y[kept], Predictions(said.labels[kept], told), None, weight[kept]))
    assert found.rows == kept.sum()
    assert not metric.influence(y, said, weight)[~kept].any()


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "f1", "precision", "log_loss"])
def test_weights_of_two_are_rows_told_twice(name: str) -> None:
    y, said, _ = rows_of("binary", ties=True)
    assert said.probabilities is not None
    twice = np.arange(len(y)) < 300
    more = np.concatenate([np.arange(len(y)), np.flatnonzero(twice)])
    metric = metric_named(name, "binary")

    value = metric.value(y, said, 1.0 + twice)

    assert value == pytest.approx(metric.value(y[more], Predictions(said.labels[more], said.probabilities[more])))


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_a_weight_that_cannot_count_is_refused_with_how_many_there_are(wrong: float) -> None:
    y, said, weight = rows_of("binary")
    weight[:3] = wrong

    with pytest.raises(DataError, match=r"3 of 800 weights are negative, missing or infinite.*0 leaves a row out"):
        measure(metric_named("brier", "binary"), y, said, None, weight)


def test_rows_of_weight_zero_do_not_make_a_class_frequent_enough() -> None:
    y = np.repeat([1, 0], [25, 200])
    said = Predictions(y, np.column_stack([1 - y, y]).astype(float))

    assert rests_on_enough(metric_named("roc_auc", "binary"), y, said, np.ones(225))
    assert not rests_on_enough(metric_named("roc_auc", "binary"), y, said, np.where(np.arange(225) < 6, 0.0, 1.0))


def test_a_weighted_share_holds_its_level_where_weights_go_with_errors() -> None:
    """Heavy rows are wrong more often: Kish's rows alone would cover 92%. 2,000 runs, exact 99.9% interval."""
    chance, runs, rows, covered = np.random.default_rng(2), 2_000, 600, 0
    metric = metric_named("accuracy", "binary")
    for _ in range(runs):
        heavy = chance.random(rows) < 0.1
        right = chance.random(rows) < np.where(heavy, 0.5, 0.9)
        found = measure(
            metric, np.ones(rows, dtype=np.int64), Predictions(right.astype(int), None), None, 1.0 + 9.0 * heavy
        )
        low, high = confidence_bounds(found, 0.975)
        covered += low <= (0.9 * 0.9 + 1.0 * 0.5) / 1.9 <= high

    ends = stats.binomtest(covered, runs).proportion_ci(0.999, "exact")
    print(f"{covered / runs:.4f}, {ends.low:.4f} to {ends.high:.4f}")
    assert ends.high >= 0.935
    assert ends.low <= 0.965


def test_equal_weights_change_no_bound() -> None:
    y, said, _ = rows_of("binary")

    for name in ("accuracy", "precision", "roc_auc", "f1"):
        plain, weighed = (measure(metric_named(name, "binary"), y, said, None, w) for w in (None, np.full(800, 3.0)))
        assert confidence_bounds(weighed, 0.95) == pytest.approx(confidence_bounds(plain, 0.95), rel=1e-3)


@pytest.mark.parametrize(("name", "costs", "expected"), [("cost", (2, 10), 3.0), ("cost@0.2", (2, 10), 1.0)])
def test_a_cost_counts_each_kind_of_error(name: str, costs: tuple[float, float], expected: float) -> None:
    """One of four rows is missed at the model's own labels and one falsely found: (10 + 2) / 4; at 0.2 two are."""
    y, score = np.array([1, 1, 0, 0]), np.array([0.9, 0.3, 0.6, 0.25])
    said = Predictions(np.array([1, 0, 1, 0]), np.column_stack([1 - score, score]))

    metric = metric_named(name, "binary", Costs(false_positive=costs[0], false_negative=costs[1]))

    assert metric.value(y, said) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "problem", "told"),
    [
        ("f1@0,3", "binary", "'0,3' is no threshold; write a number between 0 and 1. Known here: f1@0.3"),
        ("f1@", "binary", "'' is no threshold"),
        ("recall@1.5", "binary", "'1.5' is no threshold"),
        ("roc_auc@0.3", "binary", "roc_auc looks at no threshold"),
        ("f1@0.3", "multiclass", "it is a metric of binary problems, not of multiclass"),
        ("pinball", "regression", "'' is no quantile; write a number between 0 and 1. Known here: pinball@0.9"),
        ("pinball@0.9", "binary", "it is a metric of regression problems"),
        ("f1_score@0.3", "binary", "did you mean 'f1@0.3'"),
    ],
)
def test_a_name_that_is_not_understood_is_told_what_is(name: str, problem: Problem, told: str) -> None:
    with pytest.raises(PartError) as error:
        metric_named(name, problem)

    assert told in str(error.value)


def test_a_threshold_asks_for_probabilities() -> None:
    y = np.repeat([0, 1], 50)

    assert np.isnan(metric_named("f1@0.3", "binary").value(y, Predictions(y, None)))


def test_a_score_that_is_no_number_gives_no_value() -> None:
    y, said, _ = rows_of("binary")
    assert said.probabilities is not None
    said.probabilities[5] = np.nan

    for name in ("roc_auc", "average_precision", "brier", "log_loss", "f1@0.3", "calibration_error"):
        assert np.isnan(metric_named(name, "binary").value(y, said)), name


@pytest.fixture
def acme() -> Iterator[ModuleType]:
    """A module of somebody else's metrics."""
    made = sys.modules["acme_metrics"] = ModuleType("acme_metrics")
    made.__dict__.update(Any=Any, np=np)
    yield made
    del sys.modules["acme_metrics"]


def test_a_custom_mean_has_the_error_of_a_mean(acme: ModuleType) -> None:
    acme.profit = lambda y, said, weight: float(np.average(np.where(y == said, 3.0, -5.0), weights=weight))
    y, said, weight = rows_of("binary", 4_000)

    found = measure(metric_named("acme_metrics:profit", "binary"), y, said, None, weight)

    right = measure(metric_named("accuracy", "binary"), y, said, None, weight)
    assert found.value == pytest.approx(8.0 * right.value - 5.0)
    assert found.standard_error == pytest.approx(8.0 * right.standard_error, rel=0.25)
    assert found.degrees_of_freedom == 99


def test_a_custom_metric_keeps_blocks_together_and_is_compared_in_pairs(acme: ModuleType) -> None:
    acme.worst = lambda y, said, weight: float(np.sqrt(np.average((y - said) ** 2, weights=weight)))
    acme.worst.higher_is_better = False
    chance, days = np.random.default_rng(3), np.repeat(np.arange(60), 50)
    y = chance.normal(size=60)[days] + chance.normal(size=3_000)
    one, two = Predictions(np.zeros(3_000), None), Predictions(0.5 * y, None)
    metric = metric_named("acme_metrics:worst", "regression")
    known = metric_named("rmse", "regression")

    found, expected = (measure(one_, y, one, days) for one_ in (metric, known))
    assert found.degrees_of_freedom == 59
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.05)
    assert compare(metric, y, two, one, days).value > 0
    assert compare(metric, y, two, one, days).standard_error == pytest.approx(
        compare(known, y, two, one, days).standard_error, rel=0.05
    )


def test_a_custom_metric_takes_probabilities_where_it_says_so(acme: ModuleType) -> None:
    acme.brier = lambda y, said, weight: sk.brier_score_loss(y, said, sample_weight=weight)
    acme.brier.takes = "probabilities"
    y, said, weight = rows_of("binary")

    value = metric_named("acme_metrics:brier", "binary").value(y, said, weight)

    assert value == pytest.approx(metric_named("brier", "binary").value(y, said, weight))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda *_: "much", "it answered 'much' (str) on 800 rows where a number was expected"),
        (lambda *_: None, "it answered None (NoneType)"),
        (lambda *_: 1 / 0, "it raised ZeroDivisionError (division by zero) on 800 rows"),
        (lambda *_: np.ones(3), "it answered array([1., 1., 1.]) (ndarray)"),
        ("no function", "it is no function"),
    ],
)
def test_a_custom_metric_that_fails_is_named(acme: ModuleType, answer: Any, told: str) -> None:
    acme.broken = answer
    y, said, _ = rows_of("binary")

    with pytest.raises(PartError) as error:
        measure(metric_named("acme_metrics:broken", "binary"), y, said)

    assert "'acme_metrics:broken'" in str(error.value)
    assert told in str(error.value)
