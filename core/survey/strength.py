"""How well one column alone, or two together, tell the target of rows that were held out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from prefect_mlops.core.survey.problem import Posed

__all__ = ["lone_strength", "pair_strengths"]

FOLDS = 3
LEAVES = 64
DIVISORS = (2, 3, 4, 5, 7, 10, 100)
PRIOR_ROWS = 1.0
"""Rows that the overall mean weighs beside a category's own."""


def lone_strength(column: pd.Series, posed: Posed, *, identifier: bool = False, seed: int = 0) -> tuple[float, str]:
    """How well a column alone tells the target, out of fold.

    Numbers are told by a small tree, texts by the target's mean of each. An identifier is also looked at in parts:
    remainders of a number, beginnings and ends of a text, where somebody may have encoded the outcome.

    Args:
        column: Its values, missing ones among them.
        posed: The problem, for the same rows.
        identifier: Whether to look at its parts.
        seed: Of the folds.

    Returns:
        The area under the ROC curve (mean over one against the rest for several classes) or R², and the part of
        the column that tells it, in words; empty for the column itself.

    Examples:
        A column that is the target itself tells all of it.

        >>> from prefect_mlops.core.survey.problem import pose
        >>> target = pd.Series([0, 1] * 50)
        >>> lone_strength(target, pose(target))
        (1.0, '')
    """
    fold = np.random.default_rng(seed).permutation(len(column)) % FOLDS
    best, told = -1.0, ""
    for words, values in _views(column, identifier):
        strength = _held_out(values, posed, fold)
        if strength > best + 1e-9:
            best, told = strength, words
    return best, told


def pair_strengths(numbers: pd.DataFrame, target: np.ndarray) -> Iterator[tuple[str, str, float]]:
    """R² of the best weighted sum of each two columns, from their correlations.

    Args:
        numbers: Columns of numbers; rows in which one of a pair is missing do not count for that pair.
        target: Shape `(rows,)`.

    Yields:
        Two names and their R².

    References:
        The multiple correlation of two predictors, for instance Cohen, Cohen, West and Aiken (2003), equation 3.2.3.

    Examples:
        The target is the sum of two columns.

        >>> ab = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [4.0, 1, 3, 2]})
        >>> [(one, other, round(r2, 6)) for one, other, r2 in pair_strengths(ab, np.array([5.0, 3, 6, 6]))]
        [('a', 'b', 1.0)]
    """
    names = list(numbers.columns)
    table = numbers.assign(__target__=target).corr().to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        for i, one in enumerate(names):
            for j in range(i + 1, len(names)):
                first, second, both = table[i, -1], table[j, -1], table[i, j]
                left = 1.0 - both**2
                if left > 1e-6:
                    yield one, names[j], float((first**2 + second**2 - 2 * first * second * both) / left)


def _views(column: pd.Series, identifier: bool) -> Iterator[tuple[str, pd.Series]]:
    """The column and, of an identifier, its parts."""
    yield "", column
    if not identifier:
        return
    if pd.api.types.is_integer_dtype(column.dtype):
        for divisor in DIVISORS:
            yield f"its remainder after division by {divisor}", (column % divisor).astype(str)
        return
    text = column.astype(str).where(column.notna(), None)
    for length in (1, 2, 3):
        yield f"its first {length} characters", text.str[:length]
        yield f"its last {length} characters", text.str[-length:]
    parts = text.str.split(r"[-_/:. ]+", regex=True)
    most = int(parts.map(len, na_action="ignore").max() or 1)
    if 1 < most <= 6:
        for place in range(most):
            yield f"its part {place + 1}", parts.str[place]
    yield "its length", text.str.len()
    digits = pd.to_numeric(text.str.replace(re.compile(r"\D+"), "", regex=True).str[-15:], errors="coerce")
    if digits.notna().any():
        yield "its digits", digits
        yield "whether its digits are even", (digits % 2).astype(str)


def _held_out(values: pd.Series, posed: Posed, fold: np.ndarray) -> float:
    if posed.classes and len(posed.classes) > 2:
        each = [_score(values, (posed.values == code).astype(np.float64), fold, True) for code in _asked(posed)]
        return float(np.mean(each))
    return _score(values, posed.values.astype(np.float64), fold, bool(posed.classes))


def _asked(posed: Posed) -> Sequence[int]:
    """The classes that are asked for one against the rest: at most ten, the most frequent."""
    counts = np.bincount(posed.values, minlength=len(posed.classes))
    return [int(code) for code in np.argsort(-counts, kind="stable")[:10]]


def _score(values: pd.Series, target: np.ndarray, fold: np.ndarray, ranks: bool) -> float:
    from sklearn.metrics import r2_score, roc_auc_score

    numeric = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    learn = _by_tree if numeric else _by_mean
    told = np.empty(len(target))
    for number in range(FOLDS):
        held = fold == number
        told[held] = learn(values[~held], target[~held], values[held])
    if ranks:
        return float(roc_auc_score(target, told)) if 0 < target.sum() < len(target) else 0.5
    return float(r2_score(target, told))


def _by_tree(taught: pd.Series, target: np.ndarray, asked: pd.Series) -> np.ndarray:
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=max(3, len(target) // 2_000), random_state=0)
    ready = [np.nan_to_num(part.to_numpy(dtype=np.float64, na_value=np.nan), nan=-1e300) for part in (taught, asked)]
    ready = [np.clip(part, -3e38, 3e38)[:, None] for part in ready]
    return np.asarray(tree.fit(ready[0], target).predict(ready[1]))


def _by_mean(taught: pd.Series, target: np.ndarray, asked: pd.Series) -> np.ndarray:
    overall = float(target.mean())
    grouped = pd.Series(target).groupby(taught.astype(object).where(taught.notna(), "").to_numpy())
    means = (grouped.sum() + PRIOR_ROWS * overall) / (grouped.count() + PRIOR_ROWS)
    return asked.astype(object).where(asked.notna(), "").map(means).fillna(overall).to_numpy(dtype=np.float64)
