"""Distances between two histograms over the same bins."""

from __future__ import annotations

import numpy as np

from prefect_mlops.core.errors import DataError

__all__ = ["kolmogorov_smirnov", "population_stability_index", "total_variation"]


def population_stability_index(reference: np.ndarray, recent: np.ndarray, prior: float = 0.5) -> float:
    """Symmetric divergence between two histograms over the same bins, in nats.

    Two samples of one distribution do not give 0 but about `(bins - 1) * (1 / rows + 1 / reference rows)`.

    Args:
        reference: Counts per bin, shape `(bins,)`.
        recent: Counts per bin of the recent window, same shape.
        prior: Pseudo-counts added to every bin, `0.5` by default (Jeffreys), so that an empty bin stays finite.

    Returns:
        At least 0; NaN where one side holds no rows; infinite with a prior of 0 and a bin empty on one side only.

    Raises:
        DataError: The two have different bins.

    References:
        Wu and Olson (2010), J. Oper. Res. Soc. 61(2), 179-190.

    Examples:
        Halves against quarters: 1/4 of the rows moved, so 1/4 ln(3) by hand.

        >>> half, quarter = np.array([50, 50]), np.array([75, 25])
        >>> round(population_stability_index(half, quarter, prior=0.0), 4)
        0.2747
    """
    _refuse_other_bins(reference, recent)
    if reference.sum() == 0 or recent.sum() == 0:
        return float("nan")
    was, now = _shares(reference + prior), _shares(recent + prior)
    occupied = (was > 0) | (now > 0)
    with np.errstate(divide="ignore"):
        return float(np.sum((now - was)[occupied] * (np.log(now[occupied]) - np.log(was[occupied]))))


def kolmogorov_smirnov(reference: np.ndarray, recent: np.ndarray) -> float:
    """Largest gap between two distribution functions at the edges of their common bins.

    A lower bound of the statistic over all values, and close to it with bins of equal reference counts.

    Args:
        reference: Counts per bin, shape `(bins,)`, bins in rising order.
        recent: Counts per bin of the recent window, same shape.

    Returns:
        Between 0 and 1; NaN where one side holds no rows.

    Raises:
        DataError: The two have different bins.

    Examples:
        Up to the first edge lie one half of the one and three quarters of the other.

        >>> kolmogorov_smirnov(np.array([50, 50]), np.array([75, 25]))
        0.25
    """
    _refuse_other_bins(reference, recent)
    if reference.sum() == 0 or recent.sum() == 0:
        return float("nan")
    return float(np.abs(_shares(reference).cumsum() - _shares(recent).cumsum()).max())


def total_variation(reference: np.ndarray, recent: np.ndarray) -> float:
    """Share of the rows that would have to change their bin to make two histograms equal.

    Args:
        reference: Counts per bin, shape `(bins,)`, in any order.
        recent: Counts per bin of the recent window, same shape.

    Returns:
        Between 0 and 1; NaN where one side holds no rows.

    Raises:
        DataError: The two have different bins.

    Examples:
        >>> total_variation(np.array([50, 50, 0]), np.array([50, 25, 25]))
        0.25
    """
    _refuse_other_bins(reference, recent)
    if reference.sum() == 0 or recent.sum() == 0:
        return float("nan")
    return float(np.abs(_shares(reference) - _shares(recent)).sum() / 2)


def _shares(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts / counts.sum())


def _refuse_other_bins(reference: np.ndarray, recent: np.ndarray) -> None:
    if reference.shape != recent.shape:
        raise DataError(
            f"The reference has {reference.shape} bins and the recent window {recent.shape}",
            "Count both over the same bins",
        )
