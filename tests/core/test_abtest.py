"""Intervals that may be looked at all the time: fair bets, and numbers of independent implementations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from prefect_mlops.core.abtest import Arm, Comparison
from prefect_mlops.core.abtest.intervals import (
    PRIOR,
    Outcomes,
    effects_over_time,
    half_width,
    relative_evidence,
    relative_interval,
    split_evidence,
)

shares = st.floats(0.02, 0.98)
counts = st.integers(0, 3000)


def plan(*percents: int, **parts: object) -> Comparison:
    arms = tuple(Arm(version=number, percent=percent) for number, percent in enumerate(percents or (50, 50), 1))
    asked = {"metric": "wrong", "goal": "less", "user_key": "x-user", "least_users": 10, **parts}
    return Comparison.model_validate({"arms": arms, **asked})


def evidence(yes: int, others: int, share: float, ratio: float = 1.0) -> float:
    return float(relative_evidence(np.array(float(yes)), np.array(float(others)), share, ratio))


@given(counts, counts, shares, st.floats(0.2, 5.0))
def test_no_user_is_expected_to_add_evidence_where_the_ratio_is_true(
    yes: int, others: int, share: float, ratio: float
) -> None:
    mine = share * ratio / (share * ratio + 1 - share)
    now = evidence(yes, others, share, ratio)
    grown = [evidence(yes + 1, others, share, ratio) - now, evidence(yes, others + 1, share, ratio) - now]

    assert mine * math.exp(grown[0]) + (1 - mine) * math.exp(grown[1]) == pytest.approx(1, rel=1e-6)


@given(counts, counts, shares, st.floats(0.2, 5.0))
def test_the_evidence_is_a_beta_binomial_against_a_binomial(yes: int, others: int, share: float, ratio: float) -> None:
    users, mine = yes + others, share * ratio / (share * ratio + 1 - share)
    mixed = stats.betabinom.logpmf(yes, users, PRIOR * share, PRIOR * (1 - share))

    assert evidence(yes, others, share, ratio) == pytest.approx(
        mixed - stats.binom.logpmf(yes, users, mine), abs=1e-6, rel=1e-6
    )


@given(st.lists(st.integers(0, 2000), min_size=2, max_size=4), st.lists(st.floats(1, 10), min_size=4, max_size=4))
def test_no_user_is_expected_to_add_evidence_against_a_split_that_is_right(seen: list[int], parts: list[float]) -> None:
    arms = np.array(parts[: len(seen)]) / sum(parts[: len(seen)])
    before = np.repeat(np.arange(len(seen)), seen)
    now = split_evidence(before, arms)[-1] if len(before) else 0.0
    after = [split_evidence(np.append(before, arm), arms)[-1] - now for arm in range(len(seen))]

    assert float((arms * np.exp(after)).sum()) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("yes", "others", "share", "alpha"), [(40, 60, 0.5, 0.05), (3, 90, 0.1, 0.05), (9, 9, 0.5, 0.2)]
)
def test_an_interval_ends_where_the_evidence_against_its_end_suffices(
    yes: int, others: int, share: float, alpha: float
) -> None:
    low, high = relative_interval(np.array([float(yes)]), np.array([float(others)]), share, alpha)
    seen = yes / others * (1 - share) / share

    def gap(log_ratio: float) -> float:
        return evidence(yes, others, share, math.exp(log_ratio)) + math.log(alpha)

    ends = [optimize.brentq(gap, math.log(seen) + side, math.log(seen)) for side in (-8, 8)]
    assert [float(low[0]), float(high[0])] == pytest.approx([math.expm1(end) for end in ends], rel=1e-6)


@given(counts, counts, shares, st.floats(0.01, 0.3))
def test_versions_are_told_apart_exactly_where_the_interval_leaves_zero_out(
    yes: int, others: int, share: float, alpha: float
) -> None:
    low, high = relative_interval(np.array([float(yes)]), np.array([float(others)]), share, alpha)
    bound = -math.log(alpha)
    told = evidence(yes, others, share)

    assert low[0] <= high[0]
    if abs(told - bound) > 1e-6:
        assert bool(low[0] > 0 or high[0] < 0) == (told > bound)


def test_where_nobody_said_yes_nothing_is_bounded_and_where_all_did_so_one_end_is_open() -> None:
    low, high = relative_interval(np.array([0.0, 40.0]), np.array([0.0, 0.0]), 0.5, 0.05)

    assert (low[0], high[0]) == (-1, math.inf)
    assert low[1] > 0
    assert math.isinf(high[1])


@given(st.integers(2, 10**7), st.floats(0.001, 0.3))
def test_the_asymptotic_width_is_that_of_a_normal_mixture(users: int, alpha: float) -> None:
    told = -2 * math.log(alpha)
    variance = (told + math.log(told) + 1) / 1000

    def mixture(width: float) -> float:
        total = users * width
        return total**2 * variance / (2 * (users * variance + 1)) - 0.5 * math.log(users * variance + 1)

    width = optimize.brentq(lambda tried: mixture(tried) + math.log(alpha), 0, 1000)
    assert float(half_width(np.array(float(users)), alpha)) == pytest.approx(width, rel=1e-6)


def drawn(users: int, percents: tuple[int, ...], seed: int = 1) -> Outcomes:
    random = np.random.default_rng(seed)
    arm = random.choice(len(percents), users, p=np.array(percents) / 100)
    return Outcomes(arm.astype(np.intp), random.lognormal(1, 0.5, users))


def test_a_difference_of_means_is_the_plain_one_and_its_interval_wider_than_a_fixed_one() -> None:
    outcomes = drawn(4000, (70, 30))
    path = effects_over_time(plan(70, 30, metric="spent"), outcomes, 1)
    mine, first = (outcomes.value[outcomes.arm == arm] for arm in (1, 0))
    fixed = stats.ttest_ind(mine, first, equal_var=False).confidence_interval(0.95)

    assert path["estimate"][-1] == pytest.approx(mine.mean() - first.mean())
    half = (path["high"][-1] - path["low"][-1]) / 2
    error = math.sqrt(mine.var(ddof=1) / len(mine) + first.var(ddof=1) / len(first))
    assert half == pytest.approx(error * math.sqrt(4000) * float(half_width(np.array(4000.0), 0.05)))
    assert path["low"][-1] < fixed.low < fixed.high < path["high"][-1]


@pytest.mark.parametrize("binary", [True, False])
def test_users_of_other_arms_change_nothing_but_the_alpha(binary: bool) -> None:
    outcomes = drawn(3000, (40, 30, 30))
    if binary:
        outcomes = outcomes._replace(value=(outcomes.value > 3).astype(float))
    two = outcomes.arm != 2
    asked = {"metric": "bought"}
    three = effects_over_time(plan(40, 30, 30, **asked, alpha=0.1), outcomes, 1)
    alone = effects_over_time(plan(57, 43, **asked, alpha=0.05), Outcomes(outcomes.arm[two], outcomes.value[two]), 1)

    assert three["users"].tolist() == alone["users"].tolist()
    assert three["estimate"] == pytest.approx(alone["estimate"], nan_ok=True)
    if not binary:  # a rate is held against the share of the two, which is 43% only nearly
        assert three["low"] == pytest.approx(alone["low"], nan_ok=True)


@given(st.integers(1, 300), st.integers(1, 40))
def test_few_points_of_a_path_are_points_of_the_whole_and_the_last_is_among_them(users: int, most: int) -> None:
    outcomes = drawn(users, (50, 50))
    whole, few = (effects_over_time(plan(metric="spent"), outcomes, 1, points) for points in (None, most))

    assert len(few["users"]) == min(most, users)
    assert few["users"][-1] == users
    for name, path in few.items():
        assert path == pytest.approx(whole[name][(few["users"] - 1).astype(int)], nan_ok=True)


def test_few_who_spend_much_are_waited_for() -> None:
    outcomes = drawn(2000, (50, 50))
    heavy = outcomes._replace(value=np.where(np.arange(2000) % 400 == 0, 1000.0, 0.0))
    plain, skewed = (effects_over_time(plan(metric="spent"), each, 1, 1) for each in (outcomes, heavy))

    assert np.isfinite(plain["low"][0])
    assert np.isnan(skewed["low"][0])


@pytest.mark.parametrize("percent", [50, 10])
@pytest.mark.parametrize("metric", ["wrong", "spent"])
def test_equal_versions_are_seldom_told_apart_whoever_looks(metric: str, percent: int) -> None:
    random, asked, runs = (
        np.random.default_rng(percent),
        plan(100 - percent, percent, metric=metric, least_users=100),
        200,
    )
    told = 0
    for _ in range(runs):
        arm = (random.random(4000) < percent / 100).astype(np.intp)
        value = (random.random(4000) < 0.2).astype(float) if metric == "wrong" else random.lognormal(0, 1, 4000)
        path = effects_over_time(asked, Outcomes(arm, value), 1, 400)
        told += bool(((path["low"] > 0) | (path["high"] < 0)).any())

    assert stats.binomtest(told, runs).proportion_ci(0.999, "exact").low <= 0.05
