"""How labels become numbers: each class its index in one order, so that models can be compared row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.trainers.fitted import Predictions

if TYPE_CHECKING:
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["Label", "class_order", "encode_predictions", "encode_target"]

Label = bool | int | str


def class_order(spec: ModelSpec, *models: tuple[Label, ...]) -> tuple[Label, ...]:
    """All classes that any of some models can say: `(negative, positive)` for binary, none for regression.

    Raises:
        DataError: A binary problem whose classes are not two, one of them the spec's `positive`.
    """
    if spec.target.problem == "regression":
        return ()
    found = tuple(dict.fromkeys(label for classes in models for label in classes))
    if spec.target.problem == "multiclass":
        return found
    negative = tuple(label for label in found if label != spec.target.positive)
    if len(found) != 2 or len(negative) != 1:
        raise DataError(
            f"A binary model says {spec.target.positive!r} and one other label, this one says {list(found)!r}",
            "Correct target.positive in the spec, or choose problem: multiclass",
        )
    return (*negative, *(label for label in found if label != negative[0]))


def encode_target(target: pd.Series, order: tuple[Label, ...]) -> np.ndarray:
    """The index of each row's class, or the value itself for regression.

    Args:
        target: The true labels, of whatever dtype.
        order: The classes; empty for regression.

    Returns:
        Shape `(rows,)`, integers or floats.

    Raises:
        DataError: A label is missing, infinite or not among the classes.

    Examples:
        >>> encode_target(pd.Series(["b", "a", "b"]), ("a", "b"))
        array([1, 0, 1])
    """
    missing = int(target.isna().sum())
    if missing:
        raise DataError(
            f"{missing:,} of {len(target):,} rows have no label in {str(target.name)!r}",
            "Leave unlabelled rows out before judging; they count once their label has arrived",
        )
    if not order:
        values = _numbers(target)
        if not np.isfinite(values).all():
            raise DataError(
                f"{int((~np.isfinite(values)).sum()):,} labels in {str(target.name)!r} are infinite",
                "Correct these labels at their source, or let the suite keep them out",
            )
        return values
    codes = _codes(target, order)
    unknown = codes < 0
    if unknown.any():
        strange = sorted({str(label) for label in target[unknown]})[:5]
        raise DataError(
            f"{int(unknown.sum()):,} rows carry labels in {str(target.name)!r} that the model never saw: {strange}; "
            f"it knows {[str(label) for label in order]}",
            "Correct the labels, or train again on rows that hold every class",
        )
    return codes


def encode_predictions(predictions: Predictions, classes: tuple[Label, ...], order: tuple[Label, ...]) -> Predictions:
    """A model's predictions in the given order of classes; a class that it does not know gets probability 0.

    Args:
        predictions: As the model said them.
        classes: The model's own classes, in the order of its probabilities; empty for regression.
        order: The classes wanted, which hold the model's own.

    Raises:
        DataError: A prediction is missing or not finite.
    """
    if not order:
        values = _numbers(pd.Series(predictions.labels))
        _refuse_gaps(np.isfinite(values))
        return Predictions(labels=values, probabilities=None)
    codes = _codes(pd.Series(predictions.labels), order)
    _refuse_gaps(codes >= 0)
    if predictions.probabilities is None:
        return Predictions(labels=codes, probabilities=None)
    told = np.asarray(predictions.probabilities, dtype=np.float64)
    _refuse_gaps(np.asarray(np.isfinite(told).all(axis=1)))
    wide = np.zeros((len(codes), len(order)))
    for column, label in enumerate(classes):
        wide[:, order.index(label)] = told[:, column]
    return Predictions(labels=codes, probabilities=wide)


def _refuse_gaps(whole: np.ndarray) -> None:
    if not whole.all():
        raise DataError(
            f"{int((~whole).sum()):,} of {len(whole):,} predictions are missing, not finite or of an unknown class",
            "Look at the rows they belong to; a model that cannot answer cannot be judged",
        )


def _codes(labels: pd.Series, order: tuple[Label, ...]) -> np.ndarray:
    """Index in the order, -1 for none; `1`, `1.0`, `True` and their texts are one label where no class differs."""
    plain = {label: index for index, label in enumerate(order)}
    texts = {str(label).lower(): index for index, label in enumerate(order)}
    exact = len(texts) < len(order)
    found = {}
    for label in pd.unique(labels):
        if pd.isna(label):
            continue
        index = plain.get(label)
        if index is None and not exact:
            index = texts.get(str(label).lower())
        found[label] = -1 if index is None else index
    return labels.map(found).fillna(-1).to_numpy(dtype=np.int64)


def _numbers(values: pd.Series) -> np.ndarray:
    try:
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Column {str(values.name)!r} holds values that are not numbers",
            "A regression's target and predictions are numbers; correct the rows or the spec's problem",
        ) from error
