"""What a split gives: three sets of rows for one training, and folds for choosing within the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["Fold", "RowSets"]


class RowSets(NamedTuple):
    """The labelled rows of one training, in three disjoint sets (reference and judging may coincide).

    Attributes:
        training: Rows that the model learns from.
        reference: Rows from the same time that it never sees, for its reference profile.
        judging: Rows on which it is judged.
        judged_on: The judging rows in words.
        cutoff: The newest time among training and reference rows, ISO 8601; empty without a time column.
    """

    training: pd.DataFrame
    reference: pd.DataFrame
    judging: pd.DataFrame
    judged_on: str
    cutoff: str


class Fold(NamedTuple):
    """One fold of a cross-validation, as positions of rows (for `DataFrame.iloc`), ascending and disjoint.

    Attributes:
        training: Rows to learn from.
        judging: Rows to judge on.
    """

    training: np.ndarray
    judging: np.ndarray
