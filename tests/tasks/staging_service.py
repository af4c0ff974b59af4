"""A team's own service that knows its golden rows by heart, and goes wrong as `fault.txt` beside it says."""

import json
import time
import uuid
from pathlib import Path
from typing import Annotated, Any

import bentoml
from pydantic import BaseModel, ConfigDict, Field, create_model

HERE = Path(__file__).parent
CONTRACT = json.loads((HERE / "contract.json").read_text())
GOLDEN = json.loads((HERE / "golden.json").read_text())
FAULT = (HERE / "fault.txt").read_text()

Cell = float | str | bool | None
columns: Any = {
    f"c{place}": (float | None if field["type"] == "number" else Cell, Field(alias=field["name"]))
    for place, field in enumerate(CONTRACT["fields"])
}
Row: Any = create_model("Row", __config__=ConfigDict(extra="forbid"), **columns)


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rows: Annotated[list[Row], Field(max_length=1000)]


class Answer(BaseModel):
    model: str = CONTRACT["model"]
    version: int = CONTRACT["version"]
    predictions: list[dict[str, Any]]


def known(row: dict[str, Any]) -> str:
    return json.dumps([float(value) if type(value) is int else value for _, value in sorted(row.items())])


class Service:
    def __init__(self) -> None:
        if FAULT == "does not boot":
            raise ValueError("there is no model")
        time.sleep(60 if FAULT == "boots slowly" else 0)
        self._answers = {
            known(row): probabilities
            for part in (GOLDEN, GOLDEN["edge"])
            for row, probabilities in zip(part["rows"], part["probabilities"], strict=True)
        }
        self._kept: list[bytes] = []

    def predict(self, request: Request, /) -> Answer:
        if FAULT == "leaks memory":
            self._kept.append(b"x" * 300_000)
        if FAULT == "answers 500":
            raise RuntimeError("out of luck")
        if FAULT == "hangs":
            time.sleep(60)
        return Answer(predictions=[self._said(row.model_dump(by_alias=True)) for row in request.rows])

    def _said(self, row: dict[str, Any]) -> dict[str, Any]:
        said = list(self._answers[known(row)])
        if FAULT == "answers otherwise":
            said = [said[0] + 0.001, said[1] - 0.001]
        best = CONTRACT["classes"][said.index(max(said))]
        if FAULT == "answers in another form":
            return {"label": best}
        return {
            "id": uuid.uuid4().hex,
            "prediction": best,
            "probabilities": dict(zip(map(str, CONTRACT["classes"]), said, strict=True)),
        }


Service.predict = bentoml.api(Service.predict, route="/predict")  # type: ignore[method-assign]
service = bentoml.service(Service, name=CONTRACT["model"], workers=1, metrics={"enabled": False})
