"""How rows become one 64-bit number each: from their values, and not from how pandas happens to hold them."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa

from prefect_mlops.core.batches import plain_type
from prefect_mlops.core.columns import arrow_column

__all__ = ["hash_rows"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
"""Constants of splitmix64, whose mixing maps no two numbers to one."""
NULL = np.uint64(0x6A09E667F3BCC908)
"""Stands for a null; a number with these very bits occurs once in 2**64."""
BLOCK = 1 << 15


def hash_rows(rows: pd.DataFrame) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Every column's name and kind, sorted, and a hash a row.

    A cell's hash depends on its column's name and kind, a row's hash is the sum of its cells', so the order of the
    columns does not matter and no value can wander to another column or row unseen. Where every cell is a number,
    a time or a bool, a single changed cell changes the row's hash for certain; texts and nested values are hashed
    to 64 bits first.

    References:
        Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA 2014 (splitmix64).
    """
    total = np.zeros(len(rows), dtype=np.uint64)
    columns, seen = [], Counter[str]()
    for index, name in enumerate(rows.columns):
        kind, bits, nulls = _as_bits(rows.iloc[:, index])
        seen[repr(name)] += 1
        columns.append((repr(name), kind))
        _add_mixed(total, bits, nulls, _key(repr(name), kind, seen[repr(name)]))
    return sorted(columns), total


def _key(name: str, kind: str, occurrence: int) -> np.uint64:
    spelled = "\0".join((name, kind, str(occurrence))).encode("utf-8", "surrogatepass")
    return np.uint64(int.from_bytes(hashlib.sha256(spelled).digest()[:8], "big"))


def _add_mixed(total: np.ndarray, bits: np.ndarray, nulls: np.ndarray | None, key: np.uint64) -> None:
    """Add the cells' hashes, block by block: what fits into the processor's cache costs half."""
    for start in range(0, len(total), BLOCK):
        block = slice(start, start + BLOCK)
        mixed = bits[block] ^ key
        if nulls is not None:
            mixed[nulls[block]] = NULL ^ key
        mixed += GOLDEN
        for shift, factor in ((30, FIRST), (27, SECOND)):
            mixed ^= mixed >> np.uint64(shift)
            mixed *= factor
        mixed ^= mixed >> np.uint64(31)
        total[block] += mixed


def _as_bits(values: pd.Series) -> tuple[str, np.ndarray, np.ndarray | None]:
    """A column's kind, 64 bits a cell, and which cells are null."""
    if values.dtype == np.float64:
        numbers = values.to_numpy()
        return "double", (numbers + 0.0).view(np.uint64), np.isnan(numbers)
    try:
        column = _canonical(arrow_column(values))
    except ValueError:
        spelled = [_spelled(value).encode("utf-8", "surrogatepass") for value in values.astype(object)]
        return "mixed", _hashed(spelled), None
    nulls = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    return _kind(column.type), _bits(column), nulls


def _canonical(column: pa.Array) -> pa.Array:
    """The column as a Delta table would hold it, or as it is where that would lose something."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    try:
        return column.cast(plain_type(column.type))
    except pa.ArrowException:
        return column


def _kind(kind: pa.DataType) -> str:
    """A type's name; numbers of decimal digits are one kind however many digits they have."""
    return "decimal" if pa.types.is_decimal(kind) else str(kind)


def _bits(column: pa.Array) -> np.ndarray:
    types, kind = pa.types, column.type
    if types.is_null(kind):
        return np.zeros(len(column), dtype=np.uint64)
    if types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif types.is_date32(kind) or types.is_time32(kind):
        column = column.cast(pa.int32())
    elif types.is_temporal(kind) and kind.bit_width == 64:
        column = column.cast(pa.int64())
    if types.is_integer(column.type):
        return _filled(column).astype(np.int64, copy=False).view(np.uint64)
    if types.is_floating(kind):
        numbers: np.ndarray = (_filled(column).astype(np.float64) + 0.0).view(np.uint64)
        return numbers
    if types.is_string(kind) or types.is_binary(kind) or types.is_decimal(kind):
        coded = column.dictionary_encode()
        distinct = coded.dictionary.to_pylist()
        if types.is_decimal(kind):
            distinct = [_spelled(value).encode() for value in distinct]
        hashes: np.ndarray = _hashed(distinct or [""])[_filled(coded.indices)]
        return hashes
    return _hashed([_spelled(value).encode("utf-8", "surrogatepass") for value in column.to_pylist()])


def _filled(column: pa.Array) -> np.ndarray:
    filled: np.ndarray = (column.fill_null(0) if column.null_count else column).to_numpy(zero_copy_only=False)
    return filled


def _hashed(texts: list[str] | list[bytes]) -> np.ndarray:
    """SipHash of texts or bytes, with the key that pandas has always had."""
    objects = np.empty(len(texts), dtype=object)
    objects[:] = texts
    hashes: np.ndarray = pd.util.hash_array(objects, categorize=False)
    return hashes


def _spelled(value: object) -> str:  # noqa: PLR0911  # one line a kind of value
    """A value with its kind, so that no two that differ are spelled alike."""
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        parts = [_spelled(part) for part in value]
        return f"[{','.join(sorted(parts) if isinstance(value, set | frozenset) else parts)}]"
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{_spelled(name)}:{_spelled(part)}" for name, part in value.items())) + "}"
    if pd.isna(value):  # type: ignore[call-overload]  # it takes any object
        return "null"
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        value = value.item()
    if isinstance(value, str):
        return f"text {len(value)} {value}"
    if isinstance(value, float):
        return f"float {value + 0.0!r}"
    if isinstance(value, datetime):
        return f"moment {value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()}"
    if isinstance(value, bool | int | bytes | date):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, Decimal) and value.is_finite():
        return "decimal {}/{}".format(*value.as_integer_ratio())
    return f"{type(value).__module__}.{type(value).__qualname__} {value!r}"
