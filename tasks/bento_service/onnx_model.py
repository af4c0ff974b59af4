"""Reads `model.onnx` with ONNX Runtime; lies beside `service.py`."""

import math
from operator import itemgetter
from pathlib import Path
from typing import Any

MISSING = "missing"


class Model:
    """A model as one function of rows."""

    def __init__(self, folder: Path, contract: dict[str, Any]) -> None:
        import numpy
        import onnxruntime

        self._numpy = numpy
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
        self._run, self._outputs = session.run, [output.name for output in session.get_outputs()]
        self._numbers, self._texts = (
            _taker([field["name"] for field in contract["fields"] if field["type"] == kind])
            for kind in ("number", "text")
        )
        self._levels = contract["quantiles"]

    def answer(self, rows: list[dict[str, Any]]) -> list[list[float]]:
        """What the model says of each row: chances of the classes, quantiles, or one value."""
        numpy, given = self._numpy, {}
        if self._numbers:
            given["numbers"] = numpy.array([self._numbers(row) for row in rows], dtype=numpy.float32)
        if self._texts:
            texts = [[text_of(value) for value in self._texts(row)] for row in rows]
            given["texts"] = numpy.array(texts, dtype=object)
        said = self._run(self._outputs, given)
        told: list[list[float]] = (said[0] if len(said) == 1 else numpy.hstack(said)).tolist()
        return [uncrossed(numbers, self._levels) for numbers in told] if self._levels else told


def _taker(names: list[str]) -> Any:
    """Takes the values of some columns out of a row; None where there are no columns."""
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names) if names else None


def text_of(value: bool | int | float | str | None) -> str:
    """A category as training wrote it: 3, 3.0 and "3" are one, and null is one of its own."""
    if type(value) is str:
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def uncrossed(numbers: list[float], levels: list[float]) -> list[float]:
    """A median with its quantiles; where these cross it, they end at it."""
    middle = levels.index(0.5)
    for place in range(middle - 1, -1, -1):
        numbers[place] = min(numbers[place], numbers[place + 1])
    for place in range(middle + 1, len(numbers)):
        numbers[place] = max(numbers[place], numbers[place - 1])
    return numbers
