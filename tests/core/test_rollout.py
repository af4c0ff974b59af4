"""A canary goes on, waits or is undone by what it did with its requests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from prefect_mlops.core.rollout import Observed, RolloutPlan, judge_step

PLAN = RolloutPlan(requests_per_step=200, max_seconds_per_step=60, error_rate_limit=0.02, alpha=0.01)


@pytest.mark.parametrize(
    ("requests", "errors", "seconds", "outcome"),
    [
        (0, 0, 0, "hold"),
        (199, 0, 59, "hold"),
        (200, 0, 1, "go on"),
        (200, 4, 1, "go on"),
        (200, 5, 1, "undecided"),
        (200, 30, 1, "roll back"),
        (3, 3, 1, "roll back"),
        (1, 1, 1, "hold"),
        (199, 0, 60, "undecided"),
        (0, 0, 60, "undecided"),
        (40, 20, 61, "roll back"),
    ],
)
def test_a_look_means_what_the_plan_says(requests: int, errors: int, seconds: float, outcome: str) -> None:
    assert judge_step(PLAN, Observed(requests=requests, errors=errors, seconds=seconds)).outcome == outcome


def rolled_back(rate: float, runs: int, looks: int) -> int:
    """Canaries that a look of any step rolls back, looked at every `200 / looks` requests over both steps."""
    failing = np.random.default_rng(4).random((runs, len(PLAN.steps), PLAN.requests_per_step)) < rate
    every = np.arange(PLAN.requests_per_step // looks, PLAN.requests_per_step + 1, PLAN.requests_per_step // looks)
    share = PLAN.alpha / (len(PLAN.steps) * PLAN.requests_per_step)
    errors = failing.cumsum(axis=2)[:, :, every - 1]
    return int((stats.binom.sf(errors - 1, every, PLAN.error_rate_limit) < share).any(axis=(1, 2)).sum())


def test_a_canary_at_its_limit_is_rolled_back_no_more_often_than_said() -> None:
    """2,000 canaries looked at after every request; the exact 99.9% interval of the rate is not above 1%."""
    interval = stats.binomtest(rolled_back(0.02, 2000, looks=200), 2000).proportion_ci(0.999)

    assert interval.low <= PLAN.alpha


def test_a_canary_that_fails_one_request_in_eight_is_rolled_back() -> None:
    interval = stats.binomtest(rolled_back(0.125, 500, looks=20), 500).proportion_ci(0.999)

    assert interval.high >= 0.99


def test_the_reason_counts_the_requests() -> None:
    step = judge_step(PLAN, Observed(requests=40, errors=20, seconds=3))

    assert step.reason.startswith("20 of 40 canary requests failed, too many for a limit of 2.0%")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"steps": [50, 10]}, "steps must rise"),
        ({"steps": [10, 10]}, "steps must rise"),
        ({"steps": []}, "at least 1 item"),
        ({"steps": [100]}, "less than 100"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RolloutPlan.model_validate(keys)


def test_more_errors_than_requests_are_a_mistake_in_counting() -> None:
    with pytest.raises(ValidationError, match="count each failed request once"):
        Observed(requests=1, errors=2, seconds=1)
