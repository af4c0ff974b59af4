"""What a comparison can show before it is made: its power, and the rows that an effect takes."""

import math

__all__ = ["paired_power", "wagered_detectable", "wagered_rows"]

POWER = 0.80
START = 2.0
"""What spreading the capital over stakes and starts costs, in nats; 6,000 simulated lines of candidates gave it."""


def paired_power(effect: float, standard_error: float, degrees_of_freedom: int, confidence: float) -> float:
    """The chance that a one-sided paired test proves a distance from its bound that is really there.

    Args:
        effect: The distance, in the metric's unit.
        standard_error: Of the paired advantage on as many rows.
        degrees_of_freedom: Of that standard error, at least 1.
        confidence: One-sided, such as 0.95.

    Returns:
        From the non-central t distribution; 1 or 0 where the standard error is zero.

    Examples:
        2,000 rows of which 6% are right for one of two models only: the error is the root of 0.06 / 2,000, or 0.55
        points. Normal tails by hand: one point lies 0.18 errors beyond the 1.645 needed (57%), two points 2.01 (98%),
        half a point worse 2.56 short (0.5%).

        >>> error = (0.06 / 2000) ** 0.5
        >>> [round(paired_power(effect, error, 1999, 0.95), 2) for effect in (-0.005, 0.0, 0.01, 0.02)]
        [0.01, 0.05, 0.57, 0.98]
    """
    from scipy import stats

    if standard_error <= 0.0:
        return 1.0 if effect > 0 else 0.0
    quantile = float(stats.t.ppf(confidence, degrees_of_freedom))
    return float(stats.nct.sf(quantile, degrees_of_freedom, effect / standard_error))


def wagered_rows(effect: float, variance: float, level: float) -> int:
    """How many fresh rows take an e-value to `1 / level` in 80% of cases, where each candidate has an effect.

    The logarithm of the best stake's capital grows by `effect**2 / (2 variance)` a row and wanders by
    `effect / sqrt(variance)`; it must reach the logarithm of the bar, and what spreading the capital costs.

    Args:
        effect: Mean score of a row beyond the margin, as a share of the score's unit, above 0.
        variance: Mean squared score.
        level: Such as 0.05.

    Examples:
        One point at 6% discordant rows: (0.84 + sqrt(0.84**2 + 2 (ln 20 + 2)))**2 is 16.9, times 0.06 / 0.01**2.

        >>> wagered_rows(0.01, 0.06, 0.05)
        10149
    """
    return math.ceil(variance * (_distance(level) / effect) ** 2)


def wagered_detectable(rows: int, variance: float, level: float) -> float:
    """The effect that so many fresh rows take to `1 / level` in 80% of cases, as a share of the score's unit.

    Examples:
        >>> round(wagered_detectable(10149, 0.06, 0.05), 4)
        0.01
    """
    return _distance(level) * math.sqrt(variance / rows)


def _distance(level: float) -> float:
    """How many standard errors a mean score must lie above its margin."""
    from scipy import stats

    spare = float(stats.norm.ppf(POWER))
    return spare + math.sqrt(spare**2 + 2.0 * (math.log(1.0 / level) + START))
