"""A version that comes to breach its limits is told from one that keeps to them, with the time since when."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.stats import binomtest

from prefect_mlops.core.health import BLOCK, Attempts, above_since, judge_service
from prefect_mlops.core.rollout import RolloutPlan

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLAN = RolloutPlan(error_rate_limit=0.02, latency_budget_ms=100, slow_rate_limit=0.1)


def attempts(failed: np.ndarray, milliseconds: float = 5.0) -> Attempts:
    at = [NOON + timedelta(seconds=second) for second in range(len(failed))]
    return Attempts(at, ~failed, np.full(len(failed), milliseconds))


@pytest.mark.parametrize("good", [0, 2_000, 20_000])
def test_a_breach_after_a_long_good_time_is_found_soon_and_its_beginning_is_told(good: int) -> None:
    random = np.random.default_rng(3)
    failed = np.concatenate([random.random(good) < 0.002, random.random(400) < 0.3])

    finding = judge_service(PLAN, attempts(failed))

    assert finding.state == "breached"
    began = (datetime.fromisoformat(finding.began) - NOON).total_seconds()
    assert abs(began - good) <= 2 * BLOCK


def test_a_rate_at_its_limit_is_called_a_breach_in_at_most_alpha_of_all_watches() -> None:
    random, alarms, watches = np.random.default_rng(5), 0, 200
    for _ in range(watches):
        hits = random.random(3_000) < 0.02
        alarms += any(above_since(hits[:seen], 0.02)[0] >= math.log(100) for seen in range(250, 3_001, 250))

    assert binomtest(alarms, watches).proportion_ci(0.999, method="exact").low <= 0.01


def test_slow_answers_breach_as_errors_do_where_the_plan_has_a_budget() -> None:
    slow = attempts(np.zeros(200, dtype=bool), milliseconds=150.0)

    assert judge_service(PLAN, slow).state == "breached"
    assert "took over 100 ms" in judge_service(PLAN, slow).reason
    assert judge_service(PLAN.model_copy(update={"latency_budget_ms": None}), slow).state == "healthy"


def test_a_breach_that_is_over_is_no_breach_any_more() -> None:
    failed = np.concatenate([np.ones(30, dtype=bool), np.zeros(6_000, dtype=bool)])

    assert judge_service(PLAN, attempts(failed[:30])).state == "breached"
    assert judge_service(PLAN, attempts(failed)).state == "healthy"


def test_nothing_is_known_where_nothing_was_asked() -> None:
    assert judge_service(PLAN, attempts(np.zeros(0, dtype=bool))).state == "unknown"
