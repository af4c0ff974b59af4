"""Set rows aside with their reasons, show them to people, and take them back corrected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.intake import Intake
from prefect_mlops.core.spec import ModelSpec, Suite
from prefect_mlops.tasks.accepting import accept_rows
from prefect_mlops.tasks.governance import record_stage
from prefect_mlops.tasks.validation import validate_data

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import DeltaTables, PersonalKey, Places
    from prefect_mlops.blocks.sources import BatchSource
    from prefect_mlops.core.quarantine import Cause

__all__ = ["load_quarantined", "quarantine_rows", "release_quarantined"]

NAMED = ["quarantine_batch", "quarantine_row"]
ABOUT_ROWS = (
    "expect_column_values_",
    "expect_column_value_lengths_",
    "expect_column_pair_values_",
    "expect_compound_columns_",
    "expect_multicolumn_",
    "expect_select_column_values_",
)
"""Expectations that speak of single rows: what a handful of corrected rows can be held against."""


@task
def quarantine_rows(
    tables: DeltaTables,
    key: PersonalKey,
    spec: ModelSpec,
    rows: pd.DataFrame,
    batch: str,
    causes: Sequence[Cause],
    as_of: datetime,
) -> int:
    """Append the rows that some cause sets aside to `<model>-quarantine`; the same ones twice are appended once.

    Values of personal columns are replaced by stand-ins before anything is written.

    Returns:
        How many rows were set aside.
    """
    if not any(len(cause.positions) for cause in causes):
        return 0
    from prefect_mlops.core.lineage import digest_rows
    from prefect_mlops.core.quarantine import AT, as_records

    records = as_records(rows, batch, causes, as_of, spec.data.personal, key.pseudonymise)
    name = f"{batch}#{digest_rows(records.drop(columns=AT))[:16]}"
    tables.append(f"{spec.name}-quarantine", records, name, stamps=[AT])
    return len(records)


@task
def load_quarantined(tables: DeltaTables, spec: ModelSpec, batch: str = "") -> pd.DataFrame:
    """The rows that wait in quarantine, for a person to look at and correct.

    Args:
        tables: Where the tables are.
        spec: The model's spec.
        batch: Only the rows of this batch; all when empty.

    Returns:
        The rows as they came, each value in the type of the table of accepted rows where it can be; then
        `quarantine_batch`, `quarantine_row` (its number in the batch, from 0) and `quarantine_reasons`. Personal
        columns hold stand-ins. Rows that were released are not among them; none when nothing waits.
    """
    import pandas as pd

    from prefect_mlops.core.quarantine import BATCH, ROW, rows_of_records

    table, released, accepted = (f"{spec.name}-{name}" for name in ("quarantine", "released", "accepted"))
    if not tables.exists(table):
        return pd.DataFrame(columns=[*NAMED, "quarantine_reasons"])
    records = tables.read(table).drop_duplicates([BATCH, ROW], keep="last")
    if batch:
        records = records[records[BATCH] == batch]
    if tables.exists(released):
        gone = pd.MultiIndex.from_frame(tables.read(released, columns=[BATCH, ROW]))
        records = records[~pd.MultiIndex.from_frame(records[[BATCH, ROW]]).isin(gone)]
    known = tables.types_of(accepted) if tables.exists(accepted) else None
    return rows_of_records(records.sort_values([BATCH, ROW]), known)


@task
def release_quarantined(
    places: Places, source: BatchSource, spec: ModelSpec, suite: Suite, rows: pd.DataFrame, as_of: datetime
) -> Intake:
    """Accept corrected rows that were in quarantine, as a new version of the table of accepted rows.

    Args:
        places: Tables, ledger and the key of personal stand-ins.
        source: Where the batches lie that the rows came from. Personal columns that still hold stand-ins are read
            from there again; what a person wrote instead is taken as it is.
        spec: The model's spec.
        suite: What the rows must look like; its expectations about whole batches are not asked.
        rows: As `load_quarantined` gives them, corrected; rows that are left out stay in quarantine.
        as_of: The time of the release.

    Returns:
        What became of them; the same rows twice are accepted once.

    Raises:
        DataError: Rows are not in quarantine, still do not fit, were accepted meanwhile, or do not name where they
            came from; nothing changed.
        NotFound: A personal value has to be read again and its batch is gone.
    """
    from prefect_mlops.core.lineage import digest_rows
    from prefect_mlops.core.quarantine import SHOWN
    from prefect_mlops.core.zones import in_zone

    waiting = load_quarantined.fn(places.tables, spec)
    _require_waiting(rows, waiting)
    corrected = rows.drop(columns=[name for name in SHOWN if name in rows]).reset_index(drop=True)
    corrected = _with_personal(places, source, spec, corrected, rows[NAMED].reset_index(drop=True))
    name = f"released-{digest_rows(rows[NAMED])[:16]}"
    corrected = in_zone(corrected, spec.data.time, spec.data.timezone, name)
    _require_fitting(spec, suite, corrected)
    _require_new(places.tables, spec, corrected, name)
    data = accept_rows.fn(places.tables, spec, corrected, name, as_of)
    gone = rows[NAMED].set_axis(["batch", "row"], axis=1).assign(into=name)
    places.tables.append(f"{spec.name}-released", gone, name)
    body = {"data": data, "rows": gone[["batch", "row"]].to_dict("list")}
    record_stage.fn(places.ledger, spec, "data.released", name, as_of, body, key=name)
    said = f"{len(rows):,} rows came back from quarantine as version {data.version}."
    return Intake(batch=name, outcome="accepted", version=data, reason=said)


def _require_waiting(rows: pd.DataFrame, waiting: pd.DataFrame) -> None:
    import pandas as pd

    missing = [name for name in NAMED if name not in rows]
    if missing or rows.empty:
        what = f"The corrected rows lack {', '.join(missing)}" if missing else "There are no corrected rows"
        raise DataError(what, "Take the rows of `load_quarantined`, correct values and leave these columns as they are")
    named, there = (pd.MultiIndex.from_frame(frame[NAMED]) for frame in (rows, waiting))
    strange = named[~named.isin(there) | named.duplicated()]
    if len(strange):
        batch, row = strange[0]
        raise DataError(
            f"{len(strange):,} of the rows are not in quarantine or named twice, such as row {row} of batch {batch!r}",
            "Leave out what was released before; `load_quarantined` shows what waits",
        )


def _with_personal(
    places: Places, source: BatchSource, spec: ModelSpec, rows: pd.DataFrame, named: pd.DataFrame
) -> pd.DataFrame:
    """The rows with their own personal values where they hold stand-ins, looked up in the batches they came from."""
    from prefect_mlops.core.privacy import PREFIX

    for column in (column for column in spec.data.personal if column in rows):
        stand_ins = rows[column].astype(object).map(lambda value: str(value).startswith(PREFIX))
        for batch, places_of in named[stand_ins].groupby("quarantine_batch").groups.items():
            came = source.read(str(batch))
            wanted = named.loc[places_of, "quarantine_row"]
            if column not in came or wanted.max() >= len(came):
                raise NotFound("value of", column, f"Batch {batch!r} is another one now; write the values yourself")
            values = came[column].iloc[wanted].set_axis(places_of)
            if (places.personal.pseudonymise(values) != rows.loc[places_of, column]).any():
                raise DataError(
                    f"The values of {column!r} in batch {batch!r} are not those that were set aside",
                    "The file or the personal key was changed; write the values yourself",
                )
            rows[column] = rows[column].astype(object)
            rows.loc[places_of, column] = values
        rows[column] = rows[column].infer_objects()
    return rows


def _require_fitting(spec: ModelSpec, suite: Suite, rows: pd.DataFrame) -> None:
    asked = suite.model_copy(
        update={"expectations": tuple(each for each in suite.expectations if each.type.startswith(ABOUT_ROWS))}
    )
    report = validate_data.fn(rows, asked, personal=spec.data.personal)
    bad = [failure.reason for failure in report.failures if failure.action != "warn"]
    if bad:
        raise DataError(f"The corrected rows still do not fit: {'; '.join(bad)}", "Nothing was released; correct them")


def _require_new(tables: DeltaTables, spec: ModelSpec, rows: pd.DataFrame, name: str) -> None:
    """A batch that was rejected may have come again corrected, while its rows of then still wait."""
    import pandas as pd

    table, key = f"{spec.name}-accepted", list(spec.data.key)
    if not tables.exists(table) or tables.find(table, name) is not None:
        return
    known = pd.MultiIndex.from_frame(tables.read(table, columns=key))
    again = int(pd.MultiIndex.from_frame(rows[key]).isin(known).sum())
    if again:
        what = f"{again:,} of the rows have a key ({', '.join(key)}) that was accepted already"
        raise DataError(what, "Nothing was released; leave these out, their batch seems to have come again corrected")
