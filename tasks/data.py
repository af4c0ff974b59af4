"""Read back what a training or a monitor needs, each table at one version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from prefect import task

from prefect_mlops.core.acceptance import ACCEPTED_AT, LABELLED_AT
from prefect_mlops.core.errors import NotFound
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import DeltaTables
    from prefect_mlops.core.lineage import DataVersion

__all__ = [
    "Loaded",
    "Versions",
    "describe_recent",
    "load_data",
    "load_labelled_rows",
    "load_recent_rows",
    "pin_versions",
]


class Versions(NamedTuple):
    """Which versions of the accepted rows and of the labels a run reads; -1 for a table that is not there yet."""

    data_version: int
    labels_version: int


class Loaded(NamedTuple):
    """Rows as they were read, and what they are: table, version, digest, time span."""

    rows: pd.DataFrame
    version: DataVersion


@task(retries=2, retry_delay_seconds=2)
def load_data(
    tables: DeltaTables,
    table: str,
    *,
    version: int | None = None,
    columns: Sequence[str] | None = None,
    time: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> Loaded:
    """Read a version of a table, or a time window of it, and say exactly what was read.

    Args:
        tables: Where the tables are.
        table: The table's name, such as `flights-late-accepted`.
        version: The version to read; the newest at this moment when None.
        columns: Only these columns; all when None.
        time: The time column: of the window, and of the time span that is told. It need not be one of `columns`.
        after: Rows later than this; the moment itself is not part of the window.
        before: Rows up to this; the moment itself is part of the window.

    Returns:
        The rows, none where the window is empty, and their `DataVersion`, whose digest is `digest_rows` of them.

    Raises:
        NotFound: There is no such table or version.
        DataError: A column is not there, `time` holds no times, or the window has no time column or no zone.

    Example:
        ```python
        found = load_data(tables, "flights-late-accepted", version=12, columns=["carrier", "distance"], time="time")
        found.rows, found.version.digest
        ```
    """
    from prefect_mlops.core.lineage import DataVersion

    if version is not None and version < 0:
        raise NotFound("version", f"{table} {version}", "Versions are counted from 0")
    pinned = tables.version(table) if version is None else version
    wanted = None if columns is None else [*dict.fromkeys(columns)]
    read = [*wanted, time] if wanted is not None and time and time not in wanted else wanted
    rows = tables.read(table, version=pinned, columns=read, time=time, after=after, before=before)
    times = rows[time] if time else None
    rows = rows[wanted] if wanted is not None else rows
    return Loaded(rows, DataVersion.of(rows, table, pinned, times))


@task
def pin_versions(tables: DeltaTables, spec: ModelSpec, data_version: int = -1, labels_version: int = -1) -> Versions:
    """Settle which versions a run reads: those that its event names, else the newest at this moment.

    Where labels come with the rows, their version is that of the rows.
    """
    data = data_version if data_version >= 0 else tables.version(f"{spec.name}-accepted")
    if spec.data.labels == "with-rows":
        return Versions(data, data)
    return Versions(data, labels_version if labels_version >= 0 else tables.version(f"{spec.name}-labels"))


@task
def load_labelled_rows(tables: DeltaTables, spec: ModelSpec, as_of: datetime, versions: Versions) -> pd.DataFrame:
    """The rows that a training may read: accepted, labelled, not newer than `as_of`.

    Args:
        tables: Where the tables are.
        spec: The model's spec.
        as_of: End of the window.
        versions: Which versions of the tables are read.

    Returns:
        One row a key (the last accepted one), with the features, key, time and target columns and those that rows are
        split, weighed or cut by; none where nothing was accepted or labelled yet.
    """
    after = as_of - timedelta(days=spec.data.history_days) if spec.data.history_days else None
    rows = _with_labels(tables, spec, _read_rows(tables, spec, versions, after, as_of), versions)
    return rows[rows[spec.target.column].notna()].reset_index(drop=True)


@task
def load_recent_rows(tables: DeltaTables, spec: ModelSpec, as_of: datetime, versions: Versions) -> pd.DataFrame:
    """The recent window: rows of the last `recent_days` before `as_of`, with their label where it is known."""
    after = as_of - timedelta(days=spec.data.recent_days)
    return _with_labels(tables, spec, _read_rows(tables, spec, versions, after, as_of), versions)


@task
def describe_recent(spec: ModelSpec, recent: pd.DataFrame, versions: Versions) -> DataVersion:
    """The accepted rows of a recent window, without labels that came later, as events carry them: with a digest."""
    from prefect_mlops.core.lineage import DataVersion

    later = [spec.target.column] if spec.data.labels == "later" else []
    return DataVersion.of(recent.drop(columns=later), f"{spec.name}-accepted", versions.data_version, spec.data.time)


def _read_rows(
    tables: DeltaTables, spec: ModelSpec, versions: Versions, after: datetime | None, before: datetime
) -> pd.DataFrame:
    import pandas as pd

    clock = spec.data.time or ACCEPTED_AT
    columns = [*dict.fromkeys([*spec.data.key, *spec.features.names, *spec.beside, clock, ACCEPTED_AT])]
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
