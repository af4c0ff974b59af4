"""Metrics of an order: the area under the ROC curve, and average precision."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

__all__ = ["area_influence", "area_under_curve", "average_precision", "precision_influence"]


def area_under_curve(positive: np.ndarray, scores: np.ndarray) -> float:
    """Chance that a positive row scores above a negative one, ties counting half.

    Args:
        positive: Whether each row is positive, shape `(rows,)`.
        scores: Shape `(rows,)`.

    Returns:
        Between 0 and 1; NaN with rows of one class only.

    Examples:
        Of the four pairs one is tied and one is the wrong way round: 2.5 of 4.

        >>> area_under_curve(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.5, 0.4]))
        0.625
    """
    count = int(positive.sum())
    others = len(positive) - count
    if count == 0 or others == 0:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


def area_influence(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """What each row adds to the sampling error of the area under the curve: DeLong's placement values.

    A row's placement is the share of the other class that it is ordered rightly against; midranks count ties half
    and make it one sort instead of all pairs.

    Returns:
        Shape `(rows,)`, summing to zero; NaN with rows of one class only.

    References:
        DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44(3), 837-845; the fast form is of Sun and Xu (2014),
        IEEE Signal Processing Letters 21(11), 1389-1393.

    Examples:
        The first positive beats both negatives (1), the second half of them once (1/4); their mean is 0.625.

        >>> area_influence(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.5, 0.4]))
        array([ 0.75, -0.75, -0.25,  0.25])
    """
    count = int(positive.sum())
    others = len(positive) - count
    if count == 0 or others == 0:
        return np.full(len(positive), np.nan)
    ranks = rankdata(scores)
    placed = np.empty(len(positive))
    placed[positive] = (ranks[positive] - rankdata(scores[positive])) / others
    placed[~positive] = 1.0 - (ranks[~positive] - rankdata(scores[~positive])) / count
    share = np.where(positive, count, others) / len(positive)
    return np.asarray((placed - placed[positive].mean()) / share)


def average_precision(positive: np.ndarray, scores: np.ndarray) -> float:
    """Mean over positive rows of the precision among all rows that score at least as high.

    Returns:
        Between 0 and 1; NaN without positive rows.

    Examples:
        The positives stand first and third: (1/1 + 2/3) / 2.

        >>> round(average_precision(np.array([True, False, True]), np.array([0.9, 0.5, 0.4])), 4)
        0.8333
    """
    if not positive.any():
        return float("nan")
    precision, _, _ = _at_own_score(positive, scores)
    return float(precision[positive].mean())


def precision_influence(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """What each row adds to the sampling error of average precision.

    The derivative of `E[precision(S) | positive]` in the direction of one row: its own precision where it is
    positive, and what it does to the precision of all positives that score no higher.

    Returns:
        Shape `(rows,)`, summing to zero; NaN without positive rows.
    """
    rows, count = len(positive), int(positive.sum())
    if count == 0:
        return np.full(rows, np.nan)
    precision, at_least, rank = _at_own_score(positive, scores)
    share = count / rows
    levels = int(rank.max()) + 1
    weight = positive * rows / at_least
    below = np.cumsum(np.bincount(rank, weights=weight, minlength=levels))[rank] / rows
    below_precision = np.cumsum(np.bincount(rank, weights=weight * precision, minlength=levels))[rank] / rows
    own = positive * (precision - precision[positive].mean())
    return np.asarray((own + positive * below - below_precision) / share)


def _at_own_score(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each row: precision among, and count of, rows that score at least as high; rank of its score from below."""
    _, rank = np.unique(scores, return_inverse=True)
    levels = int(rank.max()) + 1
    at_least = np.bincount(rank, minlength=levels)[::-1].cumsum()[::-1]
    hits = np.bincount(rank, weights=positive, minlength=levels)[::-1].cumsum()[::-1]
    return (hits / at_least)[rank], at_least[rank], rank
