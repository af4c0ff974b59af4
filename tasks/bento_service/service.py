"""Serves one model over HTTP; every bento carries this very file, and what differs lies beside it.

It imports nothing of prefect_mlops and reads `contract.json` and `model.skops` from its own folder. With
`MLOPS_SPOOL` in the environment each row of an attempt is logged there as a JSON line (`spool.py`), `MLOPS_SLOT` says
in which slot.
"""

import json
import math
import os
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import bentoml
from pydantic import BaseModel, ConfigDict, Field, create_model

os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
CONTRACT = json.loads((HERE / "contract.json").read_text())
FEATURES = [field["name"] for field in CONTRACT["fields"]]
TEXTS = [field["name"] for field in CONTRACT["fields"] if field["type"] == "text"]
MISSING = "missing"
MOST_ROWS = 1000

Scalar = bool | int | float | str
Finite = Annotated[float, Field(allow_inf_nan=False)]


def _row_model() -> Any:
    """The row that a request may hold; aliases let a column be called anything."""
    columns: dict[str, tuple[Any, Any]] = {}
    for field in CONTRACT["fields"]:
        kind: Any = Finite if field["type"] == "number" else Scalar
        columns[field["name"]] = (kind | None if field["nullable"] else kind, ...)
    for name in CONTRACT["key"]:
        columns.setdefault(name, (Scalar | None, None))
    if CONTRACT["time"] and CONTRACT["time"] not in FEATURES:
        columns[CONTRACT["time"]] = (datetime | None, None)
    fields: dict[str, Any] = {
        f"column_{place}": (kind, Field(default, alias=name))
        for place, (name, (kind, default)) in enumerate(columns.items())
    }
    return create_model("Row", __config__=ConfigDict(extra="forbid"), **fields)


Row: Any = _row_model()


class Request(BaseModel):
    """Rows to predict, at most a thousand; none is fine."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[Row], Field(max_length=MOST_ROWS)]


class Prediction(BaseModel):
    """What the model says of one row."""

    id: str
    prediction: Scalar
    score: float | None = None
    probabilities: dict[str, float] | None = None
    quantiles: dict[str, float] | None = None


class Answer(BaseModel):
    """What the model says of all rows, in their order."""

    model: str
    version: int
    predictions: list[Prediction]


class Service:
    """One model behind `POST /predict`."""

    def __init__(self) -> None:
        import pandas  # noqa: F401  # the first request must not pay for it
        import skops.io

        self._pipeline = skops.io.load(HERE / "model.skops", trusted=CONTRACT["trusted"])
        last = self._pipeline.steps[-1][1] if hasattr(self._pipeline, "steps") else self._pipeline
        # Where the costs of errors chose it, the threshold is the model's own.
        self._threshold = last.threshold if type(last).__name__ == "FixedThresholdClassifier" else None
        folder = os.environ.get("MLOPS_SPOOL")
        self._spool = None
        if folder:
            from spool import Spool

            self._spool = Spool(folder, os.environ.get("MLOPS_SLOT", "a"), CONTRACT)

    def predict(self, request: Request, /, ctx: bentoml.Context) -> Answer:
        """Predict rows of features; key and time columns may go with them for the prediction log."""
        begun = time.perf_counter()
        rows = [row.model_dump(by_alias=True) for row in request.rows]
        origin = self._spool.origin(ctx.request.headers)._asdict() if self._spool else {}
        try:
            predictions = self._predict(rows) if rows else []
        except Exception:
            if self._spool:
                self._spool.failed(rows, (time.perf_counter() - begun) * 1000, **origin)
            raise
        if self._spool and rows:
            self._spool.record(rows, predictions, (time.perf_counter() - begun) * 1000, **origin)
        return Answer(model=CONTRACT["model"], version=CONTRACT["version"], predictions=predictions)

    def close(self) -> None:
        """Write what still waits for the prediction log."""
        if self._spool:
            self._spool.close()

    def _predict(self, rows: list[dict[str, Any]]) -> list[Prediction]:
        import pandas as pd

        columns = {name: [row[name] for row in rows] for name in FEATURES}
        frame = pd.DataFrame(
            {
                name: pd.Series([_text(value) for value in values], dtype=object)
                if name in TEXTS
                else pd.Series(values, dtype="float64")
                for name, values in columns.items()
            }
        )
        if hasattr(self._pipeline, "steps") and self._pipeline.steps[-1][0] == "quantiles":
            return self._between(frame)
        if CONTRACT["problem"] == "regression":
            values = self._pipeline.predict(frame).tolist()
            return [Prediction(id=uuid.uuid4().hex, prediction=value, score=value) for value in values]
        classes, positive = CONTRACT["classes"], CONTRACT["positive"]
        told = self._pipeline.predict_proba(frame)
        scored = classes.index(positive) if CONTRACT["problem"] == "binary" else None
        said = told.argmax(axis=1)
        if scored is not None and self._threshold is not None:
            said = [scored if share >= self._threshold else 1 - scored for share in told[:, scored]]
        return [
            Prediction(
                id=uuid.uuid4().hex,
                prediction=classes[best],
                score=None if scored is None else shares[scored],
                probabilities=dict(zip(map(str, classes), shares, strict=True)),
            )
            for best, shares in zip(said, told.tolist(), strict=True)
        ]

    def _between(self, frame: Any) -> list[Prediction]:
        """A median with its quantiles; where these cross it, they end at it."""
        import numpy as np

        last = self._pipeline.steps[-1][1]
        levels = [name for name, _ in last.estimators]
        middle = levels.index("0.5")
        told = last.transform(self._pipeline[:-1].transform(frame))
        told[:, : middle + 1] = np.minimum.accumulate(told[:, middle::-1], axis=1)[:, ::-1]
        told[:, middle:] = np.maximum.accumulate(told[:, middle:], axis=1)
        return [
            Prediction(
                id=uuid.uuid4().hex,
                prediction=row[middle],
                score=row[middle],
                quantiles=dict(zip(levels, row, strict=True)),
            )
            for row in told.tolist()
        ]


def _text(value: Scalar | None) -> str:
    """A category as training wrote it: 3, 3.0 and "3" are one, and null is one of its own."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


Service.predict = bentoml.api(Service.predict, route="/predict")  # type: ignore[method-assign]  # as a decorator does
Service.close = bentoml.on_shutdown(Service.close)  # type: ignore[method-assign]  # as a decorator does
service = bentoml.service(
    Service,
    name=CONTRACT["model"],
    workers=1,
    traffic={"timeout": 30},
    logging={"access": {"enabled": False}},
    metrics={"enabled": True},
    tracing={"excluded_urls": ".*"},
)
