"""Betting on fresh rows keeps its bound, finds gains, and counts each row once."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from ville import BettingTest
from ville.evalues import combine

from prefect_mlops.core.betting.bets import begin, bet
from prefect_mlops.core.betting.dayspread import day_totals, design_effect
from prefect_mlops.core.betting.rowscores import row_scores
from prefect_mlops.core.betting.stakes import STAKES, advance, kept_back, worth
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.evidence import Wager
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.spec import Costs
from prefect_mlops.core.trainers.fitted import Predictions

ACCURACY = metric_named("accuracy", "binary")
AREA = metric_named("roc_auc", "binary")


def pair_of(scores: np.ndarray) -> tuple[np.ndarray, Predictions, Predictions]:
    """Truth and two models whose correctness differs by the scores, each -1, 0 or 1."""
    y = np.ones(len(scores), dtype=np.int64)
    return y, Predictions(np.where(scores >= 0, 1, 0), None), Predictions(np.where(scores <= 0, 1, 0), None)


def bet_on(wager: Wager, scores: Any, **given: Any) -> Wager:
    return bet(wager, ACCURACY, *pair_of(np.asarray(scores)), **given)


def scored(rows: int, seed: int, positives: float = 0.3) -> tuple[np.ndarray, Predictions, Predictions]:
    """A binary problem and two models with probabilities."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < positives).astype(np.int64)
    both = []
    for noise in (1.0, 1.1):
        chance = 1 / (1 + np.exp(-(y - 0.5 + rng.normal(0, noise, rows)).round(1)))
        both.append(Predictions((chance > 0.5).astype(np.int64), np.column_stack([1 - chance, chance])))
    return y, both[0], both[1]


@pytest.mark.parametrize("chances", [(0.2, 0.6, 0.2), (0.5, 0.0, 0.5), (0.45, 0.2, 0.35)], ids=str)
def test_the_expected_e_value_never_exceeds_one_where_nothing_is_better(chances: tuple[float, float, float]) -> None:
    """All outcomes of four rows in looks of two, one and one, each with its chance."""
    worse, equal, better = chances
    told = {-1: worse, 0: equal, 1: better}
    expected = np.zeros(3)
    for scores in itertools.product((-1, 0, 1), repeat=4):
        chance = np.prod([told[score] for score in scores])
        wager, after = begin("accuracy", 1), []
        for look in (scores[:2], scores[2:3], scores[3:]):
            wager = bet_on(wager, look)
            after.append(wager.e_value)
        expected += chance * np.array(after)

    assert (expected <= 1.0 + 1e-9).all()
    if worse == better:
        assert expected == pytest.approx(1.0)


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=40), st.randoms())
@settings(deadline=None)
def test_the_order_of_rows_within_a_look_changes_nothing(scores: list[int], chance: Any) -> None:
    shuffled = scores.copy()
    chance.shuffle(shuffled)

    assert bet_on(begin("accuracy", 1), scores).e_value == pytest.approx(bet_on(begin("accuracy", 1), shuffled).e_value)


def test_the_shares_of_all_looks_sum_to_one() -> None:
    shares = [kept_back(look - 1) - kept_back(look) for look in range(1, 100_001)]

    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("stake", [0.02, 0.05])
def test_a_stake_grows_as_the_betting_test_of_ville_does(stake: float) -> None:
    """Ville's own stake is cut at `c`, far below what it would bet on so few rows: there both bet the same."""
    scores = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], p=[0.03, 0.93, 0.04], size=800)
    theirs = BettingTest(0.0, bounds=(-1.0, 1.0), alternative="greater", c=stake).update(scores)

    grown = np.log1p(stake * scores).sum()

    ours = np.array(bet_on(begin("accuracy", 1), scores).capital) - np.log(1 / 6)
    assert ours[STAKES.index(stake)] == pytest.approx(grown)
    assert grown == pytest.approx(theirs.log_e_values_[-1])


def test_the_mixture_over_stakes_is_the_mean_of_e_values_as_ville_combines_them() -> None:
    capital = np.log(np.array([0.4, 1.3, 2.2]))

    assert float(worth(capital, 0)) - 1.0 == pytest.approx(float(combine(np.exp(capital))))


@pytest.mark.parametrize("growth", [-1e6, 1e6])
def test_a_million_rows_neither_overflow_nor_vanish_in_silence(growth: float) -> None:
    after = float(worth(advance(np.full(5, -np.inf), np.full(5, growth), 1), 1))

    assert after == pytest.approx(kept_back(1)) if growth < 0 else after == np.inf


def test_a_later_gain_is_not_hidden_by_earlier_rows() -> None:
    """Thirty looks without a gain, then looks of 500 rows with 5 more wins than losses in a hundred."""
    idle, gaining = np.repeat([1, 0, -1], [15, 470, 15]), np.repeat([1, 0, -1], [30, 465, 5])
    wager = begin("accuracy", 1)
    for _ in range(30):
        wager = bet_on(wager, idle)
    single = wager.rows * 0.06 * np.log1p(-(np.array(STAKES) ** 2)) / 2
    for _ in range(5):
        wager = bet_on(wager, gaining)
    grown = single + 5 * (30 * np.log1p(STAKES) + 5 * np.log1p(-np.array(STAKES)))

    assert wager.e_value > 20
    assert np.exp(grown).mean() < wager.e_value / 10


def test_rows_that_were_counted_are_refused() -> None:
    wager = bet_on(begin("accuracy", 1), [1, 0], until="2013-05-02T00:00:00+00:00")

    with pytest.raises(DataError, match="not newer than those already counted"):
        bet_on(wager, [1, 0], until="2013-05-01T23:00:00Z")


@pytest.mark.parametrize("weight", [[1.0, -1.0], [1.0, np.nan]])
def test_a_negative_or_missing_weight_is_an_error_that_counts_rows(weight: list[float]) -> None:
    with pytest.raises(DataError, match="1 of 2 rows have a weight"):
        bet_on(begin("accuracy", 1), [1, 0], weight=np.array(weight))


def test_a_row_of_weight_zero_counts_for_nothing() -> None:
    with_it = bet_on(begin("accuracy", 1), [1, -1, 0], weight=np.array([2.0, 0.0, 2.0]))

    assert with_it == bet_on(begin("accuracy", 1), [1, 0], weight=np.ones(2))
    assert with_it.rows == 2


def test_half_the_weight_is_half_the_stake() -> None:
    wager = bet_on(begin("accuracy", 1), [1, -1], weight=np.array([4.0, 2.0]))

    by_hand = np.mean([(1 + stake) * (1 - stake / 2) for stake in STAKES]) / 6 + 5 / 6
    assert wager.e_value == pytest.approx(by_hand)


def test_a_margin_is_what_a_row_must_win_to_gain() -> None:
    wager = bet_on(begin("accuracy", 1), [1, 0], margin=0.25)

    stakes = np.array(STAKES) / 1.25
    assert wager.e_value == pytest.approx(np.mean((1 + stakes * 0.75) * (1 - stakes * 0.25)) / 6 + 5 / 6)


def test_another_metric_is_refused() -> None:
    with pytest.raises(DataError, match="Begin a wager for each metric"):
        bet(begin("brier", 1), ACCURACY, *pair_of(np.array([1, 0])))


def test_no_fresh_row_leaves_the_wager_as_it_was_and_says_why() -> None:
    before = bet_on(begin("accuracy", 1), [1, 0])

    after = bet_on(before, [1, 1, 1], fresh=np.zeros(3, dtype=bool))

    assert after == before.model_copy(update={"reason": "There are no fresh rows"})


def test_f1_of_too_few_positives_is_not_bet_on_and_says_so() -> None:
    y, ours, theirs = scored(60, 1, positives=0.1)

    wager = bet(begin("f1", 1), metric_named("f1", "binary"), y, ours, theirs)

    assert wager.looks == 0
    assert wager.e_value == 1.0
    assert wager.reason == "60 fresh rows are too few, or hold too few of a class"


def test_f1_is_bet_on_as_a_normal_and_says_that_this_holds_for_many_rows() -> None:
    y, ours, theirs = scored(2_000, 1)

    wager = bet(begin("f1", 1), metric_named("f1", "binary"), y, ours, theirs)

    assert not wager.exact
    assert wager.looks == 1
    assert wager.rows == 2_000


def test_two_models_that_say_the_same_of_every_row_win_nothing() -> None:
    y, ours, _ = scored(2_000, 1)

    for name in ("accuracy", "roc_auc", "brier", "f1", "log_loss"):
        assert bet(begin(name, 1), metric_named(name, "binary"), y, ours, ours).e_value == pytest.approx(1.0)


def test_a_model_without_probabilities_is_not_bet_on_by_them() -> None:
    for name in ("roc_auc", "log_loss"):
        wager = bet(begin(name, 1), metric_named(name, "binary"), *pair_of(np.array([1, 0] * 30)))

        assert (wager.looks, wager.e_value) == (0, 1.0)
        assert wager.reason


def test_pairs_are_disjoint_of_one_day_and_mean_the_difference_of_areas() -> None:
    """The mean over many pairings is the mean over days of both areas' difference, weighted by the rarer class."""
    y, ours, theirs = scored(300, 4)
    days = np.arange(300) // 100
    means = []
    for seed in range(400):
        found = row_scores(AREA, y, ours, theirs, days=days, seed=seed)
        assert found is not None
        assert len(found.values) == sum(np.bincount(y[days == day], minlength=2).min() for day in range(3))
        assert np.abs(found.values).max() <= 1.0
        means.append(found.values.mean())
    within = [
        (
            min(np.bincount(y[days == day])),
            AREA.value(y[days == day], _of_day(ours, days == day))
            - AREA.value(y[days == day], _of_day(theirs, days == day)),
        )
        for day in range(3)
    ]
    true = sum(few * gap for few, gap in within) / sum(few for few, _ in within)

    assert np.mean(means) == pytest.approx(true, abs=4 * np.std(means) / 20)


def _of_day(said: Predictions, kept: np.ndarray) -> Predictions:
    assert said.probabilities is not None
    return Predictions(said.labels[kept], said.probabilities[kept])


def test_one_pair_of_a_day_can_be_checked_by_hand() -> None:
    """A positive above its negative for the candidate, tied for the other: half a point; the second day has no pair."""
    y, days = np.array([1, 0, 0]), np.array([0, 0, 1])
    chance = np.array([0.8, 0.3, 0.5])
    tied = np.full(3, 0.5)
    ours, theirs = (Predictions(y, np.column_stack([1 - said, said])) for said in (chance, tied))

    found = row_scores(AREA, y, ours, theirs, days=days)

    assert found is not None
    assert found.values.tolist() == [0.5]


@pytest.mark.parametrize(
    ("name", "given", "unit", "by_hand"),
    [
        ("mae", {"scale_of": 8.0}, 4.0, [(1.0 - 3.0) / -4.0, (4.0 - 0.0) / -4.0]),
        ("rmse", {"scale_of": 8.0}, 16.0 / (2 * (9 / 2) ** 0.5), [(1.0 - 9.0) / -16.0, (16.0 - 0.0) / -16.0]),
    ],
)
def test_a_regressions_loss_is_clipped_at_half_the_spread(
    name: str, given: dict[str, float], unit: float, by_hand: list[float]
) -> None:
    y = np.array([0.0, 0.0])
    ours, theirs = Predictions(np.array([1.0, 100.0]), None), Predictions(np.array([-3.0, 0.0]), None)

    found = row_scores(metric_named(name, "regression"), y, ours, theirs, **given)  # type: ignore[arg-type]  # of several types

    assert found is not None
    assert found.values == pytest.approx(by_hand)
    assert found.unit == pytest.approx(unit)
    assert "clipped" in found.scored


def test_a_regression_without_a_scale_is_bet_on_as_a_normal() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=500)
    ours, theirs = (Predictions(y + rng.normal(0, noise, 500), None) for noise in (0.5, 0.8))

    wager = bet(begin("mae", 1), metric_named("mae", "regression"), y, ours, theirs)

    assert not wager.exact
    assert wager.e_value > 20


def test_log_loss_is_clipped_where_a_truth_was_given_less_than_one_percent() -> None:
    y = np.array([1, 1])
    ours, theirs = (Predictions(y, np.array([[1 - p, p], [0.5, 0.5]])) for p in (0.001, 0.01))

    found = row_scores(metric_named("log_loss", "binary"), y, ours, theirs)

    assert found is not None
    assert found.values.tolist() == [0.0, 0.0]


def test_days_that_lean_one_way_are_found_and_independent_rows_are_not() -> None:
    rng = np.random.default_rng(2)
    alone = rng.normal(size=40 * 100)
    leaning = alone + np.repeat(rng.normal(0, 0.2, 40), 100)
    days = np.arange(40 * 100) // 100

    assert float(design_effect(day_totals(alone, days))) < 1.5
    assert float(design_effect(day_totals(leaning, days))) == pytest.approx(1 + 100 * 0.04, rel=0.4)


def test_the_sums_of_two_looks_add_up_to_those_of_both() -> None:
    values, days = np.random.default_rng(3).normal(size=50), np.arange(50) // 5

    apart = day_totals(values[:20], days[:20]) + day_totals(values[20:], days[20:])

    assert apart == pytest.approx(day_totals(values, days))


def test_rows_bet_on_before_tell_the_first_look_how_days_lean() -> None:
    rng = np.random.default_rng(5)
    scores, days = rng.choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=1_100), np.arange(1_100) // 100
    fresh = days == 10

    told = bet_on(begin("accuracy", 1), scores, days=days, fresh=fresh)
    untold = bet_on(begin("accuracy", 1), scores[fresh], days=days[fresh])

    assert (told.rows, told.design_effect) == (100, 1.0)
    assert (untold.rows, untold.design_effect) == (100, 3.0)


def _lines(rows: int, sway: float, runs: int, seed: int, *, mended: bool) -> int:
    """How many of some lines of equal candidates ever win 20, over 90 days, whose days sway to and fro."""
    rng = np.random.default_rng(seed)
    capital, totals = np.full((runs, len(STAKES)), -np.inf), np.zeros((runs, 7))
    up, down = np.log1p(STAKES), np.log1p(-np.array(STAKES))
    won = np.zeros(runs, dtype=bool)
    for day in range(-10, 90):
        lean = np.clip(sway * rng.standard_normal(runs), -0.057, 0.057)
        differ = rng.binomial(rows, 0.06, runs)
        wins = rng.binomial(differ, 0.5 + lean / 0.12)
        if day >= 0:
            growth = wins[:, None] * up + (differ - wins)[:, None] * down
            growth = growth / design_effect(totals)[:, None] if mended else growth
            capital = advance(capital, growth, day + 1)
            won |= worth(capital, day + 1) >= 20
        gained = (2 * wins - differ).astype(np.float64)
        full = np.full(runs, float(rows))
        totals += np.stack([full * 0 + 1, full, gained, differ, gained**2, gained * rows, full**2], axis=1)
    return int(won.sum())


def test_days_that_lean_one_way_win_too_often_and_the_design_effect_mends_it() -> None:
    """2,000 lines at a design effect of 3; the exact 99.9% interval of the mended rate does not exceed 5%."""
    naive, mended = (_lines(500, 0.0155, 2_000, 6, mended=mended) for mended in (False, True))
    interval = stats.binomtest(mended, 2_000).proportion_ci(0.999, "exact")
    print(f"naive {naive / 2_000:.3f}, mended {mended / 2_000:.3f} [{interval.low:.3f}, {interval.high:.3f}]")

    assert naive > 1_000
    assert interval.low <= 0.05


def test_a_cost_is_scored_over_the_largest_cost() -> None:
    """A missed positive costs 5, a false alarm 1: the candidate's false alarm saves four fifths of the largest."""

    costs = Costs(false_positive=1.0, false_negative=5.0)
    cost = metric_named("cost", "binary", costs)
    y, ours, theirs = np.array([0, 1]), Predictions(np.array([1, 1]), None), Predictions(np.array([0, 0]), None)

    found = row_scores(cost, y, ours, theirs, costs=costs)

    assert found is not None
    assert found.values == pytest.approx([-0.2, 1.0])
    assert found.unit == 5.0
    assert row_scores(cost, y, ours, theirs) is None
