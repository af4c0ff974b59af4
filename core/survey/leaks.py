"""The leakage scan: columns that know the target before it is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from prefect_mlops.core.survey.echoes import echoes_of_target
from prefect_mlops.core.survey.problem import Posed
from prefect_mlops.core.survey.records import Column, Leak
from prefect_mlops.core.survey.roles import looks_planned
from prefect_mlops.core.survey.strength import lone_strength, pair_strengths

__all__ = ["CERTAIN", "SUSPECT", "find_leaks"]

CERTAIN = {True: 0.995, False: 0.99}
"""The strength from which on a column tells the target: area under the curve for classes, R² for amounts."""
SUSPECT = {True: 0.98, False: 0.9}
SCANNED_ROWS = 20_000
MOST_PAIRED = 80
FEWEST_WITHOUT = 20
DAY = 24 * 60


def find_leaks(
    rows: pd.DataFrame,
    posed: Posed,
    columns: Sequence[Column],
    time: str | None = None,
    without: pd.DataFrame | None = None,
    seed: int = 0,
) -> tuple[Leak, ...]:
    """Look for columns that tell the target, alone or two together, or that are known too late.

    A finding tells nearly all of it out of fold (AUC of 0.995, R² of 0.99), or repeats what was computed from the
    target of later rows. A suspect tells much of it, or seems to be known only after a prediction is made: it is
    missing where the target is not known yet, or is a time after the row's own. Suspects that are late are left out
    of the features, suspects that are strong are not: a good feature is strong too.

    Args:
        rows: Rows with a known target.
        posed: The problem, for the same rows.
        columns: Every column with its role.
        time: The column that says when a prediction is made.
        without: The rows whose target is not known, with the same columns.
        seed: For the rows that are looked at where there are more than 20,000.

    Returns:
        Findings, then suspects, one entry for each column or pair.
    """
    asked = [column for column in columns if column.role in ("numeric", "category", "identifier", "key", "text")]
    names = [column.name for column in asked]
    groups = tuple(
        column.name
        for column in asked
        if column.role in ("category", "numeric", "identifier") and 2 * rows[column.name].nunique() <= len(rows)
    )
    echoed = echoes_of_target(rows[[*names, time] if time else names], posed, time, groups)
    seen, shown = _sampled(rows[names], posed, seed)
    found: dict[str, Leak] = {}
    strengths: dict[str, float] = {}
    for column in asked:
        alone = column.role in ("identifier", "key", "text") or _numbers_a_row(seen[column.name])
        strength, part = lone_strength(seen[column.name], shown, identifier=alone, seed=seed)
        strengths[column.name] = strength
        leak = _lone(column.name, strength, part, bool(posed.classes))
        if column.name in echoed and not (leak and leak.certain):
            leak = Leak(columns=(column.name,), certain=True, reason=f"it repeats {echoed[column.name]}", left_out=True)
        if leak:
            found[column.name] = leak
    late = _late(rows, names, time, without)
    for name, reason in late.items():
        if not (name in found and found[name].certain):
            found[name] = Leak(columns=(name,), certain=False, reason=reason, left_out=True)
    pairs = _pairs(seen, shown, asked, strengths)
    told = {name for pair in pairs for name in pair.columns}
    leaks = [*(leak for name, leak in found.items() if leak.certain or name not in told), *pairs]
    return tuple(sorted(leaks, key=lambda leak: (not leak.certain, not leak.left_out)))


def _sampled(rows: pd.DataFrame, posed: Posed, seed: int) -> tuple[pd.DataFrame, Posed]:
    if len(rows) <= SCANNED_ROWS:
        return rows.reset_index(drop=True), posed
    drawn = np.sort(np.random.default_rng(seed).choice(len(rows), SCANNED_ROWS, replace=False))
    return rows.iloc[drawn].reset_index(drop=True), posed._replace(values=posed.values[drawn])


def _numbers_a_row(column: pd.Series) -> bool:
    """Whether whole numbers repeat so rarely that somebody may have made them up."""
    return pd.api.types.is_integer_dtype(column.dtype) and column.nunique() > 0.95 * len(column)


def _lone(name: str, strength: float, part: str, ranks: bool) -> Leak | None:
    if strength < SUSPECT[ranks]:
        return None
    measure = f"AUC {strength:.4f}" if ranks else f"R² {strength:.4f}"
    certain = strength >= CERTAIN[ranks]
    who = f"{part} alone tells" if part else "it alone tells"
    reason = f"{who} the target ({measure})" + ("" if certain else "; is it known when a prediction is made?")
    return Leak(columns=(name,), certain=certain, reason=reason, left_out=certain)


def _pairs(seen: pd.DataFrame, posed: Posed, asked: Sequence[Column], strengths: dict[str, float]) -> list[Leak]:
    """Two numbers whose weighted sum is the target; one of classes is no sum."""
    if posed.classes:
        return []
    numeric = [one.name for one in asked if one.role == "numeric" and strengths[one.name] < CERTAIN[False]]
    numeric = sorted(numeric, key=lambda name: -strengths[name])[:MOST_PAIRED]
    numbers = seen[numeric].astype(np.float64)
    found = []
    for one, other, share in pair_strengths(numbers, posed.values):
        if share >= CERTAIN[False] and share - max(strengths[one], strengths[other]) > (1 - share) / 2:
            reason = f"together they tell the target (R² {share:.4f} of a weighted sum)"
            found.append(Leak(columns=(one, other), certain=True, reason=reason, left_out=True))
    return found


def _late(rows: pd.DataFrame, names: list[str], time: str | None, without: pd.DataFrame | None) -> dict[str, str]:
    """Columns that seem to be known only after the prediction, with the reason."""
    late: dict[str, str] = {}
    if time is not None:
        late |= _times_after(rows, names, rows[time])
    if without is not None and len(without) >= FEWEST_WITHOUT:
        for name in names:
            gone, here = float(without[name].isna().mean()), float(rows[name].isna().mean())
            if gone >= 0.5 and here <= 0.01:
                late[name] = (
                    f"it is missing in {gone:.0%} of the rows without a target and in {here:.0%} of the others: it "
                    "seems to be known only with the outcome"
                )
    return late


def _times_after(rows: pd.DataFrame, names: list[str], moments: pd.Series) -> dict[str, str]:
    """Times of day, as 1530 is, that lie after the row's own time, whose zone they may not share."""
    local = moments.dt.tz_localize(None)
    minutes = (local.dt.hour * 60 + local.dt.minute).to_numpy(dtype=np.float64)
    clocks = {name: told for name in names if (told := _clock(rows[name])) is not None}
    if not clocks or np.ptp(minutes) == 0:
        return {}
    ahead = {name: (told - minutes) % DAY for name, told in clocks.items()}
    steady = min(ahead, key=lambda name: _spread(ahead[name]))
    starts = float(np.nanquantile(_around(ahead[steady]), 0.05))
    late = {}
    for name, distance in ahead.items():
        later = (distance - starts) % DAY
        share = float(np.nanmean((later >= 60) & (later < DAY - 60)))
        if share >= 0.9 and not looks_planned(name):
            late[name] = f"it is a time of day an hour or more after {moments.name} in {share:.0%} of the rows"
    return late


def _clock(column: pd.Series) -> np.ndarray | None:
    """Minutes after midnight, where a column of numbers is written as 1530 for half past three."""
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return None
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = values[np.isfinite(values)]
    if len(known) < 50 or (known != np.floor(known)).any() or known.min() < 0 or not 1_200 <= known.max() <= 2_400:
        return None
    if (known % 100 >= 60).any() or len(np.unique(known)) < 24:
        return None
    return np.asarray(values // 100 * 60 + values % 100)


def _around(distance: np.ndarray) -> np.ndarray:
    """Distances on the clock without the jump at midnight."""
    middle = np.angle(np.nanmean(np.exp(2j * np.pi * distance / DAY))) / (2 * np.pi) * DAY
    return np.asarray((distance - middle + DAY / 2) % DAY - DAY / 2 + middle)


def _spread(distance: np.ndarray) -> float:
    low, high = np.nanquantile(_around(distance), [0.25, 0.75])
    return float(high - low)
