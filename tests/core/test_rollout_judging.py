"""What counts as an event, and what the tests make of it; their error rates stand in `benchmarks/rollouts.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_mlops.core.rollout import RolloutPlan
from prefect_mlops.core.rollout.judging import OWN_BUDGET, WARM_UP, Requests, judge_requests, latency_budget
from prefect_mlops.core.rollout.requests import Request
from prefect_mlops.core.rollout.sequential import above_limit, below_double, below_limit, paired_loss, worse

BENCH = Path(__file__).parents[2] / "benchmarks" / "rollouts.py"
PLAN = RolloutPlan(min_seconds_per_step=0, latency_budget_ms=100)
BY_USER = PLAN.model_copy(update={"user_key": "x-user"})


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_rollouts", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def request(number: int, *, user: str = "", canary: bool = True, percent: int = 10, failed: bool = False) -> Request:
    return Request(f"c{number}", user, canary, percent, failed, 5.0)


def test_a_user_who_fails_again_and_again_counts_once() -> None:
    seen = [request(number, user="ann", failed=True) for number in range(30)]

    errors, _ = judge_requests(BY_USER, Requests.of(seen), 10, 1.0).standings

    assert (errors.canary, errors.champion, errors.wrong) == (1, 0, 30)
    assert errors.worse < 10


def test_a_chain_of_retries_counts_once() -> None:
    seen = [request(7, failed=True)] * 30

    look = judge_requests(PLAN, Requests.of(seen), 10, 1.0)

    assert (look.requests, look.standings[0].canary, look.standings[0].wrong) == (1, 1, 1)


def test_a_user_of_the_champion_who_moves_to_the_canary_brings_no_second_event() -> None:
    seen = [request(1, user="ann", canary=False, failed=True), request(2, user="ann", percent=50, failed=True)]

    errors, _ = judge_requests(BY_USER, Requests.of(seen), 50, 1.0).standings

    assert (errors.canary, errors.champion) == (0, 1)


def test_evidence_against_a_canary_carries_over_to_the_next_step_and_that_for_it_does_not() -> None:
    first = [request(number, failed=number < 3) for number in range(100)]
    second = [request(1000, percent=50)]

    before = judge_requests(PLAN, Requests.of(first), 10, 1.0).standings[0]
    after = judge_requests(PLAN, Requests.of(first + second), 50, 1.0).standings[0]

    assert after.worse == before.worse > 10
    assert (before.wrong, after.wrong) == (3, 0)
    assert after.below_double == 1
    assert after.below_limit < 1.1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40), st.integers(1, 40))
def test_later_requests_never_lower_the_evidence_against_a_canary(seen: list[tuple[bool, bool]], cut: int) -> None:
    rows = [request(number, canary=arm, failed=failed) for number, (arm, failed) in enumerate(seen)]

    early, late = (judge_requests(PLAN, Requests.of(part), 10, 1.0).standings[0] for part in (rows[:cut], rows))

    assert early.worse <= late.worse


def test_one_busy_user_who_is_content_does_not_let_a_canary_go_on() -> None:
    seen = [request(number, user="ann") for number in range(1000)]

    by_user = judge_requests(BY_USER, Requests.of(seen), 10, 1.0).standings[0]
    alone = judge_requests(PLAN, Requests.of([each._replace(user="") for each in seen]), 10, 1.0).standings[0]

    assert by_user.below_limit < 1.1
    assert alone.below_limit > 20


def test_a_canary_that_fails_at_every_second_request_of_its_users_does_not_go_on() -> None:
    seen = [request(number, user=f"u{number // 2}", failed=number % 2 == 1) for number in range(2000)]

    assert judge_requests(BY_USER, Requests.of(seen), 10, 1.0).standings[0].below_limit < 1


def test_the_budget_is_the_champions_own_quantile_and_counts_from_then_on() -> None:
    plan = RolloutPlan()
    champion = [Request(f"a{number}", "", False, 10, False, float(number)) for number in range(OWN_BUDGET)]
    canary = [Request(f"b{number}", "", True, 10, False, 1000.0) for number in range(WARM_UP)]

    budget, start = latency_budget(plan, Requests.of(canary + champion))
    waiting = latency_budget(plan, Requests.of(canary + champion[1:]))

    assert budget == pytest.approx(189.05)
    assert start == WARM_UP + OWN_BUDGET
    assert waiting == (float("inf"), WARM_UP + OWN_BUDGET - 1)


def test_a_cold_canary_is_not_called_slow() -> None:
    cold = [Request(f"c{number}", "", True, 10, False, 5000.0) for number in range(WARM_UP)]

    latency = judge_requests(PLAN, Requests.of(cold), 10, 1.0).standings[1]

    assert (latency.canary, latency.worse) == (0, 1)


def test_before_any_request_nothing_is_known() -> None:
    look = judge_requests(PLAN, Requests.of([]), 10, 0.0)

    assert [(each.worse, each.below_double, each.below_limit) for each in look.standings] == [(1, 1, 1)] * 2


def test_evidence_beyond_what_a_float_can_hold_is_cut() -> None:
    seen = [request(number, failed=True) for number in range(2000)]

    assert 1e290 < judge_requests(PLAN, Requests.of(seen), 10, 1.0).standings[0].worse < float("inf")


@given(st.floats(0.01, 0.9), st.floats(0.01, 0.99))
def test_no_bet_can_expect_to_win_at_the_edge_of_its_null(rate: float, limit: float) -> None:
    """One event each way, weighed by its probability under the null: the expectation of E is 1."""
    yes, no, even = np.array([True]), np.array([False]), np.array([rate])

    def expected(hit: float, miss: float, chance: float) -> float:
        return chance * float(np.exp(hit)) + (1 - chance) * float(np.exp(miss))

    double = 2 * rate / (1 + rate)
    assert expected(worse(yes, even)[0], worse(no, even)[0], rate) == pytest.approx(1)
    assert expected(below_double(yes, even)[0], below_double(no, even)[0], double) == pytest.approx(1)
    assert expected(below_limit(yes, limit)[0], below_limit(no, limit)[0], limit) == pytest.approx(1)
    assert expected(above_limit(yes, limit)[0], above_limit(no, limit)[0], limit) == pytest.approx(1)
    assert expected(paired_loss(no, yes)[0], paired_loss(yes, no)[0], 0.5) == pytest.approx(1)


def test_a_better_canary_can_expect_to_lose_every_bet_against_it() -> None:
    """At half the traffic and half the errors an event falls on it in 1 of 3."""
    half = np.array([0.5])

    hit, miss = (float(np.exp(worse(np.array([arm]), half)[0])) for arm in (True, False))

    assert hit / 3 + miss * 2 / 3 < 1


@pytest.mark.process  # half a minute of computing, more than `make fast` has
@pytest.mark.parametrize("part", ["false_alarms", "power", "going_on", "walks", "shadows"])
def test_error_rates_and_delays_are_what_the_bench_claims(bench: ModuleType, part: str) -> None:
    """A tenth of the bench's runs, each rate by its exact 99.9% interval."""
    measure, runs = bench.PARTS[part]

    found = measure(runs // 10)

    for one in found:
        print(f"{one.name}: {one.value:g} ({one.low:g} to {one.high:g}), {one.ask}")
    assert [one.name for one in found if one.holds is False] == []


def test_counting_every_event_of_retried_requests_is_no_valid_test(bench: ModuleType) -> None:
    """The world in which the naive count fails is really one: the interval of its rate lies above alpha."""
    hits = 0
    for seed in range(100):
        requests = bench.retried(np.random.default_rng(seed), bench.FLAT)
        arm, share = requests.on_canary[requests.failed], requests.percent[requests.failed] / 100
        hits += worse(arm, share).max() >= np.log(100)

    assert bench.rate_of("every event", int(hits), 100).low > bench.ALPHA
