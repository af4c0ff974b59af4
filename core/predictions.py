"""What one logged prediction is: the line that a server writes, and the columns that it becomes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["FIELDS", "keys_as_logged", "only_answered", "parse_predictions"]

FIELDS = {
    "prediction_id": "text",
    "request_id": "text?",
    "row": "whole?",
    "model": "text",
    "version": "whole",
    "slot": "text",
    "arm": "text?",
    "answered": "flag?",
    "predicted_at": "moment",
    "key": "text",
    "event_time": "moment?",
    "prediction": "text?",
    "score": "number?",
    "probabilities": "text?",
    "latency_ms": "number",
    "features": "text",
}
"""Every field of a line with its kind; one that ends in `?` may be null.

A line is one row of one attempt to answer a request: `row` is its place in it, `arm` the side of a rollout that the
attempt was made on (`champion`, `canary`, `shadow`, or empty where nobody said), and `answered` whether the caller got
it as far as the server knows. A shadow's never is, nor one that failed, whose prediction is null.
"""

SINCE_ATTEMPTS = {"request_id": None, "row": None, "arm": "", "answered": True}
"""What is known of a line that was written before there were attempts: it was an answer."""


def parse_predictions(lines: Iterable[bytes]) -> tuple[pa.Table, list[bytes]]:
    """Tell predictions from lines that are none.

    Args:
        lines: JSON objects with exactly the fields of `FIELDS`, or with those alone that lines had before there were
            attempts; times are ISO 8601 with a zone.

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
        "flag": pa.bool_(),
        "moment": pa.timestamp("us", "UTC"),
    }
    return pa.table({n: pa.array(columns[n], types[kind.rstrip("?")]) for n, kind in FIELDS.items()}), broken


def only_answered(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions that somebody got; a table from before there were attempts holds no others.

    Examples:
        >>> import pandas as pd
        >>> only_answered(pd.DataFrame({"version": [1, 2, 3], "answered": [True, False, None]}))["version"].tolist()
        [1, 3]
    """
    if "answered" not in predictions.columns:
        return predictions
    return predictions.loc[[value is not False and value != 0 for value in predictions["answered"].astype(object)]]


def keys_as_logged(rows: pd.DataFrame, spec: ModelSpec, secret: bytes | None = None) -> pd.Series:
    """What names each row in the log, so that labels find their predictions.

    Args:
        rows: Rows with the key columns.
        spec: Says which columns are the key, which of them are personal, and what the log does with those.
        secret: The key of the stand-ins.

    Returns:
        A text a row; empty for all where a personal column is part of the key and the log leaves it out, or where the
        secret is missing.

    Raises:
        DataError: A key column is missing, or holds missing values.
    """
    import pandas as pd

    from prefect_mlops.core.privacy import pseudonymise
    from prefect_mlops.core.splits import key_text

    personal = [name for name in spec.data.key if name in spec.data.personal]
    if not personal:
        return key_text(rows, spec.data.key)
    if secret is None or spec.serving.personal != "hashed":
        return pd.Series("", index=rows.index, dtype=object)
    hidden = {name: pseudonymise(key_text(rows, [name]), secret) for name in personal}
    return key_text(rows.assign(**hidden), spec.data.key)


def _entry(line: bytes) -> dict[str, Any] | None:
    import orjson

    try:
        found = orjson.loads(line)
        if not isinstance(found, dict):
            return None
        if found.keys() != FIELDS.keys():
            if found.keys() != FIELDS.keys() - SINCE_ATTEMPTS.keys():
                return None
            found |= SINCE_ATTEMPTS
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
    if kind == "flag" and type(value) is bool:
        return value
    if kind == "number" and type(value) in (int, float):
        return float(value)
    if kind == "moment" and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment
    raise ValueError(f"{value!r} is no {kind}")
