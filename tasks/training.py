"""Split labelled rows, and fit a candidate on the part it may learn from."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from prefect_mlops.blocks import DeltaTables
    from prefect_mlops.core.profile import ReferenceProfile
    from prefect_mlops.core.splits import RowSets
    from prefect_mlops.core.trainers import FittedModel

__all__ = ["profile_candidate", "split_rows", "train_candidate", "train_in_parts"]

PART_ROWS = 65_536


@task
def split_rows(spec: ModelSpec, rows: pd.DataFrame, as_of: datetime, champion_cutoff: str = "") -> RowSets:
    """Say which rows train, which give the reference, and which judge.

    Args:
        spec: The model's spec.
        rows: Labelled rows, with the spec's key and time columns.
        as_of: End of the window; newer rows are left out.
        champion_cutoff: The newest time that the champion learned from; empty where there is none.

    Raises:
        DataError: The rows do not allow an honest split.
    """
    import pandas as pd

    after = pd.Timestamp(champion_cutoff).to_pydatetime() if champion_cutoff else None
    return spec.split.split(rows, key=spec.data.key, time=spec.data.time, as_of=as_of, after=after)


@task
def train_candidate(spec: ModelSpec, rows: pd.DataFrame) -> FittedModel:
    """Fit the spec's trainer on labelled rows.

    Raises:
        DataError: The rows cannot be learned from.
        PartError: The trainer's class cannot be used.
        TrainingError: The estimator failed.
    """
    return spec.resolved_trainer().fit(spec, rows)


@task
def profile_candidate(spec: ModelSpec, candidate: FittedModel, rows: pd.DataFrame) -> ReferenceProfile:
    """Describe the reference rows, and how well the candidate does on them, for monitors to come."""
    from prefect_mlops.core.profiling import profile_reference

    return profile_reference(spec, candidate, rows)


@task
def train_in_parts(
    spec: ModelSpec,
    tables: DeltaTables,
    table: str,
    as_of: datetime,
    champion_cutoff: str = "",
    version: int | None = None,
) -> FittedModel:
    """Fit a trainer that learns in parts on the training rows of a table, which need not fit into memory.

    Which rows train is decided row by row as `split_rows` does it. The table holds the target in its rows.

    Args:
        spec: The model's spec, with `trainer: {kind: partial, ...}` or another that has `fit_parts`.
        tables: Where the table is.
        table: Its name.
        as_of: End of the window; newer rows are left out.
        champion_cutoff: The newest time that the champion learned from; empty where there is none.
        version: The version to read; the newest when None.

    Raises:
        NotFound: There is no such table.
        DataError: A column is not there, or the rows cannot be learned from.
        PartError: The trainer cannot learn in parts.
        TrainingError: The estimator failed.
    """
    import pandas as pd

    from prefect_mlops.core.errors import PartError
    from prefect_mlops.core.trainers.lessons import teaching_rows

    trainer = spec.resolved_trainer()
    if not hasattr(trainer, "fit_parts"):
        raise PartError(spec.trainer.kind, "it does not learn in parts; write trainer: {kind: partial, ...}")
    after = pd.Timestamp(champion_cutoff).to_pydatetime() if champion_cutoff else None
    pinned = tables.version(table) if version is None else version  # every pass must see the same rows
    columns = [*spec.data.key, spec.data.time, *spec.features.names, spec.target.column]
    columns += [getattr(spec.split, "group", None), getattr(trainer, "weight", None)]
    wanted = list(dict.fromkeys(name for name in columns if name))
    fitted: FittedModel = trainer.fit_parts(
        spec, lambda: (teaching_rows(spec, part, as_of, after) for part in _parts(tables, table, pinned, wanted))
    )
    return fitted


def _parts(tables: DeltaTables, table: str, version: int, columns: list[str]) -> Iterator[pd.DataFrame]:
    """A version of a table, piece by piece in the order of its files; little is read ahead."""
    import pyarrow as pa
    from deltalake import DeltaTable

    from prefect_mlops.core.batches import as_frame
    from prefect_mlops.core.errors import DataError, NotFound

    if not tables.exists(table):
        raise NotFound("table", table, "Ingest a batch first; flows create tables by themselves")
    options = {name: value.get_secret_value() for name, value in tables.storage_options.items()} or None
    rows = DeltaTable(tables.path(table), version=version, storage_options=options).to_pyarrow_dataset()
    missing = sorted(set(columns) - set(rows.schema.names))
    if missing:
        raise DataError(f"Table {table!r} has no column {', '.join(missing)}", f"It has {', '.join(rows.schema.names)}")
    for batch in rows.to_batches(columns, batch_size=PART_ROWS, batch_readahead=1, fragment_readahead=1):
        yield as_frame(pa.Table.from_batches([batch]))
