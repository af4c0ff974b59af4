"""A survey of a table: its problem, the part of every column, and what leaks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.survey.leaks import find_leaks
from prefect_mlops.core.survey.problem import pose
from prefect_mlops.core.survey.records import Column, Leak, Survey
from prefect_mlops.core.survey.roles import column_roles, find_key

__all__ = ["survey_rows"]

CROWDED = 1_000


def survey_rows(
    rows: pd.DataFrame,
    target: str,
    *,
    time: str | None = None,
    key: Sequence[str] = (),
    later: Sequence[str] = (),
    seed: int = 0,
) -> Survey:
    """Look at a table and say what can be learned from it.

    Args:
        rows: Any table; rows without a target are told of and otherwise left out.
        target: The column to predict.
        time: The column that says when a row happened, and when a prediction is made for it; with a time zone.
        key: The columns that name a row; looked for when empty.
        later: Columns known to be filled only after a prediction is made.
        seed: For the rows that are looked at where there are many.

    Raises:
        DataError: A column is not there or there twice, the target poses no problem, or the time is none.

    Examples:
        >>> rows = pd.DataFrame({"size": [1.0, 2, 3, 4, 5, 7] * 20, "town": ["Bonn", "Ulm"] * 60})
        >>> rows["sold"] = ["yes" if number % 7 > 4 else "no" for number in range(120)]
        >>> found = survey_rows(rows, "sold")
        >>> found.problem, found.positive, found.features
        ('binary', 'yes', ('size', 'town'))
    """
    _require(rows, [target, *([time] if time else []), *key, *later])
    _require_apart(target, time, key, later)
    notes: list[str] = []
    known = rows[rows[target].notna()].reset_index(drop=True)
    without = rows[rows[target].isna()]
    if len(without):
        notes.append(f"{len(without):,} of {len(rows):,} rows have no {target}; nothing is learned from them.")
    if time is not None:
        _require_times(known, time)
    posed = pose(known[target])
    named = tuple(key) or find_key(known, target, time)
    if key and (known.duplicated(list(key)).any() or known[list(key)].isna().any(axis=None)):
        raise DataError(
            f"{', '.join(key)} does not name a row: it repeats or is missing", "Name more columns with --key"
        )
    repeated = _repeated(known.drop(columns=list(named)))
    if repeated:
        notes.append(f"{repeated:,} rows repeat another in every column beside the key.")
    columns = column_roles(known, target, time, named)
    leaks = find_leaks(known, posed, columns, time, without if len(without) else None, seed)
    leaks = (*leaks, *_told_late(later, leaks))
    parts = tuple(_after(column, leaks) for column in columns)
    notes += [
        f"{column.name} has {known[column.name].nunique():,} categories; it is encoded by the target's mean in each."
        for column in parts
        if column.role == "category" and known[column.name].nunique() > CROWDED
    ]
    found = Survey(
        rows=len(known),
        target=target,
        problem=posed.problem,
        positive=posed.positive,
        key=named,
        time=time,
        columns=parts,
        leaks=leaks,
        notes=tuple(notes),
    )
    if not found.features:
        told = ", ".join(f"{column.name} ({column.reason})" for column in parts if column.role != "target")
        raise DataError("No column is left to learn from", f"Bring numbers or categories; there are {told}")
    return found


def _require(rows: pd.DataFrame, names: Sequence[str]) -> None:
    import difflib

    if not isinstance(rows, pd.DataFrame):
        raise DataError(f"The rows are a {type(rows).__name__}", "Give a pandas DataFrame")
    doubled = sorted({str(name) for name in rows.columns[rows.columns.astype(str).str.lower().duplicated()]})
    if doubled:
        what = f"The rows have column {doubled[0]!r} twice; upper and lower case are no difference in a table"
        raise DataError(what, "Rename one of them")
    odd = [name for name in rows.columns if not isinstance(name, str) or not name.strip()]
    if odd:
        raise DataError(f"The column {odd[0]!r} has no text for a name", "Rename the columns to texts")
    for name in names:
        if name not in rows.columns:
            near = difflib.get_close_matches(name, list(rows.columns), n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(rows.columns)}"
            raise DataError(f"The rows have no column {name!r}", hint)


def _require_apart(target: str, time: str | None, key: Sequence[str], later: Sequence[str]) -> None:
    for names, said in ((key, "key"), (later, "later")):
        doubled = sorted({name for name in names if list(names).count(name) > 1})
        if doubled:
            raise DataError(f"--{said} names {doubled[0]!r} twice", "Name each column once")
    if target in {time, *key}:
        raise DataError(f"The target {target!r} cannot be time or key too", "Name other columns for those")
    wrong = [name for name in later if name in {target, time, *key}]
    if wrong:
        raise DataError(f"{wrong[0]!r} is target, time or key, and cannot be known later", "Leave it out of --later")


def _repeated(rows: pd.DataFrame) -> int:
    """How many rows repeat another; 0 where that cannot be told."""
    try:
        return int(rows.duplicated().sum())
    except TypeError:
        return 0


def _require_times(rows: pd.DataFrame, time: str) -> None:
    column = rows[time]
    if not pd.api.types.is_datetime64_any_dtype(column.dtype) or column.dt.tz is None:
        what = f"Column {time!r} holds no times with a time zone but {column.dtype}"
        cure = "Write times as 2013-05-01T00:00:00Z in the file, or say their zone: --timezone Europe/Berlin"
        raise DataError(what, f"{cure}; in pandas, frame[{time!r}].dt.tz_localize('Europe/Berlin')")
    missing = int(column.isna().sum())
    if missing:
        raise DataError(f"Column {time!r} is missing in {missing:,} rows", "Fill it, or leave those rows out")


def _told_late(later: Sequence[str], leaks: Sequence[Leak]) -> list[Leak]:
    known = {name for leak in leaks for name in leak.columns}
    reason = "you said that it is known only after a prediction is made"
    return [Leak(columns=(name,), certain=False, reason=reason, left_out=True) for name in later if name not in known]


def _after(column: Column, leaks: Sequence[Leak]) -> Column:
    """The column's part once the leaks are known."""
    for leak in leaks:
        if (
            column.name in leak.columns
            and leak.left_out
            and column.role in ("numeric", "category", "identifier", "text")
        ):
            return Column(name=column.name, role="leak" if leak.certain else "later", reason=leak.reason)
    return column
