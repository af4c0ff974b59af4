"""What a batch of scores is on record as: the columns of the table `<model>-scores`, and how answers become them."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from prefect_mlops.core.acceptance import ACCEPTED_AT
from prefect_mlops.core.batches import as_frame
from prefect_mlops.core.scoring.plan import MOMENT, Arm
from prefect_mlops.core.splits.keys import key_text

if TYPE_CHECKING:
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["COLUMNS", "Stamp", "key_texts", "prediction_ids", "score_rows", "window_names"]

TIME = pa.timestamp("us", "UTC")
NUMBERS = pa.list_(pa.field("element", pa.float64()))
COLUMNS = pa.schema(
    {
        "prediction_id": pa.string(),
        "key": pa.string(),
        "event_time": TIME,
        "accepted_at": TIME,
        "version": pa.int64(),
        "prediction": pa.string(),
        "score": pa.float64(),
        "probabilities": NUMBERS,
        "quantiles": NUMBERS,
        "data_version": pa.int64(),
        "as_of": TIME,
        "scored_at": TIME,
        "window": pa.string(),
        "arm": pa.string(),
    }
)
"""No features: they are in the table of accepted rows, under `data_version`."""
STRANGE = r"[^ !#-\[\]-~]"
"""What JSON escapes, or might."""
DAY_MICROSECONDS = 86_400_000_000


class Stamp(NamedTuple):
    """What all scores of one run have in common.

    Attributes:
        model: The model's name.
        version: The registry version that answers.
        arm: Whether it is the champion, or a candidate beside it.
        data_version: The version of the table of accepted rows.
        as_of: The time that the run belongs to.
        scored_at: When it ran.
    """

    model: str
    version: int
    arm: Arm
    data_version: int
    as_of: datetime
    scored_at: datetime


def score_rows(
    spec: ModelSpec, rows: pa.Table, said: Predictions, classes: Sequence[Any], windows: pa.Array, stamp: Stamp
) -> pa.Table:
    """The scores of some rows, as they are on record.

    Args:
        spec: Says key, time and what is predicted.
        rows: With the key, the time and when each row was accepted, shape `(rows,)`.
        said: What the model says of them.
        classes: The labels that it can say, in the order of its probabilities; empty for regression.
        windows: The name of each row's window.
        stamp: What all have in common.

    Returns:
        A table of `COLUMNS`. `prediction` is the text of the label, `score` the positive class's probability, or the
        value of a regression; multiclass has none.

    Raises:
        DataError: A row has no key.
    """
    keys, accepted = key_texts(rows, spec.data.key), rows[ACCEPTED_AT].combine_chunks().cast(TIME)
    count = len(rows)
    if said.probabilities is None:
        score = pa.array(said.labels.astype(np.float64))
    elif spec.target.problem == "binary":
        score = pa.array(said.probabilities[:, list(classes).index(spec.target.positive)])
    else:
        score = pa.nulls(count, pa.float64())
    texts = {label: str(label) for label in classes}
    columns = {
        "prediction_id": prediction_ids(keys, accepted, stamp),
        "key": keys,
        "event_time": rows[spec.data.time].combine_chunks().cast(TIME) if spec.data.time else pa.nulls(count, TIME),
        "accepted_at": accepted,
        "version": _all(stamp.version, count, pa.int64()),
        "prediction": pa.array([*map(texts.__getitem__, said.labels)]) if texts else score.cast(pa.string()),
        "score": score,
        "probabilities": _lists(said.probabilities, count),
        "quantiles": _lists(said.quantiles, count),
        "data_version": _all(stamp.data_version, count, pa.int64()),
        "as_of": _all(stamp.as_of, count, TIME),
        "scored_at": _all(stamp.scored_at, count, TIME),
        "window": windows,
        "arm": _all(stamp.arm, count, pa.string()),
    }
    return pa.table(columns, schema=COLUMNS)


def prediction_ids(keys: pa.Array, accepted_at: pa.Array, stamp: Stamp) -> pa.Array:
    """128 bits that name a version's answer to a row, the same whenever and wherever the row is scored.

    They are keyed hashes of the row's key and of the moment when it was accepted: a corrected row, accepted again
    under its key, is answered under an id of its own.

    Args:
        keys: The rows' keys as text.
        accepted_at: When each was accepted, in microseconds.
        stamp: Model, version and arm.

    Returns:
        32 hexadecimal digits a row.
    """
    named = hashlib.sha256(f"{stamp.model}\n{stamp.version}\n{stamp.arm}".encode()).hexdigest()
    texts = keys.to_numpy(zero_copy_only=False)
    moments = accepted_at.cast(pa.int64()).to_numpy().astype(np.uint64)
    halves = np.empty((len(keys), 2), dtype=">u8")
    for half in range(2):
        hashed = pd.util.hash_array(texts, hash_key=named[16 * half : 16 * half + 16], categorize=False)
        halves[:, half] = pd.util.hash_array(hashed + moments, categorize=False)
    digits = pa.py_buffer(binascii.hexlify(halves.tobytes()))
    ends = pa.py_buffer(np.arange(0, 32 * (len(keys) + 1), 32, dtype=np.int32))
    return pa.StringArray.from_buffers(len(keys), ends, digits)


def key_texts(rows: pa.Table, key: Sequence[str]) -> pa.Array:
    """The rows' keys as `core.splits.key_text` writes them, without a Python object a row where it can be.

    Raises:
        DataError: A key column is missing, or holds missing values.

    Examples:
        >>> key_texts(pa.table({"carrier": ["UA"], "flight": [1545]}), ["carrier", "flight"]).to_pylist()
        ['["UA", "1545"]']
    """
    texts = [_plain_text(rows, name) for name in key]
    if any(text is None for text in texts):
        return pa.array(key_text(as_frame(rows.select([*key])), key), pa.string())
    if len(texts) == 1:
        return texts[0]
    if any(pc.any(pc.match_substring_regex(text, STRANGE)).as_py() for text in texts):
        return pa.array(key_text(as_frame(rows.select([*key])), key), pa.string())
    inner = pc.binary_join_element_wise(*texts, '", "')
    return pc.binary_join_element_wise('["', inner, '"]', "")


def window_names(clock: pa.ChunkedArray | pa.Array, kind: str) -> pa.Array:
    """The name of the window that each moment belongs to; null for none.

    Examples:
        >>> import datetime as dt
        >>> evening = pa.array([dt.datetime(2013, 5, 1, 22, tzinfo=dt.timezone.utc), None], TIME)
        >>> window_names(evening, "day").to_pylist()
        ['2013-05-01', None]
    """
    moments = clock.combine_chunks() if isinstance(clock, pa.ChunkedArray) else clock
    moments = moments.cast(TIME)
    if kind == "day":  # days of UTC are as long as each other: no calendar is asked
        since = moments.cast(pa.int64())
        days = since.fill_null(0).to_numpy() // DAY_MICROSECONDS * DAY_MICROSECONDS
        moments = pa.array(days, mask=since.is_null().to_numpy(zero_copy_only=False)).cast(TIME)
    coded = moments.dictionary_encode()
    form = "%Y-%m-%d" if kind == "day" else MOMENT
    names = pa.array([each.strftime(form) for each in coded.dictionary.to_pylist()], pa.string())
    return pc.take(names, coded.indices)


def _plain_text(rows: pa.Table, name: str) -> pa.Array | None:
    """A column whose text Arrow writes as Python does; None for others, and where a value is missing."""
    if name not in rows.schema.names or rows[name].null_count:
        return None
    kind = rows.schema.field(name).type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    return rows[name].combine_chunks().cast(pa.string())


def _all(value: object, count: int, kind: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)


def _lists(numbers: np.ndarray | None, count: int) -> pa.Array:
    if numbers is None:
        return pa.nulls(count, NUMBERS)
    width = numbers.shape[1]
    ends = pa.array(np.arange(0, width * count + 1, width, dtype=np.int32)) if width else pa.array([0] * (count + 1))
    return pa.ListArray.from_arrays(ends, pa.array(numbers.ravel())).cast(NUMBERS)
