"""Rows that stand on both sides of a split: by their key, by their features, or whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from prefect_mlops.core.digests import hash_rows
from prefect_mlops.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Overlap", "overlap", "twins_by_chance"]

CHANCE = 0.999
"""In so many of a thousand cases no more rows are alike than `twins_by_chance` says."""


class Overlap(NamedTuple):
    """Which judging rows the model knows from training, as positions of judging rows, ascending.

    Attributes:
        rows: How many rows judge.
        same_key: Rows whose key stands in training too: the same thing, learned from and judged on.
        same_features: Rows equal to a training row in all features.
        same_rows: Those of them with the same target too: their answer can be remembered instead of learned. Where
            features are coarse, equal rows come by chance, and their share is no fault of the split.
    """

    rows: int
    same_key: np.ndarray
    same_features: np.ndarray
    same_rows: np.ndarray

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of judging rows with the same key, the same features, the same features and target."""
        found = (self.same_key, self.same_features, self.same_rows)
        return tuple(len(positions) / self.rows for positions in found)  # type: ignore[return-value]  # three go in

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        if not len(self.same_key) and not len(self.same_features):
            return f"None of {self.rows:,} judging rows stands in training, by key or by features."
        key, features, whole = self.shares
        return (
            f"Of {self.rows:,} judging rows {len(self.same_key):,} ({key:.1%}) have a key that stands in training, "
            f"{len(self.same_features):,} ({features:.1%}) have the features of a training row, "
            f"{len(self.same_rows):,} ({whole:.1%}) its target too."
        )


def overlap(
    training: pd.DataFrame, judging: pd.DataFrame, key: Sequence[str], features: Sequence[str], target: str
) -> Overlap:
    """Find the judging rows that stand in training too.

    Rows are compared by hashes of 64 bits: among a million rows on each side, chance makes two different rows alike
    in one of ten million comparisons of this kind. Missing values equal each other.

    Args:
        training: Rows that the model learns from.
        judging: Rows that judge it.
        key: The columns that name a row.
        features: The columns that the model looks at.
        target: What it predicts.

    Raises:
        DataError: There are no judging rows, or a column is missing on a side.

    Examples:
        >>> learned = pd.DataFrame({"id": [1, 2], "x": [0.5, 0.7], "y": [True, False]})
        >>> judged = pd.DataFrame({"id": [3, 4, 2], "x": [0.5, 0.5, 0.9], "y": [True, False, True]})
        >>> found = overlap(learned, judged, ["id"], ["x"], "y")
        >>> found.same_key.tolist(), found.same_features.tolist(), found.same_rows.tolist()
        ([2], [0, 1], [0])
    """
    if judging.empty:
        raise DataError("There are no judging rows to compare with training", "Split the rows first")
    wanted = [*dict.fromkeys([*key, *features, target])]
    for rows, side in ((training, "training"), (judging, "judging")):
        absent = [name for name in wanted if name not in rows.columns]
        if absent:
            raise DataError(f"The {side} rows have no column {', '.join(absent)}", "Keep all columns of the spec")
    # Hashed together, or a column of whole numbers on one side and with a null on the other would never be equal.
    both = pd.concat([training[wanted], judging[wanted]], ignore_index=True)
    named, alike = hash_rows(both[list(key)])[1], hash_rows(both[list(features)])[1]
    whole = alike + hash_rows(both[[target]])[1]
    return Overlap(len(judging), *(_known(hashes, len(training)) for hashes in (named, alike, whole)))


def twins_by_chance(training: pd.DataFrame, judging: pd.DataFrame, columns: Sequence[str]) -> float:
    """The share of judging rows that may equal a training row where nobody copied any.

    Two estimates, of which the smaller counts. If no column knew of another, a row whose values have the shares p, q
    and so on of their columns would equal one of n training rows with a chance of 1 - (1 - p q ...)**n: copies of rows
    with many values are no chance. And a new row is unlike all others as often as training rows are (Good): where rows
    are unlike by design, copies of them are no chance either. Many columns that know much of each other make more rows
    alike than it says; copies of rows with a single column of many values go by unseen.

    Args:
        training: Rows that the model learns from.
        judging: Rows that judge it; at least one.
        columns: The features and the target.

    Returns:
        The share that is passed in one of a thousand cases, for as many rows as judge.

    References:
        Good (1953), Biometrika 40(3-4), 237-264.

    Examples:
        Eight equal coins are four different rows at most: each of two judging rows finds its like in training.

        >>> coins = pd.DataFrame({"x": [0, 1] * 4, "y": [0, 0, 1, 1] * 2})
        >>> twins_by_chance(coins, coins.head(2), ["x", "y"])
        1.0
        >>> twins_by_chance(coins.head(4), coins.head(2), ["x", "y"])
        0.0
    """
    from scipy import stats

    learned, judges = len(training), len(judging)
    both = pd.concat([training[list(columns)], judging[list(columns)]], ignore_index=True)
    likely, whole = np.ones(judges), np.zeros(len(both), dtype=np.uint64)
    for name in columns:
        hashes = hash_rows(both[[name]])[1]
        whole += hashes
        values, counts = np.unique(hashes[:learned], return_counts=True)
        place = np.minimum(np.searchsorted(values, hashes[learned:]), len(values) - 1)
        likely *= np.where(values[place] == hashes[learned:], counts[place] / learned, 0.0)
    dealt = float(np.mean(1 - (1 - likely) ** learned))
    alone = np.unique(whole[:learned], return_counts=True)[1]
    seen = 1 - int((alone == 1).sum()) / learned
    return float(stats.binom.ppf(CHANCE, judges, min(dealt, seen)) / judges)


def _known(hashes: np.ndarray, learned: int) -> np.ndarray:
    return np.flatnonzero(np.isin(hashes[learned:], hashes[:learned]))
