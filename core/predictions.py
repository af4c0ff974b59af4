"""What one logged prediction is: the line that a server writes, and the columns that it becomes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FIELDS", "parse_predictions"]

FIELDS = {
    "prediction_id": "text",
    "model": "text",
    "version": "whole",
    "slot": "text",
    "predicted_at": "moment",
    "key": "text",
    "event_time": "moment?",
    "prediction": "text",
    "score": "number?",
    "probabilities": "text?",
    "latency_ms": "number",
    "features": "text",
}
"""Every field of a line with its kind; one that ends in `?` may be null."""


def parse_predictions(lines: Iterable[bytes]) -> tuple[pa.Table, list[bytes]]:
    """Tell predictions from lines that are none.

    Args:
        lines: JSON objects with exactly the fields of `FIELDS`; times are ISO 8601 with a zone.

    Returns:
        The predictions as columns, and the lines that are broken, as they came.

    Examples:
        >>> good = (
        ...     b'{"prediction_id":"1","model":"m","version":3,"slot":"a","predicted_at":"2013-01-01T00:00:00Z",'
        ...     b'"key":"k","event_time":null,"prediction":"1","score":0.5,"probabilities":null,"latency_ms":1.5,'
        ...     b'"features":"{}"}'
        ... )
        >>> rows, broken = parse_predictions([good, b"half a li"])
        >>> rows.num_rows, broken
        (1, [b'half a li'])
    """
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in FIELDS}
    broken = []
    for line in lines:
        entry = _entry(line)
        if entry is None:
            broken.append(line)
            continue
        for name, value in entry.items():
            columns[name].append(value)
    types = {
        "text": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "moment": pa.timestamp("us", "UTC"),
    }
    return pa.table({n: pa.array(columns[n], types[kind.rstrip("?")]) for n, kind in FIELDS.items()}), broken


def _entry(line: bytes) -> dict[str, Any] | None:
    import orjson

    try:
        found = orjson.loads(line)
        if not isinstance(found, dict) or found.keys() != FIELDS.keys():
            return None
        return {name: _value(found[name], kind) for name, kind in FIELDS.items()}
    except ValueError:
        return None


def _value(value: Any, kind: str) -> Any:
    if value is None and kind.endswith("?"):
        return None
    kind = kind.rstrip("?")
    if kind == "text" and isinstance(value, str):
        return value
    if kind == "whole" and type(value) is int and abs(value) < 2**63:
        return value
    if kind == "number" and type(value) in (int, float):
        return float(value)
    if kind == "moment" and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment
    raise ValueError(f"{value!r} is no {kind}")
