"""Rows ready to be learned from, and their honest inner split: the newest judge what the older ones taught."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefect_mlops.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["InnerSplit", "Lesson", "inner_split", "row_weights", "teaching_rows"]

INNER = 2**64
"""The draw of inner splits: not that of hold-outs, of whose hashes training rows have only a part."""


class Lesson(NamedTuple):
    """Rows ready to be learned from.

    Attributes:
        frame: Prepared features.
        target: Shape `(rows,)`.
        weights: Shape `(rows,)`; None where all rows weigh the same.
    """

    frame: pd.DataFrame
    target: np.ndarray
    weights: np.ndarray | None

    def at(self, positions: np.ndarray) -> Lesson:
        """Some of the rows, by position."""
        weights = None if self.weights is None else self.weights[positions]
        return Lesson(self.frame.iloc[positions], self.target[positions], weights)


class InnerSplit(NamedTuple):
    """Two disjoint parts of the training rows, as positions.

    Attributes:
        older: Rows that teach.
        newer: Rows that judge.
    """

    older: np.ndarray
    newer: np.ndarray


def inner_split(spec: ModelSpec, rows: pd.DataFrame, target: np.ndarray, share: float, purpose: str) -> InnerSplit:
    """Put a share of the training rows aside, to choose something on rows that taught nothing.

    With a time column these are the newest rows (rows of one moment stay together), otherwise those with the lowest
    hash of their key, or of their group where the spec splits by group.

    Args:
        spec: Names time and key.
        rows: Training rows.
        target: As an estimator takes it.
        share: How many judge, above 0 and below 1.
        purpose: What for, as the spec calls it.

    Raises:
        DataError: A class has too few rows to stand on both sides, or a part is empty.
    """
    import numpy as np

    newer = _newest(rows[spec.data.time], share) if spec.data.time in rows.columns else _hashed(spec, rows, share)
    if newer.all() or not newer.any():
        raise DataError(
            f"{len(rows):,} training rows cannot give {share:.0%} of themselves to trainer.{purpose}",
            f"Train on more rows, or leave {purpose} out of the trainer",
        )
    if spec.target.problem != "regression":
        _refuse_lopsided(spec, target, newer, purpose)
    return InnerSplit(np.flatnonzero(~newer), np.flatnonzero(newer))


def teaching_rows(spec: ModelSpec, part: pd.DataFrame, as_of: datetime, after: datetime | None) -> pd.DataFrame:
    """Those rows of a part that the spec's split would train on, if it saw all parts at once.

    Whether a row teaches depends on nothing but its key, group and time. What is left to the whole table, that keys do
    not repeat and that no set is empty, is not looked at.

    Args:
        spec: Its split decides.
        part: Some rows.
        as_of: The end of the window, with a time zone.
        after: The champion's own cut-off; None without a champion.

    Raises:
        DataError: A key, group or time is missing, or a time has no zone.
    """
    from datetime import timedelta

    from prefect_mlops.core.splits import ByGroup, ByTime
    from prefect_mlops.core.splits.checks import dated
    from prefect_mlops.core.splits.keys import column_text, held_out, key_text

    split, time, end = spec.split, spec.data.time, as_of
    if isinstance(split, ByTime):
        end = split.judged_after(as_of, after) - timedelta(days=split.embargo_days)
    seen = part if time is None or part.empty else part[(dated(part, time) <= end).to_numpy(dtype=bool)]
    if isinstance(split, ByGroup):
        return seen[~held_out(column_text(seen, split.group, "split.group"), split.judge_share)]
    share = split.reference_share if isinstance(split, ByTime) else split.judge_share
    return seen[~held_out(key_text(seen, spec.data.key), share)]


def row_weights(
    spec: ModelSpec,
    rows: pd.DataFrame,
    target: np.ndarray,
    column: str | None,
    classes: str | Mapping[str, float] | None,
    known: np.ndarray | None = None,
) -> np.ndarray | None:
    """How much each row counts: its own weight times its class's.

    Args:
        spec: Names the target.
        rows: Training rows.
        target: As an estimator takes it.
        column: The column of weights, if any.
        classes: `balanced`, so that every class counts the same in all, or weights by label.
        known: All labels there are, where the rows are only a part.

    Returns:
        Shape `(rows,)`; None where nothing is asked.

    Raises:
        DataError: The column is not there or holds what is no weight, or a class weight belongs to no class.

    Examples:
        `balanced`: each of two classes counts as half of the four rows.

        >>> import pandas as pd
        >>> from types import SimpleNamespace as Plain
        >>> spec = Plain(target=Plain(problem="binary", column="y"))
        >>> import numpy as np
        >>> row_weights(spec, pd.DataFrame({"y": "aaab"}, index=range(4)), np.array(list("aaab")), None, "balanced")
        array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    import numpy as np

    if column is None and classes is None:
        return None
    weights = np.ones(len(rows)) if column is None else _column_of_weights(rows, column)
    if classes is None:
        return weights
    if spec.target.problem == "regression":
        raise DataError("A regression has no classes to weigh", "Weigh rows by trainer.weight instead of class_weight")
    labels, codes = np.unique(target, return_inverse=True)
    if isinstance(classes, str):
        held = np.bincount(codes, weights=weights)
        return np.asarray(weights * (weights.sum() / (len(labels) * held))[codes])
    texts = [_label(label) for label in labels.tolist()]
    whole = texts if known is None else [_label(label) for label in known.tolist()]
    strange = sorted(set(classes) - set(whole))
    if strange:
        raise DataError(
            f"trainer.class_weight names {strange[0]!r}, and {spec.target.column!r} is {', '.join(whole)}",
            "Name its classes as they stand in the rows",
        )
    return np.asarray(weights * np.array([classes.get(text, 1.0) for text in texts])[codes])


def _label(label: object) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def _column_of_weights(rows: pd.DataFrame, column: str) -> np.ndarray:
    import numpy as np

    if column not in rows.columns:
        raise DataError(f"The rows have no column {column!r} of weights", "Correct trainer.weight, or add the column")
    try:
        weights = rows[column].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"Column {column!r} holds weights that are not numbers", "Correct trainer.weight") from error
    wrong = int((~np.isfinite(weights) | (weights < 0)).sum())
    if wrong or not weights.any():
        found = f"missing, infinite or negative in {wrong:,} of {len(weights):,} rows" if wrong else "zero in all rows"
        raise DataError(f"The weight {column!r} is {found}", "Give every row a weight of 0 or more")
    return np.asarray(weights)


def _newest(times: pd.Series, share: float) -> np.ndarray:
    import numpy as np

    missing = int(times.isna().sum())
    if missing:
        raise DataError(f"Column {times.name!r} is missing in {missing:,} rows", "Let the suite block missing times")
    ranks = times.rank(method="max", pct=True).to_numpy(dtype=np.float64)
    return np.asarray(ranks > 1.0 - share)


def _hashed(spec: ModelSpec, rows: pd.DataFrame, share: float) -> np.ndarray:
    import numpy as np

    from prefect_mlops.core.splits.keys import column_text, key_hashes, key_text

    group = getattr(spec.split, "group", None)
    texts = column_text(rows, group, "split.group") if group else key_text(rows, spec.data.key)
    return np.asarray(key_hashes(texts, INNER) < np.uint64(int(share * 2**64)))


def _refuse_lopsided(spec: ModelSpec, target: np.ndarray, newer: np.ndarray, purpose: str) -> None:
    import numpy as np

    labels, codes = np.unique(target, return_inverse=True)
    held = np.bincount(codes[newer], minlength=len(labels))
    taught = np.bincount(codes[~newer], minlength=len(labels))
    for label, old, new in zip(labels.tolist(), taught.tolist(), held.tolist(), strict=True):
        if not old or not new:
            where = f"{old:,} of them in the part that teaches and {new:,} in the part that judges"
            by = f"by {spec.data.time}" if spec.data.time else "by key"
            raise DataError(
                f"Class {label!r} of {spec.target.column!r} has {old + new:,} training rows, {where} (split {by})",
                f"Train on more rows of it, join it with another class, or leave {purpose} out of the trainer",
            )
