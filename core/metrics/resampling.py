"""Bootstrap intervals of any metric: rows, cells of equal rows, whole blocks, or influence values drawn anew.

Gates take the closed forms of `core.gates.confidence`, whose coverage `benchmarks/coverage.py` shows. This is the
other way to the same ends: it checks them, and serves a metric for which there is reason to doubt them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy import special

from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.sampling import drawn

if TYPE_CHECKING:
    from prefect_mlops.core.metrics.metric import Metric
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["MOST_ROWS", "Resampled", "resample"]

MOST_ROWS = 100_000
"""Above so many rows cells or influence values are drawn: as good, and a hundred times cheaper."""
MOST_CELLS = 2_000
Of = Literal["rows", "cells", "blocks", "influence values"]
NAN = float("nan")


class Resampled(NamedTuple):
    """A value with its bootstrap interval.

    Attributes:
        value: The metric.
        low: Lower end; NaN where more than one draw of a hundred had no value.
        high: Upper end, likewise.
        of: What was drawn.
    """

    value: float
    low: float
    high: float
    of: Of


class _Draws(NamedTuple):
    """The metric in each draw and its standard error there, each shape `(draws,)`."""

    values: np.ndarray
    errors: np.ndarray
    of: Of


def resample(
    metric: Metric,
    y: np.ndarray,
    predictions: Predictions,
    *,
    method: Literal["bca", "studentised"] = "bca",
    level: float = 0.95,
    draws: int = 2_000,
    seed: int = 0,
    blocks: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    most_rows: int = MOST_ROWS,
) -> Resampled:
    """A two-sided interval from drawing with replacement.

    Args:
        metric: What to measure.
        y: Encoded truth, shape `(rows,)`.
        predictions: Encoded predictions.
        method: Bias-corrected and accelerated quantiles, or quantiles of Student's t in each draw (on the logit scale
            where the metric's bounds are found there).
        level: The share of intervals that hold the truth.
        draws: How often all rows are drawn.
        seed: Of the drawing.
        blocks: A number a row, equal for rows that depend on each other: blocks are drawn whole.
        weight: What each row counts.
        most_rows: With more rows, cells of equal rows are drawn, or influence values where most rows differ.

    Raises:
        DataError: A weight is negative or no number.
        PartError: A metric of somebody else's failed, or gave no number.

    References:
        Efron (1987), Journal of the American Statistical Association 82(397), 171-185, for BCa; Hall (1988), Annals
        of Statistics 16(3), 927-953, for both.

    Examples:
        >>> from prefect_mlops.core.metrics import metric_named
        >>> from prefect_mlops.core.trainers.fitted import Predictions
        >>> y = np.random.default_rng(0).normal(size=400)
        >>> found = resample(metric_named("mae", "regression"), y, Predictions(np.zeros(400), None))
        >>> found.low < 0.798 < found.high, found.of
        (True, 'rows')
    """
    rows = Answered(y, predictions, weight, blocks)
    whole = drawn(metric, rows)
    if not np.isfinite(whole.value) or not np.isfinite(whole.influence).all():
        return Resampled(whole.value, NAN, NAN, "rows")
    sums = whole.influence
    if rows.blocks is not None:
        sums = np.bincount(np.unique(rows.blocks, return_inverse=True)[1], weights=whole.influence)
    error = float(np.sqrt(sums @ sums)) / len(rows)
    chance = np.random.default_rng(seed)
    found = _drawn(metric, rows, sums, whole.value, draws, chance, most_rows, with_errors=method == "studentised")
    values, errors = found.values, found.errors
    kept = np.isfinite(values) & (np.isfinite(errors) & (errors > 0) if method == "studentised" else True)
    if kept.mean() < 0.99 or error == 0:
        ends = (whole.value, whole.value) if error == 0 else (NAN, NAN)
        return Resampled(whole.value, *ends, found.of)
    tails = np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    if method == "studentised":
        logit = metric.scale != "identity" and 0.0 < whole.value < 1.0
        low, high = _studentised(whole.value, error, values[kept], errors[kept], tails, logit=logit)
    else:
        low, high = _accelerated(whole.value, sums, values[kept], tails)
    return Resampled(whole.value, low, high, found.of)


def _accelerated(value: float, sums: np.ndarray, values: np.ndarray, tails: np.ndarray) -> tuple[float, float]:
    below = (np.count_nonzero(values < value) + 0.5 * np.count_nonzero(values == value)) / len(values)
    shift = float(special.ndtri(np.clip(below, 0.5 / len(values), 1.0 - 0.5 / len(values))))
    acceleration = float(np.sum(sums**3)) / (6.0 * float(sums @ sums) ** 1.5)
    moved = shift + special.ndtri(tails)
    low, high = np.quantile(values, special.ndtr(shift + moved / (1.0 - acceleration * moved)))
    return float(low), float(high)


def _studentised(
    value: float, error: float, values: np.ndarray, errors: np.ndarray, tails: np.ndarray, *, logit: bool
) -> tuple[float, float]:
    if not logit:
        low, high = np.quantile((values - value) / errors, tails)
        return value - float(high) * error, value - float(low) * error
    inside = (values > 0) & (values < 1)
    middle, width = special.logit(value), error / (value * (1.0 - value))
    widths = errors[inside] / (values[inside] * (1.0 - values[inside]))
    low, high = np.quantile((special.logit(values[inside]) - middle) / widths, tails)
    return float(special.expit(middle - high * width)), float(special.expit(middle - low * width))


def _drawn(
    metric: Metric,
    rows: Answered,
    sums: np.ndarray,
    value: float,
    draws: int,
    chance: np.random.Generator,
    most_rows: int,
    *,
    with_errors: bool,
) -> _Draws:
    if len(rows) <= most_rows:
        codes = None if rows.blocks is None else np.unique(rows.blocks, return_inverse=True)[1]
        units = len(rows) if codes is None else int(codes.max()) + 1
        counts = (np.bincount(chance.integers(0, units, units), minlength=units) for _ in range(draws))
        of: Of = "rows" if codes is None else "blocks"
        return _of_counts(metric, rows, codes, counts, draws, of, with_errors=with_errors)
    cells = _cells(rows) if rows.blocks is None else None
    if cells is not None:
        few, held = cells
        # A draw's count of a cell, beside what the cell counts already.
        counts = (chance.multinomial(len(rows), held / len(rows)) / held for _ in range(draws))
        return _of_counts(metric, few, None, counts, draws, "cells", with_errors=with_errors, held=held)
    return _of_influence(sums, len(rows), value, draws, chance)


def _of_counts(
    metric: Metric,
    rows: Answered,
    codes: np.ndarray | None,
    counts: Iterator[np.ndarray],
    draws: int,
    of: Of,
    *,
    with_errors: bool,
    held: np.ndarray | None = None,
) -> _Draws:
    """How often each unit was drawn, as weights: a row drawn twice weighs twice."""
    values, errors = np.full(draws, NAN), np.full(draws, NAN)
    if metric.scale == "logit":
        # Sorted once for all draws.
        _ = rows.ranking if rows.probabilities is not None else None
    for number, times in enumerate(counts):
        found = metric.sample(rows.reweighted((times if codes is None else times[codes]).astype(np.float64)))
        values[number] = found.value
        if with_errors:
            sums = found.influence() if codes is None else np.bincount(codes, weights=found.influence())
            copies = times if held is None else times * held
            whole = copies.sum() if codes is None else len(rows)
            scale = whole / len(sums) if codes is None else 1.0
            taken = copies > 0
            errors[number] = scale * np.sqrt(np.sum(sums[taken] ** 2 / copies[taken])) / whole
    return _Draws(values, errors, of)


def _cells(rows: Answered) -> tuple[Answered, np.ndarray] | None:
    """One row for all that are equal, and how many they are; None where most differ."""
    columns = [rows.y, rows.labels]
    columns += [] if rows.probabilities is None else list(rows.probabilities.T)
    columns += [] if rows.weight is None else [rows.weight]
    codes = np.zeros(len(rows), dtype=np.int64)
    for column in columns:
        if len(np.unique(column[:MOST_ROWS])) > MOST_CELLS:
            return None
        kinds, own = np.unique(column, return_inverse=True)
        codes = np.unique(codes * len(kinds) + own, return_inverse=True)[1]
        if int(codes.max()) >= MOST_CELLS:
            return None
    _, first, held = np.unique(codes, return_index=True, return_counts=True)
    few = rows.only(first)
    few.weight = held * (1.0 if few.weight is None else few.weight)
    return few, held


def _of_influence(sums: np.ndarray, rows: int, value: float, draws: int, chance: np.random.Generator) -> _Draws:
    """Draws of the value's linear part; many influences in cells of near ones, with what varies within them."""
    if len(sums) <= MOST_CELLS:
        held, means, spread = np.ones(len(sums), dtype=np.int64), sums, np.zeros(len(sums))
    else:
        parts = np.array_split(np.sort(sums), MOST_CELLS)
        held = np.array([len(part) for part in parts])
        means, spread = np.array([part.mean() for part in parts]), np.array([part.var() for part in parts])
    times = chance.multinomial(len(sums), held / len(sums), size=draws)
    totals = times @ means + np.sqrt(times @ spread) * chance.standard_normal(draws)
    centred = times @ (means**2 + spread) - totals**2 / len(sums)
    return _Draws(value + totals / rows, np.sqrt(np.maximum(centred, 0.0)) / rows, "influence values")
