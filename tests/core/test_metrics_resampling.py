"""Bootstraps agree with other people's, and closed forms with bootstraps."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.contingency_tables import mcnemar

from prefect_mlops.core.gates.confidence import confidence_bounds
from prefect_mlops.core.metrics import measure, metric_named
from prefect_mlops.core.metrics.mcnemar import mcnemar_test
from prefect_mlops.core.metrics.resampling import resample
from prefect_mlops.core.trainers.fitted import Predictions


@functools.cache
def tumours() -> tuple[np.ndarray, Predictions]:
    """569 real tumours, each told by a model that did not see it."""
    columns, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    score = cross_val_predict(model, columns[:, :3], y, method="predict_proba")[:, 1]
    return y, Predictions((score >= 0.5).astype(np.int64), np.column_stack([1 - score, score]))


@pytest.mark.parametrize("name", ["log_loss", "brier", "average_precision", "roc_auc", "f1", "balanced_accuracy"])
def test_bca_is_scipys_and_the_closed_form_is_near_it(name: str) -> None:
    y, said = tumours()
    metric = metric_named(name, "binary")
    assert said.probabilities is not None

    def value(rows: np.ndarray) -> float:
        assert said.probabilities is not None
        return metric.value(y[rows], Predictions(said.labels[rows], said.probabilities[rows]))

    ours = resample(metric, y, said, draws=4_000)

    chance = np.random.default_rng(0)
    others = stats.bootstrap((np.arange(len(y)),), value, n_resamples=4_000, vectorized=False, rng=chance)
    low, high = others.confidence_interval
    width = high - low
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.02 * width)
    assert confidence_bounds(measure(metric, y, said), 0.975) == pytest.approx((low, high), abs=0.05 * width)


@pytest.mark.parametrize("name", ["log_loss", "roc_auc", "f1"])
def test_the_studentised_bootstrap_agrees_with_the_closed_form(name: str) -> None:
    y, said = tumours()
    metric = metric_named(name, "binary")
    low, high = confidence_bounds(measure(metric, y, said), 0.975)

    found = resample(metric, y, said, method="studentised", draws=4_000)

    assert (found.low, found.high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_blocks_are_drawn_whole() -> None:
    chance, days = np.random.default_rng(1), np.repeat(np.arange(40), 25)
    y = 3.0 + chance.normal(size=40)[days] + 0.3 * chance.normal(size=1_000)
    metric, said = metric_named("mae", "regression"), Predictions(np.zeros(1_000), None)

    apart, together = (resample(metric, y, said, blocks=blocks) for blocks in (None, days))

    assert together.of == "blocks"
    assert together.high - together.low > 3 * (apart.high - apart.low)
    low, high = confidence_bounds(measure(metric, y, said, days), 0.975)
    assert (together.low, together.high) == pytest.approx((low, high), abs=0.1 * (high - low))


@pytest.mark.parametrize(("name", "few"), [pytest.param("brier", False, marks=pytest.mark.slow), ("accuracy", True)])
def test_ends_from_cells_and_influence_values_are_those_from_rows(name: str, few: bool) -> None:
    """3,000 rows drawn as rows so often that chance moves an end by half a percent; the bench does it at 100,000."""
    chance = np.random.default_rng(2)
    odds = chance.normal(-2, 1.2, 3_000)
    score = 1 / (1 + np.exp(-odds))
    if few:
        score = np.round(score, 2).clip(0.01, 0.99)
    y = (chance.random(3_000) < score).astype(np.int64)
    said = Predictions((score >= 0.5).astype(np.int64), np.column_stack([1 - score, score]))
    metric = metric_named(name, "binary")

    rows = resample(metric, y, said, draws=40_000, seed=3)
    fast = resample(metric, y, said, draws=50_000, seed=4, most_rows=0)
    closed = confidence_bounds(measure(metric, y, said), 0.975)

    width = rows.high - rows.low
    assert fast.of == ("cells" if few else "influence values")
    assert (fast.low, fast.high) == pytest.approx((rows.low, rows.high), abs=0.02 * width)
    assert closed == pytest.approx((rows.low, rows.high), abs=0.02 * width)


def test_a_value_that_nothing_moves_has_an_interval_of_one_point() -> None:
    found = resample(metric_named("mae", "regression"), np.zeros(50), Predictions(np.ones(50), None))

    assert (found.low, found.high) == (1.0, 1.0)


def test_a_value_that_too_few_draws_have_has_no_interval() -> None:
    y = np.repeat([1, 0], [2, 60])
    y[[1, 40]] = y[[40, 1]]
    score = np.linspace(0.1, 0.9, 62)

    found = resample(metric_named("roc_auc", "binary"), y, Predictions(y, np.column_stack([1 - score, score])))

    assert np.isnan(found.low)


@pytest.mark.parametrize(("ours", "theirs"), [(15, 5), (3, 0), (40, 42), (0, 9), (0, 0)])
def test_mcnemars_mid_p_is_the_exact_one_less_what_half_the_result_weighs(ours: int, theirs: int) -> None:
    candidate, other = np.zeros(200, dtype=bool), np.zeros(200, dtype=bool)
    candidate[:ours], other[ours : ours + theirs] = True, True

    found = mcnemar_test(candidate, other)

    exact = mcnemar([[100, ours], [theirs, 100]], exact=True).pvalue
    weight = stats.binom.pmf(ours, ours + theirs, 0.5)
    assert found.better_p + found.worse_p == pytest.approx(1.0)
    assert found.p_value == pytest.approx(min(exact, 1.0 + weight * (ours == theirs)) - weight * (ours != theirs))
