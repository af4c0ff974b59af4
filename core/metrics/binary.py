"""Metrics of binary problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.metrics.metric import Metric
from prefect_mlops.core.metrics.ranking import (
    area_influence,
    area_under_curve,
    average_precision,
    precision_influence,
)

if TYPE_CHECKING:
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["BINARY"]


def _score(predictions: Predictions) -> np.ndarray:
    if predictions.probabilities is None:
        return np.full(len(predictions.labels), np.nan)
    return np.asarray(predictions.probabilities[:, 1])


def _rarest(y: np.ndarray, _: Predictions) -> int:
    return int(np.bincount(y, minlength=2).min())


def _positives(y: np.ndarray, _: Predictions) -> int:
    return int(y.sum())


def _said_positive(_: np.ndarray, predictions: Predictions) -> int:
    return int(predictions.labels.sum())


def _rows(y: np.ndarray, _: Predictions) -> int:
    return len(y)


def _brier(y: np.ndarray, predictions: Predictions) -> np.ndarray:
    return np.asarray((_score(predictions) - y) ** 2)


def _hits(y: np.ndarray, predictions: Predictions) -> np.ndarray:
    return np.asarray(y * predictions.labels)


def _ratio(above: np.ndarray, below: np.ndarray) -> float:
    total = below.sum()
    return float(above.sum() / total) if total else float("nan")


def _ratio_influence(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Of a ratio of two sums, by the delta method."""
    mean = below.mean()
    return np.asarray((above - _ratio(above, below) * below) / mean) if mean else np.full(len(below), np.nan)


BINARY = (
    Metric(
        name="roc_auc",
        problems=("binary",),
        higher_is_better=True,
        value=lambda y, predictions: area_under_curve(y == 1, _score(predictions)),
        influence=lambda y, predictions: area_influence(y == 1, _score(predictions)),
        rests_on=_rarest,
        scale="logit",
    ),
    Metric(
        name="average_precision",
        problems=("binary",),
        higher_is_better=True,
        value=lambda y, predictions: average_precision(y == 1, _score(predictions)),
        influence=lambda y, predictions: precision_influence(y == 1, _score(predictions)),
        rests_on=_rarest,
        scale="logit",
    ),
    Metric(
        name="brier",
        problems=("binary",),
        higher_is_better=False,
        value=lambda y, predictions: float(_brier(y, predictions).mean()),
        influence=lambda y, predictions: _brier(y, predictions) - _brier(y, predictions).mean(),
        rests_on=_rows,
    ),
    Metric(
        name="f1",
        problems=("binary",),
        higher_is_better=True,
        value=lambda y, predictions: _ratio(2 * _hits(y, predictions), y + predictions.labels),
        influence=lambda y, predictions: _ratio_influence(2 * _hits(y, predictions), y + predictions.labels),
        rests_on=_positives,
        scale="logit",
    ),
    Metric(
        name="precision",
        problems=("binary",),
        higher_is_better=True,
        value=lambda y, predictions: _ratio(_hits(y, predictions), predictions.labels),
        influence=lambda y, predictions: _ratio_influence(_hits(y, predictions), predictions.labels),
        rests_on=_said_positive,
        scale="logit",
    ),
    Metric(
        name="recall",
        problems=("binary",),
        higher_is_better=True,
        value=lambda y, predictions: _ratio(_hits(y, predictions), y),
        influence=lambda y, predictions: _ratio_influence(_hits(y, predictions), y),
        rests_on=_positives,
        scale="logit",
    ),
)
