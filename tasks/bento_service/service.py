"""Serves one model over HTTP; every bento carries this very file, and what differs lies beside it.

It imports nothing of prefect_mlops and reads `contract.json` and the model's file from its own folder. With
`MLOPS_SPOOL` in the environment each row that is asked is appended as a JSON line to a file there, `MLOPS_SLOT` says
in which slot; with `MLOPS_TOKEN` every caller must show that token.
"""

import asyncio
import importlib
import json
import logging
import os
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import bentoml
from entrance import Entrance, asked_by
from pydantic import BaseModel, ConfigDict, Field, ValidationError

os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
CONTRACT = json.loads((HERE / "contract.json").read_text())
LARGEST = 3.4028234e38
AT_ONCE = 32
"""Rows that ONNX Runtime answers sooner than a thread is asked."""
BESIDE = [name for name in CONTRACT["key"] if name not in {field["name"] for field in CONTRACT["fields"]}]
CLASSES, TEXTS = CONTRACT["classes"], [str(label) for label in CONTRACT["classes"]]
LEVELS = [str(level) for level in CONTRACT["quantiles"]]
POSITIVE = CLASSES.index(CONTRACT["positive"]) if CONTRACT["problem"] == "binary" else None
MEDIAN = LEVELS.index("0.5") if LEVELS else 0

Scalar = bool | int | float | str
Number = Annotated[float, Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]  # what single precision holds


def _row_type() -> Any:
    """A row of a request, a dictionary: its columns may be called anything."""
    from typing import NotRequired

    from typing_extensions import TypedDict

    columns: dict[str, Any] = {}
    for field in CONTRACT["fields"]:
        kind: Any = Number if field["type"] == "number" else Scalar
        columns[field["name"]] = kind | None if field["nullable"] else kind
    for name in CONTRACT["key"]:
        columns.setdefault(name, NotRequired[Scalar | None])
    if CONTRACT["time"]:
        columns.setdefault(CONTRACT["time"], NotRequired[datetime | None])
    made: Any = TypedDict
    row = made("Row", columns)
    row.__pydantic_config__ = ConfigDict(extra="forbid")
    return row


Row: Any = _row_type()


class Request(BaseModel):
    """Rows to predict, at most as many as the contract says; none is fine."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)  # a server's log is no place for what was sent

    rows: Annotated[list[Row], Field(max_length=CONTRACT["most_rows"])]


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
        self._model = importlib.import_module(f"{CONTRACT['runtime']}_model").Model(HERE, CONTRACT)
        self._at_once = AT_ONCE if CONTRACT["runtime"] == "onnx" else 0
        self._spool = None
        if folder := os.environ.get("MLOPS_SPOOL"):
            from spool import Spool

            self._spool = Spool(folder, os.environ.get("MLOPS_SLOT", "a"), CONTRACT)

        serving.append(self)

    async def predict(self, request: Request, /) -> Answer:
        """Predict rows of features; key and time columns may go with them for the prediction log."""
        return await self.answered(request)

    async def answered(self, request: Request) -> Answer:
        """What `predict` says; its own code, because BentoML puts a client of itself in place of a method it serves."""
        begun, rows, asked = time.perf_counter(), request.rows, asked_by.get()
        for row in rows:
            for name in BESIDE:
                row.setdefault(name, None)
        try:
            if len(rows) <= self._at_once:
                told = self._model.answer(rows) if rows else []
            else:
                told = await asyncio.to_thread(self._model.answer, rows)
        except Exception:
            if self._spool:
                self._spool.failed(rows, (time.perf_counter() - begun) * 1000, **asked)
            raise
        predictions = [_prediction(numbers) for numbers in told]
        if self._spool and rows:
            taken = (time.perf_counter() - begun) * 1000
            self._spool.record(rows, predictions, taken, **asked, answered=asked["arm"] != "shadow")
        return Answer(model=CONTRACT["model"], version=CONTRACT["version"], predictions=predictions)

    def close(self) -> None:
        """Write what still waits for the prediction log."""
        serving.clear()
        if self._spool:
            self._spool.close()


def _prediction(numbers: list[float]) -> Prediction:
    """What the numbers of one row mean: chances of the classes, rising quantiles, or one value."""
    name = uuid.uuid4().hex
    if not CLASSES:
        between = dict(zip(LEVELS, numbers, strict=True)) if LEVELS else None
        return Prediction(id=name, prediction=numbers[MEDIAN], score=numbers[MEDIAN], quantiles=between)
    best = numbers.index(max(numbers))
    if POSITIVE is not None and CONTRACT["threshold"] is not None:
        best = POSITIVE if numbers[POSITIVE] >= CONTRACT["threshold"] else 1 - POSITIVE
    chances = dict(zip(TEXTS, numbers, strict=True))
    return Prediction(
        id=name,
        prediction=CLASSES[best],
        score=None if POSITIVE is None else numbers[POSITIVE],
        probabilities=chances,
    )


async def answer(body: bytes) -> tuple[int, bytes]:
    """The status and the body that a request to `/predict` gets."""
    try:
        request = Request.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        where = ".".join(map(str, found[0]["loc"]))
        told = {"error": f"{where}: {found[0]['msg']}" if where else found[0]["msg"], "detail": found}
        return 400, json.dumps(told).encode()
    try:
        said = await serving[-1].answered(request)
    except Exception:
        logging.getLogger("bentoml.serve").exception("%s could not answer", CONTRACT["model"])
        return 500, b'{"error": "The model could not answer; its log says why"}'
    return 200, said.__pydantic_serializer__.to_json(said)


serving: list[Service] = []
"""The one that BentoML made, while it serves."""
Service.predict = bentoml.api(Service.predict, route="/predict")  # type: ignore[method-assign]  # as a decorator does
Service.close = bentoml.on_shutdown(Service.close)  # type: ignore[method-assign]  # as a decorator does
service = bentoml.service(
    Service,
    name=CONTRACT["model"],
    workers=1,
    traffic={"timeout": CONTRACT["timeout_seconds"]},
    logging={"access": {"enabled": False}},
    metrics={"enabled": True},
    tracing={"excluded_urls": ".*"},
)
service.add_asgi_middleware(Entrance, path="/predict", answer=answer, most_bytes=CONTRACT["most_kilobytes"] * 1024)
