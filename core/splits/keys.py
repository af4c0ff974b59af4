"""What names a row, and the hash of it that decides on which side of a split the row stands for ever."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import pandas as pd

    from prefect_mlops.core.splits.sets import Fold

__all__ = ["column_text", "dealt", "held_out", "key_hashes", "key_text"]

PERSON = b"prefect-mlops"


def key_text(rows: pd.DataFrame, key: Sequence[str]) -> pd.Series:
    """What names each row, as text: the bare value of one key column, a JSON list of the texts of several.

    Args:
        rows: Rows with the key columns.
        key: Their names, at least one.

    Raises:
        DataError: A key column is missing, or holds missing values.

    Examples:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"carrier": ["UA", "B6"], "flight": [1545, 725]})
        >>> key_text(rows, ["flight"]).tolist(), key_text(rows, ["carrier", "flight"])[0]
        (['1545', '725'], '["UA", "1545"]')
    """
    import pandas as pd

    absent = [name for name in key if name not in rows.columns]
    if absent:
        raise DataError(f"The rows have no key column {', '.join(absent)}", "Correct data.key in the spec, or the rows")
    for name in key:
        missing = int(rows[name].isna().sum())
        if missing:
            cure = "A key names its row: let the suite block missing keys"
            raise DataError(f"Key column {name!r} is missing in {missing:,} rows", cure)
    columns = [[_text(value) for value in rows[name]] for name in key]
    joined = columns[0] if len(columns) == 1 else [json.dumps(values) for values in zip(*columns, strict=True)]
    return pd.Series(joined, index=rows.index, dtype=object)


def column_text(rows: pd.DataFrame, name: str, place: str) -> pd.Series:
    """The values of the column that a split goes by, as text; 7, 7.0 and "7" are one value.

    Args:
        rows: The rows.
        name: The column.
        place: Where the spec names it, such as `split.group`.

    Raises:
        DataError: There is no such column, or it holds missing values.
    """
    import pandas as pd

    if name not in rows.columns:
        raise DataError(f"The rows have no column {name!r}, which {place} names", f"Correct {place}, or the rows")
    missing = int(rows[name].isna().sum())
    if missing:
        raise DataError(
            f"Column {name!r}, which {place} names, is missing in {missing:,} of {len(rows):,} rows",
            "Nobody can say on which side they belong: fill it at its source, or let the suite quarantine such rows",
        )
    texts = {value: _text(value) for value in rows[name].unique()}
    return pd.Series(rows[name].map(texts).to_numpy(dtype=object), index=rows.index, dtype=object)


def held_out(texts: Iterable[str], share: float) -> np.ndarray:
    """Whether a hash of each text lies in the lowest share of all hashes.

    A text's side depends on nothing but itself, so a row stays on its side whatever other rows come.
    """
    import numpy as np

    return np.asarray(key_hashes(texts) < np.uint64(int(share * 2**64)))


def key_hashes(texts: Iterable[str], seed: int | None = None) -> np.ndarray:
    """64 bits a text, the same in every process.

    Args:
        texts: What is hashed.
        seed: Another draw for each number; None is the draw that holds rows out.
    """
    import numpy as np

    salt = b"" if seed is None else (seed + 1).to_bytes(16, "big")
    digests = b"".join(
        hashlib.blake2b(text.encode(), digest_size=8, person=PERSON, salt=salt).digest() for text in texts
    )
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def dealt(part: np.ndarray, count: int, what: str) -> tuple[Fold, ...]:
    """Folds from the number of the part that each row judges in.

    Args:
        part: Shape `(rows,)`, from 0 to `count - 1`.
        count: How many folds.
        what: What was dealt out, for the error, such as `rows`.

    Raises:
        DataError: A fold would judge on nothing.
    """
    import numpy as np

    from prefect_mlops.core.splits.sets import Fold

    if (np.bincount(part, minlength=count) == 0).any():
        raise DataError(
            f"{len(part):,} rows give no {count} folds: one of them holds no {what}",
            "Ask for fewer folds, or load more rows",
        )
    return tuple(Fold(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(count))


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime) else str(value)
