"""One expectation from the history of one statistic, with its reason and a quick answer of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from prefect_mlops.core.spec import Expectation
from prefect_mlops.core.suites.bounds import Scale, next_value
from prefect_mlops.core.suites.summaries import BatchSummary, ColumnSummary
from prefect_mlops.core.validation import Action

__all__ = ["Draft", "Plan", "plan_column"]

FEW_VALUES = 200
"""Numbers with at most so many different values in all, as instruments give them, are also held to those values."""
MOST_NEW = 0.5
SPARE_NEW = 0.01
ROWS_OF_A_SURE_VALUE = 10
MIXED = 0.98
"""A batch in which one value has a larger share tells of its time, as a month or a holiday does, not of its rows."""
SPARE_NULLS = {"number": 0.10}
"""A float is how pandas writes a number that may be missing; other columns that never lacked a value get 2%."""
TYPES = {
    "text": ("str", "object"),
    "whole": ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
    "number": ("float64", "float32", "int64", "int32", "int16", "int8"),
}
"""Types of frames that GX knows words for: times with a zone and flags that may be missing are the table's to keep."""
NEVER_CONSTANT = 4

Statistic = Callable[[BatchSummary], float]


class Draft(NamedTuple):
    """An expectation that may be proposed.

    Attributes:
        expectation: As GX will read it.
        reason: Where its numbers come from.
        statistic: What it looks at, from a batch's summary.
        low: The statistic's least allowed value.
        high: Its greatest.
    """

    expectation: Expectation
    reason: str
    statistic: Statistic
    low: float = -math.inf
    high: float = math.inf

    def holds(self, batch: BatchSummary) -> bool:
        """Whether a batch would pass, as far as its summary tells."""
        value = self.statistic(batch)
        spare = 1e-9 * max(1.0, abs(value))
        return math.isnan(value) or self.low - spare <= value <= self.high + spare


class Plan(NamedTuple):
    """An expectation to be, before it is known how much of the false-alarm rate it may use.

    Attributes:
        sides: How many bounds it has.
        draft: Makes it, given the chance of a miss a bound; None where nothing useful can be asked.
    """

    sides: int
    draft: Callable[[float], Draft | None]


def plan_column(name: str, history: Sequence[BatchSummary], key: Sequence[str], personal: Sequence[str]) -> list[Plan]:
    """What can be asked of one column that every batch has."""
    seen = [batch.columns[name] for batch in history]
    kinds = {found.kind for found in seen if found.distinct} or {"other"}
    kind = "number" if kinds == {"whole", "number"} else kinds.pop() if len(kinds) == 1 else "other"
    typed = _typed(name, kind, seen)
    plans = [Plan(0, lambda _: typed)] if typed else []
    plans.append(Plan(1, lambda miss: _nulls(name, kind, history, miss, name in key)))
    if kind == "other" or name in personal:
        return plans
    if name not in key:
        plans.append(Plan(1, lambda miss: _distinct(name, history, miss)))
    values = _values_of(kind, seen) if name not in key else None
    if values is not None:
        plans.append(Plan(1, lambda miss: _in_set(name, kind, history, values, miss)))
    if kind == "text" and (values is not None or name in key):
        plans.append(Plan(0, lambda _: _lengths(name, history)))
        if values is not None:
            plans.append(Plan(1, lambda miss: _present(name, history, values, miss)))
    if kind in ("whole", "number") and name not in key:
        if not (kind == "whole" and values is not None):
            plans.append(Plan(2, lambda miss: _range(name, kind, history, miss)))
        plans.append(Plan(2, lambda miss: _mean(name, history, miss)))
        plans.append(Plan(2, lambda miss: _deviation(name, history, miss)))
    return plans


def expect(kind: str, action: Action, **kwargs: Any) -> Expectation:
    """An expectation with its action, and GX's severity to match."""
    severity = "warning" if action == "warn" else "critical"
    return Expectation.model_validate(
        {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity, "meta": {"action": action}}
    )


def outward(value: float, *, up: bool, digits: int = 4) -> float:
    """A bound in few digits, rounded away from what it allows.

    Examples:
        >>> outward(1017.26, up=True), outward(0.0123456, up=False), outward(-3.00001, up=False)
        (1018.0, 0.01234, -3.001)
    """
    if value == 0 or not math.isfinite(value):
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1)
    steps = math.ceil(value / unit - 1e-9) if up else math.floor(value / unit + 1e-9)
    return float(f"{steps * unit:.{digits + 2}g}")


def _typed(name: str, kind: str, seen: Sequence[ColumnSummary]) -> Draft | None:
    known = TYPES.get(kind, ())
    if not {found.type for found in seen} <= set(known):
        return None
    reason = {"text": "text", "whole": "whole numbers", "number": "numbers"}[kind] + " in every batch"
    if kind == "text":
        return Draft(expect("column_values_to_be_of_type", "block", column=name, type_="str"), reason, _nothing)
    signed = [each for each in known if not each.startswith("u") or any(found.type[0] == "u" for found in seen)]
    asked = expect("column_values_to_be_in_type_list", "block", column=name, type_list=signed)
    return Draft(asked, reason, _nothing)


def _nulls(name: str, kind: str, history: Sequence[BatchSummary], miss: float, is_key: bool) -> Draft | None:
    shares = _series(history, name, "nulls")
    if is_key:
        asked = expect("column_values_to_not_be_null", "quarantine", column=name)
        return Draft(asked, "part of the key", lambda batch: batch.columns[name].nulls, 0.0, 0.0)
    allowed = max(next_value(shares, miss, "share").high, SPARE_NULLS.get(kind, 0.02))
    if allowed > 0.99:
        return None
    mostly = outward(1 - allowed, up=False, digits=3)
    asked = expect("column_values_to_not_be_null", "block", column=name, mostly=mostly)
    reason = f"at most {shares.max():.2%} of a batch was null"
    return Draft(asked, reason, lambda batch: batch.columns[name].nulls, high=1 - mostly)


def _distinct(name: str, history: Sequence[BatchSummary], miss: float) -> Draft | None:
    counts = _series(history, name, "distinct")
    low = math.floor(next_value(counts, miss, "log").low - 0.1 * counts.mean())
    if counts.min() >= NEVER_CONSTANT:
        low = max(low, 2)
    if low < 2:
        return None
    asked = expect("column_unique_value_count_to_be_between", "block", column=name, min_value=low)
    reason = f"{counts.min():.0f} to {counts.max():.0f} different values in a batch; one alone would be stuck"
    return Draft(asked, reason, lambda batch: float(batch.columns[name].distinct), low=low)


def _values_of(kind: str, seen: Sequence[ColumnSummary]) -> dict[Any, int] | None:
    """In how many batches each value stood, where the column holds categories."""
    batches: dict[Any, int] = {}
    for found in seen:
        if found.counts is None:
            return None
        for value in found.counts:
            batches[value] = batches.get(value, 0) + 1
    if sum(_is_mixed(found.counts or {}) for found in seen) < 0.9 * len(seen):
        return None
    rows = sum(sum((found.counts or {}).values()) for found in seen)
    most = FEW_VALUES if kind != "text" else rows // (2 * len(seen))
    return batches if 0 < len(batches) <= most and rows >= 10 * len(batches) else None


def _is_mixed(counts: dict[Any, int]) -> bool:
    return bool(counts) and max(counts.values()) <= MIXED * sum(counts.values())


def _in_set(name: str, kind: str, history: Sequence[BatchSummary], values: dict[Any, int], miss: float) -> Draft | None:
    known: set[Any] = set()
    new = []
    for batch in history:
        new.append(_share(batch, name, known))
        known |= set(batch.columns[name].counts or ())
    late = np.array([share for share in new[len(new) // 2 :] if not math.isnan(share)])
    allowed = max(next_value(late, miss, "share").high, SPARE_NEW) if len(late) > 1 else 1.0
    if allowed > MOST_NEW:
        return None
    # Numbers with decimals reach new values all the time; in another unit hardly any of them stays.
    mostly = 1 - MOST_NEW if kind == "number" else outward(1 - allowed, up=False, digits=3)
    asked = expect("column_values_to_be_in_set", "quarantine", column=name, value_set=sorted(values), mostly=mostly)
    reason = f"{len(values)} values in all; lately at most {late.max():.2%} of a batch was new to those before"
    return Draft(asked, reason, lambda batch: _share(batch, name, values), high=1 - mostly)


def _present(name: str, history: Sequence[BatchSummary], values: dict[Any, int], miss: float) -> Draft | None:
    always = sorted(value for value, batches in values.items() if batches == len(history))
    sure, fewest = [], math.inf
    for value in always:
        counts = np.array([float((batch.columns[name].counts or {})[value]) for batch in history])
        if counts.min() >= ROWS_OF_A_SURE_VALUE and next_value(counts, miss / len(always), "root").low >= 1:
            sure.append(value)
            fewest = min(fewest, counts.min())
    if not sure:
        return None

    def absent(batch: BatchSummary) -> float:
        counts = batch.columns[name].counts
        return float(sum(value not in counts for value in sure)) if counts is not None else 0.0

    asked = expect("column_distinct_values_to_contain_set", "block", column=name, value_set=sure)
    return Draft(asked, f"each of these had at least {fewest:.0f} rows in every batch", absent, 0.0, 0.0)


def _lengths(name: str, history: Sequence[BatchSummary]) -> Draft:
    low, high = _series(history, name, "low").min(), _series(history, name, "high").max()
    spare = high - low
    shortest, longest = int(max(low - spare, 0)), int(high + spare)
    asked = expect(
        "column_value_lengths_to_be_between", "quarantine", column=name, min_value=shortest, max_value=longest
    )
    reason = f"{low:.0f} characters, always" if not spare else f"{low:.0f} to {high:.0f} characters, and as much again"
    return Draft(asked, reason, lambda batch: _outside(batch.columns[name], shortest, longest), 0.0, 0.0)


def _range(name: str, kind: str, history: Sequence[BatchSummary], miss: float) -> Draft | None:
    lows, highs = _series(history, name, "low"), _series(history, name, "high")
    if len(lows) < 2 or lows.min() == highs.max():
        return None
    scale: Scale = "root" if lows.min() >= 0 else "plain"
    spare = 0.1 * (highs.max() - lows.min())
    low, high = next_value(lows, miss, scale).low - spare, next_value(highs, miss, scale).high + spare
    if lows.min() >= 0 and (kind == "whole" or np.median(lows) == 0):
        low = max(low, 0.0)
    low, high = outward(low, up=False), outward(high, up=True)
    if kind == "whole":
        low, high = math.floor(low), math.ceil(high)
    asked = expect("column_values_to_be_between", "quarantine", column=name, min_value=low, max_value=high)
    reason = f"{lows.min():g} to {highs.max():g} were seen"
    return Draft(asked, reason, lambda batch: _outside(batch.columns[name], low, high), 0.0, 0.0)


def _mean(name: str, history: Sequence[BatchSummary], miss: float) -> Draft | None:
    means, lows, highs = (_series(history, name, what) for what in ("mean", "low", "high"))
    usual = float(np.median(_series(history, name, "deviation"))) if len(means) > 1 else 0.0
    if usual == 0:
        return None
    spare = 0.25 * usual
    top = highs.max()
    if np.median(highs) == top and np.median(means) > (top + lows.min()) / 2:
        # Most values lie at an upper limit: the distance from it is what varies, and is never negative.
        far, near = next_value(top - means, miss, "root")[::-1]
        low, high = top - far - spare, top - near + spare
    else:
        low, high = next_value(means, miss, "root" if lows.min() >= 0 else "plain")
        low, high = low - spare, high + spare
    asked, low, high = _between("column_mean_to_be_between", name, low, high, lows.min() >= 0)
    reason = f"means of {means.min():.4g} to {means.max():.4g} were seen, {means[-1]:.4g} last"
    return Draft(asked, reason, lambda batch: batch.columns[name].mean, low, high)


def _deviation(name: str, history: Sequence[BatchSummary], miss: float) -> Draft | None:
    found = _series(history, name, "deviation")
    usual = float(np.median(found)) if len(found) > 1 else 0.0
    if usual == 0:
        return None
    spare = 0.15 * usual
    low, high = next_value(found, miss, "root")
    asked, low, high = _between("column_stdev_to_be_between", name, low - spare, high + spare, True)
    reason = f"standard deviations of {found.min():.4g} to {found.max():.4g} were seen"
    return Draft(asked, reason, lambda batch: batch.columns[name].deviation, low, high)


def _between(kind: str, name: str, low: float, high: float, positive: bool) -> tuple[Expectation, float, float]:
    """Bounds in few digits; a lower one below zero says nothing where nothing is negative."""
    low, high = outward(low, up=False), outward(high, up=True)
    if positive and low <= 0:
        return expect(kind, "block", column=name, max_value=high), -math.inf, high
    return expect(kind, "block", column=name, min_value=low, max_value=high), low, high


def _series(history: Sequence[BatchSummary], name: str, what: str) -> np.ndarray:
    """A statistic batch by batch, without the batches that have no value for it."""
    values = np.array([getattr(batch.columns[name], what) for batch in history], dtype=np.float64)
    return values[~np.isnan(values)]


def _share(batch: BatchSummary, name: str, known: Collection[Any]) -> float:
    """The share of values that are not known; NaN where there are none."""
    counts = batch.columns[name].counts
    if not counts:
        return math.nan if counts is not None else 1.0
    return sum(count for value, count in counts.items() if value not in known) / sum(counts.values())


def _outside(found: ColumnSummary, low: float, high: float) -> float:
    return float(found.low < low - 1e-9 or found.high > high + 1e-9)


def _nothing(_: BatchSummary) -> float:
    return 0.0
