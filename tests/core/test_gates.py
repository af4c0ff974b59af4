"""Gates pass what is proved, fail what is disproved, and say when rows are too few to tell."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prefect_mlops.core.errors import NotMeasured
from prefect_mlops.core.evidence import Comparison, Evidence, Measurement, Verdict
from prefect_mlops.core.gates import (
    AtLeast,
    AtMost,
    BetterThanBaseline,
    BetterThanChampion,
    NotWorseThanChampion,
    decide,
)
from prefect_mlops.core.gates.confidence import Estimate, confidence_bounds

NAN = float("nan")


def evidence(
    value: float = 0.8,
    error: float = 0.01,
    *,
    advantage: float = 0.0,
    paired_error: float = 0.01,
    freedom: int = 1999,
    champion: int | None = 3,
    scale: Literal["identity", "logit"] = "identity",
) -> Evidence:
    measured = Measurement(
        metric="roc_auc",
        subject="candidate",
        value=value,
        standard_error=error,
        degrees_of_freedom=freedom,
        higher_is_better=True,
        rows=freedom + 1,
        scale=scale,
    )
    compared = [
        Comparison(
            metric="roc_auc",
            against=against,
            advantage=advantage,
            standard_error=paired_error,
            degrees_of_freedom=freedom,
            rows=freedom + 1,
        )
        for against in ("champion", "baseline")
    ]
    return Evidence(
        model="toy",
        candidate="run-1",
        champion_version=champion,
        judged_on="10 days",
        holdout_digest="",
        measurements=(measured,),
        comparisons=tuple(compared),
    )


@pytest.mark.parametrize(("value", "outcome"), [(0.79, "fail"), (0.80, "pass"), (0.81, "pass")])
def test_the_bound_itself_passes_where_the_point_is_judged(value: float, outcome: str) -> None:
    verdict = AtLeast(metric="roc_auc", bound=0.80, on="point").judge(evidence(value))

    assert verdict.outcome == outcome


@pytest.mark.parametrize(
    ("gate", "value", "outcome"),
    [
        (AtLeast, 0.817, "pass"),
        (AtLeast, 0.816, "undecided"),
        (AtLeast, 0.784, "undecided"),
        (AtLeast, 0.783, "fail"),
        (AtMost, 0.783, "pass"),
        (AtMost, 0.784, "undecided"),
        (AtMost, 0.816, "undecided"),
        (AtMost, 0.817, "fail"),
    ],
)
def test_a_bound_is_judged_by_the_confidence_bound(gate: Any, value: float, outcome: str) -> None:
    """The 95% bound lies 1.6456 standard errors of 0.01 away."""
    verdict = gate(metric="roc_auc", bound=0.80).judge(evidence(value))

    assert verdict.outcome == outcome
    assert verdict.minimum_detectable == pytest.approx(0.02487, abs=1e-4)


@pytest.mark.parametrize(
    ("gate", "advantage", "outcome"),
    [
        (BetterThanChampion(metric="roc_auc"), 0.017, "pass"),
        (BetterThanChampion(metric="roc_auc"), 0.016, "undecided"),
        (BetterThanChampion(metric="roc_auc"), -0.017, "fail"),
        (BetterThanChampion(metric="roc_auc", margin=0.01), 0.02, "undecided"),
        (BetterThanBaseline(metric="roc_auc", margin=0.01), 0.03, "pass"),
        (NotWorseThanChampion(metric="roc_auc", margin=0.02), -0.003, "pass"),
        (NotWorseThanChampion(metric="roc_auc", margin=0.02), -0.01, "undecided"),
        (NotWorseThanChampion(metric="roc_auc", margin=0.02), -0.037, "fail"),
    ],
)
def test_a_comparison_is_judged_by_its_paired_bound(gate: Any, advantage: float, outcome: str) -> None:
    assert gate.judge(evidence(advantage=advantage)).outcome == outcome


@pytest.mark.parametrize(
    ("gate", "outcome"),
    [
        (BetterThanChampion(metric="roc_auc"), "fail"),
        (BetterThanBaseline(metric="roc_auc"), "fail"),
        (NotWorseThanChampion(metric="roc_auc", margin=0.01), "pass"),
    ],
)
def test_a_model_equal_to_another_is_not_worse_and_never_better(gate: Any, outcome: str) -> None:
    assert gate.judge(evidence(advantage=0.0, paired_error=0.0)).outcome == outcome


@pytest.mark.parametrize(
    "gate", [BetterThanChampion(metric="roc_auc"), NotWorseThanChampion(metric="roc_auc", margin=0.1)]
)
def test_a_first_candidate_has_no_champion_to_be_compared_with(gate: Any) -> None:
    verdict = gate.judge(evidence(champion=None))

    assert verdict.outcome == "pass"
    assert "no champion yet" in verdict.reason


@pytest.mark.parametrize(
    ("gate", "facts"),
    [
        (AtLeast(metric="roc_auc", bound=0.1), {"value": NAN}),
        (AtLeast(metric="roc_auc", bound=0.1, on="point"), {"value": NAN}),
        (AtLeast(metric="roc_auc", bound=0.1), {"error": NAN}),
        (AtMost(metric="roc_auc", bound=9.0), {"freedom": 0}),
        (BetterThanBaseline(metric="roc_auc"), {"advantage": NAN}),
        (NotWorseThanChampion(metric="roc_auc", margin=9.0), {"paired_error": NAN}),
    ],
)
def test_what_was_not_measured_is_not_applicable_and_decides_nothing(gate: Any, facts: dict[str, Any]) -> None:
    decision = decide([gate], evidence(**facts))

    assert decision.verdicts[0].outcome == "not applicable"
    assert decision.outcome == "undecided"


def test_a_metric_that_nobody_measured_is_an_error_that_names_those_measured() -> None:
    with pytest.raises(NotMeasured, match="'brier' was not measured; measured were roc_auc"):
        AtMost(metric="brier", bound=0.2).judge(evidence())


def test_rows_needed_are_those_for_the_effect_of_the_spec_and_not_the_one_observed() -> None:
    gate = BetterThanChampion(metric="roc_auc", effect=0.01)

    needed = {gate.judge(evidence(advantage=advantage)).rows_needed for advantage in (-0.5, 0.0, 0.5)}

    assert needed == {int(np.ceil(2000 * (0.01 * (stats.t.ppf(0.95, 1999) + stats.norm.ppf(0.8)) / 0.01) ** 2))}


@given(st.floats(0.0, 1.0), st.floats(0.0, 0.5), st.integers(1, 5000), st.floats(0.55, 0.999))
def test_bounds_on_the_logit_scale_stay_within_zero_and_one(
    value: float, error: float, freedom: int, confidence: float
) -> None:
    low, high = confidence_bounds(Estimate(value, error, freedom, freedom + 1, "logit"), confidence)

    assert 0.0 <= low <= value + 1e-9
    assert value - 1e-9 <= high <= 1.0


@pytest.mark.parametrize("right", [18, 30, 45, 60])
def test_a_share_of_all_rows_takes_the_bound_of_clopper_and_pearson(right: int) -> None:
    low, _ = confidence_bounds(Estimate(1.0, 0.0, right - 1, right, "logit"), 0.95)

    assert low == pytest.approx(stats.binomtest(right, right).proportion_ci(0.90, "exact").low)


def test_a_bound_on_a_share_holds_its_level_near_one() -> None:
    """20,000 draws of 400 rows at 97%; the exact 99.9% interval of the rate does not exceed 5%."""
    true, runs, rows = 0.97, 20_000, 400
    passed = 0
    shares, counts = np.unique(np.random.default_rng(1).binomial(rows, true, runs) / rows, return_counts=True)
    for share, count in zip(shares, counts, strict=True):
        error = float(np.sqrt(share * (1 - share) / (rows - 1)))
        passed += int(count) * (
            confidence_bounds(Estimate(float(share), error, rows - 1, rows, "logit"), 0.95)[0] > true
        )

    assert stats.binomtest(passed, runs).proportion_ci(0.999).low <= 0.05


def test_an_equal_pair_is_called_better_in_five_of_a_hundred() -> None:
    """10,000 paired differences over 30 days; the exact 99.9% interval of the rate holds 5%."""
    runs, days = 10_000, 30
    gains = np.random.default_rng(2).normal(size=(runs, days))
    means, errors = gains.mean(axis=1), gains.std(axis=1, ddof=1) / np.sqrt(days)
    lows = means - stats.t.ppf(0.95, days - 1) * errors
    gate, better = BetterThanChampion(metric="roc_auc"), int((lows > 0).sum())
    for mean, error, low in zip(means[:200], errors[:200], lows[:200], strict=True):
        verdict = gate.judge(evidence(advantage=mean, paired_error=error, freedom=days - 1))
        assert (verdict.outcome == "pass") == (low > 0)

    interval = stats.binomtest(better, runs).proportion_ci(0.999)
    assert interval.low <= 0.05 <= interval.high


@pytest.mark.parametrize(
    ("outcomes", "decided"),
    [
        (["pass", "pass"], "accepted"),
        (["pass", "undecided"], "undecided"),
        (["pass", "not applicable"], "undecided"),
        (["undecided", "fail"], "rejected"),
        ([], "undecided"),
    ],
)
def test_all_gates_must_pass_and_one_that_fails_decides(outcomes: list[Any], decided: str) -> None:
    class Says:
        kind, metrics = "says", ()

        def __init__(self, outcome: Any) -> None:
            self.outcome = outcome

        def judge(self, _: Evidence) -> Verdict:
            return Verdict(gate="says", metric="any", outcome=self.outcome, reason=f"It is {self.outcome}.")

    decision = decide([Says(outcome) for outcome in outcomes], evidence())

    assert decision.outcome == decided
    assert decision.accepted == (decided == "accepted")


def test_a_reason_is_a_sentence_with_its_numbers() -> None:
    verdict = BetterThanChampion(metric="roc_auc").judge(evidence(advantage=0.03))

    assert verdict.reason == (
        "The advantage in roc_auc over the champion is 0.03 (95% bounds 0.01354 and 0.04646, 2,000 rows): "
        "proved more than 0."
    )
