"""Distances between histograms agree with what others compute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prefect_mlops.core.drift import kolmogorov_smirnov, population_stability_index, total_variation
from prefect_mlops.core.errors import DataError

histograms = st.integers(1, 12).flatmap(
    lambda bins: st.tuples(*(st.lists(st.integers(0, 500), min_size=bins, max_size=bins) for _ in range(2)))
)


@given(histograms)
def test_the_index_is_symmetric_and_never_negative(pair: tuple[list[int], list[int]]) -> None:
    one, other = map(np.array, pair)
    there, back = population_stability_index(one, other), population_stability_index(other, one)

    if one.sum() == 0 or other.sum() == 0:
        assert np.isnan(there)
    else:
        assert there >= -1e-12
        assert there == pytest.approx(back)


def test_the_index_is_both_divergences_of_kullback_and_leibler() -> None:
    one, other = np.array([10, 30, 60]), np.array([25, 25, 50])

    expected = stats.entropy(one, other) + stats.entropy(other, one)
    assert population_stability_index(one, other, prior=0.0) == pytest.approx(expected)


@pytest.mark.parametrize(("prior", "finite"), [(0.5, True), (0.0, False)])
def test_a_prior_keeps_an_empty_bin_finite(prior: float, finite: bool) -> None:
    assert np.isfinite(population_stability_index(np.array([0, 10]), np.array([5, 5]), prior)) == finite


def test_a_bin_that_is_empty_on_both_sides_adds_nothing() -> None:
    without = population_stability_index(np.array([5, 10]), np.array([9, 6]), prior=0.0)

    assert population_stability_index(np.array([5, 0, 10]), np.array([9, 0, 6]), prior=0.0) == without


def test_the_largest_gap_is_kolmogorov_and_smirnovs_on_whole_numbers() -> None:
    chance = np.random.default_rng(0)
    one, other = chance.poisson(4, 500), chance.poisson(5, 300)

    gap = kolmogorov_smirnov(np.bincount(one, minlength=30), np.bincount(other, minlength=30))

    assert gap == pytest.approx(stats.ks_2samp(one, other).statistic)


@given(histograms)
def test_no_gap_of_distribution_functions_exceeds_the_share_that_moved(pair: tuple[list[int], list[int]]) -> None:
    one, other = map(np.array, pair)
    if one.sum() and other.sum():
        assert kolmogorov_smirnov(one, other) <= total_variation(one, other) + 1e-12


@pytest.mark.parametrize("distance", [population_stability_index, kolmogorov_smirnov, total_variation])
def test_histograms_over_other_bins_cannot_be_compared(distance: object) -> None:
    with pytest.raises(DataError, match="same bins"):
        distance(np.array([1, 2]), np.array([1, 2, 3]))  # type: ignore[operator]


@pytest.mark.parametrize("distance", [population_stability_index, kolmogorov_smirnov, total_variation])
def test_no_rows_have_no_distance(distance: object) -> None:
    assert np.isnan(distance(np.array([1, 2]), np.array([0, 0])))  # type: ignore[operator]
