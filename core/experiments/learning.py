"""The learning curve: what the spec's trainer reaches with fewer rows, and whether more of them would help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.errors import DataError, TrainingError
from prefect_mlops.core.evaluation import measurement_of
from prefect_mlops.core.experiments.intervals import interval
from prefect_mlops.core.experiments.records import LearningPoint
from prefect_mlops.core.gates.confidence import estimate_of
from prefect_mlops.core.studies.beside import compare_on, said_by

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.metrics import Metric
    from prefect_mlops.core.search.results import Estimate
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.studies.beside import Judged
    from prefect_mlops.core.trainers.fitted import FittedModel, Predictions

__all__ = ["learning_curve"]

MOST_ROWS = 50_000
SHARES = (0.1, 0.3, 1.0)


def learning_curve(
    spec: ModelSpec,
    training: pd.DataFrame,
    judged: Judged,
    metric: Metric,
    *,
    candidate: FittedModel | None = None,
    shares: Sequence[float] = SHARES,
) -> tuple[LearningPoint, ...]:
    """Fit the spec's trainer on growing parts of the training rows, each holding the one before.

    Args:
        spec: The model's spec.
        training: Training rows; at most 50,000, drawn by the spec's seed, stand for all of them.
        judged: The judging rows.
        metric: What to measure.
        candidate: The model that learned from all training rows, which saves the last fit where these are not more
            than 50,000.
        shares: Parts of those rows, rising, above 0 and at most 1.

    Returns:
        One entry a part. A part that cannot be learned from says why.

    Raises:
        DataError: The shares do not rise from above 0 to at most 1, or the judging rows cannot be used.
        PartError: The trainer cannot be made.
    """
    if not shares or list(shares) != sorted(set(shares)) or shares[0] <= 0 or shares[-1] > 1:
        raise DataError(f"{list(shares)} are no rising shares of rows", "Give shares above 0 and at most 1, rising")
    order = np.random.default_rng(spec.seed).permutation(len(training))[:MOST_ROWS]
    trainer = spec.resolved_trainer()
    points: list[LearningPoint] = []
    before: Predictions | None = None
    for share in shares:
        count = max(round(share * len(order)), 1)
        try:
            if candidate is not None and count == len(training):
                model = candidate
            else:
                # In the order of the table, which a time-honest inner split may rely on.
                model = trainer.fit(spec, training.iloc[np.sort(order[:count])])
            if not set(model.classes) <= set(judged.order):
                raise DataError("It says classes that the candidate does not know", "Train on rows of its classes")
        except (DataError, TrainingError) as error:
            points.append(LearningPoint(share=share, learned=count, reason=str(error)))
            continue
        said = said_by(model, judged)
        gain = None if before is None else _gain(judged, metric, said, before)
        points.append(LearningPoint(share=share, learned=count, value=_value(judged, metric, said), gain=gain))
        before = said
    return tuple(points)


def _value(judged: Judged, metric: Metric, said: Predictions) -> Estimate:
    found = measurement_of(metric, judged.target, said, judged.blocks, "candidate")
    return interval(estimate_of(found))


def _gain(judged: Judged, metric: Metric, said: Predictions, before: Predictions) -> Estimate:
    found = compare_on(judged, metric, said, before, "champion")
    return interval(estimate_of(found))
