"""A fitted model's file in MLflow's form, without writing and reading the model once more for each place it goes to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.trainers import FittedModel
    from prefect_mlops.core.trainers.stored import StoredModel

__all__ = ["log_model_file"]

SIGNED_ROWS = 100
NEEDED = ("mlflow", "scikit-learn", "skops", "pandas", "numpy")
MODEL, REQUIREMENTS, PYTHON = "model.skops", "requirements.txt", "python_env.yaml"


def log_model_file(candidate: FittedModel, file: StoredModel, reference: pd.DataFrame) -> str:
    """Log a model of the active run, as `mlflow.sklearn.log_model` does; `mlflow.sklearn.load_model` reads it.

    That one writes the model anew, reads it back and asks every installed package for its modules, two CPU seconds in
    all for 240 trees. The signature comes from a few rows, the requirements from what is installed, as the lock has it.

    Args:
        candidate: The model.
        file: Its file.
        reference: Rows for the signature.

    Returns:
        The model's URI, to register it by.
    """
    from importlib.metadata import version as installed

    from mlflow.models import Model, infer_signature

    sample = reference[list(candidate.features)].head(SIGNED_ROWS)
    # A whole number may be missing in service, and then it travels as a float.
    sample = sample.astype(dict.fromkeys(sample.select_dtypes("integer"), "float64"))
    said = candidate.predict(sample)
    boosted = ("lightgbm",) if any(name.startswith("lightgbm.") for name in file.trusted) else ()
    written = _Written(
        file,
        infer_signature(sample, said.labels if said.probabilities is None else said.probabilities),
        [f"{name}=={installed(name)}" for name in (*NEEDED, *boosted)],
    )
    return str(Model.log(None, flavor=written, name="model", flavor_name="sklearn").model_uri)


class _Written:
    """What MLflow calls a flavor: it puts a model's files into a folder."""

    def __init__(self, file: StoredModel, signature: Any, requirements: list[str]) -> None:
        self.file, self.signature, self.requirements = file, signature, requirements

    def save_model(self, path: str, mlflow_model: Any) -> None:
        """Write the folder, with what its readers must install."""
        import json
        import platform

        import sklearn
        from mlflow import pyfunc

        folder = Path(path)
        folder.mkdir(parents=True)
        (folder / MODEL).write_bytes(self.file.content)
        (folder / REQUIREMENTS).write_text("\n".join(self.requirements))
        # JSON is YAML, too.
        python = {"python": platform.python_version(), "dependencies": [f"-r {REQUIREMENTS}"]}
        (folder / PYTHON).write_text(json.dumps(python))
        mlflow_model.signature = self.signature
        pyfunc.add_to_model(
            mlflow_model, loader_module="mlflow.sklearn", model_path=MODEL, python_env=PYTHON, predict_fn="predict"
        )
        mlflow_model.add_flavor(
            "sklearn",
            pickled_model=MODEL,
            sklearn_version=sklearn.__version__,
            serialization_format="skops",
            code=None,
            skops_trusted_types=list(self.file.trusted),
        )
        mlflow_model.model_size_bytes = len(self.file.content)
        mlflow_model.save(str(folder / "MLmodel"))
