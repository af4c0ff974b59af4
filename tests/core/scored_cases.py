"""Judging rows with what two models say of them, made to measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from prefect_mlops.core.evidence import Evidence, Examination, Measurement
from prefect_mlops.core.gates.scored import Scored, Timings
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers.fitted import FittedModel, Predictions

__all__ = ["evidence_with", "said_by", "scored_of", "spec_for"]


def spec_for(problem: str = "binary", **parts: Any) -> ModelSpec:
    """A spec of a toy model."""
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "toy",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "tests"},
            "data": {"key": ["id"]},
            "target": {"column": "y", "problem": problem, "positive": True if problem == "binary" else None},
            "features": {"numeric": ["x"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": [{"kind": "better-than-baseline", "metric": "rmse" if problem == "regression" else "log_loss"}],
        }
        | parts
    )


def said_by(y: np.ndarray, right: np.ndarray) -> Predictions:
    """Labels that are right where told so, with probabilities of 0.2 and 0.8."""
    labels = np.where(right, y, 1 - y)
    return Predictions(labels, np.stack([0.8 - 0.6 * labels, 0.2 + 0.6 * labels], axis=1))


def scored_of(
    rows: pd.DataFrame,
    y: np.ndarray,
    candidate: Predictions,
    champion: Predictions | None = None,
    *,
    spec: ModelSpec | None = None,
    blocks: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    training: pd.DataFrame | None = None,
    model: FittedModel | None = None,
    timings: Timings | None = None,
) -> Scored:
    """What gates look at."""
    spec = spec or spec_for()
    known = 2 if candidate.probabilities is None else candidate.probabilities.shape[1]
    order = {"binary": (False, True), "multiclass": tuple(range(known)), "regression": ()}[spec.target.problem]
    return Scored(
        spec=spec,
        rows=rows,
        training=training,
        y=y,
        order=order,
        said={"candidate": candidate} if champion is None else {"candidate": candidate, "champion": champion},
        blocks=blocks,
        weight=weight,
        candidate=model or FittedModel(None, spec.features.names, order),
        timings=timings,
        seed=0,
    )


def evidence_with(*examinations: Examination) -> Evidence:
    """Evidence that holds examinations."""
    measured = Measurement(
        metric="accuracy", subject="candidate", value=0.8, standard_error=0.01, degrees_of_freedom=99,
        higher_is_better=True, rows=100,
    )  # fmt: skip
    return Evidence(
        model="toy",
        candidate="run-1",
        judged_on="some rows",
        holdout_digest="",
        measurements=(measured,),
        examinations=examinations,
    )
