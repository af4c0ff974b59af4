"""Packages as the registry keeps them, from small models fitted on made rows."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io

from prefect_mlops.core.lineage import DataVersion, Lineage
from prefect_mlops.core.runtimes import convert
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers import FittedModel, trusted_types
from prefect_mlops.core.trainers.golden import golden_rows
from prefect_mlops.tasks.registry import Package

ESTIMATORS = {
    "binary": "sklearn.ensemble.GradientBoostingClassifier",
    "multiclass": "sklearn.linear_model.LogisticRegression",
    "regression": "sklearn.ensemble.RandomForestRegressor",
}


def make_spec(problem: str, **parts: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": f"toy-{problem}",
            "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
            "data": {"key": ["row_id"], "time": "happened"},
            "target": {"column": "y", "problem": problem, "positive": True if problem == "binary" else None},
            "features": {"numeric": ["x", "model_year"], "category": ["kind of thing", "day"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": ESTIMATORS[problem], "min_frequency": 2},
            "gates": [{"kind": "better-than-baseline", "metric": "log_loss"}],
            **parts,
        }
    )


def make_rows(problem: str, rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "x": random.normal(size=rows),
            "model_year": random.integers(1990, 2020, rows).astype(float),
            "kind of thing": random.choice(["car", "b\u00f6at", None], rows),
            "day": random.integers(1, 4, rows),
        }
    )
    frame.loc[::7, "x"] = np.nan
    signal = frame["x"].fillna(0) + (frame["kind of thing"] == "car") + random.normal(size=rows) / 2
    targets = {
        "binary": signal > 0.3,
        "multiclass": pd.cut(signal, [-99, 0, 1, 99], labels=["low", "mid", "high"]).astype(str),
        "regression": signal * 40,
    }
    return frame.assign(y=targets[problem])


def make_package(spec: ModelSpec, version: int) -> tuple[FittedModel, Package, pd.DataFrame]:
    rows = make_rows(spec.target.problem)
    model = spec.resolved_trainer().fit(spec, rows)
    head = rows.head(25)
    golden = golden_rows(model, head, spec.features.category)
    data = DataVersion(table="t", version=0, rows=len(rows), digest="0" * 64)
    lineage = Lineage(
        model=spec.name,
        data=data,
        labels_version=0,
        commit="",
        spec_digest=spec.digest,
        lock_digest="",
        seed=spec.seed,
        parameters={},
        holdout_digest="",
        cutoff="",
        as_of="2026-01-01T00:00:00+00:00",
    )
    converted = convert(model, spec.features.category, rows, spec.serving.tolerance)
    package = Package(
        version=version,
        model=skops.io.dumps(model.pipeline),
        trusted=tuple(trusted_types(model)),
        features=model.features,
        classes=model.classes,
        golden=json.dumps(golden),
        lineage=lineage,
        onnx=converted.content,
        without_onnx=converted.reason,
        threshold=model.threshold,
        quantiles=model.quantiles,
    )
    return model, package, rows


@pytest.fixture(scope="session")
def toy_spec():
    """A spec of some problem, with other parts where they are given."""
    return make_spec


@pytest.fixture(scope="session")
def toy_package():
    """A model fitted to a spec, its package as some version, and the rows it learned from."""
    return make_package
