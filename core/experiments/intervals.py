"""Two-sided intervals of values, of means of influence values, and of shares that come by the day."""

from __future__ import annotations

import math

import numpy as np

from prefect_mlops.core.evidence import Scale
from prefect_mlops.core.gates.confidence import Estimate as Measured
from prefect_mlops.core.gates.confidence import confidence_bounds
from prefect_mlops.core.search.correcting import standard_errors
from prefect_mlops.core.search.results import Estimate

__all__ = ["LEVEL", "from_influence", "interval", "share_interval"]

LEVEL = 0.95
NAN = float("nan")


def interval(measured: Measured, level: float = LEVEL) -> Estimate:
    """A value with its interval; NaN ends where value or error say nothing.

    Args:
        measured: As `measure`, `compare` and `estimate_of` give it.
        level: The share of intervals that hold the truth.

    Examples:
        With many degrees of freedom 1.96 standard errors to both sides.

        >>> found = interval(Measured(1.0, 0.1, 100_000, 100_001))
        >>> round(found.low, 3), round(found.high, 3)
        (0.804, 1.196)
    """
    value, freedom = measured.value, measured.degrees_of_freedom
    if not (math.isfinite(value) and math.isfinite(measured.standard_error)) or freedom < 1:
        return Estimate(value=value, low=NAN, high=NAN, level=level)
    low, high = confidence_bounds(measured, (1 + level) / 2)
    return Estimate(value=value, low=low, high=high, level=level)


def from_influence(
    value: float,
    influence: np.ndarray,
    blocks: np.ndarray | None,
    scale: Scale = "identity",
    level: float = LEVEL,
) -> Estimate:
    """A value whose sampling error is the mean of influence values, summed within blocks.

    Args:
        value: The value.
        influence: Shape `(rows,)`.
        blocks: A number a row, equal for rows that depend on each other; None where none do.
        scale: Where the interval is symmetric.
        level: The share of intervals that hold the truth.

    Examples:
        Three of four: the standard error is a quarter, and Student's t at 3 degrees of freedom 3.182.

        >>> found = from_influence(0.75, np.array([0.25, 0.25, -0.75, 0.25]), None)
        >>> round(found.low, 3), round(found.high, 3)
        (-0.046, 1.546)
    """
    units = len(influence) if blocks is None else len(np.unique(blocks))
    error = float(standard_errors(influence[:, None], blocks)[0]) if units > 1 else NAN
    return interval(Measured(value, error, units - 1, len(influence), scale), level)


def share_interval(hits: np.ndarray, blocks: np.ndarray | None = None, level: float = LEVEL) -> Estimate:
    """The share of hits with Wilson's interval, or the exact one where hits or misses are fewer than ten.

    Where the share varies more from block to block than chance explains, as many rows are counted as would vary so
    by chance, fewer still with few blocks, and never more than there are. Where nothing varies each block counts once.

    Args:
        hits: Zeros and ones, shape `(rows,)`, at least one.
        blocks: A number a row, equal for rows that depend on each other; None where none do.
        level: The share of intervals that hold the truth.

    References:
        Wilson (1927), Journal of the American Statistical Association 22(158), 209-212; Clopper and Pearson (1934),
        Biometrika 26(4), 404-413; Korn and Graubard (1998), Survey Methodology 24, 193-201, for blocks.

    Examples:
        Half of 100: z * z is 3.84, so the ends lie sqrt(1 / 103.84) * z / 2 from the middle. Ten of ten: the share
        that gives them in one case of forty is 0.025 ** (1 / 10).

        >>> found = share_interval(np.repeat([0.0, 1.0], 50))
        >>> round(found.low, 4), round(share_interval(np.ones(10)).low, 4)
        (0.4038, 0.6915)
    """
    share, rows, units = float(hits.mean()), len(hits), len(hits)
    counted, error = float(rows), 0.0
    if blocks is not None:
        units = len(np.unique(blocks))
        if units < 2:
            return Estimate(value=share, low=NAN, high=NAN, level=level)
        error = float(standard_errors(hits[:, None], blocks)[0])
        counted = min(counted, share * (1 - share) / error**2) if error > 0 else float(units)
    return interval(Measured(share, error, max(units - 1, 1), rows, "wilson", effective_rows=counted), level)
