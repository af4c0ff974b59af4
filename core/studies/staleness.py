"""Staleness: the model of each past month on every later month, and how often it is worth training again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.errors import DataError, TrainingError
from prefect_mlops.core.evaluation import measurement_of
from prefect_mlops.core.gates.confidence import Estimate, confidence_bounds
from prefect_mlops.core.metrics.measuring import MINIMUM_ROWS
from prefect_mlops.core.splits.checks import dated
from prefect_mlops.core.studies.beside import judged_rows, main_metric, said_by
from prefect_mlops.core.studies.records import Ageing, Score, Staleness
from prefect_mlops.core.trainers.target import learnable_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from prefect_mlops.core.evidence import Measurement
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["decay_of", "replay", "rhythm_of"]

NAN = float("nan")


def replay(
    spec: ModelSpec,
    rows: pd.DataFrame,
    *,
    tolerance: float,
    metric: str = "",
    window_months: int | None = None,
    confidence: float = 0.95,
) -> Staleness:
    """Train a model at the end of every month and score it on every later month: one fit a month.

    An old model is held against the fresh one on the same rows, so that a month that is hard for every model does not
    look like age. Where a model learns from all months before, an older one also learned from less: that too is a cost
    of not training. Every rhythm that is told rests on the months that there are: a year shows each season once.

    Args:
        spec: The model's spec with data.time.
        rows: Labelled rows of at least three calendar months (UTC), in any order.
        tolerance: The loss of the metric, in its own unit, that the caller can live with.
        metric: What to measure; by default the first metric that a gate names.
        window_months: How many months a model learns from; all before by default.
        confidence: Of each one-sided bound.

    Raises:
        DataError: No time column, times without a zone, a missing label, or fewer than three months.
        PartError: The metric or the trainer cannot be used.
        TrainingError: No month could be learned from.
    """
    if spec.data.time is None:
        raise DataError("A replay of months needs a time column", "Name it as data.time in the spec")
    measure = main_metric(spec, metric)
    months, month = _months(dated(rows, spec.data.time))
    if len(months) < 3:
        raise DataError(f"The rows hold {len(months)} months, and a replay needs three", "Load more history")
    classes = () if spec.target.problem == "regression" else tuple(np.unique(learnable_target(spec, rows)).tolist())
    counts = np.bincount(month, minlength=len(months))
    judged = {
        place: judged_rows(spec, rows[month == place], classes)
        for place in range(1, len(months))
        if counts[place] >= MINIMUM_ROWS
    }
    scores: list[Score] = []
    skipped = [
        f"{name}: {count:,} rows are too few to score on"
        for name, count in zip(months[1:], counts[1:], strict=True)
        if count < MINIMUM_ROWS
    ]
    trainer = spec.resolved_trainer()
    # A window that is shorter than the others' would be taken for age, so the first months train nothing.
    for place in range((window_months or 1) - 1, max(judged, default=0)):
        first = 0 if window_months is None else place - window_months + 1
        try:
            model = trainer.fit(spec, rows[(month >= first) & (month <= place)])
        except (DataError, TrainingError) as error:
            skipped.append(f"{months[place]}: {error}")
            continue
        for later, there in judged.items():
            if later > place:
                found = measurement_of(measure, there.target, said_by(model, there), there.blocks, "candidate")
                scores.append(_score(months[place], months[later], later - place, found))
    unmeasured = {score.scored: score.rows for score in scores if not math.isfinite(score.value)}
    skipped += [f"{name}: {count:,} rows hold too few of a class to score on" for name, count in unmeasured.items()]
    scores = [score for score in scores if math.isfinite(score.value)]
    if not scores:
        estimator = getattr(trainer, "estimator", trainer.kind)
        raise TrainingError(
            estimator, f"no month could be learned from: {'; '.join(skipped)[:400] or 'none holds enough rows'}"
        )
    curve = decay_of(scores, higher_is_better=measure.higher_is_better, confidence=confidence)
    rhythm, exceeded = rhythm_of(curve, tolerance, confidence)
    return Staleness(
        model=spec.name,
        metric=measure.name,
        tolerance=tolerance,
        confidence=confidence,
        window_months=window_months,
        scores=tuple(scores),
        curve=curve,
        rhythm_months=rhythm,
        exceeded_months=exceeded,
        skipped=tuple(skipped),
    )


def decay_of(scores: Iterable[Score], *, higher_is_better: bool, confidence: float) -> tuple[Ageing, ...]:
    """What each age costs against a fresh model on the same month, with bounds from the spread of the months.

    At one age every month has a model of its own, and months are the units: days of one month share its weather and
    its holidays, so their number would promise more than it holds. Student's t over the months' losses.

    Args:
        scores: Every model on every later month.
        higher_is_better: The metric's direction.
        confidence: Of each one-sided bound.

    Returns:
        One entry an age, from 1, whose loss is zero by definition.

    Examples:
        Two months, at two months' age 0.02 and 0.04 worse than the fresh model: 0.03 in the mean, its error 0.01.

        >>> told = [("a", "b", 1, 0.8), ("a", "c", 2, 0.75), ("b", "c", 1, 0.77), ("b", "d", 2, 0.66)]
        >>> told += [("c", "d", 1, 0.70)]
        >>> keys = ("trained", "scored", "age", "value")
        >>> scores = [Score(**dict(zip(keys, one)), standard_error=0.01, rows=500) for one in told]
        >>> aged = decay_of(scores, higher_is_better=True, confidence=0.95)[1]
        >>> aged.months, round(aged.loss, 3), round(aged.standard_error, 3)
        (2, 0.03, 0.01)
    """
    known = [score for score in scores if math.isfinite(score.value)]
    fresh = {score.scored: score.value for score in known if score.age == 1}
    sign = 1.0 if higher_is_better else -1.0
    losses: dict[int, list[float]] = {}
    for score in known:
        if score.scored in fresh:
            losses.setdefault(score.age, []).append(sign * (fresh[score.scored] - score.value))
    return tuple(_ageing(age, np.asarray(losses[age]), confidence) for age in sorted(losses))


def rhythm_of(curve: Sequence[Ageing], tolerance: float, confidence: float) -> tuple[int, int | None]:
    """The largest age up to which every upper bound lies within the tolerance, and the first age proved to exceed it.

    Ages are tested in their order and the first that fails ends it, so an age whose true loss exceeds the tolerance
    is within the rhythm in at most `1 - confidence` of cases, however many ages there are (Maurer, Hothorn and
    Lehmacher 1995). An age is proved to exceed it when its lower bound, corrected for all ages, lies above.

    Args:
        curve: As `decay_of` gives it.
        tolerance: The loss that the caller can live with.
        confidence: That of the curve's bounds.

    Examples:
        >>> point = dict(months=9, standard_error=0.002)
        >>> curve = [Ageing(age=1, loss=0, low=0, high=0, **point)]
        >>> curve += [Ageing(age=2, loss=0.01, low=0.006, high=0.014, **point)]
        >>> [rhythm_of(curve, tolerance, 0.95) for tolerance in (0.02, 0.01, 0.004)]
        [(2, None), (1, None), (1, 2)]
    """
    bounded = [point for point in curve if point.age > 1 and math.isfinite(point.standard_error)]
    rhythm, exceeded = 1, None
    for point in curve:
        if point.age == 1:
            continue
        if not (point.age == rhythm + 1 and point.high <= tolerance):
            break
        rhythm = point.age
    for point in bounded:
        estimate = Estimate(point.loss, point.standard_error, point.months - 1, point.months)
        if confidence_bounds(estimate, 1.0 - (1.0 - confidence) / len(bounded))[0] > tolerance:
            exceeded = point.age
            break
    return rhythm, exceeded


def _score(trained: str, scored: str, age: int, found: Measurement) -> Score:
    return Score(
        trained=trained,
        scored=scored,
        age=age,
        value=found.value,
        standard_error=found.standard_error,
        rows=found.rows,
    )


def _ageing(age: int, losses: np.ndarray, confidence: float) -> Ageing:
    count, loss = len(losses), float(losses.mean())
    if age == 1:
        return Ageing(age=1, months=count, loss=0.0, standard_error=0.0, low=0.0, high=0.0)
    error = float(losses.std(ddof=1) / np.sqrt(count)) if count > 1 else NAN
    low, high = confidence_bounds(Estimate(loss, error, count - 1, count), confidence) if count > 1 else (NAN, NAN)
    return Ageing(age=age, months=count, loss=loss, standard_error=error, low=low, high=high)


def _months(times: pd.Series) -> tuple[list[str], np.ndarray]:
    """Every calendar month from the first to the last, and the place of each row's month among them."""
    utc = times.dt.tz_convert("UTC")
    number = utc.dt.year.to_numpy(dtype=np.int64) * 12 + utc.dt.month.to_numpy(dtype=np.int64) - 1
    first = int(number.min())
    names = [f"{one // 12:04d}-{one % 12 + 1:02d}" for one in range(first, int(number.max()) + 1)]
    return names, number - first
