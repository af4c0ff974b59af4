"""Read what was accepted before, as far as a suite asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.suites.history import History, history_wanted

if TYPE_CHECKING:
    from prefect_mlops.blocks import Places
    from prefect_mlops.core.spec import ModelSpec, Suite

__all__ = ["read_history"]


@task
def read_history(places: Places, spec: ModelSpec, suite: Suite, data_version: int | None = None) -> History:
    """What a suite's expectations about earlier batches need; nothing is read where it has none.

    Args:
        places: The tables, for values and nulls, and the ledger, for the number of rows of each batch.
        spec: The model's spec.
        suite: Says what has to be known.
        data_version: The version of the accepted rows to look at; the newest when None.

    Raises:
        SpecError: The suite has an expectation about earlier batches that there is not.
        DataError: It names a column that the accepted rows lack.
    """
    wanted = history_wanted(suite)
    rows: tuple[int, ...] = ()
    if wanted.batches:
        accepted = places.ledger.records(model=spec.name, stage="data.accepted")
        rows = tuple(record.body["data"]["rows"] for record in accepted[-wanted.batches :])
    table, columns = f"{spec.name}-accepted", [*dict.fromkeys((*wanted.known, *wanted.nulls))]
    if not columns or not places.tables.exists(table):
        return History(rows=rows, known={}, nulls={})
    there = places.tables.read(table, version=data_version, columns=columns)
    return History(
        rows=rows,
        known={name: tuple(there[name].dropna().unique().tolist()) for name in wanted.known},
        nulls={name: float(there[name].isna().mean()) for name in wanted.nulls if len(there)},
    )
