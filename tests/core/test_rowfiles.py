"""Whatever is wrong with a file is a sentence that says where and what to do; nothing is read half or guessed."""

import contextlib
import io
import json
import traceback

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.rowfiles import read_rows


def parquet(rows: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    rows.to_parquet(content)
    return content.getvalue()


WHOLE = parquet(pd.DataFrame({"a": range(1000), "b": ["x"] * 1000}))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("b.parquet", WHOLE[: len(WHOLE) // 2], "cannot be read"),
        ("b.parquet", WHOLE[:-1], "cannot be read"),
        ("b.parquet", b"PAR1", "cannot be read"),
        ("b.parquet", parquet(pd.DataFrame({"a": pd.Series([], dtype="int64")})), "has no rows"),
        ("b.parquet", b"", "is an empty file"),
        ("b.csv", b"", "is an empty file"),
        ("b.jsonl", b"", "is an empty file"),
        ("b.csv", b"a,b\n", "has no rows"),
        ("b.csv", b"\n\n", "cannot be read"),
        ("b.csv", b"a,b\n1,2\n3\n", "row 2 has 1 of 2 fields"),
        ("b.csv", b"a,b\n1,2\n3,4,5\n", "row 2 has 3 of 2 fields"),
        ("b.csv", b"a,b\n1,2,3\n4,5,6\n", "row 1 has 3 of 2 fields"),
        ("b.csv", b"a,a\n1,2\n", "names columns twice: a"),
        ("b.csv", b"name\nZo\xc3\xab\nZo\xeb\n", r"byte 12 \(0xeb, in line 3\)"),
        ("b.csv", "a\n1\n".encode("utf-16"), "is in UTF-16, UTF-8 was expected"),
        ("b.jsonl", b'{"a": 1}\n{"a": 2, "b"', "line 2 is no whole JSON object"),
        ("b.jsonl", b'{"a": 1}\n[2]\n', "line 2 is no whole JSON object"),
        ("b.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "is not UTF-8"),
        ("b.jsonl", b"\n", "has no rows"),
    ],
)
def test_a_broken_file_says_what_is_wrong_with_it(name: str, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_rows(content, name)
    assert any(cure in str(caught.value) for cure in ("Send it again", "Send the file again", "Name each"))


def test_the_values_of_a_broken_row_are_not_quoted() -> None:
    with pytest.raises(DataError) as caught:
        read_rows(b"name,age\nAda,36\nGrace,hopper@example.com,85\n", "b.csv")
    assert "hopper" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"), [("b.csv", "a,b\n1,Zoë\n"), ("b.jsonl", '{"a": 1, "b": "Zoë"}\n'), ("b.csv", "a,b\r\n1,Zoë\r\n")]
)
def test_a_byte_order_mark_of_utf8_belongs_to_no_column(name: str, text: str) -> None:
    rows = read_rows(text.encode("utf-8-sig"), name)

    assert rows.to_dict("records") == [{"a": 1, "b": "Zoë"}]


def test_a_quoted_field_may_hold_commas_and_line_ends() -> None:
    rows = read_rows(b'a,b\n1,"x, y\nz"\n2,w\n', "b.csv")

    assert rows["b"].tolist() == ["x, y\nz", "w"]


def test_json_lines_need_no_common_keys() -> None:
    rows = read_rows(b'{"a": 1}\n\n{"b": "x"}\n', "b.jsonl")

    assert list(rows.columns) == ["a", "b"]
    assert rows["a"].isna().tolist() == [False, True]


def test_a_number_is_not_taken_for_a_time() -> None:
    rows = read_rows(b'{"updated_at": 1700000000, "date": 20130101}\n', "b.jsonl")

    assert rows.to_dict("records") == [{"updated_at": 1700000000, "date": 20130101}]


@given(st.sampled_from(["b.parquet", "b.csv", "b.jsonl"]), st.binary(max_size=300))
def test_no_bytes_whatever_are_more_than_rows_or_a_data_error(name: str, content: bytes) -> None:
    with contextlib.suppress(DataError):
        assert len(read_rows(content, name))


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(-9, 9), min_size=1), min_size=1, max_size=9))
def test_a_json_file_that_is_cut_anywhere_never_reads_as_more_or_other_rows(records: list[dict[str, int]]) -> None:
    content = "\n".join(json.dumps(record) for record in records).encode()
    for end in range(1, len(content)):
        try:
            rows = read_rows(content[:end], "b.jsonl")
        except DataError:
            continue
        whole = content[:end].count(b"\n") + (content[end - 1 : end] == b"}")
        assert len(rows) == whole


@pytest.mark.parametrize(
    ("text", "batch"),
    [
        ('id,s\n1,"ada-lovelace\n', "a.csv"),
        ("id,s\n1,ada-lovelace,3\n", "a.csv"),
        ('{"a": "ada-lovelace\n', "a.jsonl"),
        ('{"a": ada-lovelace}\n', "a.jsonl"),
        ('[1,"ada-lovelace"]\n', "a.jsonl"),
        ('{"ada-lovelace": 1e999}\n', "a.jsonl"),
    ],
)
def test_no_value_of_a_file_that_cannot_be_read_stands_in_the_error_or_its_traceback(text: str, batch: str) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(text.encode(), batch)

    assert "ada-lovelace" not in "".join(traceback.format_exception(caught.value))
