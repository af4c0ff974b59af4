"""Whether probabilities mean what they say: a test of that with a known level, and how far off they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from prefect_mlops.core.errors import DataError

__all__ = ["CalibrationBin", "CalibrationFound", "calibration_test", "squared_error"]

BINS = 10
LEAST_VARIANCE = 5.0
"""Bins are joined until their count of positives varies by so much, so that it is nearly normal."""
DRAWS, FEWEST_DRAWN = 20_000, 20


class CalibrationBin(NamedTuple):
    """Rows whose probabilities are near each other.

    Attributes:
        probability: Their mean probability.
        share: The share of them that is positive.
        rows: How many they are.
    """

    probability: float
    share: float
    rows: int


class CalibrationFound(NamedTuple):
    """What a test of calibration found.

    Attributes:
        p_value: Chance of such gaps, or larger ones, where every probability is true; NaN where there are too few
            rows of both classes to expect.
        squared_error: Mean squared gap between share and probability, without what chance adds; chance may take it
            below zero.
        bins: From the lowest probabilities to the highest.
    """

    p_value: float
    squared_error: float
    bins: tuple[CalibrationBin, ...]

    @property
    def error(self) -> float:
        """By how much probabilities are off, as a root mean square; 0 where chance explains every gap."""
        return float(np.sqrt(max(0.0, self.squared_error)))


def squared_error(y_positive: np.ndarray, probability: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Mean squared gap between share and probability over ten bins of equally many rows, without what chance adds.

    In each bin the gap is a mean of `y - p`, whose square is too large by the variance of that mean; it is taken off.

    Args:
        y_positive: Zeros and ones, shape `(rows,)`.
        probability: Of the positive class, shape `(rows,)`.
        weight: What each row counts; None where all count the same.

    Returns:
        At most 1, below zero where chance would have made larger gaps; NaN for fewer than two rows.

    References:
        Kumar, Liang and Ma (2019), Verified Uncertainty Calibration, NeurIPS 32; Ferro and Fricker (2012), Quarterly
        Journal of the Royal Meteorological Society 138(668), 1954-1960.

    Examples:
        Two bins' worth of rows in one place: gaps of -0.5, -0.5, 0.5, 0.5 have the mean 0, whose square by chance
        alone would be 1/4 / 3.

        >>> round(squared_error(np.array([0, 0, 1, 1]), np.full(4, 0.5)), 4)
        -0.0833
    """
    if len(y_positive) < 2:
        return float("nan")
    counted = np.ones(len(y_positive)) if weight is None else weight
    return _debiased(y_positive - probability, _bins(probability, BINS), counted, None)


def calibration_test(
    y_positive: np.ndarray,
    probability: np.ndarray,
    blocks: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    seed: int = 0,
) -> CalibrationFound:
    """Test "every probability is true" in two ways at once, with one p-value for both.

    One looks for a level or a spread that is wrong, as most miscalibrated models have: the score test of Cox's
    intercept and slope. The other compares counts and expectations in bins, and so finds what bends: Hosmer and
    Lemeshow's, against the probabilities themselves. Both are quadratic in the gaps `y - p`, whose variances the
    null hypothesis names, so that nothing is estimated; the smaller of their p-values is held against its own
    distribution, drawn from the normal limit of all gaps together. With blocks the variances come from sums over
    blocks, both become Hotelling's, and the smaller p-value is doubled.

    Args:
        y_positive: Zeros and ones, shape `(rows,)`.
        probability: Of the positive class, shape `(rows,)`, none missing.
        blocks: A number a row, equal for rows that depend on each other; None where none do.
        weight: What each row counts; None where all count the same.
        seed: Of the drawing.

    Returns:
        The p-value, the debiased squared error and the bins; a p-value of 0 where something happened that a
        probability of 0 or 1 rules out.

    Raises:
        DataError: A probability is missing or not between 0 and 1.

    References:
        Cox (1958), Biometrika 45(3/4), 562-565; Hosmer and Lemeshow (1980), Communications in Statistics 9(10),
        1043-1069; Spiegelhalter (1986), Statistics in Medicine 5(5), 421-433, for variances from the null.

    Examples:
        >>> chance = np.random.default_rng(1)
        >>> told = chance.random(2_000)
        >>> positive = (chance.random(2_000) < told).astype(int)
        >>> calibration_test(positive, told).p_value > 0.05, calibration_test(positive, told**2).p_value < 1e-4
        (True, True)
    """
    wrong = int(np.count_nonzero(~((probability >= 0) & (probability <= 1))))
    if wrong:
        raise DataError(
            f"{wrong:,} of {len(probability):,} probabilities are missing or not between 0 and 1",
            "Look at the rows they belong to; what is no probability cannot be calibrated",
        )
    if weight is not None and not weight.all():
        kept = weight > 0
        y_positive, probability, weight = y_positive[kept], probability[kept], weight[kept]
        blocks = None if blocks is None else blocks[kept]
    counted = np.ones(len(y_positive)) if weight is None else weight
    gaps = y_positive - probability
    variance = probability * (1.0 - probability)
    bins = _bins(probability, BINS)
    seen = tuple(
        CalibrationBin(
            float(np.average(probability[bins == one], weights=counted[bins == one])),
            float(np.average(y_positive[bins == one], weights=counted[bins == one])),
            int(np.count_nonzero(bins == one)),
        )
        for one in range(int(bins.max(initial=-1)) + 1)
    )
    found = CalibrationFound(float("nan"), _debiased(gaps, bins, counted, blocks), seen)
    if ((variance == 0) & (gaps != 0)).any():
        return found._replace(p_value=0.0)
    if variance.sum() < LEAST_VARIANCE:
        return found
    joined = _joined(bins, variance, LEAST_VARIANCE)
    if blocks is None:
        return found._replace(p_value=_p_value(gaps * counted, variance * counted**2, joined, probability, seed))
    return found._replace(p_value=_p_value_of_blocks(gaps * counted, joined, probability, blocks))


def _bins(probability: np.ndarray, count: int) -> np.ndarray:
    """The bin of each row: equally many rows each, equal probabilities together, numbered without gaps."""
    if not len(probability):
        return np.zeros(0, dtype=np.int64)
    cuts = np.unique(np.quantile(probability, np.linspace(0, 1, count + 1)[1:-1]))
    return np.asarray(np.unique(np.searchsorted(cuts, probability, side="right"), return_inverse=True)[1])


def _joined(bins: np.ndarray, variance: np.ndarray, least: float) -> np.ndarray:
    """Neighbouring bins together until each varies enough."""
    held = np.bincount(bins, weights=variance)
    number, sum_, group = 0, 0.0, np.zeros(len(held), dtype=np.int64)
    for one, more in enumerate(held):
        group[one], sum_ = number, sum_ + more
        if sum_ >= least:
            number, sum_ = number + 1, 0.0
    return np.asarray(np.minimum(group, max(number - 1, 0))[bins])


def _debiased(gaps: np.ndarray, bins: np.ndarray, counted: np.ndarray, blocks: np.ndarray | None) -> float:
    whole = np.bincount(bins, weights=counted)
    means = np.bincount(bins, weights=counted * gaps) / whole
    apart = counted * (gaps - means[bins]) / whole[bins]
    if blocks is None:
        squares, units = np.bincount(bins, weights=apart**2), np.bincount(bins)
    else:
        codes = np.unique(blocks, return_inverse=True)[1]
        count = int(codes.max()) + 1
        cells, cell = np.unique(bins * count + codes, return_inverse=True)
        squares = np.bincount(cells // count, weights=np.bincount(cell, weights=apart) ** 2)
        units = np.bincount(cells // count)
    chance = np.where(units > 1, squares * units / np.maximum(units - 1, 1), means**2)
    return float(whole @ (means**2 - chance) / whole.sum())


def _slopes(probability: np.ndarray) -> np.ndarray:
    """One, and the log odds where they are finite, shape `(2, rows)`."""
    held = np.clip(probability, 1e-12, 1.0 - 1e-12)
    return np.stack([np.ones(len(held)), np.log(held / (1.0 - held))])


def _p_value(gaps: np.ndarray, variance: np.ndarray, bins: np.ndarray, probability: np.ndarray, seed: int) -> float:
    """From variances that the null hypothesis names; bins are independent of each other."""
    basis = _slopes(probability)
    held = np.bincount(bins, weights=variance)
    crossed = np.stack([np.bincount(bins, weights=variance * row) for row in basis])
    whole = (basis * variance) @ basis.T
    lines, rank = np.linalg.pinv(whole, hermitian=True), int(np.linalg.matrix_rank(whole, hermitian=True))
    seen, along = np.bincount(bins, weights=gaps), basis @ gaps
    least = min(stats.chi2.sf(np.sum(seen**2 / held), len(held)), stats.chi2.sf(along @ lines @ along, rank))
    if least < FEWEST_DRAWN / DRAWS:
        # So far out draws are few; twice the smaller p-value is never too small.
        return float(min(1.0, 2.0 * least))
    # Given the bins' gaps, the level and slope are normal around what the bins say of them.
    values, vectors = np.linalg.eigh(whole - (crossed / held) @ crossed.T)
    chance = np.random.default_rng(seed)
    normal = chance.standard_normal((DRAWS, len(held)))
    lined = normal @ (crossed / np.sqrt(held)).T
    lined += chance.standard_normal((DRAWS, 2)) @ (vectors * np.sqrt(np.clip(values, 0.0, None))).T
    far = (normal**2).sum(axis=1) >= stats.chi2.isf(least, len(held))
    far |= ((lined @ lines) * lined).sum(axis=1) >= stats.chi2.isf(least, rank)
    return float((1 + np.count_nonzero(far)) / (1 + DRAWS))


def _p_value_of_blocks(gaps: np.ndarray, bins: np.ndarray, probability: np.ndarray, blocks: np.ndarray) -> float:
    codes = np.unique(blocks, return_inverse=True)[1]
    units = int(codes.max()) + 1
    few = min(int(bins.max()) + 1, max(1, units // 5))
    bins = bins * few // (int(bins.max()) + 1)
    in_bins = np.stack([np.bincount(codes, weights=gaps * (bins == one), minlength=units) for one in range(few)])
    lined = np.stack([np.bincount(codes, weights=gaps * row, minlength=units) for row in _slopes(probability)])
    found = [p_value for p_value in (_hotelling(in_bins), _hotelling(lined)) if np.isfinite(p_value)]
    return min(1.0, len(found) * min(found)) if found else float("nan")


def _hotelling(sums: np.ndarray) -> float:
    """That the mean over blocks is zero, shape `(numbers, blocks)`; NaN for too few blocks."""
    units = sums.shape[1]
    covariance = np.atleast_2d(np.cov(sums))
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if rank == 0 or units <= rank + 1:
        return float("nan")
    mean = sums.mean(axis=1)
    distance = units * float(mean @ np.linalg.pinv(covariance, hermitian=True) @ mean)
    return float(stats.f.sf(distance * (units - rank) / ((units - 1) * rank), rank, units - rank))
