"""Features as the matrices that a converted model takes, straight from a table's columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from prefect_mlops.core.trainers.fitted import MISSING, prepare

__all__ = ["numbers_of", "texts_of"]


def numbers_of(rows: pa.Table, names: Sequence[str]) -> np.ndarray:
    """Numbers as `core.trainers.fitted.prepare` gives them, in single precision.

    Args:
        rows: With these columns.
        names: Of the columns, in order.

    Returns:
        Shape `(rows, names)`; NaN for no value.

    Raises:
        DataError: A column holds other than numbers, or is infinite.

    Examples:
        >>> numbers_of(pa.table({"load": [1, None], "wind": [0.5, 2.0]}), ["wind", "load"]).tolist()
        [[0.5, 1.0], [2.0, nan]]
    """
    found = np.empty((len(rows), len(names)), dtype=np.float32)
    for place, name in enumerate(names):
        kind = rows.schema.field(name).type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            column = rows[name].combine_chunks().cast(pa.float64(), safe=False)
            values = column.to_numpy(zero_copy_only=False)
            if not np.isinf(values).any():
                found[:, place] = values
                continue
        found[:, place] = prepare(rows.select([name]).to_pandas(), (name,), ())[name].to_numpy()
    return found


def texts_of(rows: pa.Table, names: Sequence[str]) -> np.ndarray:
    """Categories as `core.trainers.fitted.prepare` gives them: each different value becomes a text once.

    Args:
        rows: With these columns.
        names: Of the columns, in order.

    Returns:
        Texts of shape `(rows, names)`; `missing` for no value.

    Examples:
        >>> texts_of(pa.table({"day": [3.0, None], "shop": ["north", "south"]}), ["day", "shop"]).tolist()
        [['3', 'north'], ['missing', 'south']]
    """
    found = np.empty((len(rows), len(names)), dtype=object)
    for place, name in enumerate(names):
        column = rows[name].combine_chunks()
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        texts = np.array([*(_text(value) for value in coded.dictionary.to_pylist()), MISSING], dtype=object)
        found[:, place] = texts[coded.indices.fill_null(len(texts) - 1).to_numpy()]
    return found


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
