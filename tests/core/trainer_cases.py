"""One small trainer of every kind that the docs name, with specs and rows for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import skops.io

from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers import FittedModel, trusted_types

LOGISTIC = "sklearn.linear_model.LogisticRegression"
BOOSTED = "sklearn.ensemble.GradientBoostingClassifier"
BOOSTED_VALUE = "sklearn.ensemble.GradientBoostingRegressor"
HISTOGRAM = "sklearn.ensemble.HistGradientBoostingClassifier"
FOREST = "sklearn.ensemble.RandomForestClassifier"
LIGHT = "lightgbm.LGBMClassifier"
SGD = "sklearn.linear_model.SGDClassifier"
FEW = {"n_estimators": 5}
FEW_LIGHT = {"n_estimators": 5, "n_jobs": 1}

ENCODE = {"estimator": "sklearn.preprocessing.OneHotEncoder", "parameters": {"handle_unknown": "ignore"}}
OWN_COLUMNS = {
    "estimator": "sklearn.compose.ColumnTransformer",
    "parameters": {
        "transformers": [
            ["scale", {"estimator": "sklearn.preprocessing.StandardScaler"}, ["heat", "count"]],
            ["encode", ENCODE, ["kind"]],
        ]
    },
}
OWN_PIPELINE = {
    "estimator": "sklearn.pipeline.Pipeline",
    "parameters": {
        "steps": [
            ["columns", OWN_COLUMNS],
            ["fill", {"estimator": "sklearn.impute.SimpleImputer"}],
            ["model", {"estimator": LOGISTIC}],
        ]
    },
}
TWO = [["a", {"estimator": LOGISTIC}], ["b", {"estimator": BOOSTED, "parameters": FEW}]]
LEVELS = [0.1, 0.5, 0.9]

KINDS: dict[str, dict[str, Any]] = {
    "linear": {"estimator": LOGISTIC, "class_weight": "balanced"},
    "gradient boosting": {"estimator": BOOSTED, "parameters": {**FEW, "subsample": 0.5}},
    "histogram boosting": {"estimator": HISTOGRAM, "parameters": {"max_iter": 5}, "monotone": {"heat": "rising"}},
    "forest": {"estimator": FOREST, "parameters": FEW},
    "network": {
        "estimator": "sklearn.neural_network.MLPClassifier",
        "parameters": {"hidden_layer_sizes": [4], "max_iter": 20},
    },
    "lightgbm": {"estimator": LIGHT, "parameters": FEW_LIGHT, "monotone": {"heat": "rising"}},
    "own pipeline": OWN_PIPELINE,
    "stacked": {"estimator": "sklearn.ensemble.StackingClassifier", "parameters": {"estimators": TWO}},
    "voting": {
        "estimator": "sklearn.ensemble.VotingClassifier",
        "parameters": {"voting": "soft", "estimators": TWO},
        "weight": "size",
    },
    "calibrated": {
        "estimator": BOOSTED,
        "parameters": FEW,
        "calibration": {"method": "isotonic"},
        "threshold": "costs",
    },
    "stopped early": {"estimator": LIGHT, "parameters": {"n_estimators": 20, "n_jobs": 1}, "early_stopping": {}},
    "threshold by cost": {"estimator": LOGISTIC, "threshold": "costs"},
    "crowded": {"estimator": BOOSTED, "parameters": FEW, "max_categories": 1, "min_frequency": 1},
    "quantiles": {"estimator": BOOSTED_VALUE, "parameters": FEW, "quantiles": LEVELS},
    "quantiles of lightgbm": {"estimator": "lightgbm.LGBMRegressor", "parameters": FEW_LIGHT, "quantiles": LEVELS},
    "in parts": {
        "kind": "partial",
        "estimator": SGD,
        "parameters": {"loss": "log_loss"},
        "passes": 2,
        "part_rows": 150,
    },
}


def spec_with(trainer: dict[str, Any], problem: str = "", time: str | None = None, **parts: Any) -> ModelSpec:
    """A spec of two numbers and a category; the problem is told by the estimator where it is not given."""
    wanted = problem or ("regression" if "Regressor" in trainer["estimator"] else "binary")
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "toy",
            "purpose": {
                "decision": "none",
                "business_metric": "none",
                "owner": "tests",
                "costs": {"false_positive": 1, "false_negative": 4},
            },
            "data": {"key": ["id"], "time": time},
            "target": {"column": "y", "problem": wanted, "positive": True if wanted == "binary" else None},
            "features": {"numeric": ["heat", "count"], "category": ["kind"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", **trainer},
            "gates": [{"kind": "better-than-baseline", "metric": "rmse" if wanted == "regression" else "accuracy"}],
            **parts,
        }
    )


def rows_for(spec: ModelSpec, count: int = 600) -> pd.DataFrame:
    """Rows in which heat and count tell the target; one value of each kind is missing."""
    chance = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "id": range(count),
            "heat": chance.normal(size=count),
            "count": chance.integers(0, 9, count),
            "kind": chance.choice(["x", "y", "z"], count, p=[0.5, 0.45, 0.05]),
            "size": chance.uniform(0.5, 2.0, count),
            "at": pd.date_range("2026-01-01", periods=count, freq="h", tz="UTC"),
        }
    )
    signal = rows["heat"] + 0.2 * rows["count"] + chance.normal(size=count)
    rows["y"] = {
        "binary": signal > 1,
        "multiclass": pd.cut(signal, [-99, 0, 1, 99], labels=["low", "mid", "high"]).astype(str),
        "regression": signal,
    }[spec.target.problem]
    rows.loc[5, "heat"], rows.loc[6, "kind"] = np.nan, None
    return rows


def fitted(spec: ModelSpec, rows: pd.DataFrame | None = None) -> FittedModel:
    """A spec's model."""
    return spec.resolved_trainer().fit(spec, rows_for(spec) if rows is None else rows)


def reloaded(model: FittedModel) -> FittedModel:
    """The model after a way through a file, as it comes to be served."""
    return model._replace(pipeline=skops.io.loads(skops.io.dumps(model.pipeline), trusted=trusted_types(model)))
