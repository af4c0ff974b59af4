"""Models beside each other on the same judging rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.evaluation import blocks_of, weights_of
from prefect_mlops.core.evidence import Comparison
from prefect_mlops.core.metrics import Metric, metric_named
from prefect_mlops.core.metrics.encoding import Label, class_order, encode_predictions, encode_target
from prefect_mlops.core.metrics.recorded import record_comparison

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.fitted import FittedModel, Predictions

__all__ = ["Judged", "compare_on", "judged_rows", "main_metric", "said_by"]


class Judged(NamedTuple):
    """Rows on which models are compared.

    Attributes:
        rows: With features, key, time and target.
        order: The classes; empty for regression.
        target: Encoded truth, shape `(rows,)`.
        blocks: The day of each row; None where rows have no time.
        weight: What each row counts; None where all count the same.
    """

    rows: pd.DataFrame
    order: tuple[Label, ...]
    target: np.ndarray
    blocks: np.ndarray | None
    weight: np.ndarray | None = None


def judged_rows(spec: ModelSpec, rows: pd.DataFrame, *classes: tuple[Label, ...]) -> Judged:
    """Make rows ready for comparisons.

    Args:
        spec: The model's spec.
        rows: The judging rows.
        *classes: The classes of every model that will be compared.

    Raises:
        DataError: There are no rows, a label is missing or unknown to every model, or a time is missing.
    """
    if rows.empty:
        raise DataError("There are no rows to judge on", "Wait for labels of newer rows, or split otherwise")
    order = class_order(spec, *classes)
    y = encode_target(rows[spec.target.column], order)
    return Judged(rows, order, y, blocks_of(spec, rows), weights_of(spec, rows))


def said_by(model: FittedModel, judged: Judged) -> Predictions:
    """What a model says of the rows, encoded.

    Raises:
        DataError: A feature cannot be used, or a prediction is missing.
    """
    return encode_predictions(model.predict(judged.rows), model.classes, judged.order)


def compare_on(
    judged: Judged,
    metric: Metric,
    candidate: Predictions,
    other: Predictions,
    against: Literal["champion", "baseline", "linear"],
) -> Comparison:
    """The paired difference of two models, NaN where the rows are too few for the metric."""
    return record_comparison(metric, judged.target, candidate, other, against, judged.blocks, judged.weight)


def main_metric(spec: ModelSpec, name: str = "") -> Metric:
    """The metric of a study: the one named, or the first that a gate of the spec looks at.

    Raises:
        PartError: It does not exist or does not fit the problem, or a gate cannot be made.
    """
    named = name or next(metric for gate in spec.resolved_gates() for metric in gate.metrics)
    return metric_named(named, spec.target.problem, spec.purpose.costs)
