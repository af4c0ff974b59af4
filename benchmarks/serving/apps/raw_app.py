"""The floor: JSON in, ONNX Runtime, JSON out, with nothing checked, noted or counted; beside it lies `model.onnx`."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import orjson

HERE = Path(__file__).parent
KINDS = json.loads((HERE / "columns.json").read_text())
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.log_severity_level = 3
session = onnxruntime.InferenceSession(HERE / "model.onnx", options, providers=["CPUExecutionProvider"])


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Answer whatever is asked as if it were rows."""
    if scope["type"] != "http":
        return
    message = await receive()
    rows = orjson.loads(message["body"])["rows"] if message["body"] else []
    given: dict[str, Any] = {}
    if rows and KINDS["number"]:
        given["numbers"] = np.array([[row[name] for name in KINDS["number"]] for row in rows], dtype=np.float32)
    if rows and KINDS["text"]:
        given["texts"] = np.array([[row[name] for name in KINDS["text"]] for row in rows], dtype=object)
    said = orjson.dumps(session.run(None, given)[-1].tolist() if rows else [])
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})
