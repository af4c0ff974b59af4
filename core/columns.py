"""How a pandas column becomes an Arrow column, if that changes none of its values."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["arrow_column"]


def arrow_column(values: pd.Series) -> pa.ChunkedArray:
    """A column as Arrow holds it, if that changes no value; NaN becomes null.

    Arrow guesses the type of Python objects and then bends some of them in silence: a date's hours, nanoseconds and
    the zones of mixed times are dropped, text among bytes is encoded, a set becomes a list. All of that is refused.

    Raises:
        ValueError: A value would change, or cannot be held at all.

    Examples:
        >>> import datetime as dt, pandas as pd
        >>> arrow_column(pd.Series([1.5, None])).null_count
        1
        >>> arrow_column(pd.Series([dt.date(2013, 1, 1), dt.datetime(2013, 1, 1, 5)], dtype=object))
        Traceback (most recent call last):
        ValueError: date beside datetime
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    held = values.cat.categories.to_series() if isinstance(values.dtype, pd.CategoricalDtype) else values
    if held.dtype == object:
        _require_one_kind(held)
    try:
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            column = pa.Array.from_pandas(values.dt.tz_convert(None)).cast(pa.timestamp(values.dt.unit, "UTC"))
        else:
            column = pa.Array.from_pandas(values)
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError) as error:
        # Arrow quotes a value, which may be personal: the types say enough.
        kinds = sorted({type(value).__name__ for value in values[values.notna()].head(10_000)})
        raise ValueError(f"{values.dtype} of {', '.join(kinds)}") from error
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_nested(column.type) and not _is_same(values.tolist(), column.to_pylist()):
        raise ValueError("lists or dictionaries whose values are of several types")
    if pa.types.is_floating(column.type) and pc.any(pc.is_nan(column)).as_py():
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _require_one_kind(values: pd.Series) -> None:
    """Refuse objects that Arrow would bend into one type."""
    there = values[values.notna()]
    types = {*map(type, there)}
    families = {_family(found) for found in types}
    if len(families) > 1 or None in families:
        raise ValueError(" beside ".join(sorted(found.__name__ for found in types)))
    if families == {datetime}:
        if len({getattr(moment, "tzinfo", None) is None for moment in there}) > 1:
            raise ValueError("times with and without a zone")
        if any(getattr(moment, "nanosecond", 0) for moment in there):
            raise ValueError("times finer than a microsecond, as objects")


def _family(kind: type) -> type | None:
    """The kind of values that a Python type belongs to; None for what no table holds."""
    import numpy as np

    families: dict[type, tuple[type, ...]] = {
        bool: (bool, np.bool_),
        str: (str,),
        bytes: (bytes,),
        float: (int, float, np.integer, np.floating),
        Decimal: (Decimal,),
        datetime: (datetime,),
        date: (date,),
        timedelta: (timedelta,),
        time: (time,),
        list: (list, tuple, np.ndarray),
        dict: (dict,),
    }
    return next((family for family, types in families.items() if issubclass(kind, types)), None)


def _is_same(before: object, after: object) -> bool:
    """Whether nested values are what they were; a key that a dictionary lacked may be a null now."""
    import pandas as pd

    family = _family(type(before))
    if family is list and isinstance(after, list):
        values = list(before)  # type: ignore[call-overload]  # the family says that it is a list of some sort
        return len(values) == len(after) and all(map(_is_same, values, after))
    if isinstance(before, dict) and isinstance(after, dict):
        return {*before} <= {*after} and all(_is_same(before.get(name), value) for name, value in after.items())
    if after is None:
        return family not in (list, dict) and bool(pd.isna(before))  # type: ignore[call-overload]  # it takes any object
    if getattr(before, "nanosecond", 0):
        return False
    return family is not None and family is _family(type(after)) and bool(before == after)
