"""Read what versions answered and what labels say by now, for steps that compare answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from prefect_mlops.core.acceptance import ACCEPTED_AT, LABELLED_AT
from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import DeltaTables, PredictionLog

__all__ = ["labels_version", "read_answers", "read_truths"]


def read_answers(tables: DeltaTables, predictions: PredictionLog, spec: ModelSpec, since: datetime) -> pd.DataFrame:
    """What the servers have logged since a moment, with the columns of `core.rollout.answers.LINE`.

    Lines that still lie in the spool are collected first. There are none where nothing was logged yet, or where the
    log is older than requests in it have a name.
    """
    import pandas as pd

    from prefect_mlops.core.rollout.answers import LINE

    predictions.collect(spec.name, tables)
    try:
        return tables.read(f"{spec.name}-predictions", columns=LINE, time="predicted_at", after=since)
    except (NotFound, DataError):
        return pd.DataFrame({name: pd.Series(dtype=object) for name in LINE})


def labels_version(tables: DeltaTables, spec: ModelSpec) -> int:
    """Which version the table has that labels come with; -1 before the first."""
    return tables.version(_table(spec)[0])


def read_truths(tables: DeltaTables, spec: ModelSpec) -> pd.DataFrame:
    """The labels known by now, the last one of each key: `key`, `truth`, and `known_at`, when it came."""
    import pandas as pd

    from prefect_mlops.core.splits import key_text

    table, came = _table(spec)
    if not tables.exists(table):
        return pd.DataFrame({"key": [], "truth": [], "known_at": []}, dtype=object)
    found = tables.read(table, columns=[*spec.data.key, spec.target.column, came])
    found = found[found[spec.target.column].notna()].sort_values(came, kind="stable")
    truths = pd.DataFrame(
        {"key": key_text(found, spec.data.key), "truth": found[spec.target.column], "known_at": found[came]}
    )
    return truths.drop_duplicates("key", keep="last")


def _table(spec: ModelSpec) -> tuple[str, str]:
    """The table that holds labels, and its column that says when they came."""
    if spec.data.labels == "later":
        return f"{spec.name}-labels", LABELLED_AT
    return f"{spec.name}-accepted", ACCEPTED_AT
