"""A dummy and a linear model beside the candidate: what it is worth to be more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from prefect_mlops.core.evaluation import metrics_of
from prefect_mlops.core.evidence import Subject
from prefect_mlops.core.metrics.encoding import encode_predictions
from prefect_mlops.core.metrics.recorded import record_all
from prefect_mlops.core.studies.beside import judged_rows, said_by
from prefect_mlops.core.studies.records import Baselines
from prefect_mlops.core.trainers import FittedModel, Predictions
from prefect_mlops.core.trainers.linear import linear_model
from prefect_mlops.core.trainers.target import learnable_target

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["baseline_measurements"]

Rival = Literal["baseline", "linear"]


def baseline_measurements(
    spec: ModelSpec, training: pd.DataFrame, judging: pd.DataFrame, candidate: FittedModel | None = None
) -> Baselines:
    """Fit a dummy and a linear model on the candidate's training rows, and measure them on its judging rows.

    The dummy says the prior or the mean of all training rows. The linear model (logistic or ridge regression) goes
    through the preprocessing that the columns' roles build, and learns from at most 100,000 training rows, drawn by
    the spec's seed, so that it stays cheap.

    Args:
        spec: The model's spec; its own trainer is not looked at.
        training: The candidate's training rows.
        judging: The judging rows.
        candidate: The model to compare with; None measures the baselines alone.

    Returns:
        Every metric of the problem for both, and the candidate's advantage over each with its paired error.

    Raises:
        DataError: The rows cannot be learned from or judged on.
        TrainingError: The linear model cannot be fitted on these rows.
        PartError: A gate names a metric that there is not.
    """
    known = () if candidate is None else candidate.classes
    linear, learned = linear_model(spec, training)
    judged = judged_rows(spec, judging, linear.classes, known)
    dummy = _dummy(spec, training)
    told = Predictions(*_answers(dummy, len(judging)))
    classes = () if told.probabilities is None else tuple(np.asarray(dummy.classes_).tolist())
    said: dict[Rival, Predictions] = {
        "baseline": encode_predictions(told, classes, judged.order),
        "linear": said_by(linear, judged),
    }
    models: dict[Subject, Predictions] = dict(said.items())
    if candidate is not None:
        models["candidate"] = said_by(candidate, judged)
    others = () if candidate is None else tuple(said)
    found, comparisons = record_all(metrics_of(spec), judged.target, models, others, judged.blocks, judged.weight)
    measurements = tuple(one for one in found if one.subject != "candidate")
    paths = {"baseline": _path(dummy), "linear": _path(linear.pipeline[-1])}
    return Baselines(estimators=paths, learned=learned, measurements=measurements, comparisons=comparisons)


def _dummy(spec: ModelSpec, training: pd.DataFrame) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    target = learnable_target(spec, training)
    dummy = DummyRegressor() if spec.target.problem == "regression" else DummyClassifier(strategy="prior")
    return dummy.fit(np.zeros((len(target), 1)), target)


def _answers(dummy: Any, rows: int) -> tuple[np.ndarray, np.ndarray | None]:
    nothing = np.zeros((rows, 1))
    return dummy.predict(nothing), dummy.predict_proba(nothing) if hasattr(dummy, "predict_proba") else None


def _path(estimator: Any) -> str:
    """The import path by which people know an estimator."""
    return f"{type(estimator).__module__.partition('._')[0]}.{type(estimator).__name__}"
