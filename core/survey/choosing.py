"""Which trainer suits a table: a linear model, a forest and boosted trees, held against each other out of fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from prefect_mlops.core.errors import DataError, TrainingError
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.metrics.encoding import class_order, encode_predictions, encode_target
from prefect_mlops.core.splits import ByKey, ByTime
from prefect_mlops.core.trainers import SklearnTrainer

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """Fit each trainer on folds, and take the one whose mean is best.

    Where rows have a time, folds by time come first: what later days prove worse than another trainer (paired over the
    folds, one-sided 95%) is out. Few folds of different times tell little more, so the rest is decided by folds by
    key.

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
    trainers = {_said(trainer): trainer for trainer in trainers_for(spec.target.problem, len(rows))}
    if isinstance(spec.split, ByTime):
        later = _values(spec, drawn, trainers, spec.split)
        best = max(later.values(), key=lambda worth: float(worth.mean()))
        trainers = {name: trainers[name] for name, worth in later.items() if not _worse(worth, best)}
    by_key = spec.split if isinstance(spec.split, ByKey) else ByKey()
    means = {name: float(worth.mean()) for name, worth in _values(spec, drawn, trainers, by_key).items()}
    metric = metric_named(main_metric_of(spec.target.problem), spec.target.problem)
    scores = {name: mean if metric.higher_is_better else -mean for name, mean in means.items()}
    return Choice(trainers[max(means, key=lambda name: means[name])], metric.name, scores)


def _values(
    spec: ModelSpec, rows: pd.DataFrame, trainers: Mapping[str, SklearnTrainer], split: ByTime | ByKey
) -> dict[str, np.ndarray]:
    """The main metric of each trainer that can learn, fold by fold, higher where it is better."""
    metric = metric_named(main_metric_of(spec.target.problem), spec.target.problem)
    sign = 1.0 if metric.higher_is_better else -1.0
    folds = split.folds(rows, key=spec.data.key, time=spec.data.time, count=FOLDS, seed=spec.seed)
    found, reasons = {}, []
    for name, trainer in trainers.items():
        asked = spec.model_copy(update={"trainer": trainer})
        try:
            values = []
            for fold in folds:
                model, judged = trainer.fit(asked, rows.iloc[fold.training]), rows.iloc[fold.judging]
                order = class_order(spec, model.classes)
                said = encode_predictions(model.predict(judged), model.classes, order)
                values.append(sign * float(metric.value(encode_target(judged[spec.target.column], order), said)))
            found[name] = np.array(values)
        except (DataError, TrainingError) as error:
            reasons.append(str(error))
    if not found:
        raise DataError(f"No trainer could learn from the rows: {reasons[0]}", "Correct the rows, or choose a trainer")
    return found


def _worse(values: np.ndarray, best: np.ndarray) -> bool:
    from scipy import stats

    behind = best - values
    error = float(behind.std(ddof=1)) / len(behind) ** 0.5
    return bool(behind.mean() > stats.t.ppf(0.95, len(behind) - 1) * error and behind.mean() > 0)


def _said(trainer: SklearnTrainer) -> str:
    depth = trainer.parameters.get("max_depth")
    return trainer.estimator.rpartition(".")[2] + (f" of depth {depth}" if depth else "")
