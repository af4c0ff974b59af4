"""The test of calibration finds what is off, whatever its shape, and its debiased error is unbiased."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.metrics.calibration import calibration_test, squared_error
from prefect_mlops.core.trainers.fitted import Predictions


def told_and_true(
    chance: np.random.Generator, rows: int, wrong: str = "nothing", centre: float = -1.0
) -> tuple[np.ndarray, np.ndarray]:
    odds = chance.normal(centre, 1.2, rows)
    true = {
        "nothing": odds,
        "level": odds + 0.25,
        "spread": 0.75 * odds + 0.25 * centre,
        "bend": odds + 0.25 * ((odds - centre) ** 2 - 1.44),
    }[wrong]
    told, held = 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-true))
    return (chance.random(rows) < held).astype(np.int64), told


@pytest.mark.parametrize("wrong", ["level", "spread", "bend"])
def test_probabilities_that_are_off_are_found(wrong: str) -> None:
    """3,000 rows, 200 runs; each of these wrongs is found in most."""
    chance = np.random.default_rng(1)

    found = sum(calibration_test(*told_and_true(chance, 3_000, wrong)).p_value <= 0.05 for _ in range(200))

    print(wrong, found)
    assert found > 150


def test_the_debiased_error_is_right_on_average_and_the_plain_one_is_not() -> None:
    """2,000 runs of 300 rows at one probability that is 0.05 too low: the square of the gap is 0.0025."""
    chance, debiased, plain = np.random.default_rng(2), [], []
    for _ in range(2_000):
        told = np.repeat(np.linspace(0.1, 0.9, 10), 30)
        y = (chance.random(300) < told + 0.05).astype(np.int64)
        debiased.append(squared_error(y, told))
        plain.append(np.mean((y - told).reshape(10, 30).mean(axis=1) ** 2))

    assert abs(np.mean(debiased) - 0.0025) < 4 * np.std(debiased) / np.sqrt(2_000)
    assert np.mean(plain) > 2 * 0.0025


def test_perfect_probabilities_have_no_error_on_average() -> None:
    chance = np.random.default_rng(3)

    errors = [squared_error(*told_and_true(chance, 500)) for _ in range(1_000)]

    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(1_000)


def test_blocks_keep_the_level_where_rows_of_a_day_move_together() -> None:
    """400 runs of 60 days with a shared shock; without blocks it is rejected far too often."""
    chance, runs, days = np.random.default_rng(4), 400, np.repeat(np.arange(60), 20)
    rejected = {"blocks": 0, "rows": 0}
    for _ in range(runs):
        told = chance.uniform(0.3, 0.7, 1_200)
        # Shocks are even, so that each row is positive as often as it is told to be.
        y = (chance.random(1_200) < told + chance.choice([-0.2, 0.2], 60)[days]).astype(np.int64)
        rejected["blocks"] += calibration_test(y, told, days).p_value <= 0.05
        rejected["rows"] += calibration_test(y, told).p_value <= 0.05

    ends = stats.binomtest(rejected["blocks"], runs).proportion_ci(0.999, "exact")
    print(rejected, ends)
    assert ends.low <= 0.05
    assert rejected["rows"] > 5 * rejected["blocks"]


def test_rows_of_weight_zero_do_not_count_and_equal_weights_change_nothing() -> None:
    y, told = told_and_true(np.random.default_rng(5), 2_000, "level")
    weight = np.where(np.arange(2_000) < 1_500, 1.0, 0.0)

    found = calibration_test(y, told, weight=weight)

    assert found == calibration_test(y[:1_500], told[:1_500])
    assert calibration_test(y, told, weight=np.full(2_000, 4.0)).p_value == calibration_test(y, told).p_value


def test_what_a_probability_rules_out_and_happens_is_found_at_once() -> None:
    y, told = told_and_true(np.random.default_rng(6), 500)
    told[np.flatnonzero(y)[0]] = 0.0

    assert calibration_test(y, told).p_value == 0.0


@pytest.mark.parametrize(("rows", "told"), [(10, 0.5), (1_000, 0.001)])
def test_too_few_expected_of_a_class_give_no_p_value(rows: int, told: float) -> None:
    assert np.isnan(calibration_test(np.zeros(rows, dtype=np.int64), np.full(rows, told)).p_value)


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(DataError, match="1 of 40 probabilities are missing or not between 0 and 1"):
        calibration_test(np.zeros(40), np.append(np.full(39, 0.5), wrong))


def test_bins_hold_all_rows_from_the_lowest_probabilities_up() -> None:
    y, told = told_and_true(np.random.default_rng(7), 1_000)

    bins = calibration_test(y, told).bins

    assert len(bins) == 10
    assert sum(one.rows for one in bins) == 1_000
    assert [one.probability for one in bins] == sorted(one.probability for one in bins)
    assert calibration_test(y, np.full(1_000, 0.3)).bins[0].rows == 1_000


def test_the_metric_of_that_name_is_the_root_of_the_debiased_square() -> None:
    y, told = told_and_true(np.random.default_rng(8), 4_000, "level")
    said = Predictions((told > 0.5).astype(np.int64), np.column_stack([1 - told, told]))

    value = metric_named("calibration_error", "binary").value(y, said)

    assert value == pytest.approx(calibration_test(y, told).error)
    assert value > 0.02
