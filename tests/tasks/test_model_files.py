"""A model's file is logged to MLflow as MLflow itself would log it, in a fifth of the time."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest

from prefect_mlops.blocks import MlflowTracking
from prefect_mlops.core.trainers.stored import stored
from prefect_mlops.tasks.model_files import log_model_file
from tests.core.trainer_cases import KINDS, fitted, rows_for, spec_with


@pytest.mark.parametrize("name", ["gradient boosting", "lightgbm", "quantiles"])
def test_mlflow_loads_the_file_by_itself_with_its_signature_and_its_requirements(name: str, tmp_path: Path) -> None:
    spec = spec_with(KINDS[name])
    model, rows = fitted(spec), rows_for(spec)
    tracking = MlflowTracking(tracking_uri=f"sqlite:///{tmp_path / 'm.db'}", artifacts=str(tmp_path / "artifacts"))
    tracking.activate()

    with mlflow.start_run(experiment_id=tracking.experiment_id("m")):
        uri = log_model_file(model, stored(model), rows)

    frame = rows[list(model.features)].fillna({"kind": "missing"}).astype({"count": "float64"})
    loaded = mlflow.sklearn.load_model(uri)
    np.testing.assert_array_equal(loaded.predict(frame), model.pipeline.predict(frame))
    about = mlflow.models.get_model_info(uri)
    assert about.signature is not None
    assert about.signature.inputs.input_names() == list(model.features)
    needed = Path(mlflow.pyfunc.get_model_dependencies(uri)).read_text()
    assert "skops==" in needed
    assert ("lightgbm==" in needed) == (name == "lightgbm")
