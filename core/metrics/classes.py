"""Metrics of problems with classes, two or more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.metrics.metric import Metric
from prefect_mlops.core.metrics.ranking import area_influence, area_under_curve

if TYPE_CHECKING:
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["CLASSES"]


def _right(y: np.ndarray, predictions: Predictions) -> np.ndarray:
    return np.asarray(y == predictions.labels, dtype=np.float64)


def _log_loss(y: np.ndarray, predictions: Predictions) -> np.ndarray:
    if predictions.probabilities is None:
        return np.full(len(y), np.nan)
    told = predictions.probabilities[np.arange(len(y)), y]
    tiny = np.finfo(predictions.probabilities.dtype).eps
    return np.asarray(-np.log(np.clip(told, tiny, 1.0 - tiny)))


def _rows(y: np.ndarray, _: Predictions) -> int:
    return len(y)


def _rarest(y: np.ndarray, predictions: Predictions) -> int:
    known = 0 if predictions.probabilities is None else predictions.probabilities.shape[1]
    return int(np.bincount(y, minlength=known).min())


def _recalls(y: np.ndarray, predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Recall per class and rows per class; NaN and 0 for a class without rows."""
    counts = np.bincount(y)
    with np.errstate(invalid="ignore"):
        return np.bincount(y, weights=_right(y, predictions)) / counts, counts


def _balanced_accuracy(y: np.ndarray, predictions: Predictions) -> float:
    return float(np.nanmean(_recalls(y, predictions)[0]))


def _balanced_influence(y: np.ndarray, predictions: Predictions) -> np.ndarray:
    recalls, counts = _recalls(y, predictions)
    return np.asarray((_right(y, predictions) - recalls[y]) * len(y) / (counts[y] * np.count_nonzero(counts)))


def _areas(y: np.ndarray, predictions: Predictions) -> float:
    if predictions.probabilities is None:
        return float("nan")
    columns = predictions.probabilities.T
    return float(np.mean([area_under_curve(y == index, column) for index, column in enumerate(columns)]))


def _areas_influence(y: np.ndarray, predictions: Predictions) -> np.ndarray:
    if predictions.probabilities is None:
        return np.full(len(y), np.nan)
    columns = predictions.probabilities.T
    return np.asarray(np.mean([area_influence(y == index, column) for index, column in enumerate(columns)], axis=0))


CLASSES = (
    Metric(
        name="log_loss",
        problems=("binary", "multiclass"),
        higher_is_better=False,
        value=lambda y, predictions: float(_log_loss(y, predictions).mean()),
        influence=lambda y, predictions: _log_loss(y, predictions) - _log_loss(y, predictions).mean(),
        rests_on=_rows,
    ),
    Metric(
        name="accuracy",
        problems=("binary", "multiclass"),
        higher_is_better=True,
        value=lambda y, predictions: float(_right(y, predictions).mean()),
        influence=lambda y, predictions: _right(y, predictions) - _right(y, predictions).mean(),
        rests_on=_rows,
        scale="logit",
    ),
    Metric(
        name="balanced_accuracy",
        problems=("binary", "multiclass"),
        higher_is_better=True,
        value=_balanced_accuracy,
        influence=_balanced_influence,
        rests_on=_rarest,
        scale="logit",
    ),
    Metric(
        name="roc_auc_ovr_macro",
        problems=("multiclass",),
        higher_is_better=True,
        value=_areas,
        influence=_areas_influence,
        rests_on=_rarest,
        scale="logit",
    ),
)
