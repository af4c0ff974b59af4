"""Whatever frame comes: it is refused with a reason, or every value of it is read back."""

from __future__ import annotations

import datetime as dt
import math
import tempfile
from decimal import Decimal

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.core.errors import DataError, SchemaMismatch

EXACT = 2**53
MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))
ZONES = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=-5)), dt.timezone(dt.timedelta(hours=5, minutes=45))])
KINDS = (
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    st.dates(),
    MOMENTS,
    st.builds(lambda moment, zone: moment.replace(tzinfo=zone), MOMENTS, ZONES),
    st.timedeltas(),
    st.times(),
    st.lists(st.one_of(st.none(), st.integers(-EXACT, EXACT)), max_size=3),
    st.lists(st.one_of(st.text(max_size=3), st.booleans()), max_size=3),
    st.dictionaries(st.sampled_from("abc"), st.one_of(st.none(), st.integers(-EXACT, EXACT), st.text(max_size=2))),
    st.sets(st.integers(), max_size=2),
    st.complex_numbers(),
)
DTYPES = ("object", None, "category", "string", "Int64", "int8", "uint64", "float32", "boolean", "datetime64[ns, UTC]")


@st.composite
def columns(draw: st.DrawFn, rows: int) -> pd.Series:
    """A column of one kind or of several, as pandas or a careless caller would hold it."""
    kind = draw(st.sampled_from(KINDS))
    if draw(st.integers(0, 4)) == 0:
        kind = st.one_of(kind, draw(st.sampled_from(KINDS)))
    values = draw(
        st.lists(st.one_of(kind, kind, kind, st.sampled_from([None, math.nan])), min_size=rows, max_size=rows)
    )
    try:
        return pd.Series(values, dtype=draw(st.sampled_from(DTYPES)))
    except (ValueError, TypeError, OverflowError, IndexError):
        return pd.Series(values, dtype=object)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Up to three columns of up to six rows."""
    rows = draw(st.integers(0, 6))
    return pd.DataFrame({f"c{number}": draw(columns(rows)) for number in range(draw(st.integers(1, 3)))})


def is_same(before: object, after: object) -> bool:
    """Whether a value is what it was, by Python's own rules; no value at all may be spelled in any way."""
    if isinstance(before, dict):
        return isinstance(after, dict) and all(is_same(before.get(key), value) for key, value in after.items())
    if isinstance(before, (list, tuple, np.ndarray)):
        return isinstance(after, np.ndarray) and len(before) == len(after) and all(map(is_same, before, after))
    if pd.isna(before):  # type: ignore[call-overload]  # it takes any object
        return after is None or bool(pd.isna(after))  # type: ignore[call-overload]  # likewise
    truth = (bool, np.bool_)
    if isinstance(before, truth) != isinstance(after, truth):
        return False
    if isinstance(before, np.float32):
        return bool(float(before) == after)
    return bool(before == after)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames(), frames())
def test_a_batch_is_refused_with_a_reason_or_read_back_whole(first: pd.DataFrame, second: pd.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables, kept = DeltaTables(root=folder), {}
        for number, frame in enumerate((first, second, first)):
            before = tables.version("t")
            try:
                version = tables.append("t", frame.assign(batch=number), f"b{number}")
            except (DataError, SchemaMismatch):
                assert tables.version("t") == before
                continue
            assert (version.version, version.rows) == (before + 1, len(frame))
            kept[number] = frame
        rows = tables.read("t") if kept else pd.DataFrame({"batch": []})
        assert len(rows) == sum(map(len, kept.values()))
        for number, frame in kept.items():
            assert _is_same_frame(frame, rows[rows["batch"] == number]), (frame, rows)


def _is_same_frame(frame: pd.DataFrame, part: pd.DataFrame) -> bool:
    return len(frame) == len(part) and all(
        is_same(before, after)
        for name in frame
        for before, after in zip(frame[name].astype(object), part[name].astype(object), strict=True)
    )


def test_the_fuzz_tells_what_changed_from_what_did_not() -> None:
    assert is_same([1, None], np.array([1.0, np.nan]))
    assert is_same(Decimal("1.50"), Decimal("1.5"))
    assert not is_same(1, True)
    assert not is_same("1", 1)
    assert not is_same(EXACT + 1, float(EXACT))
