"""Metrics of regression problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.metrics.metric import Metric

if TYPE_CHECKING:
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["REGRESSION"]


def _squares(y: np.ndarray, predictions: Predictions) -> np.ndarray:
    return np.asarray((y - predictions.labels) ** 2)


def _distances(y: np.ndarray, predictions: Predictions) -> np.ndarray:
    return np.asarray(np.abs(y - predictions.labels))


def _rows(y: np.ndarray, _: Predictions) -> int:
    return len(y)


def _rmse(y: np.ndarray, predictions: Predictions) -> float:
    return float(np.sqrt(_squares(y, predictions).mean()))


def _rmse_influence(y: np.ndarray, predictions: Predictions) -> np.ndarray:
    squares = _squares(y, predictions)
    mean = squares.mean()
    return np.asarray((squares - mean) / (2.0 * np.sqrt(mean))) if mean > 0 else np.zeros(len(y))


def _r2(y: np.ndarray, predictions: Predictions) -> float:
    spread = np.var(y)
    return float(1.0 - _squares(y, predictions).mean() / spread) if spread > 0 else float("nan")


def _r2_influence(y: np.ndarray, predictions: Predictions) -> np.ndarray:
    """The delta method on both means of the ratio; the mean of `y` drops out, its derivative is zero."""
    spread = np.var(y)
    if spread == 0:
        return np.full(len(y), np.nan)
    squares = _squares(y, predictions)
    return np.asarray((squares.mean() / spread * (y - y.mean()) ** 2 - squares) / spread)


REGRESSION = (
    Metric(
        name="rmse",
        problems=("regression",),
        higher_is_better=False,
        value=_rmse,
        influence=_rmse_influence,
        rests_on=_rows,
    ),
    Metric(
        name="mae",
        problems=("regression",),
        higher_is_better=False,
        value=lambda y, predictions: float(_distances(y, predictions).mean()),
        influence=lambda y, predictions: _distances(y, predictions) - _distances(y, predictions).mean(),
        rests_on=_rows,
    ),
    Metric(
        name="r2",
        problems=("regression",),
        higher_is_better=True,
        value=_r2,
        influence=_r2_influence,
        rests_on=_rows,
    ),
)
