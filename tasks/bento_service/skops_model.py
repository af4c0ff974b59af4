"""Reads `model.skops` with skops and the types that training declared, never by pickle; lies beside `service.py`."""

from pathlib import Path
from typing import Any

from onnx_model import text_of, uncrossed


class Model:
    """A model as one function of rows."""

    def __init__(self, folder: Path, contract: dict[str, Any]) -> None:
        import pandas  # noqa: F401  # the first request must not pay for it
        import skops.io

        self._pipeline = skops.io.load(folder / "model.skops", trusted=contract["trusted"])
        self._fields = [(field["name"], field["type"] == "text") for field in contract["fields"]]
        self._levels, self._classes = contract["quantiles"], contract["classes"]

    def answer(self, rows: list[dict[str, Any]]) -> list[list[float]]:
        """What the model says of each row: chances of the classes, quantiles, or one value."""
        import pandas as pd

        frame = pd.DataFrame(
            {
                name: pd.Series([text_of(row[name]) for row in rows], dtype=object)
                if is_text
                else pd.Series([row[name] for row in rows], dtype="float64")
                for name, is_text in self._fields
            }
        )
        told: list[list[float]]
        if self._levels:
            told = self._pipeline.steps[-1][1].transform(self._pipeline[:-1].transform(frame)).tolist()
            return [uncrossed(numbers, self._levels) for numbers in told]
        if self._classes:
            told = self._pipeline.predict_proba(frame).tolist()
            return told
        return [[value] for value in self._pipeline.predict(frame).tolist()]
