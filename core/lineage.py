"""What a version was made from, and a digest that changes when a single cell of its rows does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DataVersion", "Lineage", "digest_rows"]

UNKNOWN = "unknown"
"""What stands where nobody knows what an adopted model was made from."""


class DataVersion(Frozen):
    """One version of a table, or the rows of it that were read.

    Attributes:
        table: The table's name; empty where there is none, `unknown` where nobody knows it.
        version: The table's version; -1 where there is none.
        rows: How many rows; -1 where they were not read.
        digest: `digest_rows` of them; empty where they were not read.
        first: The oldest time, ISO 8601; empty without a time column.
        last: The newest time, likewise.
        columns: Every column with its type.
    """

    table: str
    version: int
    rows: int
    digest: str
    first: str = ""
    last: str = ""
    columns: dict[str, str] = Field(default={})

    @classmethod
    def of(cls, rows: pd.DataFrame, table: str, version: int, time: str | pd.Series | None = None) -> Self:
        """Describe rows of a table.

        Args:
            rows: The rows, as they were read.
            table: The table's name.
            version: The table's version.
            time: The column whose oldest and newest value are told, or the rows' times themselves.

        Raises:
            DataError: The column holds no times.

        Examples:
            >>> import pandas as pd
            >>> rows = pd.DataFrame({"at": pd.to_datetime(["2013-01-01", None, "2013-01-03"], utc=True)})
            >>> said = DataVersion.of(rows, "flights", 7, "at")
            >>> said.rows, said.first, said.columns
            (3, '2013-01-01T00:00:00+00:00', {'at': 'datetime64[us, UTC]'})
        """
        first, last = _span(rows[time] if isinstance(time, str) else time)
        return cls(
            table=table,
            version=version,
            rows=len(rows),
            digest=digest_rows(rows),
            first=first,
            last=last,
            columns={str(name): str(dtype) for name, dtype in rows.dtypes.items()},
        )


class Lineage(Frozen):
    """Everything that a registry version is made from.

    Attributes:
        model: The model's name.
        data: The rows that it learned from.
        labels_version: The version of the labels that were joined; the rows' own where labels come with them.
        commit: The commit of the code; empty where it is unknown.
        spec_digest: SHA-256 of the spec.
        suite_digest: SHA-256 of the suite that its rows have to fit; empty where it is unknown.
        lock_digest: SHA-256 over name and version of every installed distribution.
        seed: Where every chance came from.
        parameters: The trainer as written in the spec.
        holdout_digest: Of the judging rows, the one that the evidence holds too.
        cutoff: The newest time that the model learned from, ISO 8601; empty without a time column. Of an adopted model
            the newest of the rows that were given with it.
        as_of: End of the window that was read, ISO 8601.
    """

    model: str
    data: DataVersion
    labels_version: int
    commit: str
    spec_digest: str
    suite_digest: str = ""
    lock_digest: str
    seed: int
    parameters: dict[str, Any]
    holdout_digest: str
    cutoff: str
    as_of: str


def digest_rows(rows: pd.DataFrame, *, ordered: bool = False) -> str:
    """SHA-256 over all rows: names, kinds, values and nulls.

    Values count, not how pandas holds them: rows keep their digest on the way through a Delta table. So text is text
    as `object`, `str`, `category` or Arrow strings, times are moments whatever their zone and unit, unsigned integers
    are signed ones where they fit, 1.50 is 1.5 as a decimal, and a NaN is a null as None, NaT and pd.NA are. What
    differs: int32 and int64, 1 and 1.0 in columns of their own, a null and an empty text, times with and without a
    zone; in a column of mixed objects also True, 1, 1.0 and "1". -0.0 counts as 0.0, as it does in comparisons.

    The index, chunks and the order of columns never matter, the order of rows only when asked. Each row is hashed to
    64 bits first: that finds every accident, and is no defence against somebody who looks for two rows of one hash.

    Args:
        rows: Any frame; an empty one has a digest too.
        ordered: Whether the order of the rows counts.

    Returns:
        64 hexadecimal digits.

    Examples:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
        >>> digest_rows(rows) == digest_rows(rows.iloc[::-1])
        True
        >>> digest_rows(rows) == digest_rows(rows.assign(a=[1, 3]))
        False
    """
    import hashlib
    import json

    import numpy as np

    from prefect_mlops.core.digests import hash_rows

    columns, hashes = hash_rows(rows)
    digest = hashlib.sha256(json.dumps([len(rows), ordered, columns]).encode())
    digest.update((hashes if ordered else np.sort(hashes)).tobytes())
    return digest.hexdigest()


def _span(times: pd.Series | None) -> tuple[str, str]:
    """The oldest and the newest time, ISO 8601; empty where there is none."""
    known = None if times is None else times.dropna()
    if known is None or known.empty:
        return "", ""
    if not hasattr(known.iloc[0], "isoformat"):
        raise DataError(f"Column {known.name!r} holds no times but {known.dtype}", "Name a column of times")
    return known.min().isoformat(), known.max().isoformat()
