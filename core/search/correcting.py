"""What the best of many is worth on rows that did not choose it: the bootstrap bias corrected cross-validation."""

from __future__ import annotations

import numpy as np

from prefect_mlops.core.search.choosing import choose
from prefect_mlops.core.search.results import Estimate

__all__ = ["corrected_estimate", "standard_errors"]

MOST_UNITS = 5_000
"""More rows are put into so many random groups, which are drawn as wholes: a mean varies as much, and it costs less."""
FEWEST_UNITS = 20
"""Below so many independent rows, days or groups an interval would mean nothing."""


def corrected_estimate(
    worths: np.ndarray,
    *,
    higher_is_better: bool = True,
    blocks: np.ndarray | None = None,
    complexity: np.ndarray | None = None,
    draws: int = 1_000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """How good the chosen configuration is, without the optimism of having been chosen.

    Rows are drawn with replacement many times. In each draw the configuration is chosen anew on the rows drawn, by
    the same rule, and judged on those not drawn. The mean of these judgements is the estimate, their quantiles are
    the interval. Nothing is fitted again.

    Args:
        worths: What each out-of-fold row adds to each configuration's metric, so that a column's mean is its value:
            hits, losses, or a value plus its influence function. Shape `(rows, configurations)`, finite.
        higher_is_better: The metric's direction.
        blocks: A number per row, equal for rows that depend on each other; they are drawn together.
        complexity: Ranks of the configurations from the simplest, where the simplest within one standard error of the
            best is taken.
        draws: How often rows are drawn.
        seed: Of the drawing.
        level: The share of intervals that are to hold the truth.

    Returns:
        Value and interval; the interval is NaN for fewer than 20 independent rows or blocks.

    References:
        Tsamardinos, Greasidou and Borboudakis (2018), Machine Learning 107, 1895-1922.

    Examples:
        The best of 50 guessers of 400 coins looks good, and is not.

        >>> hits = np.random.default_rng(3).random((400, 50)) < 0.5
        >>> found = corrected_estimate(hits)
        >>> float(hits.mean(axis=0).max().round(3)), round(found.value, 2), found.low < 0.5 < found.high
        (0.572, 0.52, True)
    """
    rng = np.random.default_rng(seed)
    sign = 1.0 if higher_is_better else -1.0
    sums, counts = _units(np.asarray(worths), blocks, rng)
    sums = sign * sums
    units = len(counts)
    naive = sums.sum(axis=0) / counts.sum()
    errors = _errors(sums, counts)
    if units < FEWEST_UNITS:
        only = int(choose(naive[None], errors, complexity)[0])
        return Estimate(value=sign * float(naive[only]), low=float("nan"), high=float("nan"), level=level)
    drawn = np.empty((draws, units))
    for draw in range(draws):
        drawn[draw] = np.bincount(rng.integers(0, units, units), minlength=units)
    left = (drawn == 0).astype(np.float64)
    inside = (drawn @ sums) / (drawn @ counts)[:, None]
    outside = (left @ sums) / (left @ counts)[:, None]
    taken = choose(inside, errors, complexity)
    judged = sign * outside[np.arange(draws), taken]
    low, high = np.quantile(judged, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value=float(judged.mean()), low=float(low), high=float(high), level=level)


def standard_errors(worths: np.ndarray, blocks: np.ndarray | None = None) -> np.ndarray:
    """The standard error of each column's mean, where rows of one block may depend on each other.

    Args:
        worths: Shape `(rows, configurations)`.
        blocks: As in `corrected_estimate`.

    Returns:
        Shape `(configurations,)`; NaN for a single row or block.

    References:
        Liang and Zeger (1986), Biometrika 73(1), 13-22.

    Examples:
        Three of four right: the variance of a share is 0.75 * 0.25 / 3, its root a quarter.

        >>> standard_errors(np.array([[1.0], [1.0], [0.0], [1.0]])).tolist()
        [0.25]
    """
    worths = np.asarray(worths, dtype=np.float64)
    if blocks is None:
        return _errors(worths, np.ones(len(worths)))
    return _errors(*_summed(worths, np.unique(blocks, return_inverse=True)[1]))


def _errors(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    units, rows = len(counts), counts.sum()
    if units < 2:
        return np.full(sums.shape[1], np.nan)
    apart = sums - counts[:, None] * (sums.sum(axis=0) / rows)
    return np.asarray(np.sqrt(units / (units - 1) * (apart**2).sum(axis=0)) / rows)


def _units(worths: np.ndarray, blocks: np.ndarray | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sums and sizes of what is drawn as a whole: rows, blocks of rows that depend, or random groups of either."""
    rows = len(worths)
    codes = np.arange(rows) if blocks is None else np.unique(blocks, return_inverse=True)[1]
    units = int(codes.max()) + 1
    if units > MOST_UNITS:
        codes = (rng.permutation(units) % MOST_UNITS)[codes]
    elif blocks is None:
        return worths.astype(np.float64), np.ones(rows)
    return _summed(worths, codes)


def _summed(worths: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    units = int(codes.max()) + 1
    sums = np.stack([np.bincount(codes, weights=column, minlength=units) for column in worths.T], axis=1)
    return sums, np.bincount(codes, minlength=units).astype(np.float64)
