"""Groups that are answered differently are named, and their gaps are fairlearn's."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from scipy import optimize, stats
from statsmodels.stats import proportion

from prefect_mlops.core.errors import PartError
from prefect_mlops.core.evidence import Verdict
from prefect_mlops.core.gates.fairness import FairAcross
from prefect_mlops.core.gates.scored import Scored
from prefect_mlops.core.scans.rates import newcombe_interval, score_deviate
from prefect_mlops.core.trainers.fitted import Predictions
from tests.core.scored_cases import evidence_with, scored_of, spec_for
from tests.tables import REAL_TABLES

CRITERIA = {
    "demographic-parity": fairlearn.demographic_parity_difference,
    "equalised-odds": fairlearn.equalized_odds_difference,
    "equal-opportunity": fairlearn.equal_opportunity_difference,
}


def verdict(gate: FairAcross, scored: Scored) -> Verdict:
    return gate.judge(evidence_with(gate.examine(scored)))


def people(rates: dict[str, float], each: int = 1_000, seed: int = 0, **parts: Any) -> Scored:
    """Groups of equal size that get a yes with the chance told, whatever the truth."""
    chance = np.random.default_rng(seed)
    group = np.repeat([*rates], each)
    yes = (chance.random(len(group)) < np.repeat([*rates.values()], each)).astype(np.int64)
    told = Predictions(yes, np.stack([1.0 - yes, yes], axis=1))
    return scored_of(pd.DataFrame({"group": group}), chance.integers(0, 2, len(group)), told, **parts)


@pytest.mark.parametrize(("rates", "outcome"), [({"a": 0.5, "b": 0.45}, "pass"), ({"a": 0.6, "b": 0.3}, "fail")])
def test_a_gap_fails_where_it_is_proved_to_be_more_than_allowed(rates: dict[str, float], outcome: str) -> None:
    found = verdict(FairAcross(column="group"), people(rates))

    assert found.outcome == outcome
    assert found.family == "alarm"
    assert "selection rate" in found.reason
    assert "group = a" in found.reason
    assert "demographic parity difference" in found.reason
    assert found.low is not None
    assert (found.low > 0.1) == (outcome == "fail")


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gap_is_fairlearns_on_real_rows(criterion: Any, weighted: bool) -> None:
    rows = REAL_TABLES["wage"].rows()
    chance = np.random.default_rng(0)
    y = (rows["wage"] > rows["wage"].median()).astype(int).to_numpy()
    yes = ((rows["age"] + rows["year"] - 2000 + 12 * chance.normal(size=len(rows))) > 45).astype(int).to_numpy()
    weight = chance.uniform(0.5, 2.0, len(rows)) if weighted else None
    gate = FairAcross(column="race", criterion=criterion, minimum_rows=150)
    scored = scored_of(rows, y, Predictions(yes, np.stack([1.0 - yes, yes], axis=1)), weight=weight)

    examined = gate.examine(scored)

    held = rows["race"].map(rows["race"].value_counts()) >= 150
    expected = CRITERIA[criterion](
        y[held],
        yes[held],
        sensitive_features=rows["race"][held],
        sample_weight=None if weight is None else weight[held],
    )
    largest = max(check.value for check in examined.checks if check.value is not None)
    assert largest == pytest.approx(expected, abs=1e-12)
    assert f"is {expected:.4g}." in examined.reason


COUNTS = [*itertools.product([(30, 60), (5, 2), (99, 41)], [(100, 120), (110, 61)])]


@pytest.mark.parametrize(("hits", "trials"), COUNTS)
def test_without_a_gap_the_score_test_is_statsmodels(hits: tuple[int, int], trials: tuple[int, int]) -> None:
    theirs = proportion.test_proportions_2indep(
        hits[0], trials[0], hits[1], trials[1], method="score", correction=False, alternative="larger"
    )

    ours = score_deviate((hits[0] / trials[0], hits[1] / trials[1]), trials, 0.0)

    assert ours == pytest.approx(theirs.statistic, rel=1e-6)


@pytest.mark.parametrize(("hits", "trials"), COUNTS)
@pytest.mark.parametrize("gap", [0.1, -0.2])
def test_with_a_gap_the_score_tests_rates_are_the_likeliest_so_far_apart(
    hits: tuple[int, int], trials: tuple[int, int], gap: float
) -> None:
    def unlikely(rate: float) -> float:
        rates = np.array([rate, rate - gap])
        yes, no = np.array(hits), np.array(trials) - np.array(hits)
        return -float(yes @ np.log(rates) + no @ np.log1p(-rates))

    edges = max(0.0, gap) + 1e-9, min(1.0, 1.0 + gap) - 1e-9
    one = optimize.minimize_scalar(unlikely, bounds=edges, method="bounded", options={"xatol": 1e-12}).x
    other = one - gap
    error = (one * (1 - one) / trials[0] + other * (1 - other) / trials[1]) ** 0.5

    rates = hits[0] / trials[0], hits[1] / trials[1]

    assert score_deviate(rates, trials, gap) == pytest.approx((rates[0] - rates[1] - gap) / error, rel=1e-5)


def test_the_interval_is_newcombes() -> None:
    ours = newcombe_interval((0.3, 0.5), (100, 120), float(stats.norm.ppf(0.975)))

    assert ours == pytest.approx(proportion.confint_proportions_2indep(30, 100, 60, 120, method="newcomb"), abs=1e-9)


def test_five_groups_exactly_at_the_allowed_gap_fail_in_at_most_one_case_of_twenty() -> None:
    """The worst that is still fine: one group a tenth above four others."""
    gate = FairAcross(column="group", criterion="demographic-parity")
    runs = 300
    failed = sum(
        verdict(gate, people({"a": 0.5, "b": 0.4, "c": 0.4, "d": 0.4, "e": 0.4}, each=300, seed=seed)).outcome == "fail"
        for seed in range(runs)
    )

    low, high = stats.binomtest(failed, runs).proportion_ci(0.999, "exact")
    print(f"any gap named at the allowed gap: {failed / runs:.3f} ({low:.3f} to {high:.3f})")
    assert low <= 0.05


def test_the_intervals_hold_for_all_pairs_together() -> None:
    rates = {"a": 0.5, "b": 0.3, "c": 0.2}
    gate = FairAcross(column="group")
    runs, held = 300, 0
    for seed in range(runs):
        checks = gate.examine(people(rates, each=300, seed=seed)).checks
        inside = []
        for check in checks:
            high, low = (name[-1] for name in check.name.split(" and "))
            assert check.low is not None
            assert check.high is not None
            inside.append(check.low <= rates[high] - rates[low] <= check.high)
        held += all(inside)

    low_end, high_end = stats.binomtest(held, runs).proportion_ci(0.999, "exact")
    print(f"all intervals hold: {held / runs:.3f} ({low_end:.3f} to {high_end:.3f})")
    assert high_end >= 0.95


def test_days_that_lean_together_widen_the_gap() -> None:
    """Each day says yes to one group or to the other: twenty days, not thousands of rows."""
    chance = np.random.default_rng(0)
    day = np.repeat(np.arange(20), 200)
    group = np.where(np.arange(4_000) % 2, "a", "b")
    lean = chance.choice([0.9, 0.1], 20)[day]
    yes = (chance.random(4_000) < np.where(group == "a", lean, 1 - lean)).astype(np.int64)
    y = chance.integers(0, 2, 4_000)
    told = Predictions(yes, np.stack([1.0 - yes, yes], axis=1))
    gate = FairAcross(column="group", max_gap=0.0)

    plain, blocked = (
        gate.examine(scored_of(pd.DataFrame({"group": group}), y, told, blocks=blocks)).checks[0].p_value
        for blocks in (None, day)
    )

    assert plain is not None
    assert blocked is not None
    assert blocked > 1_000 * plain


@pytest.mark.parametrize(
    ("scored", "column", "told"),
    [
        (people({"a": 0.5}), "group", "has 1 group of 100 rows or more, and a comparison takes two"),
        (people({"a": 0.5, "b": 0.5}, each=50), "group", "has 0 groups of 100 rows or more"),
        (people({"a": 0.5, "b": 0.5}), "sex", "the judging rows have no column 'sex'"),
        (people({"a": 0.5, "b": 0.5}, weight=np.full(2_000, -1.0)), "group", "2,000 of 2,000 rows have a weight"),
    ],
)
def test_what_cannot_be_compared_is_not_applicable(scored: Scored, column: str, told: str) -> None:
    found = verdict(FairAcross(column=column), scored)

    assert found.outcome == "not applicable"
    assert told in found.reason


@pytest.mark.parametrize("problem", ["multiclass", "regression"])
def test_other_problems_than_binary_ones_are_told_where_to_look(problem: str) -> None:
    scored = people({"a": 0.5, "b": 0.5})._replace(spec=spec_for(problem))

    found = verdict(FairAcross(column="group"), scored)

    assert found.outcome == "not applicable"
    assert "holds-on-slices" in found.reason


def test_a_group_without_positives_is_listed() -> None:
    scored = people({"a": 0.6, "b": 0.2, "c": 0.2})
    y = np.where(scored.rows["group"] == "c", 0, scored.y)

    checks = FairAcross(column="group", criterion="equal-opportunity").examine(scored._replace(y=y)).checks

    reasons = {check.name: check.reason for check in checks if check.p_value is None}
    assert reasons == {"group = c": "its true positive rate rests on 0 rows, fewer than 20"}
    assert [check.name for check in checks if check.p_value is not None] == ["group = a and group = b"]


def test_a_personal_columns_groups_are_numbered_and_never_named() -> None:
    scored = people({"secret-a": 0.7, "secret-b": 0.2}, spec=spec_for(data={"key": ["id"], "personal": ["group"]}))

    found = verdict(FairAcross(column="group"), scored)

    assert found.outcome == "fail"
    assert "group, group 1 by size" in found.reason
    assert "secret" not in found.model_dump_json()


def test_rates_of_zero_and_one_are_told_apart() -> None:
    found = verdict(FairAcross(column="group"), people({"a": 1.0, "b": 0.0}))

    assert found.outcome == "fail"
    assert found.value == 1.0


def test_without_fairlearn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fairlearn", None)

    with pytest.raises(PartError, match=r"prefect-mlops\[fairness\]"):
        FairAcross(column="group").examine(people({"a": 0.5, "b": 0.5}))
