"""Real models on real rows, fitted once, for the tests of experiments."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import pandas as pd
from sklearn.datasets import load_breast_cancer

from prefect_mlops.core.evaluation import evaluate
from prefect_mlops.core.evidence import Decision, Evidence
from prefect_mlops.core.gates import decide
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.studies.beside import Judged, judged_rows, said_by
from prefect_mlops.core.trainers import FittedModel, Predictions
from prefect_mlops.deployments.demo.datasets import bikes, wine

LOGISTIC = "sklearn.linear_model.LogisticRegression"
FOREST = "sklearn.ensemble.RandomForestClassifier"


class Case(NamedTuple):
    """A fitted model with the rows that it learned from and those that judge it."""

    spec: ModelSpec
    training: pd.DataFrame
    judging: pd.DataFrame
    model: FittedModel

    @property
    def judged(self) -> Judged:
        return judged_rows(self.spec, self.judging, self.model.classes)

    @property
    def said(self) -> Predictions:
        return said_by(self.model, self.judged)

    def evidence(self, champion: FittedModel | None = None) -> Evidence:
        return evaluate(
            self.spec,
            candidate=self.model,
            champion=champion,
            champion_version=None if champion is None else 3,
            rows=self.judging,
            training=self.training,
            candidate_name="quiet-fox",
            judged_on=f"{len(self.judging)} rows",
        )

    def decision(self) -> Decision:
        return decide(self.spec.resolved_gates(), self.evidence())


def spec_of(name: str, target: dict[str, Any], features: dict[str, Any], **parts: Any) -> ModelSpec:
    metric = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}[target["problem"]]
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": name,
            "purpose": {"decision": "what to do <soon>", "business_metric": "none", "owner": "tests"},
            "data": {"key": ["id"]},
            "target": target,
            "features": features,
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": LOGISTIC, "parameters": {"max_iter": 500}},
            "gates": [{"kind": "better-than-baseline", "metric": metric}],
        }
        | parts
    )


@cache
def tumours() -> Case:
    """Two classes, no time."""
    found = load_breast_cancer(as_frame=True)
    rows = found.data.rename(columns=lambda name: name.replace(" ", "_"))
    names = tuple(rows.columns[:8])
    rows = rows.assign(id=[f"patient-{number}" for number in range(len(rows))], benign=found.target == 1)
    spec = spec_of("tumours", {"column": "benign", "problem": "binary", "positive": True}, {"numeric": names})
    return fitted(spec, rows.iloc[::2], rows.iloc[1::2])


@cache
def wines() -> Case:
    """Three classes, no time."""
    rows = wine().rename(columns={"sample_id": "id"})
    spec = spec_of(
        "wines",
        {"column": "cultivar", "problem": "multiclass"},
        {"numeric": ("alcohol", "ash", "hue", "proline")},
    )
    return fitted(spec, rows.iloc[::2], rows.iloc[1::2])


@cache
def rentals() -> Case:
    """Numbers, by the hour; the last fifth of the year judges."""
    rows = bikes().rename(columns={"hour_id": "id"})
    spec = spec_of(
        "rentals",
        {"column": "bikers", "problem": "regression"},
        {"numeric": ("hour", "temp", "hum", "windspeed"), "category": ("weathersit", "workingday")},
        data={"key": ["id"], "time": "time"},
        trainer={
            "kind": "sklearn",
            "estimator": "sklearn.ensemble.RandomForestRegressor",
            "parameters": {"n_estimators": 20, "min_samples_leaf": 5},
        },
    )
    return fitted(spec, rows.iloc[:6900], rows.iloc[6900:])


def fitted(spec: ModelSpec, training: pd.DataFrame, judging: pd.DataFrame) -> Case:
    training, judging = training.reset_index(drop=True), judging.reset_index(drop=True)
    return Case(spec, training, judging, spec.resolved_trainer().fit(spec, training))


CASES = {"binary": tumours, "multiclass": wines, "regression": rentals}
