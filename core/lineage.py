"""What a version was made from, and a digest that changes when a single cell of its rows does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DataVersion", "Lineage", "digest_rows"]


class DataVersion(Frozen):
    """One version of a table, or the rows of it that were read.

    Attributes:
        table: The table's name.
        version: The table's version.
        rows: How many rows.
        digest: `digest_rows` of them.
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


class Lineage(Frozen):
    """Everything that a registry version is made from.

    Attributes:
        model: The model's name.
        data: The rows that it learned from.
        labels_version: The version of the labels that were joined; the rows' own where labels come with them.
        commit: The commit of the code; empty where it is unknown.
        spec_digest: SHA-256 of the spec.
        lock_digest: SHA-256 over name and version of every installed distribution.
        seed: Where every chance came from.
        parameters: The trainer as written in the spec.
        holdout_digest: `digest_rows` of the judging rows.
        cutoff: The newest time that the model learned from, ISO 8601; empty without a time column.
        as_of: End of the window that was read, ISO 8601.
    """

    model: str
    data: DataVersion
    labels_version: int
    commit: str
    spec_digest: str
    lock_digest: str
    seed: int
    parameters: dict[str, Any]
    holdout_digest: str
    cutoff: str
    as_of: str


def digest_rows(rows: pd.DataFrame, *, ordered: bool = False) -> str:
    """SHA-256 over all rows, values, nulls and types.

    The index and the order of columns never matter, the order of rows only when asked. A null differs from an
    empty text; -0.0 counts as 0.0, as it does in comparisons. Each row is hashed to 64 bits first: that finds
    every accident, and is no defence against somebody who looks for two rows of one hash.

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
    import pandas as pd

    columns = sorted(rows.columns, key=str)
    schema = json.dumps([len(rows), *((str(name), str(rows[name].dtype)) for name in columns)])
    digest = hashlib.sha256(schema.encode())
    if len(rows):
        # Nulls are marked beside the values: the hash of a null text equals that of some sentinel text.
        ordinary = rows[columns].reset_index(drop=True)
        nulls = ordinary.isna()
        marked = nulls.loc[:, nulls.any()].add_prefix("null:")
        hashes = pd.util.hash_pandas_object(pd.concat([ordinary, marked], axis=1), index=False).to_numpy()
        digest.update((hashes if ordered else np.sort(hashes)).tobytes())
    return digest.hexdigest()
