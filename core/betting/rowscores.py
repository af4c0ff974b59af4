"""Scores of single rows, between -1 and 1: by how much one model is better than another on a row, or on a pair."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from prefect_mlops.core.metrics.metric import Metric
    from prefect_mlops.core.spec import Costs
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["RowScores", "row_scores"]

LOG_LOSS_CLIP = math.log(100.0)
"""A truth that was given less than 1% costs as much as one that was given 1%."""
CLIP_SHARE = 0.5
"""A regression's error is clipped at half the spread of the target among training rows."""


class RowScores(NamedTuple):
    """Bounded scores of a look's rows.

    Attributes:
        values: Positive where the candidate is better, within [-1, 1], shape `(scores,)`.
        weight: What each counts, at most 1, shape `(scores,)`; None where all count the same.
        unit: What a score of 1 is in the metric's own unit.
        scored: What was scored, in words.
        days: The day of each, shape `(scores,)`; None where rows have none.
    """

    values: np.ndarray
    weight: np.ndarray | None
    unit: float
    scored: str
    days: np.ndarray | None


def row_scores(
    metric: Metric,
    y: np.ndarray,
    candidate: Predictions,
    other: Predictions,
    *,
    days: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    seed: int | tuple[int, ...] = 0,
    costs: Costs | None = None,
    scale_of: float | None = None,
) -> RowScores | None:
    """Score each row, or for an area under the curve each row of the rarer class against others of its day.

    A loss without an upper bound is clipped at a number that is known before the rows are: what is then tested is
    the clipped loss, and `scored` says so.

    Args:
        metric: What to score by.
        y: Encoded truth, shape `(rows,)`.
        candidate: Encoded predictions of the one.
        other: Encoded predictions of the other.
        days: A number a row; only rows of one day are paired. None pairs all.
        weight: What each row counts, at least 0, shape `(rows,)`.
        seed: Of the pairing.
        costs: What each error costs, for the metric `cost`.
        scale_of: For regressions: the spread of the target among training rows, from its lowest to its highest
            usual value.

    Returns:
        None where the metric has no bounded score of single rows, such as F1, or where its clip is not known.

    Examples:
        The candidate is right where the other is wrong once of four, and never the other way round.

        >>> from prefect_mlops.core.metrics import metric_named
        >>> from prefect_mlops.core.trainers.fitted import Predictions
        >>> y, ours, theirs = np.array([0, 1, 1, 0]), np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1])
        >>> accuracy = metric_named("accuracy", "binary")
        >>> row_scores(accuracy, y, Predictions(ours, None), Predictions(theirs, None)).values.tolist()
        [0.0, 0.0, 1.0, 0.0]
    """
    name, _, parameter = metric.name.partition("@")
    if name == "roc_auc":
        return _paired_rows(y, candidate, other, days, weight, seed)
    clip = _clip(name, parameter, costs, scale_of)
    if clip is None:
        return None
    most, scored = clip
    unit = most
    if name == "rmse":
        ours, theirs = ((y - said.labels) ** 2 for said in (candidate, other))
        # A root differs from another by the squares' difference over twice the root.
        unit = most / (2.0 * max(metric.value(y, other), np.sqrt(most) * 1e-9))
    else:
        # Of a mean, value and influence together are what the row itself adds.
        ours, theirs = (metric.value(y, said) + metric.influence(y, said) for said in (candidate, other))
    sign = 1.0 if metric.higher_is_better else -1.0
    values = sign * (np.minimum(ours, most) - np.minimum(theirs, most)) / most
    # The value was taken off and put back on: what is left of it is rounding, which would make a tie a bet.
    values = np.clip(np.where(np.abs(values) < 1e-12, 0.0, values), -1.0, 1.0)
    return RowScores(np.asarray(values), _relative(weight), float(unit), scored, days)


def _clip(name: str, parameter: str, costs: Costs | None, scale_of: float | None) -> tuple[float, str] | None:
    """The most that a row's loss counts, and what is scored, in words."""
    dearest = max(costs.false_positive, costs.false_negative) if costs is not None else 0.0
    far = CLIP_SHARE * scale_of if scale_of is not None and math.isfinite(scale_of) else 0.0
    lean = max(float(parameter), 1.0 - float(parameter)) if name == "pinball" else 1.0
    known = {
        "accuracy": (1.0, "correctness of each row"),
        "brier": (1.0, "squared error of each row's probability"),
        "cost": (dearest, "cost of each row over the largest cost"),
        "log_loss": (LOG_LOSS_CLIP, "log loss of each row, clipped at ln 100"),
        "mae": (far, f"absolute error of each row, clipped at {far:.4g}"),
        "mape": (1.0, "relative error of each row, clipped at 100%"),
        "pinball": (far * lean, f"pinball loss of each row, clipped at {far * lean:.4g}"),
        "rmse": (far**2, f"squared error of each row, clipped at the square of {far:.4g}"),
    }
    most, scored = known.get(name, (0.0, ""))
    return (most, scored) if most > 0 else None


def _paired_rows(
    y: np.ndarray,
    candidate: Predictions,
    other: Predictions,
    days: np.ndarray | None,
    weight: np.ndarray | None,
    seed: int | tuple[int, ...],
) -> RowScores:
    """Each row of a day's rarer class against its own share of the day's others, so that no row is in two scores.

    With one other each these are disjoint pairs; all others are dealt out, so that the pairs of one row average and
    the rarer class alone says how many scores there are.
    """
    scored = "order of each row of the rarer class against its share of its day's others"
    if candidate.probabilities is None or other.probabilities is None:
        return RowScores(np.full(len(y), np.nan), None, 1.0, scored, days)
    rows = len(y)
    day = np.zeros(rows, dtype=np.int64) if days is None else np.unique(days, return_inverse=True)[1]
    count = np.bincount(2 * day + y, minlength=2 * (int(day.max(initial=-1)) + 1)).reshape(-1, 2)
    rarer = np.where(count[:, 1] <= count[:, 0], 1, 0)
    few = count.min(axis=1)
    is_few = y == rarer[day]
    order = np.lexsort((np.random.default_rng(seed).random(rows), is_few, day))
    # Within a day the many come first, then the few, each dealt in random order.
    start = np.concatenate(([0], np.cumsum(count.sum(axis=1))))[:-1]
    place = np.arange(rows) - start[day[order]]
    many = ~is_few[order] & (few[day[order]] > 0)
    of = day[order][many]
    share = place[many] % few[of]
    theirs = order[many]
    first_few = start + count.sum(axis=1) - few
    ours = order[first_few[of] + share]
    positive, negative = np.where(y[ours] == 1, ours, theirs), np.where(y[ours] == 1, theirs, ours)
    gained = _ordered(candidate, positive, negative) - _ordered(other, positive, negative)
    group = np.concatenate(([0], np.cumsum(few)))[:-1][of] + share
    groups = int(few.sum())
    pair = None if weight is None else weight[positive] * weight[negative]
    total = np.bincount(group, weights=pair, minlength=groups)
    with np.errstate(invalid="ignore"):
        values = np.bincount(group, weights=gained if pair is None else gained * pair, minlength=groups) / total
    of_day = None if days is None else np.repeat(np.arange(len(few)), few)
    if pair is None:
        return RowScores(values, None, 1.0, scored, of_day)
    counted = total > 0
    average = total[counted] / np.bincount(group, minlength=groups)[counted]
    return RowScores(values[counted], _relative(average), 1.0, scored, None if of_day is None else of_day[counted])


def _ordered(said: Predictions, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """1 where the positive row scores above the negative one, a half where they tie."""
    assert said.probabilities is not None
    above, below = said.probabilities[positive, 1], said.probabilities[negative, 1]
    return np.asarray((above > below) + 0.5 * (above == below))


def _relative(weight: np.ndarray | None) -> np.ndarray | None:
    """Weights over their largest, so that no row can lose more than its stake."""
    if weight is None:
        return None
    most = weight.max(initial=0.0)
    return np.asarray(weight / most) if most > 0 else np.zeros(len(weight))
