"""Rows that are set aside: which ones and why, and how they are kept so that they can come back corrected."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from prefect_mlops.core.batches import as_texts

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["Cause", "as_records", "in_types", "rows_of_records", "sift", "without"]

BATCH, ROW, REASONS, VALUES, AT = "batch", "row", "reasons", "values", "quarantined_at"
SHOWN = ("quarantine_batch", "quarantine_row", "quarantine_reasons")
"""The columns that name a quarantined row where people correct it."""


class Cause(NamedTuple):
    """Why some rows of a batch are set aside.

    Attributes:
        reason: One phrase without any value of the rows.
        positions: Which rows, counted from 0, rising.
    """

    reason: str
    positions: np.ndarray


def sift(spec: ModelSpec, rows: pd.DataFrame, as_of: datetime) -> tuple[Cause, ...]:
    """The rows that no table may take, whatever the suite says.

    A row needs a key of its own and, where the spec has a time column, a time that lies no more than
    `data.ahead_days` after `as_of`. Of rows that are equal in everything the first one stays; where rows share a
    key and differ elsewhere, nobody can tell which is right and all are set aside. A column that is missing, or
    whose times have no zone, is not looked at: it is the whole batch's fault.

    Args:
        spec: Says key and time.
        rows: The batch.
        as_of: The time that the batch belongs to.

    Returns:
        One entry a cause that some row has.
    """
    import numpy as np
    import pandas as pd

    key = list(spec.data.key)
    found = {}
    if set(key) <= set(rows.columns):
        nameless = rows[key].isna().any(axis=1)
        shared = rows.duplicated(key, keep=False) & ~nameless
        again = _again(rows.loc[shared])
        found[f"{', '.join(key)}: the row has no key"] = nameless
        found["the row repeats an earlier one"] = shared & again
        kept = rows.loc[shared & ~again]
        differs = pd.Series(data=False, index=rows.index)
        differs.loc[kept.index[kept.duplicated(key, keep=False)]] = True
        found[f"{', '.join(key)}: other rows have the same key and other values"] = differs
    time = spec.data.time
    if time in rows.columns and isinstance(rows[time].dtype, pd.DatetimeTZDtype):
        latest = pd.Timestamp(as_of) + pd.Timedelta(days=spec.data.ahead_days)
        found[f"{time}: the row has no time"] = rows[time].isna()
        found[f"{time}: the time lies after the batch's own"] = rows[time] > latest
    causes = (Cause(reason, np.flatnonzero(mask.to_numpy())) for reason, mask in found.items())
    return tuple(cause for cause in causes if len(cause.positions))


def without(rows: pd.DataFrame, causes: Sequence[Cause]) -> pd.DataFrame:
    """The rows that no cause sets aside, in their order."""
    import numpy as np

    keep = np.ones(len(rows), dtype=bool)
    for cause in causes:
        keep[cause.positions] = False
    return rows.loc[keep].reset_index(drop=True)


def as_records(
    rows: pd.DataFrame,
    batch: str,
    causes: Sequence[Cause],
    as_of: datetime,
    personal: Sequence[str] = (),
    pseudonymised: Callable[[pd.Series], pd.Series] | None = None,
) -> pd.DataFrame:
    """The rows that are set aside, in the columns of a quarantine table.

    Whatever is wrong with the rows, they can be kept: every value is text in one JSON object a row. Values of
    personal columns are replaced by their stand-ins, and left out where there is nobody to make them.

    Args:
        rows: The whole batch, with a plain index.
        batch: Its name.
        causes: Why which rows are set aside.
        as_of: The time that the batch belongs to.
        personal: Columns whose values may not be written.
        pseudonymised: Makes the stand-ins of a column.

    Returns:
        One row a row that is set aside: `batch`, `row` (its number in the batch, from 0), `reasons` (a JSON list),
        `values` (a JSON object), `quarantined_at`.
    """
    import numpy as np
    import pandas as pd

    positions = np.unique(np.concatenate([np.asarray(cause.positions, dtype=np.int64) for cause in causes]))
    aside = rows.iloc[positions].reset_index(drop=True)
    for name in (name for name in personal if name in aside.columns):
        aside[name] = pseudonymised(aside[name]) if pseudonymised else None
    return pd.DataFrame(
        {
            BATCH: batch,
            ROW: positions,
            REASONS: _reasons(positions, causes),
            VALUES: _objects(as_texts(aside)),
            AT: pd.Timestamp(as_of),
        }
    )


def rows_of_records(records: pd.DataFrame, known: pa.Schema | None = None) -> pd.DataFrame:
    """Quarantined rows as people correct them.

    Args:
        records: As `as_records` makes them.
        known: The types of the table that the rows should have joined; a column whose values all read as its type has
            it, all others stay text.

    Returns:
        One row a record: the batch's columns, then `quarantine_batch`, `quarantine_row` and `quarantine_reasons`.
    """
    import pandas as pd

    texts = pd.DataFrame.from_records([json.loads(text) for text in records[VALUES]], index=records.index)
    rows = in_types(texts, known or ())
    said = records[REASONS].map(lambda text: "; ".join(json.loads(text)))
    named = zip(SHOWN, (records[BATCH], records[ROW], said), strict=True)
    return rows.assign(**dict(named)).reset_index(drop=True)


def in_types(texts: pd.DataFrame, known: Iterable[pa.Field]) -> pd.DataFrame:
    """Columns of text in the types of a table; one of which not every value reads as its type stays text."""
    types = {field.name: field.type for field in known}
    return texts.assign(**{name: _typed(texts[name], kind) for name, kind in types.items() if name in texts})


def _again(shared: pd.DataFrame) -> pd.Series:
    """Which rows equal an earlier one in everything; none where a value cannot be compared."""
    import pandas as pd

    try:
        return shared.duplicated(keep="first")
    except TypeError:  # lists or dictionaries in a cell
        return pd.Series(data=False, index=shared.index)


def _reasons(positions: np.ndarray, causes: Sequence[Cause]) -> np.ndarray:
    """A JSON list a row. Few combinations exist however many rows there are, so each is written once."""
    import numpy as np

    marks = np.stack([np.isin(positions, cause.positions) for cause in causes])
    combinations, which = np.unique(marks, axis=1, return_inverse=True)
    texts = [
        json.dumps([cause.reason for cause, holds in zip(causes, column, strict=True) if holds], ensure_ascii=False)
        for column in combinations.T
    ]
    return np.array(texts, dtype=object)[which.reshape(-1)]


def _objects(texts: pa.Table) -> list[str]:
    return [json.dumps(row, ensure_ascii=False) for row in texts.to_pylist()]


def _typed(texts: pd.Series, kind: pa.DataType) -> pd.Series:
    import pandas as pd
    import pyarrow as pa

    try:
        if pa.types.is_timestamp(kind):
            return pd.to_datetime(texts, utc=True, format="ISO8601").astype("datetime64[us, UTC]")
        typed = pa.array(texts, pa.string(), from_pandas=True).cast(kind)
    except (pa.ArrowException, ValueError):
        return texts
    typed_rows: pd.Series = pa.table({"typed": typed}).to_pandas()["typed"]
    return typed_rows.set_axis(texts.index)
