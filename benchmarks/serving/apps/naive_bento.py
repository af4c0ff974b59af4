"""A BentoML service that takes a DataFrame, as BentoML's own examples have it; its folder holds `model.joblib`."""

from pathlib import Path

import bentoml
import joblib
import numpy as np
import pandas as pd


@bentoml.service(workers=1)
class Naive:
    """One pipeline of scikit-learn."""

    def __init__(self) -> None:
        self.model = joblib.load(Path(__file__).parent / "model.joblib")

    @bentoml.api
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Chances of the classes for each row."""
        chances: np.ndarray = self.model.predict_proba(rows)
        return chances
