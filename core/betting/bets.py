"""Betting against "the candidates are not better": evidence that may be looked at after every training."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from prefect_mlops.core.betting.dayspread import FEWEST_DAYS, day_totals, design_effect
from prefect_mlops.core.betting.rowscores import RowScores, row_scores
from prefect_mlops.core.betting.stakes import EFFECTS, STAKES, advance, worth
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.evidence import Wager
from prefect_mlops.core.metrics.measuring import compare, rests_on_enough

if TYPE_CHECKING:
    from prefect_mlops.core.metrics.metric import Metric
    from prefect_mlops.core.spec import Costs
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["begin", "bet"]

FARTHEST = 37.0
"""Standard errors beyond which a normal's tail is no number any more."""


class _Look(NamedTuple):
    """What some rows would do to the capital, before the design effect."""

    growth: np.ndarray
    counted: np.ndarray
    days: np.ndarray | None
    unit: float
    scored: str
    exact: bool


def begin(metric_name: str, champion_version: int) -> Wager:
    """A wager without a row, worth 1: every champion is bet against anew.

    Examples:
        >>> begin("accuracy", 3).e_value
        1.0
    """
    return Wager(metric=metric_name, champion_version=champion_version)


def bet(
    wager: Wager,
    metric: Metric,
    y: np.ndarray,
    candidate: Predictions,
    other: Predictions,
    days: np.ndarray | None = None,
    until: str = "",
    *,
    fresh: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    seed: int = 0,
    costs: Costs | None = None,
    scale_of: float | None = None,
    margin: float = 0.0,
) -> Wager:
    """Bet on the rows of one look, once, and return what the capital has become.

    Each stake multiplies its capital by `1 + stake (score - margin)` for every row. Where no candidate is better by
    more than the margin, none of them grows on average; so the e-value, their mean, starts at 1 and exceeds `1/alpha`
    ever, at whatever look one stops, with a chance of at most alpha (Ville's inequality). What is assumed: given all
    that happened before, a row's expected score is at most the margin. So a row must be newer than what both models
    learned from, be bet on once, and the candidate must not be chosen by it.

    The rows of one day may lean one way together, by a storm or a sale that suits one of the models, though over days
    neither is better. Growth is divided by the design effect of earlier days, which makes up for that where days
    follow each other by chance and a day's sum is near normal (see `dayspread.design_effect`); on the flights out of
    New York it is 5 for the area under the curve. Where it is 1 the bound is exact.

    The capital starts in parts, one a look (see `stakes.kept_back`), so that rows from before a gain cannot hide it.

    A metric that no single row has (F1, average precision, R2, one of your own) is bet on by its paired advantage
    among the look's rows over its standard error, as if normal: `exp(effect sqrt(n) z - n effect**2 / 2)` for each
    of some effects. That bound holds for many rows a look, and the wager says so by `exact=False`.

    Args:
        wager: What was bet so far.
        metric: The wager's metric.
        y: Encoded truth, shape `(rows,)`.
        candidate: Encoded predictions of the candidate.
        other: Encoded predictions of the champion.
        days: A number a row; pairs for an area under the curve are of one day.
        until: Time of the newest row that is bet on, ISO 8601; empty where rows have no time.
        fresh: Which rows to bet on: newer than both models' training, and not bet on before. The others tell the
            first look how far the rows of a day lean together. None bets on all.
        weight: What each row counts, known before its label, at least 0, shape `(rows,)`.
        seed: Of the pairing.
        costs: What each error costs, for the metric `cost`.
        scale_of: Spread of the target among the training rows, at half of which a regression's errors are clipped.
        margin: By how much a candidate must be better, in the metric's unit, the same at every look.

    Returns:
        The new wager; with a `reason`, and without these rows counted, where they are too few to bet on.

    Raises:
        DataError: The wager is on another metric, rows are not newer than those counted, or a weight is negative or
            missing.

    References:
        Ville (1939), Etude critique de la notion de collectif; Waudby-Smith and Ramdas (2024), J. R. Stat. Soc. B
        86(1), 1-27; Shin, Ramdas and Rinaldo (2023), New England J. Stat. Data Sci. 2(2), 229-260.

    Examples:
        Two of two rows gained: a stake of 0.02 becomes 1.02 squared of its sixth, and so on over five stakes, beside
        the five sixths kept back.

        >>> from prefect_mlops.core.metrics import metric_named
        >>> from prefect_mlops.core.trainers.fitted import Predictions
        >>> ours, theirs = Predictions(np.array([0, 1]), None), Predictions(np.array([1, 0]), None)
        >>> wager = bet(begin("accuracy", 3), metric_named("accuracy", "binary"), np.array([0, 1]), ours, theirs)
        >>> by_hand = sum((1 + stake) ** 2 for stake in (0.02, 0.05, 0.125, 0.3, 0.75)) / 5 / 6 + 5 / 6
        >>> wager.e_value == round(by_hand, 12), wager.looks, wager.wins
        (True, 1, 2.0)
    """
    _refuse(wager, metric, until, weight)
    counts = np.ones(len(y), dtype=bool) if weight is None else weight > 0
    new = counts if fresh is None else counts & fresh

    def look_at(chosen: np.ndarray) -> _Look | str:
        return _look(
            metric,
            y[chosen],
            _some(candidate, chosen),
            _some(other, chosen),
            None if days is None else days[chosen],
            None if weight is None else weight[chosen],
            (seed, wager.looks),
            costs,
            scale_of,
            margin,
        )

    look = look_at(new)
    if isinstance(look, str):
        return wager.model_copy(update={"reason": look})
    totals = np.array(wager.day_totals or np.zeros(7))
    if wager.looks == 0:
        older = look_at(counts & ~new)
        if not isinstance(older, str):
            totals += day_totals(older.counted, older.days)
    today = day_totals(look.counted, look.days)
    # How far today's rows lean is for the next look, or a bet would look ahead; only where too little is known before
    # it must do. 8,000 lines of monthly looks of five to ten days then win in at most 4% at design effects up to 11.
    effect = float(design_effect(totals if totals[0] >= FEWEST_DAYS else totals + today))
    looks = wager.looks + 1
    before = np.array(wager.capital) if wager.capital else np.full(len(look.growth), -np.inf)
    capital = advance(before, look.growth / effect, looks)
    return wager.model_copy(
        update={
            # Twelve digits survive a ledger's JSON; the last ones are the processor's, not the evidence's.
            "e_value": round(float(worth(capital, looks)), 12),
            "looks": looks,
            "rows": wager.rows + len(look.counted),
            "wins": wager.wins + float(np.maximum(look.counted, 0.0).sum()),
            "losses": wager.losses + float(np.maximum(-look.counted, 0.0).sum()),
            "squares": wager.squares + float((look.counted**2).sum()),
            "unit": look.unit,
            "until": until or wager.until,
            "capital": tuple(float(number) for number in capital),
            "scored": look.scored,
            "day_totals": tuple(float(number) for number in totals + today),
            "design_effect": effect,
            "exact": look.exact and wager.exact,
            "reason": "",
        }
    )


def _look(
    metric: Metric,
    y: np.ndarray,
    candidate: Predictions,
    other: Predictions,
    days: np.ndarray | None,
    weight: np.ndarray | None,
    seed: tuple[int, int],
    costs: Costs | None,
    scale_of: float | None,
    margin: float,
) -> _Look | str:
    """The growth of each stake, or why nothing is bet."""
    if len(y) == 0:
        return "There are no fresh rows"
    scores = row_scores(
        metric, y, candidate, other, days=days, weight=weight, seed=seed, costs=costs, scale_of=scale_of
    )
    # A margin between roots is none between their squares.
    if scores is None or (metric.name == "rmse" and margin):
        if not (rests_on_enough(metric, y, candidate) and rests_on_enough(metric, y, other)):
            return f"{len(y):,} fresh rows are too few, or hold too few of a class"
        look = _asymptotic(metric, y, candidate, other, days, weight, margin)
    elif len(scores.values) == 0:
        return f"{len(y):,} fresh rows hold no day with rows of both classes"
    else:
        look = _bounded(scores, margin)
    if not np.isfinite(look.growth).all():
        return "A model gives no probabilities, or the metric is not defined on the fresh rows"
    return look


def _bounded(scores: RowScores, margin: float) -> _Look:
    values, bar = scores.values, margin / scores.unit
    gains = (values - bar) if scores.weight is None else scores.weight * (values - bar)
    # A score of -1 below the bar must leave something of every stake.
    stakes = np.array(STAKES) / (1.0 + bar)
    growth = np.array([np.log1p(stake * gains).sum() for stake in stakes])
    counted = values if scores.weight is None else scores.weight * values
    return _Look(growth, counted, scores.days, scores.unit, scores.scored, exact=True)


def _asymptotic(
    metric: Metric,
    y: np.ndarray,
    candidate: Predictions,
    other: Predictions,
    days: np.ndarray | None,
    weight: np.ndarray | None,
    margin: float,
) -> _Look:
    from scipy import stats

    advantage, error, freedom = compare(metric, y, candidate, other, weight=weight)[:3]
    influence = metric.influence(y, candidate, weight) - metric.influence(y, other, weight)
    rows, effects = len(y), np.array(EFFECTS)
    spread = error * math.sqrt(rows)
    sign = 1.0 if metric.higher_is_better else -1.0
    scored = f"{metric.name} among the fresh rows of each look, over its standard error"
    if not error:
        # Two models that say the same of every row tell nothing.
        idle = math.nan if math.isnan(error) or math.isnan(advantage) else 0.0
        return _Look(np.full(len(effects), idle), np.zeros(rows), days, 1.0, scored, exact=False)
    # Student's t becomes a normal of the same chance.
    student = (advantage - margin) / error
    z = math.copysign(min(float(stats.norm.isf(stats.t.sf(abs(student), freedom))), FARTHEST), student)
    growth = effects * math.sqrt(rows) * z - rows * effects**2 / 2
    return _Look(growth, (advantage + sign * influence) / spread, days, spread, scored, exact=False)


def _refuse(wager: Wager, metric: Metric, until: str, weight: np.ndarray | None) -> None:
    if wager.metric != metric.name:
        raise DataError(
            f"The wager is on {wager.metric}, the rows are scored by {metric.name}", "Begin a wager for each metric"
        )
    if until and wager.until and datetime.fromisoformat(until) <= datetime.fromisoformat(wager.until):
        raise DataError(
            f"Rows up to {until} are not newer than those already counted, up to {wager.until}",
            "Leave out rows that were bet on; a row counts once",
        )
    if weight is not None and not (np.isfinite(weight).all() and (weight >= 0).all()):
        bad = int((~(np.isfinite(weight) & (weight >= 0))).sum())
        raise DataError(
            f"{bad:,} of {len(weight):,} rows have a weight that is negative or missing",
            "Correct the weights; a row that is not to count has weight 0",
        )


def _some(said: Predictions, kept: np.ndarray) -> Predictions:
    return said._replace(
        labels=said.labels[kept],
        probabilities=None if said.probabilities is None else said.probabilities[kept],
        quantiles=None if said.quantiles is None else said.quantiles[kept],
    )
