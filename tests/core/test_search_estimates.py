"""The corrected estimate is what the chosen configuration is worth on other rows; the naive one is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from prefect_mlops.core.search.correcting import corrected_estimate, standard_errors

SEARCHES, CONFIGURATIONS = 30, 50


def hits_of(seed: int, rows: int, truth: float, alike: float = 0.3) -> np.ndarray:
    """What configurations hit that are right in `truth` of all rows, and agree in some of them."""
    rng = np.random.default_rng([seed, rows])
    shared, own = rng.random((rows, 1)) < truth, rng.random((rows, CONFIGURATIONS)) < truth
    return np.asarray(np.where(rng.random((rows, CONFIGURATIONS)) < alike, shared, own))


def upper_end(rate: np.ndarray) -> float:
    return float(binomtest(int(rate.sum()), len(rate)).proportion_ci(0.999, "exact").high)


@pytest.mark.parametrize("rows", [300, 1_000])
def test_without_a_signal_the_corrected_interval_holds_chance_and_the_naive_best_does_not(rows: int) -> None:
    hits = [hits_of(seed, rows, 0.5) for seed in range(SEARCHES)]

    found = [corrected_estimate(each, draws=200) for each in hits]

    naive = np.mean([each.mean(axis=0).max() for each in hits])
    assert upper_end(np.array([one.low <= 0.5 <= one.high for one in found])) >= 0.93
    assert np.mean([one.value for one in found]) == pytest.approx(0.5, abs=0.015)
    assert naive > 0.52


def test_with_a_signal_chance_is_excluded_and_the_interval_is_narrow() -> None:
    found = [corrected_estimate(hits_of(seed, 1_000, 0.6), draws=200) for seed in range(SEARCHES)]

    assert upper_end(np.array([one.low > 0.5 for one in found])) >= 0.95
    assert max(one.high - one.low for one in found) <= 0.12


def test_losses_are_mirrored_gains() -> None:
    hits = hits_of(1, 300, 0.6)

    gain, loss = corrected_estimate(hits), corrected_estimate(1.0 - hits, higher_is_better=False)

    assert (loss.value, loss.low, loss.high) == pytest.approx((1 - gain.value, 1 - gain.high, 1 - gain.low))


def test_one_configuration_is_worth_what_it_was_measured() -> None:
    hits = hits_of(3, 2_000, 0.7)[:, :1]

    found = corrected_estimate(hits, draws=2_000)

    assert found.value == pytest.approx(hits.mean(), abs=0.002)


def test_rows_of_one_day_are_drawn_together() -> None:
    rng = np.random.default_rng(5)
    days = np.repeat(np.arange(40), 25)
    hits = np.repeat(rng.random((40, 5)) < 0.6, 25, axis=0)

    apart, together = corrected_estimate(hits), corrected_estimate(hits, blocks=days)

    assert together.high - together.low > 3 * (apart.high - apart.low)
    assert standard_errors(hits, days) == pytest.approx(5 * standard_errors(hits), rel=0.02)


def test_too_few_days_give_a_value_and_no_interval() -> None:
    hits = hits_of(7, 190, 0.6)

    found = corrected_estimate(hits, blocks=np.arange(190) // 10)

    assert found.value == hits.mean(axis=0).max()
    assert np.isnan([found.low, found.high]).all()


def test_many_rows_are_drawn_in_random_groups_without_changing_what_is_found() -> None:
    rng = np.random.default_rng(9)
    hits = rng.random((60_000, 6)) < np.linspace(0.70, 0.75, 6)

    found = corrected_estimate(hits)

    assert found.value == pytest.approx(0.75, abs=0.006)
    assert found.low < 0.75 < found.high
    assert found.high - found.low < 0.02


def test_the_simplest_within_one_standard_error_is_chosen_in_every_draw_too() -> None:
    hits = np.stack(
        [hits_of(11, 1_000, 0.60)[:, 0], hits_of(12, 1_000, 0.605)[:, 0], hits_of(13, 1_000, 0.3)[:, 0]], axis=1
    )

    simple = corrected_estimate(hits, complexity=np.array([0, 1, 2]))

    assert simple.value == pytest.approx(hits[:, 0].mean(), abs=0.02)


def test_the_same_seed_gives_the_same_estimate() -> None:
    hits = hits_of(2, 300, 0.6)

    assert corrected_estimate(hits, seed=4) == corrected_estimate(hits, seed=4) != corrected_estimate(hits, seed=5)
