"""Metrics of an order: the area under the ROC curve, and average precision, each from one sort."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Ranking", "area_and_influence", "area_under_curve", "precision_and_influence", "ranking_of"]


class Ranking(NamedTuple):
    """An order of rows.

    Attributes:
        order: Rows from the lowest score, shape `(rows,)`.
        ends: Where in that order each run of equal scores ends; None where no two scores are equal.
        whole: Whether all scores are numbers.
    """

    order: np.ndarray
    ends: np.ndarray | None
    whole: bool


def ranking_of(scores: np.ndarray) -> Ranking:
    """Sort once.

    Args:
        scores: Shape `(rows,)`.

    Examples:
        >>> ranking_of(np.array([0.5, 0.1, 0.5])).ends
        array([0, 2])
    """
    order = np.argsort(scores)
    risen = scores[order]
    rises = risen[1:] != risen[:-1]
    ends = None if rises.all() else np.append(np.flatnonzero(rises), len(scores) - 1)
    return Ranking(order, ends, bool(len(scores) and not np.isnan(risen[-1])))


def area_under_curve(positive: np.ndarray, scores: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Chance that a positive row scores above a negative one, ties counting half.

    Args:
        positive: Whether each row is positive, shape `(rows,)`.
        scores: Shape `(rows,)`.
        weight: What each row counts; None where all count the same.

    Returns:
        Between 0 and 1; NaN with rows of one class only, or a score that is no number.

    Examples:
        Of the four pairs one is tied and one is the wrong way round: 2.5 of 4.

        >>> area_under_curve(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.5, 0.4]))
        0.625
    """
    return _placed(positive, ranking_of(scores), weight)[0]


def area_and_influence(
    positive: np.ndarray, ranking: Ranking, weight: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The area, and what each row adds to its sampling error: DeLong's placement values.

    A row's placement is the share of the other class that it is ordered rightly against; sums along one sort make it
    fast, and ties count half.

    Args:
        positive: Whether each row is positive, shape `(rows,)`.
        ranking: Of the scores.
        weight: What each row counts; None where all count the same.

    Returns:
        The area and the influences, shape `(rows,)`, which sum to zero; NaN as in `area_under_curve`.

    References:
        DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44(3), 837-845; the fast form is of Sun and Xu (2014),
        IEEE Signal Processing Letters 21(11), 1389-1393.

    Examples:
        The first positive beats both negatives (1), the second half of them once (1/4); their mean is 0.625.

        >>> scores = np.array([0.9, 0.4, 0.5, 0.4])
        >>> area_and_influence(np.array([True, True, False, False]), ranking_of(scores))
        (0.625, array([ 0.75, -0.75, -0.25,  0.25]))
    """
    area, placed, sorted_positive, up, down = _placed(positive, ranking, weight)
    rows = len(positive)
    influence = np.empty(rows)
    if np.isnan(area):
        influence.fill(np.nan)
        return area, influence
    placed -= area
    placed *= np.where(sorted_positive, rows / up, rows / down)
    influence[ranking.order] = placed
    if weight is not None:
        influence *= weight
    return area, influence


def precision_and_influence(
    positive: np.ndarray, ranking: Ranking, weight: np.ndarray | None = None
) -> tuple[float, np.ndarray, float]:
    """Average precision, what each row adds to its sampling error, and its bias.

    Average precision is the mean over positive rows of the precision among all rows that score at least as high.
    Its derivative in the direction of one row: the row's own precision where it is positive, and what the row does to
    the precision of all positives that score no higher. As a positive row counts itself among the rows that score as
    high, its precision is too large by what it lacks to 1, over their number.

    Args:
        positive: Whether each row is positive, shape `(rows,)`.
        ranking: Of the scores.
        weight: What each row counts; None where all count the same.

    Returns:
        The value, between 0 and 1, the influences, shape `(rows,)`, which sum to zero, and the bias; NaN without
        positive rows or with a score that is no number.

    Examples:
        The positives stand first and third: (1/1 + 2/3) / 2.

        >>> scores = np.array([0.9, 0.5, 0.4])
        >>> round(precision_and_influence(np.array([True, False, True]), ranking_of(scores))[0], 4)
        0.8333
    """
    rows = len(positive)
    order, ends, whole = ranking
    mine = positive[order]
    counted = np.ones(rows) if weight is None else weight[order]
    hits, seen = np.cumsum(mine * counted), np.cumsum(counted)
    if not whole or hits[-1] == 0:
        return float("nan"), np.full(rows, np.nan), float("nan")
    count = hits[-1]
    if ends is None:
        own = mine * counted
        at_least, above = seen[-1] - seen + counted, count - hits + own
    else:
        hits, seen = hits[ends], seen[ends]
        own, shown = np.diff(hits, prepend=0.0), np.diff(seen, prepend=0.0)
        at_least, above = seen[-1] - seen + shown, count - hits + own
    # Rows of weight zero may stand at the top, where a draw left them out.
    counts = at_least > 0
    precision = np.divide(above, at_least, out=np.zeros(len(above)), where=counts)
    value = float(own @ precision / count)
    share = np.divide(own, at_least, out=np.zeros(len(own)), where=counts)
    bias = float(share @ (1.0 - precision) / count)
    below, below_precision = np.cumsum(share), np.cumsum(share * precision)
    if ends is not None:
        sizes = np.diff(ends, prepend=-1)
        precision, below, below_precision = (np.repeat(run, sizes) for run in (precision, below, below_precision))
    influence = np.empty(rows)
    influence[order] = (mine * (precision - value + below) - below_precision) * counted * (rows / count)
    return value, influence, bias


def _placed(
    positive: np.ndarray, ranking: Ranking, weight: np.ndarray | None
) -> tuple[float, np.ndarray, np.ndarray, float, float]:
    """The area; placements and positives in sorted order; what the positive and the negative rows count."""
    order, ends, whole = ranking
    mine = positive[order]
    if weight is None:
        hits = np.cumsum(mine, dtype=np.float64)
        others = np.arange(1.0, len(mine) + 1.0)
        others -= hits
    else:
        counted = weight[order]
        hits, others = np.cumsum(mine * counted), np.cumsum(~mine * counted)
    up, down = (float(hits[-1]), float(others[-1])) if len(mine) else (0.0, 0.0)
    if not whole or up == 0 or down == 0:
        return float("nan"), np.full(len(mine), np.nan), mine, up, down
    if ends is not None:
        sizes = np.diff(ends, prepend=-1)
        hits, others = (np.repeat((run[ends] + np.append(0.0, run[ends[:-1]])) / 2, sizes) for run in (hits, others))
    hits /= -up
    hits += 1.0
    others /= down
    placed = np.where(mine, others, hits)
    placed_positive = placed[mine]
    area = placed_positive.sum() if weight is None else placed_positive @ counted[mine]
    return float(area / up), placed, mine, up, down
