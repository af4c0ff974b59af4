"""How one configuration is judged: fitted on each fold's training rows, measured on the rows that it did not see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from prefect_mlops.core.errors import SpecError, SpecProblem, TrainingError
from prefect_mlops.core.evaluation import blocks_of
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.metrics.encoding import class_order, encode_predictions, encode_target
from prefect_mlops.core.search.parameters import with_parameters
from prefect_mlops.core.trainers.target import learnable_target

if TYPE_CHECKING:
    from pydantic import JsonValue

    from prefect_mlops.core.metrics import Metric
    from prefect_mlops.core.search.space import Search
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.splits import Fold

__all__ = ["FoldScore", "Judge", "folds_of", "search_of"]


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

    def __init__(self, spec: ModelSpec, rows: pd.DataFrame, folds: Sequence[Fold]) -> None:
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
        self.metric: Metric = metric_named(search_of(spec).metric, spec.target.problem, spec.purpose.costs)
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
        """What each judged row depends on, in the order of the folds: its group where a spec splits by group, its day.

        Returns:
            A number a row; None where each row stands by itself.

        Raises:
            DataError: The time column is not there or holds no times with a time zone.
        """
        split = self.spec.split
        found = pd.factorize(self.rows[split.group])[0] if split.kind == "by-group" else blocks_of(self.spec, self.rows)
        return None if found is None else found[np.concatenate([fold.judging for fold in self.folds])]


def folds_of(spec: ModelSpec, rows: pd.DataFrame) -> tuple[Fold, ...]:
    """The cross-validation of a search, of the same kind as the spec's split.

    Raises:
        SpecError: The spec asks for no search.
        DataError: The rows cannot be split so.
    """
    search = search_of(spec)
    seed = spec.seed if search.seed is None else search.seed
    return spec.split.folds(rows, key=spec.data.key, time=spec.data.time, count=search.folds, seed=seed)


def search_of(spec: ModelSpec) -> Search:
    """The search that a spec asks for.

    Raises:
        SpecError: It asks for none.
    """
    if spec.search is None:
        problem = SpecProblem("search", "is missing.", "Add it with a space, a metric and a budget.")
        raise SpecError(spec.name, (problem,))
    return spec.search
