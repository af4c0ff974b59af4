"""Rows out of the bytes of a CSV, JSON-lines or Parquet file, or a sentence that says what is wrong with them."""

from __future__ import annotations

import contextlib
import io
import json
import re
from csv import reader as plain_csv
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ENDINGS", "read_rows"]

ENDINGS = (".parquet", ".csv", ".jsonl")
AGAIN = "Send the file again, whole"
ISO_WITH_ZONE = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)"
WIDE_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read_rows(content: bytes, batch: str) -> pd.DataFrame:
    r"""Read the rows of a file.

    Text is UTF-8, with or without a byte order mark. In CSV and JSON lines, where types have to be guessed, a column
    of ISO 8601 times with a zone becomes times; nothing else is made of what looks like a time. A named index that a
    Parquet file carries becomes a column again.

    Args:
        content: The whole file.
        batch: The batch's name, whose ending says the format.

    Raises:
        DataError: The ending is unknown; the file is empty, has no rows, is cut off or in another encoding; a row of
            a CSV file has more or fewer fields than the header, or the header names a column twice.

    Examples:
        >>> read_rows(b"id,delay\n1,5\n2,\n", "rows.csv")["delay"].tolist()
        [5.0, nan]
        >>> read_rows(b"id,delay\n1,5\n2\n", "rows.csv")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        prefect_mlops.core.errors.DataError: Batch 'rows.csv' cannot be read: row 2 has 1 of 2 fields. Send ...
    """
    ending = PurePosixPath(batch).suffix.lower()
    if ending not in ENDINGS:
        raise DataError(f"The batch {batch!r} has an unknown ending", f"Use one of {', '.join(ENDINGS)}")
    if not content:
        raise DataError(f"Batch {batch!r} is an empty file", AGAIN)
    if ending != ".parquet":
        _require_utf8(content, batch)
    try:
        if ending == ".parquet":
            rows = _parquet(content)
        else:
            rows = _times(_csv(content, batch) if ending == ".csv" else _json_lines(content, batch))
    except DataError:
        raise
    except Exception as error:  # every reader has its own zoo of errors; all mean the same to us
        if ending == ".parquet":
            said = " ".join(str(error).split())[:200]
            raise DataError(f"Batch {batch!r} cannot be read ({said})", AGAIN) from error
        # What a reader of text says may quote what is personal, and so may its traceback.
        raise DataError(f"Batch {batch!r} cannot be read ({type(error).__name__})", AGAIN) from None
    if rows.empty:
        raise DataError(f"Batch {batch!r} has no rows", "Send it again with its rows, or leave it out")
    return rows


def _require_utf8(content: bytes, batch: str) -> None:
    cure = "Send the file again as UTF-8, for example through `iconv -f {} -t UTF-8`"
    wide = WIDE_MARKS.get(content[:2])
    if wide:
        raise DataError(f"Batch {batch!r} is in {wide}, UTF-8 was expected", cure.format(wide))
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = f"byte {error.start} (0x{content[error.start]:02x}, in line {line})"
        raise DataError(
            f"Batch {batch!r} is not UTF-8: {where} is part of no character", cure.format("CP1252")
        ) from error


def _parquet(content: bytes) -> pd.DataFrame:
    import pandas as pd

    rows = pd.read_parquet(io.BytesIO(content))
    named = any(name is not None for name in rows.index.names)
    return rows.reset_index(drop=not named)


def _csv(content: bytes, batch: str) -> pd.DataFrame:
    import pandas as pd

    _require_even_rows(content, batch)
    rows: pd.DataFrame = pd.read_csv(io.BytesIO(content), low_memory=False, encoding="utf-8-sig", index_col=False)
    return rows


def _require_even_rows(content: bytes, batch: str) -> None:
    """Pandas fills short rows in silence, takes one field too many for an index, and renames a doubled column."""
    import pyarrow as pa
    from pyarrow import csv

    header = next((row for row in plain_csv(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")) if row), [])
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise DataError(f"Batch {batch!r} names columns twice: {', '.join(doubled)}", "Name each column once")
    odd: list[csv.InvalidRow] = []

    def keep(row: csv.InvalidRow) -> str:
        odd.append(row)
        return "skip"

    read = csv.ReadOptions(use_threads=False, autogenerate_column_names=True)
    parse = csv.ParseOptions(newlines_in_values=b'"' in content, invalid_row_handler=keep)
    convert = csv.ConvertOptions(check_utf8=False, include_columns=["f0"], column_types={"f0": pa.binary()})
    with csv.open_csv(pa.BufferReader(content), read, parse, convert) as reader:
        while not odd and next(reader, None) is not None:
            pass
    if odd:  # the row itself is not quoted: it may hold what is personal
        fields = f"{odd[0].actual_columns} of {odd[0].expected_columns} fields"
        raise DataError(f"Batch {batch!r} cannot be read: row {odd[0].number - 1} has {fields}", AGAIN)


def _json_lines(content: bytes, batch: str) -> pd.DataFrame:
    import pandas as pd

    text = content.decode("utf-8-sig")
    try:
        # Otherwise `updated_at: 1700000000` would become a time, and the last digit of a float a guess.
        rows: pd.DataFrame = pd.read_json(
            io.StringIO(text), lines=True, dtype=False, convert_axes=False, precise_float=True
        )
    except Exception:
        _require_objects(text, batch)
        raise
    if any(not isinstance(name, str) for name in rows.columns):
        _require_objects(text, batch)
    return rows


def _require_objects(text: str, batch: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            whole = not line.strip() or isinstance(json.loads(line), dict)
        except ValueError:
            whole = False
        if not whole:
            raise DataError(f"Batch {batch!r} cannot be read: line {number} is no whole JSON object", AGAIN)


def _times(rows: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    for name in rows.select_dtypes(["object", "string"]):
        column = rows[name].dropna()
        if len(column) and all(
            isinstance(v, str) and re.fullmatch(ISO_WITH_ZONE, v) for v in (column.iloc[0], *column)
        ):
            with contextlib.suppress(ValueError):  # the thirteenth month stays text, which validation finds
                rows[name] = pd.to_datetime(rows[name], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
    return rows
