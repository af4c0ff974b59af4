"""Metrics of somebody else's: any function of truth, predictions and weights, named by its import path."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

import numpy as np

from prefect_mlops.core.errors import PartError
from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.metric import Metric, Sampled
from prefect_mlops.core.plugins import import_object

__all__ = ["GROUPS", "custom_metric"]

GROUPS = 100
"""So many groups of rows are left out one by one; a hundred tell a standard error to within 7%."""

Function = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def custom_metric(path: str) -> Metric:
    """A metric from an import path, such as `acme.metrics:profit`.

    The function takes `(y_true, y_pred, weight)` and returns a number; NaN says that it is not defined on these rows.
    `y_true` holds the index of each row's class (1 is positive in a binary problem), or the value of a regression;
    `y_pred` the label said, in the same code; `weight` what each row counts, all ones where the spec weighs none.
    Two attributes of the function say more: `higher_is_better` (True if absent), and `takes`, which is `"labels"`
    (if absent) or `"probabilities"`: of the positive class, shape `(rows,)`, or of every class, `(rows, classes)`.

    Its standard error is that of a jackknife over 100 groups of rows, or of whole blocks: the function is called
    101 times.

    Args:
        path: `package.module:name`.

    Raises:
        PartError: There is no such function, or its attributes say what is not understood.

    References:
        Shao and Tu (1995), The Jackknife and Bootstrap, section 2.3.
    """
    function = import_object(path)
    if not callable(function):
        raise PartError(path, "it is no function; a metric takes (y_true, y_pred, weight) and returns a number")
    takes = getattr(function, "takes", "labels")
    if takes not in ("labels", "probabilities"):
        raise PartError(path, f"its attribute `takes` is {takes!r}", ("labels", "probabilities"))

    def sample(answered: Answered) -> Sampled:
        said = _said(path, answered, takes)
        weight = np.ones(len(answered)) if answered.weight is None else answered.weight
        value = _asked(path, function, answered.y, said, weight)
        groups = _groups(answered)

        def influence() -> np.ndarray:
            rows = len(answered)
            counts, whole = np.bincount(groups), weight.sum()
            own = np.bincount(groups, weights=weight)
            added = np.zeros(len(counts))
            for group in range(len(counts)):
                left = groups != group
                added[group] = value - _asked(path, function, answered.y[left], said[left], weight[left])
            added *= rows * (1.0 - own / whole)
            added -= counts * (added.sum() / rows)
            return np.asarray((added / counts)[groups])

        return Sampled(value, influence, units=groups)

    return Metric(
        name=path,
        problems=("binary", "multiclass", "regression"),
        higher_is_better=bool(getattr(function, "higher_is_better", True)),
        sample=sample,
    )


def _said(path: str, answered: Answered, takes: str) -> np.ndarray:
    if takes == "labels":
        return answered.labels
    if answered.probabilities is None:
        raise PartError(path, "it takes probabilities, and the model says none; let it take labels")
    return answered.score if answered.probabilities.shape[1] == 2 else answered.probabilities


def _asked(path: str, function: Function, y: np.ndarray, said: np.ndarray, weight: np.ndarray) -> float:
    try:
        answer: object = function(y, said, weight)
    except Exception as error:  # whatever somebody else's function raises is told with its name
        raise PartError(path, f"it raised {type(error).__name__} ({error}) on {len(y):,} rows") from error
    if isinstance(answer, np.ndarray) and answer.ndim == 0:
        answer = answer.item()
    if not isinstance(answer, Real) or isinstance(answer, bool) or math.isinf(answer):
        told = f"{answer!r} ({type(answer).__name__})"
        raise PartError(path, f"it answered {told[:80]} on {len(y):,} rows where a number was expected")
    return float(answer)


def _groups(answered: Answered) -> np.ndarray:
    """A group a row: rows dealt out by a fixed seed, or blocks as wholes."""
    codes = np.arange(len(answered)) if answered.blocks is None else np.unique(answered.blocks, return_inverse=True)[1]
    units = int(codes.max(initial=-1)) + 1
    return np.asarray((np.random.default_rng(0).permutation(units) % GROUPS)[codes])
