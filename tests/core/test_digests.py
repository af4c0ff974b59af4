"""A digest sees every single changed cell of every kind, and not how pandas holds the rows."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_mlops.core.digests import hash_rows
from prefect_mlops.core.lineage import digest_rows

CHANGES_A_KIND = 400
DAY, HOUR = dt.datetime(2013, 1, 1), dt.timedelta(hours=1)
UTC, NEW_YORK = "UTC", "America/New_York"

KINDS: dict[str, tuple[list[object], object]] = {
    "int8": ([0, 1, -1, 127, -128], "int8"),
    "int64": ([0, 1, -1, 2**53, 2**53 + 1, -(2**63), 2**63 - 1], "int64"),
    "uint64": ([0, 1, 2**63 - 1, 2**63, 2**64 - 1], "uint64"),
    "nullable int": ([0, 1, 2**53 + 1, pd.NA], "Int64"),
    "float32": ([0.0, 1.0, float(np.nextafter(np.float32(1), np.float32(2))), np.nan, np.inf], "float32"),
    "float64": ([0.0, 1.0, float(np.nextafter(1, 2)), 5e-324, np.nan, np.inf, -np.inf], "float64"),
    "nullable float": ([0.0, 1.5, pd.NA], "Float64"),
    "bool": ([True, False], "bool"),
    "nullable bool": ([True, False, pd.NA], "boolean"),
    "bool objects": ([True, False, None], object),
    "str": (["", "x", "X", "x ", "nan", "None", "null", "\0", "\u00e9", "e\u0301", None], "str"),
    "string": (["", "x", "<NA>", pd.NA], "string"),
    "text objects": (["", "x", "nan", None], object),
    "arrow text": (["", "x", "None", None], pd.ArrowDtype(pa.string())),
    "category": (["", "x", "y", None], "category"),
    "category of numbers": ([1, 2, 3, None], "category"),
    "times in ns": ([DAY, DAY + HOUR, pd.Timestamp(DAY) + pd.Timedelta(1, "ns"), None], f"datetime64[ns, {UTC}]"),
    "times in us": ([DAY, DAY + dt.timedelta(microseconds=1), None], f"datetime64[us, {NEW_YORK}]"),
    "times without zone": ([DAY, DAY + HOUR, None], "datetime64[us]"),
    "time objects": ([DAY, DAY + HOUR, DAY.replace(tzinfo=dt.UTC), pd.Timestamp(1), None], object),
    "durations": ([HOUR, 2 * HOUR, None], "timedelta64[ns]"),
    "times of day": ([dt.time(1), dt.time(1, 0, 0, 1), None], object),
    "dates": ([DAY.date(), DAY.date() + 24 * HOUR, None], object),
    "dates and times": ([DAY.date(), DAY, None], object),
    "decimals": ([Decimal("1.5"), Decimal("1.05"), Decimal("-15"), Decimal("1E+5"), None], object),
    "many digits": ([Decimal(10**50), Decimal(10**50 + 1), Decimal("Infinity"), None], object),
    "bytes": ([b"", b"x", b"\0", b"\xff", None], object),
    "mixed objects": ([True, 1, 2, "1", "True", 1.5, b"1", None, Decimal("1"), "", 2**70, 2**70 + 1, "\ud800"], object),
    "lists": ([[1], [1, 2], [2, 1], [], [None], None], object),
    "lists of several kinds": ([[1, "1"], ["1", 1], [True], [1], [["1"]], [], None], object),
    "arrays": ([np.array([1.0, 2.0]), np.array([2.0, 1.0]), None], object),
    "dictionaries": ([{"a": 1}, {"a": 2}, {"b": 1}, {"a": None, "b": 2}, None], object),
    "nested": ([{"a": [1, {"b": "x"}]}, {"a": [1, {"b": ""}]}, {"a": [1, {"b": None}]}, {"a": []}], object),
    "periods": ([pd.Period("2013-01"), pd.Period("2013-02"), None], "period[M]"),
    "complex": ([1j, 2j, 0j], "complex128"),
}


def _column(cells: list[object], dtype: object) -> pd.Series:
    if isinstance(dtype, str) and dtype.startswith("datetime64["):
        zone = dtype.rstrip("]").split(", ")[1] if "," in dtype else None
        plain = pd.Series([pd.NaT if cell is None else pd.Timestamp(cell) for cell in cells])
        unit = "ns" if "[ns" in dtype else "us"
        return (plain.dt.tz_localize(zone) if zone else plain).dt.as_unit(unit)
    return pd.Series(cells, dtype=dtype)  # type: ignore[call-overload]  # any dtype at all


def test_ten_thousand_changes_are_tried() -> None:
    assert len(KINDS) * CHANGES_A_KIND >= 10_000


@pytest.mark.parametrize("kind", KINDS)
def test_every_single_changed_cell_changes_the_digest(kind: str) -> None:
    pool, dtype = KINDS[kind]
    chance = random.Random(kind)
    for _ in range(CHANGES_A_KIND // 40):
        cells = chance.choices(range(len(pool)), k=24)
        before = digest_rows(pd.DataFrame({"a": _column([pool[cell] for cell in cells], dtype)}))
        for _ in range(40):
            row = chance.randrange(len(cells))
            other = chance.choice([cell for cell in range(len(pool)) if cell != cells[row]])
            changed = [*cells[:row], other, *cells[row + 1 :]]
            after = digest_rows(pd.DataFrame({"a": _column([pool[cell] for cell in changed], dtype)}))
            assert after != before, (pool[cells[row]], pool[other])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pd.Series(["x", None], dtype="str"), pd.Series(["x", None], dtype=object)),
        (pd.Series(["x", None], dtype="str"), pd.Series(["x", np.nan], dtype="category")),
        (pd.Series(["x", None], dtype="str"), pd.Series(["x", None], dtype=pd.ArrowDtype(pa.string()))),
        (pd.Series([1.5, np.nan]), pd.Series([1.5, pd.NA], dtype="Float64")),
        (pd.Series([1, 2]), pd.Series([1, 2], dtype="Int64")),
        (pd.Series([1, 2]), pd.Series([1, 2], dtype="uint32")),
        (pd.Series([True, None], dtype=object), pd.Series([True, pd.NA], dtype="boolean")),
        (pd.Series([None, "x"], dtype=object), pd.Series([np.nan, "x"], dtype=object)),
        (pd.Series([Decimal("1.5"), Decimal("2")]), pd.Series([Decimal("1.50"), Decimal("2.0")])),
        (pd.Series([[1, 2], None]), pd.Series([np.array([1, 2]), None])),
        (pd.Series([{"a": 1}, {"b": 2}]), pd.Series([{"a": 1, "b": None}, {"b": 2, "a": None}])),
        (
            pd.Series(pd.to_datetime(["2013-01-01 12:00"]).tz_localize(NEW_YORK).as_unit("s")),
            pd.Series(pd.to_datetime(["2013-01-01 17:00"]).tz_localize(UTC).as_unit("ns")),
        ),
    ],
)
def test_the_same_values_have_one_digest_however_they_are_held(one: pd.Series, other: pd.Series) -> None:
    assert digest_rows(one.to_frame("a")) == digest_rows(other.to_frame("a"))


def test_minus_zero_counts_as_zero_and_all_nans_are_one_null() -> None:
    strange = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype="uint64").view("float64")

    assert digest_rows(pd.DataFrame({"a": [-0.0, 1.0]})) == digest_rows(pd.DataFrame({"a": [0.0, 1.0]}))
    assert digest_rows(pd.DataFrame({"a": strange})) == digest_rows(pd.DataFrame({"a": [np.nan, np.nan]}))


@pytest.mark.parametrize("dtype", ["int32", "float64", "str", "boolean", "UInt64"])
def test_another_kind_of_the_same_numbers_is_another_digest(dtype: str) -> None:
    ones = pd.DataFrame({"a": [1, 1]})
    digests = {digest_rows(ones), digest_rows(ones.astype(dtype))}

    assert len(digests) == (1 if dtype == "UInt64" else 2)


def test_chunks_do_not_matter() -> None:
    whole = pa.chunked_array([["x", "y", None, "z"]])
    parts = pa.chunked_array([["x"], ["y", None], [], ["z"]], pa.string())

    one, other = (pd.DataFrame({"a": pd.arrays.ArrowExtensionArray(column)}) for column in (whole, parts))

    assert digest_rows(one) == digest_rows(other)


def test_columns_of_one_name_keep_their_places() -> None:
    rows = pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])

    assert digest_rows(rows) != digest_rows(rows.iloc[:, ::-1])


def test_more_rows_than_a_block_are_hashed_as_one() -> None:
    rows = pd.DataFrame({"a": np.arange(100_000), "b": np.arange(100_000) / 3})
    parts = [hash_rows(rows.iloc[start : start + 7_001])[1] for start in range(0, len(rows), 7_001)]

    assert np.array_equal(np.concatenate(parts), hash_rows(rows)[1])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(2, 6))
def test_values_that_swap_places_are_seen(data: st.DataObject, width: int) -> None:
    cells = st.lists(st.integers(0, 3), min_size=width, max_size=width)
    rows = data.draw(st.lists(cells, min_size=2, max_size=6))
    (row, column), (there, beside) = (
        (data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, width - 1))) for _ in "ab"
    )
    swapped = [list(cells) for cells in rows]
    swapped[row][column], swapped[there][beside] = rows[there][beside], rows[row][column]

    same = sorted(swapped) == sorted(rows)

    assert (digest_rows(pd.DataFrame(swapped)) == digest_rows(pd.DataFrame(rows))) is same
