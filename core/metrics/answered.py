"""The truth and what one model said of it, with the sums and the one sort that many metrics share."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.metrics.ranking import Ranking, ranking_of

if TYPE_CHECKING:
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["Answered"]


class Answered:
    """Rows that count, as metrics look at them; a row of weight zero does not count and is left out.

    Attributes:
        y: Encoded truth, shape `(rows,)`.
        labels: Encoded predictions, shape `(rows,)`.
        probabilities: Shape `(rows, classes)`; None where the model says none.
        weight: How much each row counts, all above zero; None where all count the same.
        blocks: A number a row, equal for rows that depend on each other; None where none do.
        kept: Which of the rows given count; None where all do.
    """

    def __init__(
        self,
        y: np.ndarray,
        predictions: Predictions,
        weight: np.ndarray | None = None,
        blocks: np.ndarray | None = None,
    ) -> None:
        """Look at some rows.

        Args:
            y: Encoded truth, shape `(rows,)`.
            predictions: Encoded predictions.
            weight: How much each row counts, zero or more.
            blocks: A number a row, equal for rows that depend on each other.

        Raises:
            DataError: A weight is negative, missing or infinite, or there is not one a row.

        Examples:
            >>> from prefect_mlops.core.trainers.fitted import Predictions
            >>> said = Predictions(np.array([1, 0, 1]), None)
            >>> Answered(np.array([1, 0, 0]), said, weight=np.array([2.0, 0.0, 1.0])).labels
            array([1, 1])
        """
        self.y, self.labels, self.probabilities, self.blocks = y, predictions.labels, predictions.probabilities, blocks
        self.weight = None if weight is None else _checked(weight, len(y))
        self.kept: np.ndarray | None = None
        if self.weight is not None and not self.weight.all():
            self.kept = self.weight > 0
            self.y, self.labels, self.weight = y[self.kept], self.labels[self.kept], self.weight[self.kept]
            self.probabilities = None if self.probabilities is None else self.probabilities[self.kept]
            self.blocks = None if blocks is None else blocks[self.kept]

    def __len__(self) -> int:
        """How many rows count."""
        return len(self.y)

    @cached_property
    def score(self) -> np.ndarray:
        """The chance of the positive class, shape `(rows,)`; NaN where the model says none."""
        if self.probabilities is None:
            return np.full(len(self), np.nan)
        return np.ascontiguousarray(self.probabilities[:, 1])

    @cached_property
    def ranking(self) -> Ranking:
        """The order of the scores."""
        return ranking_of(self.score)

    @cached_property
    def positive(self) -> np.ndarray:
        """Whether each row is truly positive."""
        return np.asarray(self.y == 1)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each row is told rightly."""
        return np.asarray(self.y == self.labels)

    @cached_property
    def whole(self) -> float:
        """What all rows count together."""
        return float(len(self)) if self.weight is None else float(self.weight.sum())

    @cached_property
    def classes(self) -> int:
        """How many classes are known: those of the probabilities, or as many as occur."""
        told = 0 if self.probabilities is None else self.probabilities.shape[1]
        seen = max(int(self.y.max()), int(self.labels.max())) + 1 if len(self) else 0
        return max(told, seen)

    @cached_property
    def counts(self) -> np.ndarray:
        """Rows of each true class, whatever they weigh, shape `(classes,)`."""
        return np.bincount(self.y, minlength=self.classes)

    def sum(self, values: np.ndarray) -> float:
        """The weighted sum of a number a row."""
        return float(values.sum() if self.weight is None else self.weight @ values)

    def mean(self, values: np.ndarray) -> float:
        """The weighted mean of a number a row; NaN for no rows."""
        return self.sum(values) / self.whole if len(self) else float("nan")

    def weighed(self, values: np.ndarray) -> np.ndarray:
        """Each row's number times what the row counts, where rows count 1 in the mean."""
        return values if self.weight is None else values * (self.weight * (len(self) / self.whole))

    def by_class(self, classes: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        """What the rows of each class count together, shape `(classes,)`.

        Args:
            classes: The class of each row: the true one or the one said.
            where: Only rows for which this holds.
        """
        weight = self.weight
        if where is not None:
            weight = where if weight is None else weight * where
        return np.bincount(classes, weights=weight, minlength=self.classes).astype(np.float64)

    def only(self, rows: np.ndarray) -> Answered:
        """Some of the rows.

        Args:
            rows: Their places.
        """
        other = Answered.__new__(Answered)
        other.y, other.labels, other.kept = self.y[rows], self.labels[rows], None
        other.probabilities = None if self.probabilities is None else self.probabilities[rows]
        other.weight = None if self.weight is None else self.weight[rows]
        other.blocks = None if self.blocks is None else self.blocks[rows]
        return other

    def at(self, threshold: float) -> Answered:
        """The same rows, positive where the score reaches a threshold."""
        other = self._copied("score", "ranking", "positive")
        other.labels = (self.score >= threshold).astype(np.int64)
        return other

    def reweighted(self, factor: np.ndarray) -> Answered:
        """The same rows, each counting so many times as much; what was sorted stays sorted.

        Args:
            factor: Shape `(rows,)`, zero or more.
        """
        other = self._copied("score", "ranking", "positive", "right", "classes", "counts")
        other.weight = factor if self.weight is None else self.weight * factor
        return other

    def _copied(self, *known: str) -> Answered:
        """The same rows, with what is already known of them."""
        other = Answered.__new__(Answered)
        for name in ("y", "labels", "probabilities", "weight", "blocks", "kept", *known):
            if name in self.__dict__:
                other.__dict__[name] = self.__dict__[name]
        return other


def _checked(weight: np.ndarray, rows: int) -> np.ndarray:
    weight = np.asarray(weight, dtype=np.float64)
    if weight.shape != (rows,):
        raise DataError(f"There are {rows:,} rows and weights of shape {weight.shape}", "Give one weight a row")
    wrong = int(np.count_nonzero(~(np.isfinite(weight) & (weight >= 0))))
    if wrong:
        raise DataError(
            f"{wrong:,} of {rows:,} weights are negative, missing or infinite; a weight says how much a row counts",
            "Correct the column of weights; 0 leaves a row out",
        )
    return weight
