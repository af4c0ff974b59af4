"""Monitors call a model degraded when the loss is proved, and never healthy without a look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from prefect_mlops.core.monitors import ColumnDrift, DriftMonitor, Finding, PerformanceMonitor, Seen, worst_state

MONITOR = PerformanceMonitor(metric="roc_auc", max_loss=0.03)


def seen(**facts: Any) -> Seen:
    plain = {
        "as_of": "2013-05-01T00:00:00+00:00",
        "rows": 5000,
        "labelled": 5000,
        "metric": "roc_auc",
        "value": 0.64,
        "standard_error": 0.01,
        "degrees_of_freedom": 29,
        "reference_value": 0.75,
        "reference_standard_error": 0.008,
        "reference_degrees_of_freedom": 89,
    }
    return Seen.model_validate(plain | facts)


def column(name: str, index: float) -> ColumnDrift:
    return ColumnDrift(
        column=name, population_stability_index=index, statistic=0.1, missing_share=0.0, missing_share_reference=0.0
    )


@pytest.mark.parametrize(("value", "state"), [(0.64, "degraded"), (0.70, "healthy"), (0.80, "healthy")])
def test_a_proved_loss_is_degraded_and_an_uncertain_one_is_not(value: float, state: str) -> None:
    assert MONITOR.judge(seen(value=value)).state == state


def test_a_smaller_error_is_no_loss() -> None:
    monitor = PerformanceMonitor(metric="rmse", max_loss=0.5)
    errors = {"metric": "rmse", "higher_is_better": False, "reference_value": 3.0}

    assert monitor.judge(seen(**errors, value=2.0)).state == "healthy"
    assert monitor.judge(seen(**errors, value=4.0)).state == "degraded"


@pytest.mark.parametrize(
    "facts",
    [
        {"value": None},
        {"standard_error": None},
        {"reference_value": None},
        {"reference_standard_error": None},
        {"labelled": 499},
        {"metric": "brier"},
    ],
)
def test_a_sight_that_cannot_tell_is_unknown(facts: dict[str, Any]) -> None:
    assert MONITOR.judge(seen(**facts)).state == "unknown"


def test_a_model_at_its_allowed_loss_is_called_degraded_no_more_often_than_said() -> None:
    """20,000 looks of 10 days against 90; the exact 99.9% interval of the rate holds 1%."""
    chance, runs = np.random.default_rng(3), 20_000
    now, was = chance.normal(0.72, 0.05, (runs, 10)), chance.normal(0.75, 0.05, (runs, 90))
    errors = now.std(axis=1, ddof=1) / np.sqrt(10), was.std(axis=1, ddof=1) / np.sqrt(90)
    losses, totals = was.mean(axis=1) - now.mean(axis=1), errors[0] ** 2 + errors[1] ** 2
    freedom = totals**2 / (errors[0] ** 4 / 9 + errors[1] ** 4 / 89)
    lows = losses - stats.t.ppf(0.99, freedom) * np.sqrt(totals)
    for run in range(100):
        finding = MONITOR.judge(
            seen(
                value=now[run].mean(),
                standard_error=errors[0][run],
                degrees_of_freedom=9,
                reference_value=was[run].mean(),
                reference_standard_error=errors[1][run],
            )
        )
        assert (finding.state == "degraded") == (lows[run] > 0.03)

    interval = stats.binomtest(int((lows > 0.03).sum()), runs).proportion_ci(0.999)
    assert interval.low <= 0.01 <= interval.high


@pytest.mark.parametrize(
    ("columns", "rows", "state"),
    [
        ([column("x", 0.25)], 500, "healthy"),
        ([column("x", 0.26)], 500, "drifted"),
        ([column("x", 9.0)], 499, "unknown"),
        ([], 500, "unknown"),
    ],
)
def test_drift_is_a_column_beyond_its_limit(columns: list[ColumnDrift], rows: int, state: str) -> None:
    assert DriftMonitor().judge(seen(rows=rows, columns=columns)).state == state


def test_the_columns_that_moved_are_named_the_furthest_first() -> None:
    finding = DriftMonitor().judge(seen(columns=[column("x", 0.3), column("y", 0.1), column("z", 2.0)]))

    assert finding.reason == "PSI beyond 0.25: z 2.00, x 0.30."


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([], "unknown"),
        (["healthy", "drifted", "degraded", "unknown"], "degraded"),
        (["healthy", "drifted"], "drifted"),
    ],
)
def test_the_worst_finding_is_the_state_of_the_model(states: list[Any], worst: str) -> None:
    assert worst_state(Finding(monitor="any", state=state, reason="") for state in states) == worst
