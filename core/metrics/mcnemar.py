"""Whether one of two models is right more often on the same rows: McNemar's test with the mid-p value."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

__all__ = ["McNemarFound", "mcnemar_test"]


class McNemarFound(NamedTuple):
    """What the rows say on which two models differ.

    Attributes:
        only_candidate: Rows that only the candidate tells rightly.
        only_other: Rows that only the other model tells rightly.
        better_p: Chance of so many for the candidate, or more, where neither is better (one-sided, mid-p).
        worse_p: Likewise for the other side.
        p_value: Two-sided: twice the smaller of both, at most 1.
    """

    only_candidate: int
    only_other: int
    better_p: float
    worse_p: float
    p_value: float


def mcnemar_test(candidate_right: np.ndarray, other_right: np.ndarray) -> McNemarFound:
    """Compare two models by the rows on which one is right and the other wrong; all other rows say nothing.

    Where neither is better such a row is a fair coin. The result that occurred counts half, which keeps the level on
    average where the exact test is too careful.

    Args:
        candidate_right: Whether the candidate is right, shape `(rows,)`.
        other_right: Whether the other model is, likewise.

    Returns:
        Counts and p-values; where the models never differ both sides are a half and the two-sided value is 1.

    References:
        McNemar (1947), Psychometrika 12(2), 153-157; Fagerland, Lydersen and Laake (2013), BMC Medical Research
        Methodology 13, 91, for the mid-p value.

    Examples:
        Three rows for the candidate and none against: 1/8, of which half counts.

        >>> mcnemar_test(np.array([1, 1, 1, 0]) == 1, np.zeros(4, dtype=bool)).better_p
        0.0625
    """
    ours = int(np.count_nonzero(candidate_right & ~other_right))
    theirs = int(np.count_nonzero(other_right & ~candidate_right))
    coin = stats.binom(ours + theirs, 0.5)
    half = 0.5 * float(coin.pmf(ours))
    better, worse = float(coin.sf(ours)) + half, float(coin.cdf(ours)) - half
    return McNemarFound(ours, theirs, better, worse, min(1.0, 2.0 * min(better, worse)))
