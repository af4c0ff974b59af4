"""A FastAPI application that makes a DataFrame of what it was sent; its folder holds `model.joblib`."""

from pathlib import Path

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(Path(__file__).parent / "model.joblib")


class Rows(BaseModel):
    """A request."""

    rows: list[dict[str, float | str | None]]


@app.post("/predict")
def predict(asked: Rows) -> list[list[float]]:
    """Chances of the classes for each row."""
    chances: list[list[float]] = model.predict_proba(pd.DataFrame(asked.rows)).tolist()
    return chances
