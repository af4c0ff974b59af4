"""Bring a batch in: read it, and append it to the rows or the labels that were accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.acceptance import ACCEPTED_AT, LABELLED_AT, require_joinable, require_labels, require_rows
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from prefect_mlops.blocks import DeltaTables, FileSource
    from prefect_mlops.core.lineage import DataVersion

__all__ = ["accept_labels", "accept_rows", "load_batch"]


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

    Columns beyond those of the spec are kept, as long as each batch has the same ones.

    Raises:
        DataError: The batch has no rows, lacks a column that the spec names, has one of ours, keys that are null or
            there twice, or times that are missing, without a zone that either they or `data.timezone` tell, or in the
            future of `as_of`.
        SchemaMismatch: The batch has other columns or types than the table, or other keys than the labels.
    """
    import pandas as pd

    from prefect_mlops.core.zones import in_zone

    rows = in_zone(rows, spec.data.time, spec.data.timezone, batch)
    require_rows(spec, rows, batch, as_of)
    others = f"{spec.name}-labels"
    if spec.data.labels == "later" and tables.exists(others):
        require_joinable(spec, rows, tables.types_of(others), others)
    stamped = rows.reset_index(drop=True).assign(**{ACCEPTED_AT: pd.Timestamp(as_of)})
    return tables.append(f"{spec.name}-accepted", stamped, batch, time=spec.data.time, stamps=[ACCEPTED_AT])


@task(retries=2, retry_delay_seconds=2)
def accept_labels(
    tables: DeltaTables, spec: ModelSpec, labels: pd.DataFrame, batch: str, as_of: datetime
) -> DataVersion:
    """Append labels that arrived after their rows; rows without a label yet are left out.

    Raises:
        DataError: The batch has no rows, lacks a key column or the target, has other columns, keys that are null or
            there twice, or no label that is known; or `as_of` has no zone.
        SchemaMismatch: The labels have another type than those before, or other keys than the rows.
    """
    import pandas as pd

    require_labels(spec, labels, batch, as_of)
    known = labels[labels[spec.target.column].notna()].reset_index(drop=True)
    known[spec.target.column] = known[spec.target.column].infer_objects()
    others = f"{spec.name}-accepted"
    if tables.exists(others):
        require_joinable(spec, known, tables.types_of(others), others)
    stamped = known.assign(**{LABELLED_AT: pd.Timestamp(as_of)})
    return tables.append(f"{spec.name}-labels", stamped, batch, stamps=[LABELLED_AT])
