"""Bring batches in, set bad ones aside, and read back what a training or a monitor needs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from prefect import task

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import DeltaTables, FileSource
    from prefect_mlops.core.lineage import DataVersion

__all__ = [
    "Versions",
    "accept_labels",
    "accept_rows",
    "load_batch",
    "load_labelled_rows",
    "load_recent_rows",
    "pin_versions",
]

ACCEPTED_AT = "accepted_at"
LABELLED_AT = "labelled_at"


class Versions(NamedTuple):
    """Which versions of the accepted rows and of the labels a run reads; -1 for a table that is not there yet."""

    data_version: int
    labels_version: int


@task
def pin_versions(tables: DeltaTables, spec: ModelSpec, data_version: int = -1, labels_version: int = -1) -> Versions:
    """Settle which versions a run reads: those that its event names, else the newest at this moment.

    Where labels come with the rows, their version is that of the rows.
    """
    data = data_version if data_version >= 0 else tables.version(f"{spec.name}-accepted")
    if spec.data.labels == "with-rows":
        return Versions(data, data)
    return Versions(data, labels_version if labels_version >= 0 else tables.version(f"{spec.name}-labels"))


@task(retries=2, retry_delay_seconds=2)
def load_batch(source: FileSource, batch: str) -> pd.DataFrame:
    """Read a batch that has landed.

    Raises:
        NotFound: Nothing of that name has landed.
        DataError: The file cannot be read.
    """
    return source.read(batch)


@task(retries=2, retry_delay_seconds=2)
def accept_rows(tables: DeltaTables, spec: ModelSpec, rows: pd.DataFrame, batch: str, as_of: datetime) -> DataVersion:
    """Append validated rows to the model's table of accepted rows; the same batch twice is appended once.

    Raises:
        DataError: A column that the spec names is missing, or a key is null or there twice.
        SchemaMismatch: The batch has other columns or types than the table.
    """
    import pandas as pd

    wanted = [*spec.data.key, *([spec.data.time] if spec.data.time else []), *spec.features.names]
    if spec.data.labels == "with-rows":
        wanted.append(spec.target.column)
    _require(rows, wanted, batch)
    _require_keys(rows, spec.data.key, batch)
    stamped = rows.reset_index(drop=True).assign(**{ACCEPTED_AT: pd.Timestamp(as_of)})
    return tables.append(f"{spec.name}-accepted", stamped, batch)


@task(retries=2, retry_delay_seconds=2)
def accept_labels(
    tables: DeltaTables, spec: ModelSpec, labels: pd.DataFrame, batch: str, as_of: datetime
) -> DataVersion:
    """Append labels that arrived after their rows; rows without a label yet are left out.

    Raises:
        DataError: A key column or the target is missing, a key is null or there twice, or no label is known.
        SchemaMismatch: The labels have another type than those before.
    """
    import pandas as pd

    columns = [*spec.data.key, spec.target.column]
    _require(labels, columns, batch)
    known = labels.loc[labels[spec.target.column].notna(), columns].reset_index(drop=True)
    if known.empty:
        raise DataError(f"Batch {batch!r} holds no label in {spec.target.column!r}", "Send labels once they are known")
    known[spec.target.column] = known[spec.target.column].infer_objects()
    _require_keys(known, spec.data.key, batch)
    return tables.append(f"{spec.name}-labels", known.assign(**{LABELLED_AT: pd.Timestamp(as_of)}), batch)


@task
def load_labelled_rows(tables: DeltaTables, spec: ModelSpec, as_of: datetime, versions: Versions) -> pd.DataFrame:
    """The rows that a training may read: accepted, labelled, not newer than `as_of`.

    Args:
        tables: Where the tables are.
        spec: The model's spec.
        as_of: End of the window.
        versions: Which versions of the tables are read.

    Returns:
        One row a key (the last accepted one), with the features, key, time and target columns; none where nothing
        was accepted or labelled yet.
    """
    after = as_of - timedelta(days=spec.data.history_days) if spec.data.history_days else None
    rows = _with_labels(tables, spec, _read_rows(tables, spec, versions, after, as_of), versions)
    return rows[rows[spec.target.column].notna()].reset_index(drop=True)


@task
def load_recent_rows(tables: DeltaTables, spec: ModelSpec, as_of: datetime, versions: Versions) -> pd.DataFrame:
    """The recent window: rows of the last `recent_days` before `as_of`, with their label where it is known."""
    after = as_of - timedelta(days=spec.data.recent_days)
    return _with_labels(tables, spec, _read_rows(tables, spec, versions, after, as_of), versions)


def _read_rows(
    tables: DeltaTables, spec: ModelSpec, versions: Versions, after: datetime | None, before: datetime
) -> pd.DataFrame:
    import pandas as pd

    clock = spec.data.time or ACCEPTED_AT
    columns = [*spec.data.key, *spec.features.names, *dict.fromkeys([clock, ACCEPTED_AT])]
    if spec.data.labels == "with-rows":
        columns.append(spec.target.column)
    if versions.data_version < 0:
        return pd.DataFrame(columns=columns)
    table = f"{spec.name}-accepted"
    rows = tables.read(table, version=versions.data_version, columns=columns, time=clock, after=after, before=before)
    rows = rows.sort_values([ACCEPTED_AT, clock], kind="stable")
    return rows.drop_duplicates(list(spec.data.key), keep="last").reset_index(drop=True)


def _with_labels(tables: DeltaTables, spec: ModelSpec, rows: pd.DataFrame, versions: Versions) -> pd.DataFrame:
    if spec.data.labels == "with-rows":
        return rows
    if versions.labels_version < 0:
        return rows.assign(**{spec.target.column: None})
    key = list(spec.data.key)
    labels = tables.read(
        f"{spec.name}-labels", version=versions.labels_version, columns=[*key, spec.target.column, LABELLED_AT]
    )
    labels = labels.sort_values(LABELLED_AT, kind="stable").drop_duplicates(key, keep="last")
    return rows.merge(labels.drop(columns=LABELLED_AT), on=key, how="left").reset_index(drop=True)


def _require(rows: pd.DataFrame, columns: list[str], batch: str) -> None:
    missing = sorted(set(columns) - set(rows.columns))
    if missing:
        raise DataError(
            f"Batch {batch!r} lacks the columns {', '.join(missing)} that the spec names",
            f"Send them, or correct the spec; the batch has {', '.join(map(str, rows.columns))}",
        )
    if rows.empty:
        raise DataError(f"Batch {batch!r} has no rows", "Drop a file with at least one row")


def _require_keys(rows: pd.DataFrame, key: tuple[str, ...], batch: str) -> None:
    keys = rows[list(key)]
    if keys.isna().any(axis=None):
        raise DataError(f"Batch {batch!r} has rows without {', '.join(key)}", "Give every row its key")
    twice = int(keys.duplicated().sum())
    if twice:
        raise DataError(f"Batch {batch!r} has {twice:,} keys that stand there twice", "Send each row once")
