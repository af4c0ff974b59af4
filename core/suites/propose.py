"""Writes a suite from clean batches, wide enough for the next clean one: the false-alarm rate is an argument."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import pandas as pd
from pydantic import Field
from scipy import stats

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.spec import Suite
from prefect_mlops.core.suites.bounds import next_value
from prefect_mlops.core.suites.drafts import Draft, Plan, expect, plan_column
from prefect_mlops.core.suites.proposed import write_suite
from prefect_mlops.core.suites.summaries import BatchSummary, summarise

__all__ = ["Proposal", "cut_into_batches", "propose_from", "propose_suite"]

Every = Literal["day", "week", "month"]
FREQUENCIES = {"day": "D", "week": "W-SUN", "month": "M"}
FEWEST = 5
"""Batches below which their wobble cannot be told."""
PIECES = 20
ROWS_A_PIECE = 30
ORDERED, BROKEN_BY_CHANCE = 0.95, 0.02


class Proposal(Frozen):
    """A proposed suite, and what it rests on.

    Attributes:
        suite: The expectations.
        reasons: One sentence an expectation, in the suite's order.
        false_alarm_rate: The share of clean next batches in which any expectation may fail.
        bounds: How many bounds that rate was spread over.
        batches: Batches that were profiled.
        rows: Their rows.
        pieces: Whether no batches were known, and one file was cut into pieces.
        walked: How many of the newest batches were held against a suite proposed from all batches before them.
        failed: How many of those failed.
    """

    suite: Suite
    reasons: tuple[str, ...]
    false_alarm_rate: Annotated[float, Field(gt=0, lt=0.5)]
    bounds: int
    batches: int
    rows: int
    pieces: bool = False
    walked: int = 0
    failed: int = 0

    @property
    def about(self) -> tuple[str, ...]:
        """What a reader must know about the suite, a sentence a line."""
        source = "pieces of one file" if self.pieces else "batches"
        lines = [
            f"Proposed from {self.batches} {source} with {self.rows:,} rows.",
            f"Aims at failing, warnings included, at most {self.false_alarm_rate:.2%} of clean next batches: the rate",
            f"is spread over {self.bounds} bounds, each from the batches' own wobble, drift and range.",
        ]
        if self.walked:
            lines += [
                f"Shown on its own past: {self.failed} of the newest {self.walked} {source} fail a suite proposed from",
                f"those before them (99% interval of that share: {_interval(self.failed, self.walked)}).",
            ]
        return (*lines, "Review it: what a failure does stands under `action`. Propose again when seasons have passed.")

    @property
    def yaml(self) -> str:
        """The suite to review, with its reasons as comments; `parse_suite` reads it back as it is."""
        return write_suite(self.suite, self.reasons, self.about)


def _interval(failed: int, looked: int) -> str:
    """The exact binomial interval (Clopper and Pearson 1934)."""
    low = stats.beta.ppf(0.005, failed, looked - failed + 1) if failed else 0.0
    high = stats.beta.ppf(0.995, failed + 1, looked - failed) if failed < looked else 1.0
    return f"{low:.1%} to {high:.1%}"


class _Made(NamedTuple):
    drafts: list[Draft]
    bounds: int


def propose_suite(
    rows: pd.DataFrame | Sequence[pd.DataFrame],
    *,
    time: str | None = None,
    every: Every = "day",
    key: Sequence[str] = (),
    personal: Sequence[str] = (),
    false_alarm_rate: float = 0.01,
    seed: int = 0,
) -> Proposal:
    """Profile clean rows and propose what the next batch must look like.

    Each statistic of a column (its mean, spread, extremes, share of nulls, number of values, ...) is a short series,
    one value a batch. The next one is bounded by `next_value`, and the false-alarm rate is spread evenly over all
    bounds (Bonferroni), so that it holds for the suite whatever hangs together. It is a rate for the *next* batch
    of the same kind: propose again when seasons have passed.

    Args:
        rows: Clean batches, oldest first, or one frame that `time` cuts into batches. A frame without `time` is cut
            into pieces of equal length, which say how values scatter but not how batches drift, nor how large they are.
        time: The column to cut by.
        every: How long a batch is; days and weeks as the column's own zone counts them.
        key: Columns that name a row; without them columns that never repeat a value are taken for keys.
        personal: Columns of which no value may stand in the suite: only type and nulls are asked of them, and
            whether they repeat where they are keys.
        false_alarm_rate: The share of clean next batches in which any expectation may fail, warnings included.
        seed: For the pairs of columns that chance would order too.

    Raises:
        DataError: There are fewer than five batches, or too few rows to cut; a column is not there or is not a time;
            the key repeats in a batch.

    Examples:
        >>> batches = [pd.DataFrame({"id": range(100 * d, 100 * d + 100), "wind": [d, 9.5] * 50}) for d in range(8)]
        >>> found = propose_suite(batches, key=["id"])
        >>> sorted({each.type for each in found.suite.expectations})[0], found.failed
        ('expect_column_mean_to_be_between', 0)
    """
    pieces = isinstance(rows, pd.DataFrame) and time is None
    batches = cut_into_batches(rows, time, every) if isinstance(rows, pd.DataFrame) else list(rows)
    batches = [batch for batch in batches if len(batch)]
    if len(batches) < FEWEST:
        raise DataError(
            f"A suite cannot be proposed from {len(batches)} batches", f"Give at least {FEWEST} clean ones with rows"
        )
    missing = sorted({*key, *personal} - {str(name) for batch in batches for name in batch.columns})
    if missing:
        raise DataError(f"The rows have no column {', '.join(missing)}", "Correct the name of the key or of the column")
    summaries = [summarise(batch, key=key, personal=personal, seed=seed) for batch in batches]
    return propose_from(
        summaries, key=key, personal=personal, false_alarm_rate=false_alarm_rate, pieces=pieces, walk=True
    )


def propose_from(
    history: Sequence[BatchSummary],
    *,
    key: Sequence[str] = (),
    personal: Sequence[str] = (),
    false_alarm_rate: float = 0.01,
    pieces: bool = False,
    walk: bool = False,
) -> Proposal:
    """Propose from summaries, for whoever keeps those of many batches.

    Args:
        history: At least five summaries, oldest first, all made with the same key and personal columns.
        key: Columns that name a row.
        personal: Columns of which no value may stand in the suite.
        false_alarm_rate: As in `propose_suite`.
        pieces: Whether these are pieces of one file: nothing is asked of their number of rows then.
        walk: Hold the newer half of the batches against suites proposed from those before.

    Raises:
        DataError: The key repeats within a batch.
    """
    if any(batch.keys_repeat for batch in history):
        raise DataError(f"The key {', '.join(key)} repeats within a batch", "Name the columns that name a row")
    made = _make(history, key, personal, false_alarm_rate, pieces)
    failed = [
        not all(draft.holds(history[place]) for draft in _make(history[:place], key, personal, false_alarm_rate).drafts)
        for place in (range(max(FEWEST, len(history) // 2), len(history)) if walk else ())
    ]
    return Proposal(
        suite=Suite(expectations=tuple(draft.expectation for draft in made.drafts)),
        reasons=tuple(draft.reason for draft in made.drafts),
        false_alarm_rate=false_alarm_rate,
        bounds=made.bounds,
        batches=len(history),
        rows=sum(batch.rows for batch in history),
        pieces=pieces,
        walked=len(failed),
        failed=sum(failed),
    )


def cut_into_batches(rows: pd.DataFrame, time: str | None, every: Every = "day") -> list[pd.DataFrame]:
    """The batches of a frame: by time, or in pieces of equal length where there is none.

    Raises:
        DataError: The column is not there or is not a time; without one, there are too few rows.
    """
    if time is None:
        pieces = min(PIECES, len(rows) // ROWS_A_PIECE)
        if pieces < FEWEST:
            raise DataError(
                f"A suite cannot be proposed from {len(rows)} rows", f"Give at least {FEWEST * ROWS_A_PIECE} rows"
            )
        cuts = [len(rows) * piece // pieces for piece in range(pieces + 1)]
        return [rows.iloc[begin:end].reset_index(drop=True) for begin, end in itertools.pairwise(cuts)]
    if time not in rows.columns:
        raise DataError(f"The rows have no column {time!r}", f"They have {', '.join(map(str, rows.columns))}")
    if not pd.api.types.is_datetime64_any_dtype(rows[time].dtype):
        raise DataError(f"Column {time!r} holds {rows[time].dtype}, not times", "Name a column of times")
    moments = rows[time].dt.tz_localize(None)
    groups = rows.groupby(moments.dt.to_period(FREQUENCIES[every]), sort=True)
    return [batch.reset_index(drop=True) for _, batch in groups]


def _make(
    history: Sequence[BatchSummary], key: Sequence[str], personal: Sequence[str], rate: float, pieces: bool = False
) -> _Made:
    names = [name for name in history[0].columns if all(name in batch.columns for batch in history)]
    plans = [*_of_table(history, names, key, pieces)]
    for name in names:
        plans += plan_column(name, history, key, personal)
    plans += _of_pairs(history)
    bounds = sum(plan.sides for plan in plans)
    drafts = [draft for plan in plans if (draft := plan.draft(rate / max(bounds, 1))) is not None]
    return _Made(drafts, bounds)


def _of_table(history: Sequence[BatchSummary], names: list[str], key: Sequence[str], pieces: bool) -> list[Plan]:
    same = all(set(batch.columns) == set(names) for batch in history)
    asked = expect("table_columns_to_match_set", "block", column_set=names, exact_match=same)
    reason = "every batch had exactly these columns" if same else "every batch had these columns, some had more"
    columns = Draft(asked, reason, lambda batch: float(len(set(names) - set(batch.columns))), 0.0, 0.0)
    plans = [Plan(0, lambda _: columns)]
    if not pieces:
        plans.append(Plan(2, lambda miss: _row_count(history, miss)))
    for unique in [key] if key else [(name,) for name in names if _never_repeats(history, name)]:
        draft = _unique(list(unique))
        plans.append(Plan(0, lambda _, draft=draft: draft))  # type: ignore[misc]
    return plans


def _row_count(history: Sequence[BatchSummary], miss: float) -> Draft:
    rows = pd.Series([float(batch.rows) for batch in history]).to_numpy()
    spare = 0.1 * rows.mean()
    bounds = next_value(rows, miss, "log")
    low, high = max(int(bounds.low - spare), 1), int(bounds.high + spare) + 1
    asked = expect("table_row_count_to_be_between", "warn", min_value=low, max_value=high)
    reason = f"{rows.min():.0f} to {rows.max():.0f} rows a batch were seen"
    return Draft(asked, reason, lambda batch: float(batch.rows), low, high)


def _never_repeats(history: Sequence[BatchSummary], name: str) -> bool:
    return all(
        batch.columns[name].kind in ("text", "whole")
        and batch.rows >= ROWS_A_PIECE
        and batch.columns[name].distinct == batch.rows
        for batch in history
    )


def _unique(key: list[str]) -> Draft:
    if len(key) == 1:
        asked = expect("column_values_to_be_unique", "quarantine", column=key[0])
    else:
        asked = expect("compound_columns_to_be_unique", "quarantine", column_list=key)
    return Draft(asked, "no two rows of a batch were the same here", lambda batch: float(batch.keys_repeat), 0.0, 0.0)


def _of_pairs(history: Sequence[BatchSummary]) -> list[Plan]:
    """Orders that held in every row of every batch and that chance would have broken."""
    plans = []
    for pair in history[0].breaches:
        kept = all(batch.breaches.get(pair) == 0 for batch in history if pair in batch.breaches)
        chance = sum(batch.by_chance.get(pair, 0.0) for batch in history) / len(history)
        if kept and chance >= BROKEN_BY_CHANCE:
            draft = _ordered(*pair, chance)
            plans.append(Plan(1, lambda _, draft=draft: draft))  # type: ignore[misc]
    return plans


def _ordered(first: str, second: str, chance: float) -> Draft:
    asked = expect(
        "column_pair_values_a_to_be_greater_than_b",
        "quarantine",
        column_A=first,
        column_B=second,
        or_equal=True,
        ignore_row_if="either_value_is_missing",
        mostly=ORDERED,
    )
    reason = f"held in every row; by chance {chance:.0%} would have broken it"
    return Draft(asked, reason, lambda batch: batch.breaches.get((first, second), 0.0), high=1 - ORDERED)
