"""The linear model that stands beside every candidate: what a simple fit of the same columns would say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.trainers.sklearn import SklearnTrainer

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.fitted import FittedModel

__all__ = ["LINEAR_ROWS", "linear_model"]

LINEAR_ROWS = 100_000
"""More rows move a linear model's coefficients by less than the judging rows can tell."""


def linear_model(spec: ModelSpec, training: pd.DataFrame) -> tuple[FittedModel, int]:
    """Fit a logistic or ridge regression through the preprocessing that the columns' roles build.

    It learns from at most 100,000 training rows, drawn by the spec's seed, so that it stays cheap.

    Args:
        spec: The model's spec; its own trainer is not looked at.
        training: The candidate's training rows.

    Returns:
        The model, and how many rows it learned from.

    Raises:
        DataError: The rows cannot be learned from.
        TrainingError: It cannot be fitted on these rows.
    """
    regression = spec.target.problem == "regression"
    rows = training
    if len(rows) > LINEAR_ROWS:
        drawn = np.random.default_rng(spec.seed).choice(len(rows), LINEAR_ROWS, replace=False)
        rows = rows.iloc[np.sort(drawn)]
    trainer = SklearnTrainer(
        estimator="sklearn.linear_model.Ridge" if regression else "sklearn.linear_model.LogisticRegression",
        parameters={} if regression else {"max_iter": 300},
    )
    return trainer.fit(spec.model_copy(update={"trainer": trainer}), rows), len(rows)
