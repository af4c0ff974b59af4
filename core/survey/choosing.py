"""Which trainer suits a table: a linear model, a forest and boosted trees, held against each other out of fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from prefect_mlops.core.errors import DataError, TrainingError
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.metrics.encoding import class_order, encode_predictions, encode_target
from prefect_mlops.core.trainers import SklearnTrainer

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["Choice", "choose_trainer", "main_metric_of", "trainers_for"]

FOLDS = 3
ROWS = 10_000
ROWS_A_TREE = 30_000
"""Trees of a boosted model that each learn from so many rows are as good and cost the same on any table."""


class Choice(NamedTuple):
    """The trainer chosen, and what each one reached.

    Attributes:
        trainer: The best of them.
        metric: What was compared.
        scores: Mean over the folds, by the estimator's name.
    """

    trainer: SklearnTrainer
    metric: str
    scores: dict[str, float]


def main_metric_of(problem: str) -> str:
    """The metric by which models of a problem are compared where nobody says another."""
    return {"binary": "roc_auc", "multiclass": "roc_auc_ovr_macro", "regression": "rmse"}[problem]


def trainers_for(problem: str, rows: int) -> tuple[SklearnTrainer, ...]:
    """The trainers to try, the simplest first; all of them convert to ONNX.

    Args:
        problem: The spec's.
        rows: How many rows there are to learn from.
    """
    kind = "Regressor" if problem == "regression" else "Classifier"
    share = round(min(0.5, ROWS_A_TREE / max(rows, 1)), 4)
    linear = (
        SklearnTrainer(estimator="sklearn.linear_model.Ridge", parameters={})
        if problem == "regression"
        else SklearnTrainer(estimator="sklearn.linear_model.LogisticRegression", parameters={"max_iter": 1000})
    )
    forest = {"n_estimators": 200, "min_samples_leaf": 2, "max_samples": share if rows > ROWS_A_TREE else None}
    boosted = {"n_estimators": 300, "learning_rate": 0.06, "max_depth": 4, "subsample": share}
    return (
        linear,
        SklearnTrainer(
            estimator=f"sklearn.ensemble.RandomForest{kind}",
            parameters={name: value for name, value in forest.items() if value is not None},
        ),
        SklearnTrainer(estimator=f"sklearn.ensemble.GradientBoosting{kind}", parameters=boosted),
        SklearnTrainer(
            estimator=f"sklearn.ensemble.GradientBoosting{kind}",
            parameters={**boosted, "max_depth": 7, "min_samples_leaf": 20, "max_features": 0.5},
        ),
    )


def choose_trainer(spec: ModelSpec, rows: pd.DataFrame) -> Choice:
    """Fit each trainer on folds of the split's kind, and take the one whose mean is best.

    Args:
        spec: What the model must be; its own trainer is not looked at.
        rows: Labelled rows, of which at most 10,000 drawn by the spec's seed are used.

    Raises:
        DataError: The rows cannot be split or learned from by any of them.
    """
    drawn = rows
    if len(rows) > ROWS:
        chosen = np.random.default_rng(spec.seed).choice(len(rows), ROWS, replace=False)
        drawn = rows.iloc[np.sort(chosen)]
    metric = metric_named(main_metric_of(spec.target.problem), spec.target.problem)
    folds = spec.split.folds(drawn, key=spec.data.key, time=spec.data.time, count=FOLDS, seed=spec.seed)
    found: list[tuple[float, SklearnTrainer]] = []
    reasons = []
    for trainer in trainers_for(spec.target.problem, len(rows)):
        asked = spec.model_copy(update={"trainer": trainer})
        try:
            values = []
            for fold in folds:
                model = trainer.fit(asked, drawn.iloc[fold.training])
                judged = drawn.iloc[fold.judging]
                order = class_order(spec, model.classes)
                said = encode_predictions(model.predict(judged), model.classes, order)
                values.append(float(metric.value(encode_target(judged[spec.target.column], order), said)))
            found.append((float(np.mean(values)), trainer))
        except (DataError, TrainingError) as error:
            reasons.append(str(error))
    if not found:
        raise DataError(f"No trainer could learn from the rows: {reasons[0]}", "Correct the rows, or choose a trainer")
    best = max(found, key=lambda each: each[0] if metric.higher_is_better else -each[0])
    return Choice(best[1], metric.name, {_said(trainer): value for value, trainer in found})


def _said(trainer: SklearnTrainer) -> str:
    depth = trainer.parameters.get("max_depth")
    return trainer.estimator.rpartition(".")[2] + (f" of depth {depth}" if depth else "")
