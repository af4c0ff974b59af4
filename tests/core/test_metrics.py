"""Metrics equal scikit-learn's, and their standard errors are those of the literature."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from prefect_mlops.core.errors import DataError, PartError
from prefect_mlops.core.gates.confidence import confidence_bounds
from prefect_mlops.core.metrics import compare, measure, metric_named, metrics_for
from prefect_mlops.core.metrics.encoding import encode_predictions, encode_target
from prefect_mlops.core.metrics.measuring import rests_on_enough
from prefect_mlops.core.metrics.ranking import area_and_influence, area_under_curve, ranking_of
from prefect_mlops.core.trainers.fitted import Predictions

SKLEARN_BINARY = {
    "roc_auc": lambda y, p, _: sk.roc_auc_score(y, p),
    "average_precision": lambda y, p, _: sk.average_precision_score(y, p),
    "log_loss": lambda y, p, _: sk.log_loss(y, p),
    "brier": lambda y, p, _: sk.brier_score_loss(y, p),
    "accuracy": lambda y, _, said: sk.accuracy_score(y, said),
    "balanced_accuracy": lambda y, _, said: sk.balanced_accuracy_score(y, said),
    "f1": lambda y, _, said: sk.f1_score(y, said),
    "precision": lambda y, _, said: sk.precision_score(y, said),
    "recall": lambda y, _, said: sk.recall_score(y, said),
}
SKLEARN_REGRESSION = {"mae": sk.mean_absolute_error, "rmse": sk.root_mean_squared_error, "r2": sk.r2_score}


def binary_rows(rows: int, seed: int, *, ties: bool = False, share: float = 0.3) -> tuple[np.ndarray, Predictions]:
    chance = np.random.default_rng(seed)
    y = (chance.random(rows) < share).astype(np.int64)
    score = stats.norm.cdf(chance.normal(size=rows) + 1.2 * y - 0.8)
    if ties:
        score = np.round(score, 1)
    return y, Predictions((score > 0.5).astype(np.int64), np.column_stack([1 - score, score]))


def multiclass_rows(rows: int, seed: int) -> tuple[np.ndarray, Predictions]:
    chance = np.random.default_rng(seed)
    y = chance.integers(0, 3, rows)
    raw = np.exp(chance.normal(size=(rows, 3)) + 1.5 * np.eye(3)[y])
    told = raw / raw.sum(axis=1, keepdims=True)
    return y, Predictions(told.argmax(axis=1), told)


def regression_rows(rows: int, seed: int) -> tuple[np.ndarray, Predictions]:
    chance = np.random.default_rng(seed)
    y = chance.normal(10, 3, rows)
    return y, Predictions(y + chance.normal(0.3, 1.5, rows), None)


ROWS = {"binary": binary_rows, "multiclass": multiclass_rows, "regression": regression_rows}
EVERY = [(problem, metric.name) for problem in ROWS for metric in metrics_for(problem)]  # type: ignore[arg-type]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", SKLEARN_BINARY)
def test_a_binary_value_equals_scikit_learns(name: str, ties: bool) -> None:
    y, predictions = binary_rows(997, 1, ties=ties)

    value = metric_named(name, "binary").value(y, predictions)

    assert predictions.probabilities is not None
    expected = SKLEARN_BINARY[name](y, predictions.probabilities[:, 1], predictions.labels)
    assert value == pytest.approx(expected, abs=1e-12, rel=1e-12)


def test_a_multiclass_value_equals_scikit_learns() -> None:
    y, predictions = multiclass_rows(500, 2)
    value = {metric.name: metric.value(y, predictions) for metric in metrics_for("multiclass")}

    assert value == pytest.approx(
        {
            "log_loss": sk.log_loss(y, predictions.probabilities),
            "accuracy": sk.accuracy_score(y, predictions.labels),
            "balanced_accuracy": sk.balanced_accuracy_score(y, predictions.labels),
            "roc_auc_ovr_macro": sk.roc_auc_score(y, predictions.probabilities, multi_class="ovr"),
        },
        abs=1e-12,
    )


@pytest.mark.parametrize("name", SKLEARN_REGRESSION)
def test_a_regression_value_equals_scikit_learns(name: str) -> None:
    y, predictions = regression_rows(500, 3)

    value = metric_named(name, "regression").value(y, predictions)

    assert value == pytest.approx(SKLEARN_REGRESSION[name](y, predictions.labels), abs=1e-12)


@pytest.mark.parametrize("told", [0.0, 1.0])
def test_a_certain_and_wrong_probability_costs_what_scikit_learn_says(told: float) -> None:
    y, score = np.array([0, 1]), np.array([told, told])
    predictions = Predictions(np.array([0, 0]), np.column_stack([1 - score, score]))

    assert metric_named("log_loss", "binary").value(y, predictions) == pytest.approx(sk.log_loss(y, score), rel=1e-12)


@pytest.mark.parametrize(("problem", "name"), EVERY)
def test_influences_sum_to_zero(problem: str, name: str) -> None:
    y, predictions = ROWS[problem](400, 4)

    influence = metric_named(name, problem).influence(y, predictions)  # type: ignore[arg-type]

    assert influence.shape == (400,)
    assert influence.mean() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("problem", "name"), EVERY)
def test_a_standard_error_agrees_with_the_bootstrap(problem: str, name: str) -> None:
    y, predictions = ROWS[problem](1000, 5)
    metric = metric_named(name, problem)  # type: ignore[arg-type]
    chance = np.random.default_rng(6)

    drawn = []
    for _ in range(500):
        rows = chance.integers(0, len(y), len(y))
        told = None if predictions.probabilities is None else predictions.probabilities[rows]
        drawn.append(metric.value(y[rows], Predictions(predictions.labels[rows], told)))

    found = measure(metric, y, predictions)
    assert found.degrees_of_freedom == 999
    assert found.standard_error == pytest.approx(np.std(drawn, ddof=1), rel=0.12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=40))
def test_the_area_counts_all_pairs_with_ties_half(rows: list[tuple[bool, int]]) -> None:
    positive = np.array([is_positive for is_positive, _ in rows])
    scores = np.array([score for _, score in rows], dtype=float)
    pairs = [(x > z) + 0.5 * (x == z) for x, z in product(scores[positive], scores[~positive])]

    area = area_under_curve(positive, scores)

    assert np.isnan(area) if not pairs else area == pytest.approx(np.mean(pairs), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_a_paired_area_has_delongs_error_counted_pair_by_pair(ties: bool) -> None:
    y, one = binary_rows(300, 7, ties=ties)
    chance = np.random.default_rng(8)
    assert one.probabilities is not None
    noisy = one.probabilities[:, 1] + chance.normal(0, 0.2, 300)
    other = Predictions(one.labels, np.column_stack([1 - noisy, noisy]))
    positive = y == 1

    wins = [
        np.sign(scores[positive][:, None] - scores[~positive][None, :]) / 2 + 0.5
        for scores in (one.probabilities[:, 1], noisy)
    ]
    gain = wins[0] - wins[1]
    expected = np.sqrt(
        gain.mean(axis=1).var(ddof=1) / positive.sum() + gain.mean(axis=0).var(ddof=1) / (~positive).sum()
    )

    found = compare(metric_named("roc_auc", "binary"), y, one, other)
    assert found.value == pytest.approx(gain.mean(), abs=1e-12)
    assert found.standard_error == pytest.approx(expected, rel=0.01)


def test_errors_from_blocks_are_those_of_statsmodels_for_clustered_rows() -> None:
    y, predictions = regression_rows(600, 9)
    blocks = np.random.default_rng(10).integers(0, 25, 600)
    distances = np.abs(y - predictions.labels)

    fitted = sm.OLS(distances, np.ones(600)).fit(
        cov_type="cluster", cov_kwds={"groups": blocks, "use_correction": False}
    )

    found = measure(metric_named("mae", "regression"), y, predictions, blocks)
    assert found.degrees_of_freedom == 24
    assert found.standard_error == pytest.approx(fitted.bse[0] * np.sqrt(25 / 24), rel=1e-9)


def test_a_single_block_has_no_standard_error() -> None:
    y, predictions = regression_rows(50, 11)

    found = measure(metric_named("mae", "regression"), y, predictions, np.zeros(50))

    assert np.isnan(found.standard_error)
    assert found.degrees_of_freedom == 0


def test_a_model_compared_with_itself_has_no_advantage_and_no_error() -> None:
    y, predictions = binary_rows(200, 12)

    found = compare(metric_named("roc_auc", "binary"), y, predictions, predictions)

    assert (found.value, found.standard_error, found.degrees_of_freedom) == (0.0, 0.0, 199)


@pytest.mark.parametrize("name", ["log_loss", "rmse"])
def test_an_advantage_is_positive_where_a_smaller_error_is_better(name: str) -> None:
    problem = "binary" if name == "log_loss" else "regression"
    y, good = ROWS[problem](300, 13)
    told = None if good.probabilities is None else 0.5 + 0.0 * good.probabilities
    poor = Predictions(np.full(300, y.mean()) if told is None else good.labels, told)

    assert compare(metric_named(name, problem), y, good, poor).value > 0  # type: ignore[arg-type]  # a text


def test_delong_covers_the_true_area_in_ninety_five_of_a_hundred() -> None:
    """2,000 draws of 400 rows at an area of Phi(1 / sqrt 2); the exact 99.9% interval of the rate holds 95%."""
    chance = np.random.default_rng(14)
    true, covered, runs = stats.norm.cdf(1 / np.sqrt(2)), 0, 2000
    positive = np.arange(400) < 120
    for _ in range(runs):
        scores = chance.normal(size=400) + positive
        area, influence = area_and_influence(positive, ranking_of(scores))
        error = influence.std() / np.sqrt(400)
        width = 1.96 * error / (area * (1 - area))
        middle = np.log(area / (1 - area))
        covered += abs(np.log(true / (1 - true)) - middle) <= width

    interval = stats.binomtest(covered, runs).proportion_ci(0.999)
    assert interval.low <= 0.95 <= interval.high


def test_day_blocks_hold_their_level_where_rows_of_a_day_move_together() -> None:
    """A shared daily shock: the naive error is far too small, the one from 20 day blocks is right."""
    chance, runs, days, size = np.random.default_rng(15), 1000, 20, 30
    blocks = np.repeat(np.arange(days), size)
    metric = metric_named("mae", "regression")
    missed = {"rows": 0, "days": 0}
    for _ in range(runs):
        distance = np.abs(1 + 0.3 * chance.normal(size=days)[blocks] + chance.normal(size=days * size) * 0.3 + 5)
        predictions = Predictions(distance, None)
        for name, chosen in (("rows", None), ("days", blocks)):
            found = measure(metric, np.zeros(days * size), predictions, chosen)
            missed[name] += confidence_bounds(found, 0.95)[0] > 6.0

    interval = stats.binomtest(missed["days"], runs).proportion_ci(0.999)
    assert interval.low <= 0.05 <= interval.high
    assert missed["rows"] > 4 * missed["days"]


def test_an_unknown_metric_names_the_near_one() -> None:
    with pytest.raises(PartError, match="did you mean 'roc_auc'"):
        metric_named("ROC-AUC", "binary")


def test_a_metric_of_another_problem_names_those_that_fit() -> None:
    with pytest.raises(PartError, match=r"metric of regression problems, not of binary.*Known here: roc_auc"):
        metric_named("rmse", "binary")


@pytest.mark.parametrize(("positives", "enough"), [(19, False), (20, True)])
def test_twenty_rows_of_the_rarest_class_are_enough(positives: int, enough: bool) -> None:
    y = np.repeat([1, 0], [positives, 200])
    predictions = Predictions(y, np.column_stack([1 - y, y]).astype(float))

    assert rests_on_enough(metric_named("roc_auc", "binary"), y, predictions) is enough
    assert rests_on_enough(metric_named("accuracy", "binary"), y, predictions)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "recall", "precision"])
def test_a_value_without_positive_rows_is_not_defined(name: str) -> None:
    y, zeros = np.zeros(30, dtype=np.int64), np.zeros(30, dtype=np.int64)

    value = metric_named(name, "binary").value(y, Predictions(zeros, np.tile([0.9, 0.1], (30, 1))))

    assert np.isnan(value)


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (pd.Series(["no", "yes", "yes"]), ("no", "yes")),
        (pd.Series([False, True, True]), (False, True)),
        (pd.Series([0.0, 1.0, 1.0]), (0, 1)),
        (pd.Series([0, 1, 1], dtype="Int64"), (False, True)),
        (pd.Series(["False", "True", "true"]), (False, True)),
    ],
)
def test_a_label_is_found_whatever_type_it_travelled_as(labels: pd.Series, order: tuple[bool | int | str, ...]) -> None:
    assert encode_target(labels, order).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("labels", "said"),
    [(["a", None], "1 of 2 rows have no label"), (["a", "z"], "never saw: \\['z'\\]")],
)
def test_a_label_that_cannot_be_used_is_told(labels: list[str | None], said: str) -> None:
    with pytest.raises(DataError, match=said):
        encode_target(pd.Series(labels, name="kind"), ("a", "b"))


def test_a_class_that_a_model_does_not_know_gets_no_probability() -> None:
    told = encode_predictions(Predictions(np.array(["b"]), np.array([[0.3, 0.7]])), ("a", "b"), ("c", "b", "a"))

    assert told.labels.tolist() == [1]
    assert told.probabilities is not None
    assert told.probabilities.tolist() == [[0.0, 0.7, 0.3]]


def test_a_prediction_that_is_not_finite_cannot_be_judged() -> None:
    with pytest.raises(DataError, match="1 of 2 predictions are missing"):
        encode_predictions(Predictions(np.array([1.0, np.nan]), None), (), ())
