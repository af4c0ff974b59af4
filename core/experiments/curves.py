"""Points of the curves that show how a model tells classes apart, and whether its probabilities hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from prefect_mlops.core.experiments.intervals import LEVEL, interval, share_interval
from prefect_mlops.core.metrics import measure, metric_named
from prefect_mlops.core.metrics.measuring import rests_on_enough
from prefect_mlops.core.search.results import Estimate
from prefect_mlops.core.trainers.fitted import Predictions

if TYPE_CHECKING:
    from prefect_mlops.core.studies.beside import Judged

__all__ = ["Calibration", "Curve", "calibration", "precision_recall_curves", "roc_curves"]

MOST_CLASSES = 10
"""More classes than these make a picture that nobody reads."""
MOST_BINS, ROWS_A_BIN = 10, 20
NAN = float("nan")


class Curve(NamedTuple):
    """One line of a picture.

    Attributes:
        of: Whose it is: a model, or the class that is held against the rest.
        across: Shape `(points,)`: false positive rate, or recall.
        up: Shape `(points,)`: true positive rate, or precision.
        area: Under the curve, with its interval; average precision for precision and recall.
    """

    of: str
    across: np.ndarray
    up: np.ndarray
    area: Estimate


class Calibration(NamedTuple):
    """Rows binned by the chance that a model gave.

    Attributes:
        of: Whose it is.
        said: Mean chance given in each bin, shape `(bins,)`.
        seen: What came of it, one share a bin; the intervals hold for all bins together.
        rows: How many rows each bin holds.
    """

    of: str
    said: np.ndarray
    seen: tuple[Estimate, ...]
    rows: np.ndarray

    @property
    def missed(self) -> int:
        """Bins whose chance lies outside their interval: more than none is proof that the chances do not hold."""
        pairs = zip(self.said, self.seen, strict=True)
        return sum(bool(chance < share.low or chance > share.high) for chance, share in pairs)


def roc_curves(judged: Judged, predictions: Predictions, of: str = "candidate") -> tuple[Curve, ...]:
    """True against false positives at every threshold, equal to scikit-learn's `roc_curve` with no point dropped.

    Args:
        judged: The judging rows.
        predictions: Encoded predictions with probabilities.
        of: Whose they are; with more than two classes a curve is named by its class.

    Returns:
        One curve for two classes, for more one a class (the ten with the most rows), each against the rest. A class
        that no row or every row has gives none.
    """
    return tuple(_roc(*side, judged.blocks) for side in _sides(judged, predictions, of))


def precision_recall_curves(judged: Judged, predictions: Predictions, of: str = "candidate") -> tuple[Curve, ...]:
    """Precision against recall at every threshold, equal to scikit-learn's `precision_recall_curve`.

    Args:
        judged: The judging rows.
        predictions: Encoded predictions with probabilities.
        of: Whose they are, as in `roc_curves`.

    Returns:
        As `roc_curves`; it starts at recall 0 and precision 1, which no threshold gives.
    """
    return tuple(_precision_recall(*side, judged.blocks) for side in _sides(judged, predictions, of))


def calibration(judged: Judged, predictions: Predictions, of: str = "candidate") -> Calibration | None:
    """What came of the chances that a model gave, in at most ten bins of about equally many rows.

    Two classes: the chance of the positive one. More classes: the chance of the class that the model holds likeliest,
    against how often it was that class.

    Args:
        judged: The judging rows.
        predictions: Encoded predictions with probabilities.
        of: Whose they are.

    Returns:
        None with fewer than 20 rows or without probabilities.
    """
    told = predictions.probabilities
    if told is None or len(told) < ROWS_A_BIN:
        return None
    if len(judged.order) == 2:
        chances, came = told[:, 1], judged.target == 1
    else:
        likeliest = told.argmax(axis=1)
        chances, came = told[np.arange(len(told)), likeliest], judged.target == likeliest
    count = min(MOST_BINS, len(told) // ROWS_A_BIN)
    inner = np.unique(np.quantile(chances, np.arange(1, count) / count))
    _, place = np.unique(np.searchsorted(inner, chances, side="left"), return_inverse=True)
    bins = range(int(place.max()) + 1)
    level = 1 - (1 - LEVEL) / len(bins)
    seen = []
    for number in bins:
        inside = place == number
        days = None if judged.blocks is None else judged.blocks[inside]
        seen.append(share_interval(came[inside].astype(np.float64), days, level))
    rows = np.bincount(place)
    return Calibration(of, np.bincount(place, weights=chances) / rows, tuple(seen), rows)


def _sides(judged: Judged, predictions: Predictions, of: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """For each class that is held against the rest: its name, whether each row has it, and the chance it was given."""
    told = predictions.probabilities
    if told is None:
        return []
    if len(judged.order) == 2:
        sides = [(of, judged.target == 1, told[:, 1])]
    else:
        counts = np.bincount(judged.target, minlength=len(judged.order))
        common = sorted(np.argsort(-counts, kind="stable")[:MOST_CLASSES].tolist())
        sides = [(str(judged.order[index]), judged.target == index, told[:, index]) for index in common]
    return [side for side in sides if 0 < side[1].sum() < len(side[1])]


def _roc(of: str, positive: np.ndarray, scores: np.ndarray, blocks: np.ndarray | None) -> Curve:
    hits, false = _counted(positive, scores)
    across = np.concatenate([[0.0], false / false[-1]])
    up = np.concatenate([[0.0], hits / hits[-1]])
    return Curve(of, across, up, _area("roc_auc", positive, scores, blocks))


def _precision_recall(of: str, positive: np.ndarray, scores: np.ndarray, blocks: np.ndarray | None) -> Curve:
    hits, false = _counted(positive, scores)
    across = np.concatenate([[0.0], hits / hits[-1]])
    up = np.concatenate([[1.0], hits / (hits + false)])
    return Curve(of, across, up, _area("average_precision", positive, scores, blocks))


def _counted(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positive and negative rows at or above each score that occurs, from the highest score."""
    _, place = np.unique(-scores, return_inverse=True)
    hits = np.bincount(place, weights=positive)
    return hits.cumsum(), (np.bincount(place) - hits).cumsum()


def _area(
    name: Literal["roc_auc", "average_precision"],
    positive: np.ndarray,
    scores: np.ndarray,
    blocks: np.ndarray | None,
) -> Estimate:
    metric = metric_named(name, "binary")
    y = positive.astype(np.int64)
    said = Predictions((scores >= 0.5).astype(np.int64), np.stack([1 - scores, scores], axis=1))
    if not rests_on_enough(metric, y, said):
        return Estimate(value=float(metric.value(y, said)), low=NAN, high=NAN)
    return interval(measure(metric, y, said, blocks))
