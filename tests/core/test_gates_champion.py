"""What the gates on another model say: of fresh rows, of a hold-out that wears, of an anchor and of baselines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from prefect_mlops.core.errors import NotMeasured
from prefect_mlops.core.evidence import Comparison, Evidence, HoldoutUse, Measurement, Wager
from prefect_mlops.core.gates import BetterThanBaseline, BetterThanChampion, NotWorseThanChampion
from prefect_mlops.core.gates.power import paired_power, wagered_detectable, wagered_rows

NAN = float("nan")
BETTER = BetterThanChampion(metric="accuracy")


def evidence(
    advantage: float = 0.0,
    error: float = 0.004,
    *,
    against: dict[str, float] | None = None,
    value: float = 0.85,
    scale: str = "logit",
    **facts: Any,
) -> Evidence:
    measured = [
        Measurement(
            metric="accuracy", subject=subject, value=value, standard_error=0.01, degrees_of_freedom=1999,
            higher_is_better=True, rows=2_000, scale=scale,
        )
        for subject in ("candidate", "champion")
    ]  # fmt: skip
    compared = [
        Comparison(
            metric="accuracy", against=other, advantage=found, standard_error=error, degrees_of_freedom=1999, rows=2_000
        )
        for other, found in (against or {"champion": advantage, "baseline": advantage}).items()
    ]  # fmt: skip
    return Evidence(
        model="toy",
        candidate="run-1",
        judged_on="10 days",
        holdout_digest="h",
        measurements=tuple(measured),
        comparisons=tuple(compared),
        **{"champion_version": 3, **facts},
    )


def wager(e_value: float = 1.0, **facts: Any) -> Wager:
    return Wager(
        **{
            "metric": "accuracy",
            "champion_version": 3,
            "e_value": e_value,
            "looks": 14,
            "rows": 7_000,
            "wins": 245.0,
            "losses": 175.0,
            "squares": 420.0,
            "scored": "correctness of each row",
            **facts,
        }
    )


@pytest.mark.parametrize(
    ("e_value", "days", "advantage", "outcome", "missing"),
    [
        (20.0, 7.0, 0.0, "pass", ""),
        (20.0, None, 0.0, "pass", ""),
        (19.9, 7.0, 0.0, "undecided", "missing is evidence (E is 19.9 of the 20 needed)"),
        (20.0, 6.9, 0.0, "undecided", "missing is tenure (the champion has served 6.9 of 7 days)"),
        (20.0, 7.0, -0.004, "undecided", "missing is today's proof (the lower bound must reach -0.01)"),
        (1e9, 99.0, -0.01, "fail", "proved not to be more than 0"),
        (3.14, 2.0, -0.004, "undecided", "missing are evidence (E is 3.14 of the 20 needed), tenure"),
    ],
)
def test_fresh_rows_pass_by_evidence_tenure_and_todays_proof(
    e_value: float, days: float | None, advantage: float, outcome: str, missing: str
) -> None:
    """Today's bounds lie 1.6456 errors of 0.004 away, 0.0066: the advantage of -0.004 may be one of -0.0106."""
    found = BETTER.judge(evidence(advantage, wagers=(wager(e_value),), champion_days=days))

    assert found.outcome == outcome
    assert missing in found.reason
    assert (found.e_value, found.rows, found.value) == (e_value, 7_000, advantage)


def test_a_fresh_verdict_is_a_sentence_with_its_numbers_and_the_rows_that_an_effect_takes() -> None:
    gate = BetterThanChampion(metric="accuracy", effect=0.01)

    found = gate.judge(evidence(0.011, wagers=(wager(3.1),), champion_days=14.0))

    assert found.rows_needed == wagered_rows(0.01, 0.06, 0.05)
    assert found.minimum_detectable == pytest.approx(wagered_detectable(7_000, 0.06, 0.05))
    assert found.reason == (
        "7,000 fresh rows in 14 looks have won E = 3.1 against version 3 by correctness of each row; today's advantage "
        "in accuracy is 0.011 (95% bounds 0.004418 and 0.01758); missing is evidence (E is 3.1 of the 20 needed). An "
        "advantage that lies 0.01 beyond 0 takes about 10,149 fresh rows in 80% of cases."
    )


def test_days_that_lean_take_so_many_times_more_rows() -> None:
    gate = BetterThanChampion(metric="accuracy", effect=0.01)

    alone, leaning = (gate.judge(evidence(wagers=(wager(design_effect=effect),))).rows_needed for effect in (1.0, 3.0))

    assert leaning == pytest.approx(3 * (alone or 0), abs=3)


def test_an_effect_in_the_metrics_unit_is_one_of_scores_over_their_unit() -> None:
    gate = BetterThanChampion(metric="accuracy", effect=2.0)

    found = gate.judge(evidence(wagers=(wager(unit=200.0),)))

    assert found.rows_needed == wagered_rows(0.01, 0.06, 0.05)


def test_nothing_bet_on_yet_is_said_with_its_reason() -> None:
    nothing = Wager(metric="accuracy", champion_version=3, reason="There are no fresh rows")

    found = BETTER.judge(evidence(wagers=(nothing,)))

    assert found.outcome == "undecided"
    assert found.reason.startswith("No fresh row has been bet on against version 3; today's advantage")
    assert found.reason.endswith("Nothing was bet today: there are no fresh rows.")
    assert found.minimum_detectable is None


def test_a_bound_that_holds_for_many_rows_says_so() -> None:
    assert "a bound for many rows a look" in BETTER.judge(evidence(wagers=(wager(exact=False),))).reason


@pytest.mark.parametrize("facts", [{}, {"wagers": (wager(champion_version=2),)}])
def test_fresh_rows_that_nobody_bet_on_are_not_applicable(facts: dict[str, Any]) -> None:
    found = BetterThanChampion(metric="accuracy", rows="fresh").judge(evidence(0.5, **facts))

    assert found.outcome == "not applicable"
    assert "Nothing was bet on accuracy against version 3" in found.reason


@pytest.mark.parametrize("error", [NAN])
def test_today_without_a_standard_error_is_not_applicable_whatever_was_won(error: float) -> None:
    assert BETTER.judge(evidence(error=error, wagers=(wager(1e6),))).outcome == "not applicable"


@pytest.mark.parametrize(
    ("value", "scale", "given", "allowed"),
    [
        (0.85, "logit", None, 0.01),
        (0.85, "wilson", None, 0.01),
        (40.0, "identity", None, 2.0),
        (0.85, "logit", 0.03, 0.03),
    ],
)
def test_today_may_be_worse_by_a_point_of_a_share_or_a_twentieth_of_an_error(
    value: float, scale: str, given: float | None, allowed: float
) -> None:
    gate = BetterThanChampion(metric="accuracy", worse_today=given)
    far = float(stats.t.ppf(0.95, 1999)) * allowed

    outcomes = [
        gate.judge(evidence(far - allowed + shift, allowed, value=value, scale=scale, wagers=(wager(50.0),))).outcome
        for shift in (-1e-6, 1e-6)
    ]

    assert outcomes == ["undecided", "pass"]


@pytest.mark.parametrize(("uses", "planned", "level"), [(1, 20, 0.9975), (20, 20, 0.9975), (1, 1, 0.95), (2, 5, 0.99)])
def test_a_planned_comparison_is_made_at_its_share_of_the_level_on_both_sides(
    uses: int, planned: int, level: float
) -> None:
    far = float(stats.t.ppf(level, 1999)) * 0.004
    gates = (
        (BetterThanChampion(metric="accuracy", planned=planned), 0.0),
        (NotWorseThanChampion(metric="accuracy", margin=0.01, planned=planned), -0.01),
    )
    for gate, bound in gates:
        outcomes = [
            gate.judge(evidence(bound + shift, holdout_use=HoldoutUse(digest="h", comparisons=uses))).outcome
            for shift in (far + 1e-6, far - 1e-6, -far - 1e-6)
        ]
        assert outcomes == ["pass", "undecided", "fail"]


def test_the_share_of_the_level_is_printed_and_not_rounded_to_certainty() -> None:
    found = BETTER.judge(evidence(0.02, holdout_use=HoldoutUse(digest="h", comparisons=3)))

    assert "(99.75% bounds" in found.reason


@pytest.mark.parametrize(
    "gate",
    [
        BETTER,
        NotWorseThanChampion(metric="accuracy", margin=0.01),
        BetterThanChampion(metric="accuracy", rows="holdout"),
    ],
)
@pytest.mark.parametrize("advantage", [-0.5, 0.5])
def test_a_worn_hold_out_decides_nothing_and_asks_for_fresh_rows(gate: Any, advantage: float) -> None:
    found = gate.judge(evidence(advantage, holdout_use=HoldoutUse(digest="h", comparisons=21)))

    assert found.outcome == "undecided"
    assert found.reason == (
        "The hold-out has served its 20 planned comparisons and this would be number 21; bring fresh rows; "
        "better-than-champion bets on them with rows: fresh."
    )


def test_the_hold_out_is_used_where_the_spec_says_so_though_fresh_rows_are_there() -> None:
    gate = BetterThanChampion(metric="accuracy", rows="holdout")

    assert not gate.bets
    assert gate.judge(evidence(0.05, wagers=(wager(),))).outcome == "pass"


def test_fresh_rows_leave_non_inferiority_its_whole_level() -> None:
    """0.0066 is 95% of the way, 0.0112 would be 99.75%."""
    gate = NotWorseThanChampion(metric="accuracy", margin=0.01)
    worn = {"holdout_use": HoldoutUse(digest="h", comparisons=40)}

    assert gate.judge(evidence(-0.003, wagers=(wager(),), **worn)).outcome == "pass"
    assert gate.judge(evidence(-0.003, **worn)).outcome == "undecided"


def test_the_printed_power_and_rows_are_those_of_the_effect() -> None:
    gate = BetterThanChampion(metric="accuracy", effect=0.01)
    error = (0.06 / 2_000) ** 0.5

    found = gate.judge(evidence(0.002, error))

    assert f"proved in {paired_power(0.01, error, 1999, 0.95):.0%} of cases by these rows" in found.reason
    assert "57%" in found.reason
    assert found.rows_needed == pytest.approx(3_713, abs=5)
    assert f"in 80% by {found.rows_needed:,}" in found.reason


@pytest.mark.parametrize(("margin", "rows"), [(0.01, 5_139), (0.005, 20_554)])
def test_an_equal_model_needs_as_many_rows_for_ninety_percent_as_the_tables_say(margin: float, rows: int) -> None:
    assert paired_power(margin, (0.06 / rows) ** 0.5, rows - 1, 0.95) == pytest.approx(0.9, abs=0.001)


@pytest.mark.parametrize(
    ("champion", "anchor", "against", "outcome", "named"),
    [
        (0.0, 0.0, "both", "pass", "champion"),
        (0.0, -0.02, "both", "fail", "anchor (version 1)"),
        (0.0, -0.008, "both", "undecided", "anchor (version 1)"),
        (-0.02, 0.0, "both", "fail", "champion"),
        (0.0, -0.02, "champion", "pass", "champion"),
        (-0.02, 0.0, "anchor", "pass", "anchor (version 1)"),
    ],
)
def test_the_worse_of_champion_and_anchor_counts_and_is_named(
    champion: float, anchor: float, against: Any, outcome: str, named: str
) -> None:
    gate = NotWorseThanChampion(metric="accuracy", margin=0.01, against=against)

    found = gate.judge(evidence(against={"champion": champion, "anchor": anchor}, anchor_version=1))

    assert found.outcome == outcome
    assert f"over the {named} is" in found.reason


@pytest.mark.parametrize("anchor", [None, 3])
def test_without_an_anchor_of_its_own_the_champion_alone_is_compared_with(anchor: int | None) -> None:
    for against in ("both", "anchor"):
        gate = NotWorseThanChampion(metric="accuracy", margin=0.01, against=against)  # type: ignore[arg-type]  # a parameter is a text
        assert gate.judge(evidence(0.0, anchor_version=anchor)).outcome == "pass"


def test_many_steps_down_are_stopped_by_the_anchor_and_not_by_the_champion() -> None:
    """Each candidate is 0.3 points worse than the one before; 2,000 rows, 6% discordant, a margin of one point."""
    rng = np.random.default_rng(1)
    error, runs = (0.06 / 2_000) ** 0.5, 60
    fallen = {"champion": np.zeros(runs), "both": np.zeros(runs)}
    for against, lost in fallen.items():
        gate = NotWorseThanChampion(metric="accuracy", margin=0.01, against=against)  # type: ignore[arg-type]  # a parameter is a text
        for run in range(runs):
            for _ in range(15):
                noise = rng.normal(0, error, 2)
                found = evidence(
                    error=error,
                    against={"champion": -0.003 + noise[0], "anchor": -lost[run] - 0.003 + noise[1]},
                    anchor_version=1,
                )
                lost[run] += 0.003 * (gate.judge(found).outcome == "pass")
    print({against: round(float(lost.mean()), 4) for against, lost in fallen.items()})

    assert fallen["champion"].mean() > 0.012
    assert fallen["both"].mean() < 0.01


@pytest.mark.parametrize(("against", "outcome"), [("dummy", "pass"), ("linear", "undecided"), ("both", "undecided")])
def test_a_baseline_is_a_dummy_a_linear_model_or_both(against: Any, outcome: str) -> None:
    gate = BetterThanBaseline(metric="accuracy", against=against)

    found = gate.judge(evidence(against={"baseline": 0.3, "linear": 0.001}))

    assert found.outcome == outcome
    assert gate.wants_linear == (against != "dummy")
    assert ("linear model" in found.reason) == (outcome != "pass")


def test_a_linear_model_that_nobody_fitted_is_an_error_that_names_what_was_compared() -> None:
    with pytest.raises(NotMeasured, match="accuracy against the linear"):
        BetterThanBaseline(metric="accuracy", against="linear").judge(evidence())


def test_the_test_on_two_thousand_rows_keeps_its_level_exactly() -> None:
    """Over all counts of discordant rows and wins; Student's t of the paired rows needs no exact test of its own."""
    for rows, share in ((500, 0.02), (500, 0.15), (2_000, 0.01), (2_000, 0.06)):
        differ, wins = np.meshgrid(np.arange(int(rows * share * 2) + 20), np.arange(int(rows * share * 2) + 20))
        chance = stats.binom.pmf(differ, rows, share) * stats.binom.pmf(wins, differ, 0.5)
        mean = (2 * wins - differ) / rows
        error = np.sqrt(np.maximum(differ / rows - mean**2, 0.0) / (rows - 1))
        for level in (0.05, 0.0025):
            found = chance[(mean > stats.t.ppf(1 - level, rows - 1) * error) & (mean > 0)].sum()
            print(f"{rows:,} rows, {share:.0%} discordant, level {level}: {found:.5f}")
            assert found <= 1.05 * level
