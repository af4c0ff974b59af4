"""Curves and importances equal scikit-learn's, and their intervals hold what they promise."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
from statsmodels.stats.proportion import proportion_confint

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.experiments.curves import calibration, precision_recall_curves, roc_curves
from prefect_mlops.core.experiments.importances import permutation_importances
from prefect_mlops.core.experiments.intervals import share_interval
from prefect_mlops.core.experiments.learning import learning_curve
from prefect_mlops.core.experiments.residuals import residuals_of
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.studies.beside import Judged, main_metric
from prefect_mlops.core.trainers import FittedModel, Predictions
from tests.core.experiment_cases import rentals, tumours, wines


def judged_of(target: np.ndarray, blocks: np.ndarray | None = None, classes: int = 2) -> Judged:
    return Judged(pd.DataFrame({"x": target}), tuple(range(classes)), target, blocks)


def chances_of(positive: np.ndarray) -> Predictions:
    return Predictions((positive >= 0.5).astype(int), np.stack([1 - positive, positive], axis=1))


def test_curves_of_two_classes_are_scikit_learns_point_by_point() -> None:
    case = tumours()
    y, chances = case.judged.target, case.said.probabilities[:, 1]

    (roc,) = roc_curves(case.judged, case.said)
    (precise,) = precision_recall_curves(case.judged, case.said)

    across, up, _ = roc_curve(y, chances, drop_intermediate=False)
    np.testing.assert_allclose(roc.across, across)
    np.testing.assert_allclose(roc.up, up)
    precision, recall, _ = precision_recall_curve(y, chances)
    np.testing.assert_allclose(precise.across, recall[::-1])
    np.testing.assert_allclose(precise.up, precision[::-1])
    assert roc.area.value == pytest.approx(roc_auc_score(y, chances))
    assert precise.area.value == pytest.approx(average_precision_score(y, chances))
    assert roc.area.low < roc.area.value < roc.area.high < 1


def test_each_of_three_classes_is_held_against_the_rest() -> None:
    case = wines()
    chances = case.said.probabilities

    curves = roc_curves(case.judged, case.said)

    assert [curve.of for curve in curves] == [str(label) for label in case.model.classes]
    for index, curve in enumerate(curves):
        assert curve.area.value == pytest.approx(roc_auc_score(case.judged.target == index, chances[:, index]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60))
def test_curves_with_ties_equal_scikit_learns_and_rise(rows: list[tuple[bool, int]]) -> None:
    y = np.array([int(label) for label, _ in rows])
    chances = np.array([score for _, score in rows]) / 6
    if y.min() == y.max():
        assert roc_curves(judged_of(y), chances_of(chances)) == ()
        return

    (roc,) = roc_curves(judged_of(y), chances_of(chances))

    across, up, _ = roc_curve(y, chances, drop_intermediate=False)
    np.testing.assert_allclose((roc.across, roc.up), (across, up), atol=1e-12)
    assert np.trapezoid(roc.up, roc.across) == pytest.approx(roc.area.value)


def test_more_than_ten_classes_show_the_ten_with_the_most_rows() -> None:
    y = np.repeat(np.arange(12), np.arange(20, 32))
    told = np.full((len(y), 12), 1 / 12)

    curves = roc_curves(judged_of(y, classes=12), Predictions(y, told))

    assert [curve.of for curve in curves] == [str(label) for label in range(2, 12)]


def test_chances_that_hold_are_seldom_shown_to_be_wrong_and_wrong_ones_are() -> None:
    random, missed = np.random.default_rng(0), 0
    for _ in range(200):
        chances = random.beta(1, 6, 500)
        found = calibration(judged_of((random.random(500) < chances).astype(int)), chances_of(chances))
        assert found is not None
        missed += found.missed > 0
    chances = random.random(500)
    wrong = calibration(judged_of((random.random(500) < chances**3).astype(int)), chances_of(chances))

    # At most 5% of such reports may show a bin; the exact interval of the rate allows for the 200 runs.
    assert stats.binomtest(missed, 200).proportion_ci(0.999).low <= 0.05
    assert wrong is not None
    assert wrong.missed > 3
    assert wrong.rows.sum() == 500


def test_days_that_differ_widen_the_intervals_of_a_calibration() -> None:
    random = np.random.default_rng(1)
    days = np.repeat(np.arange(40), 50)
    chances = np.full(2000, 0.5) + random.normal(0, 1e-6, 2000)
    y = (random.random(2000) < np.repeat(random.choice([0.2, 0.8], 40), 50)).astype(int)

    alone, by_day = (calibration(judged_of(y, blocks), chances_of(chances)) for blocks in (None, days))

    assert alone is not None
    assert by_day is not None
    assert by_day.missed == 0
    for narrow, wide in zip(alone.seen, by_day.seen, strict=True):
        assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


@pytest.mark.parametrize(("hits", "rows"), [(50, 100), (30, 200), (0, 30), (3, 500), (30, 30), (495, 500)])
def test_the_interval_of_a_share_is_wilsons_and_the_exact_one_at_the_edges(hits: int, rows: int) -> None:
    found = share_interval(np.repeat([1.0, 0.0], [hits, rows - hits]))

    method = "wilson" if min(hits, rows - hits) >= 10 else "beta"
    assert (found.low, found.high) == pytest.approx(proportion_confint(hits, rows, method=method))


def test_a_share_of_one_day_has_no_interval_and_one_of_equal_days_counts_days() -> None:
    assert np.isnan(share_interval(np.array([0.0, 1.0]), np.zeros(2)).low)
    assert share_interval(np.ones(100), np.repeat(np.arange(10), 10)) == share_interval(np.ones(10))


def test_residuals_sum_up_what_is_left() -> None:
    case = rentals()
    left = case.judged.target - case.said.labels

    found = residuals_of(case.judged, case.said)

    assert found.bias.value == pytest.approx(left.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(left, [0.05, 0.95])))
    assert sum(np.isfinite(one.low) for one in found.means) == len(found.means) == 10
    by_hour = residuals_of(case.judged._replace(blocks=None), case.said).bias
    assert found.bias.high - found.bias.low > by_hour.high - by_hour.low


class Pipelined(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted model as scikit-learn's own permutation importance wants it."""

    def __init__(self, model: FittedModel) -> None:
        self.model = model

    def fit(self, *_: Any) -> Pipelined:
        return self

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return self.model.predict(rows).labels


def test_importances_agree_with_scikit_learns_within_their_chance() -> None:
    case = rentals()
    rows = case.judging[list(case.model.features)]

    found = {one.feature: one for one in permutation_importances(case.model, case.judged, main_metric(case.spec))}
    asked = {"scoring": "neg_root_mean_squared_error", "n_repeats": 20, "random_state": 0}
    theirs = permutation_importance(Pipelined(case.model), rows, case.judged.target, **asked)

    assert next(iter(found)) == "hour"
    assert list(found) == sorted(found, key=lambda name: -found[name].loss.value)
    for name, mean, spread in zip(rows.columns, theirs.importances_mean, theirs.importances_std, strict=True):
        assert found[name].loss.value == pytest.approx(mean, abs=4 * spread * np.sqrt(1 / 5 + 1 / 20))
        assert found[name].loss.low <= found[name].loss.value <= found[name].loss.high
    assert found["hour"].verdict == "needed"


class Sum:
    """Says the sum of its columns."""

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.asarray(rows.sum(axis=1))


@pytest.mark.parametrize("tails", ["thin", "heavy"])
def test_the_interval_of_an_importance_holds_the_truth_of_all_rows(tails: str) -> None:
    """The loss in RMSE is sqrt(1 + 2 var) - 1 for a noise of 1: a row's own value and another's differ by 2 var."""
    random, held, runs = np.random.default_rng(7), 0, 300
    model, metric = FittedModel(Sum(), ("x",), ()), metric_named("rmse", "regression")
    variance = 1.0 if tails == "thin" else 10 / 8
    for run in range(runs):
        x = random.normal(size=600) if tails == "thin" else random.standard_t(10, 600)
        y = x + random.normal(size=600)
        (found,) = permutation_importances(model, Judged(pd.DataFrame({"x": x}), (), y, None), metric, seed=run)
        held += found.loss.low <= np.sqrt(1 + 2 * variance) - 1 <= found.loss.high

    assert stats.binomtest(held, runs).proportion_ci(0.999).high >= 0.95


def test_a_feature_of_one_value_costs_nothing_and_a_seed_repeats_all() -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"flat": np.ones(200), "x": random.normal(size=200)})
    judged = Judged(rows, (), rows["x"].to_numpy() + random.normal(size=200), None)
    model, metric = FittedModel(Sum(), ("flat", "x"), ()), metric_named("mae", "regression")

    first, again, other = (permutation_importances(model, judged, metric, seed=seed) for seed in (1, 1, 2))

    assert [one.feature for one in first] == ["x", "flat"]
    assert first[1].loss.value == pytest.approx(0.0, abs=1e-12)
    assert first == again != other


def test_many_rows_are_drawn_and_too_few_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = rentals()
    monkeypatch.setattr("prefect_mlops.core.experiments.importances.MOST_ROWS", 1_000)
    few = case.judged._replace(
        rows=case.judging.head(10), target=case.judged.target[:10], blocks=case.judged.blocks[:10]
    )

    drawn = permutation_importances(case.model, case.judged, main_metric(case.spec), repeats=2)
    nothing = permutation_importances(case.model, few, main_metric(case.spec))

    assert {one.rows for one in drawn} == {1_000}
    assert all(np.isnan(one.loss.value) and one.verdict == "not shown" for one in nothing)
    with pytest.raises(DataError, match="2 repeats or more"):
        permutation_importances(case.model, case.judged, main_metric(case.spec), repeats=1)


def test_a_learning_curve_ends_at_the_candidate_and_says_what_more_rows_bring() -> None:
    case = rentals()
    metric = main_metric(case.spec)

    points = learning_curve(case.spec, case.training, case.judged, metric, candidate=case.model)

    assert [point.learned for point in points] == [690, 2070, 6900]
    assert points[0].gain is None
    last = points[-1]
    assert last.value is not None
    assert last.value.value == pytest.approx(metric.value(case.judged.target, case.said))
    for before, point in itertools.pairwise(points):
        assert point.gain.value == pytest.approx(before.value.value - point.value.value)


def test_a_part_that_cannot_be_learned_from_says_why() -> None:
    case = tumours()
    rows = case.training.sort_values("benign")
    lonely = pd.concat([rows.head(40), rows.tail(1)], ignore_index=True)

    points = learning_curve(case.spec, lonely, case.judged, main_metric(case.spec), shares=(0.1, 1.0))

    assert "one class" in points[0].reason
    assert points[0].value is None
    assert points[1].value is not None


@pytest.mark.parametrize("shares", [(), (0.0, 1.0), (1.0, 0.3), (0.5, 0.5), (0.5, 1.5)])
def test_shares_that_do_not_rise_are_refused(shares: tuple[float, ...]) -> None:
    case = wines()

    with pytest.raises(DataError, match="rising"):
        learning_curve(case.spec, case.training, case.judged, main_metric(case.spec), shares=shares)
