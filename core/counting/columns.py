"""What kind of values a column holds, as far as counting in Polars and in pandas is known to agree on it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

__all__ = ["EXACT", "OBJECT", "Column", "Kind", "kind_of", "unit_of", "with_nulls"]

Kind = Literal["integer", "float", "text", "boolean", "time", "other"]

OBJECT = np.dtype("object")
EXACT = 2**53
"""Up to here float64 holds every integer, so that integers and floats compare alike."""


class Column(NamedTuple):
    """A column as pandas would hold it.

    Attributes:
        name: Its name.
        dtype: Its pandas dtype, before anything is known of nulls where `settled` is False.
        kind: What its values are; nothing is counted of `other`.
        settled: Whether nulls are already reflected in the dtype. In files they are not: pandas reads integers with
            nulls as floats, and booleans with nulls as objects.
    """

    name: str
    dtype: Any
    kind: Kind
    settled: bool


def kind_of(dtype: Any) -> Kind:
    """The kind of values behind a pandas dtype.

    Only what pandas makes by default has a kind: nullable, Arrow-backed, categorical and object columns follow rules
    of their own and are left to pandas.

    Examples:
        >>> kind_of(np.dtype("int32")), kind_of(np.dtype("uint64")), kind_of(pd.Int64Dtype())
        ('integer', 'other', 'other')
    """
    if isinstance(dtype, pd.StringDtype):
        return "text" if isinstance(dtype.na_value, float) and dtype.storage == "pyarrow" else "other"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "time"
    if not isinstance(dtype, np.dtype) or dtype.byteorder == ">":
        return "other"
    if dtype.kind in "iu":
        return "integer" if dtype.kind == "i" or dtype.itemsize < 8 else "other"
    return {"f8": "float", "b1": "boolean"}.get(dtype.str[1:], "time" if dtype.kind == "M" else "other")  # type: ignore[return-value]


def with_nulls(column: Column) -> Any:
    """The dtype that pandas gives a column of a file once it holds nulls."""
    if column.settled or column.kind not in ("integer", "boolean"):
        return column.dtype
    return np.dtype("float64") if column.kind == "integer" else OBJECT


def unit_of(dtype: Any) -> Any:
    """The unit in which a pandas dtype holds times, with a zone or without, such as `us`."""
    return np.datetime_data(getattr(dtype, "base", dtype))[0]
