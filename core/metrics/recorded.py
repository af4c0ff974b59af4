"""Metrics of several models on the same rows, written down as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prefect_mlops.core.evidence import Comparison, Measurement, Other, Subject
from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.measuring import MINIMUM_ROWS
from prefect_mlops.core.metrics.sampling import Drawn, compared, drawn, measured

if TYPE_CHECKING:
    import numpy as np

    from prefect_mlops.core.metrics.metric import Metric
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["record_all", "record_comparison", "record_measurement"]

NAN = float("nan")


def record_all(
    metrics: Iterable[Metric],
    y: np.ndarray,
    said: Mapping[Subject, Predictions],
    others: Iterable[Other] = (),
    blocks: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> tuple[tuple[Measurement, ...], tuple[Comparison, ...]]:
    """Every metric of every model, and the candidate's advantage over others; NaN where rows are too few for one.

    Each model's scores are sorted once, and each metric looks at each model once, whatever it is compared with.

    Args:
        metrics: What to measure.
        y: Encoded truth, shape `(rows,)`.
        said: Encoded predictions of each model.
        others: With which of them the candidate is compared.
        blocks: A number a row, equal for rows that depend on each other.
        weight: What each row counts.

    Raises:
        DataError: A weight is negative or no number.
        PartError: A metric of somebody else's failed, or gave no number.
    """
    answered = {subject: Answered(y, predictions, weight, blocks) for subject, predictions in said.items()}
    against = tuple(others)
    measurements, comparisons = [], []
    for metric in metrics:
        looks = {subject: _look(metric, rows) for subject, rows in answered.items()}
        for subject, rows in answered.items():
            measurements.append(_measurement(metric, rows, looks[subject], subject))
        for other in against:
            comparisons.append(_comparison(metric, looks["candidate"], looks[other], other, len(answered[other])))
    return tuple(measurements), tuple(comparisons)


def record_measurement(
    metric: Metric,
    y: np.ndarray,
    predictions: Predictions,
    subject: Subject,
    blocks: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Measurement:
    """One metric of one model; arguments and errors as in `record_all`."""
    rows = Answered(y, predictions, weight, blocks)
    return _measurement(metric, rows, _look(metric, rows), subject)


def record_comparison(
    metric: Metric,
    y: np.ndarray,
    candidate: Predictions,
    other: Predictions,
    against: Other,
    blocks: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Comparison:
    """One metric of the candidate beside another model; arguments and errors as in `record_all`."""
    one, two = (Answered(y, said, weight, blocks) for said in (candidate, other))
    return _comparison(metric, _look(metric, one), _look(metric, two), against, len(one))


def _look(metric: Metric, rows: Answered) -> Drawn | None:
    enough = len(rows) >= MINIMUM_ROWS and metric.rests(rows) >= MINIMUM_ROWS
    return drawn(metric, rows) if enough else None


def _measurement(metric: Metric, rows: Answered, look: Drawn | None, subject: Subject) -> Measurement:
    found = None if look is None else measured(metric, look)
    return Measurement(
        metric=metric.name,
        subject=subject,
        value=found.value if found else NAN,
        standard_error=found.standard_error if found else NAN,
        degrees_of_freedom=found.degrees_of_freedom if found else 0,
        higher_is_better=metric.higher_is_better,
        rows=len(rows),
        scale=metric.scale,
        skewness=found.skewness if found else 0.0,
        effective_rows=found.effective_rows if found else None,
    )


def _comparison(metric: Metric, one: Drawn | None, two: Drawn | None, against: Other, rows: int) -> Comparison:
    found = None if one is None or two is None else compared(metric, one, two)
    return Comparison(
        metric=metric.name,
        against=against,
        advantage=found.value if found else NAN,
        standard_error=found.standard_error if found else NAN,
        degrees_of_freedom=found.degrees_of_freedom if found else 0,
        rows=rows,
        skewness=found.skewness if found else 0.0,
    )
