"""How one configuration is judged: fitted on each fold's training rows, measured on the rows that it did not see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from prefect_mlops.core.errors import DataError, SpecError, SpecProblem, TrainingError
from prefect_mlops.core.evaluation import blocks_of
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.metrics.encoding import class_order, encode_predictions, encode_target
from prefect_mlops.core.search.parameters import with_parameters
from prefect_mlops.core.trainers.target import learnable_target

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import JsonValue

    from prefect_mlops.core.metrics import Metric
    from prefect_mlops.core.search.space import Search
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["FoldScore", "Judge", "folds_of", "search_of"]


class Positions(Protocol):
    """One fold: which rows it learns from and which it judges on, by position."""

    @property
    def training(self) -> np.ndarray:
        """Positions of the rows to learn from."""

    @property
    def judging(self) -> np.ndarray:
        """Positions of the rows to judge on."""


class FoldScore(NamedTuple):
    """One configuration on one fold.

    Attributes:
        value: The metric.
        worths: What each judged row adds to it: the value plus the row's influence, so that their mean is the value.
        said: Float32: the probability of each class but the first, or the value; shape `(rows, columns)`.
    """

    value: float
    worths: np.ndarray
    said: np.ndarray


class Judge:
    """Judges configurations of a spec's trainer by cross-validation on some rows."""

    def __init__(self, spec: ModelSpec, rows: pd.DataFrame, folds: Sequence[Positions]) -> None:
        """Look at the rows once.

        Args:
            spec: With a `search`.
            rows: Labelled rows to learn from.
            folds: A cross-validation of the split's kind.

        Raises:
            DataError: The target cannot be learned.
            PartError: The metric does not fit the problem.
        """
        self.spec, self.rows, self.folds = spec, rows, tuple(folds)
        self.metric: Metric = metric_named(search_of(spec).metric, spec.target.problem)
        learned = learnable_target(spec, rows)
        self.order = (
            class_order(spec, tuple(sorted(set(learned.tolist())))) if spec.target.problem != "regression" else ()
        )
        self.target = encode_target(rows[spec.target.column], self.order)

    def scores(self, parameters: dict[str, JsonValue]) -> Iterator[FoldScore]:
        """Fit and measure one configuration, fold by fold.

        Args:
            parameters: The configuration.

        Raises:
            TrainingError: The trainer failed, or the metric is no number.
            DataError: The rows of a fold cannot be learned from, or a prediction is missing.
            PartError: The trainer's class cannot be used.
        """
        spec = self.spec.model_copy(update={"trainer": with_parameters(self.spec.trainer, parameters)})
        trainer = spec.resolved_trainer()
        for number, fold in enumerate(self.folds, start=1):
            model = trainer.fit(spec, self.rows.iloc[fold.training])
            told = model.predict(self.rows.iloc[fold.judging])
            predictions = encode_predictions(told, model.classes, self.order)
            y = self.target[fold.judging]
            value = float(self.metric.value(y, predictions))
            worths = value + self.metric.influence(y, predictions)
            if not (np.isfinite(value) and np.isfinite(worths).all()):
                told_by = f"{self.metric.name} is no number on the {len(y):,} judging rows of fold {number}"
                raise TrainingError(getattr(trainer, "estimator", trainer.kind), told_by)
            said = (
                predictions.labels[:, None] if predictions.probabilities is None else predictions.probabilities[:, 1:]
            )
            yield FoldScore(value, worths.astype(np.float32), said.astype(np.float32))

    def blocks(self) -> np.ndarray | None:
        """The day of each judged row, in the order of the folds; None where rows have no time.

        Raises:
            DataError: The time column is not there or holds no times with a time zone.
        """
        days = blocks_of(self.spec, self.rows)
        return None if days is None else days[np.concatenate([fold.judging for fold in self.folds])]

    def check(self) -> None:
        """Look whether every fold can be judged on at all.

        Raises:
            DataError: There are no folds, or one has no rows on a side.
        """
        if not self.folds or any(not len(fold.training) or not len(fold.judging) for fold in self.folds):
            raise DataError(
                f"{len(self.rows):,} training rows give no {search_of(self.spec).folds} folds with rows on both sides",
                "Search on more rows, or ask for fewer folds in search.folds",
            )


def folds_of(spec: ModelSpec, rows: pd.DataFrame) -> tuple[Positions, ...]:
    """The cross-validation of a search, of the same kind as the spec's split.

    Raises:
        SpecError: The spec asks for no search.
        DataError: The rows cannot be split so.
    """
    search = search_of(spec)
    seed = spec.seed if search.seed is None else search.seed
    make = getattr(spec.split, "folds", None) or partial(_folds, spec)
    folds: tuple[Positions, ...] = make(rows, key=spec.data.key, time=spec.data.time, count=search.folds, seed=seed)
    return folds


def search_of(spec: ModelSpec) -> Search:
    """The search that a spec asks for.

    Raises:
        SpecError: It asks for none.
    """
    if spec.search is None:
        problem = SpecProblem("search", "is missing.", "Add it with a space, a metric and a budget.")
        raise SpecError(spec.name, (problem,))
    return spec.search


class _Fold(NamedTuple):
    training: np.ndarray
    judging: np.ndarray


def _folds(
    spec: ModelSpec, rows: pd.DataFrame, *, key: Sequence[str], time: str | None, count: int, seed: int
) -> tuple[_Fold, ...]:
    """Each later part judged by the older ones where a spec splits by time; random parts otherwise."""
    del key
    if spec.split.kind == "by-time" and time is not None:
        places = np.asarray(rows[time].rank(method="min", pct=True)) * (count + 1)
        part = np.minimum(places.astype(np.int64), count)
        return tuple(_Fold(np.flatnonzero(part < fold), np.flatnonzero(part == fold)) for fold in range(1, count + 1))
    part = np.random.default_rng(seed).permutation(len(rows)) % count
    return tuple(_Fold(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(count))
