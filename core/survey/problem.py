"""Which problem a target poses, and which rows can be learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from prefect_mlops.core.errors import DataError

if TYPE_CHECKING:
    from prefect_mlops.core.metrics.encoding import Label

__all__ = ["Posed", "pose"]

MOST_CLASSES = 30
FEWEST_ROWS = 30
FEW_OF_A_CLASS = 10
YES = {"yes", "true", "y", "t", "1", "positive", "pos", ">50k", "late", "default", "bad", "churn", "malignant", "fraud"}


class Posed(NamedTuple):
    """A problem, and the target as numbers.

    Attributes:
        problem: What kind it is.
        positive: The value whose probability a binary model says.
        values: Shape `(rows,)`: the values of a regression, codes of classes otherwise.
        classes: In the order of the codes; empty for a regression.
    """

    problem: Literal["binary", "multiclass", "regression"]
    positive: Label | None
    values: np.ndarray
    classes: tuple[Label, ...]


def pose(target: pd.Series) -> Posed:
    """Tell a problem from the values of its target, none of them missing.

    Two values are binary, whatever they are; texts and truth values, and up to thirty whole numbers that each come
    often, are classes; other numbers are a regression. The positive value is the one that says yes, else the rarer.

    Raises:
        DataError: There is one class only, a class has fewer than three rows, there are too many texts to be classes,
            too few rows, or times.

    Examples:
        >>> pose(pd.Series(["no", "yes", "no"] * 20)).positive
        'yes'
        >>> pose(pd.Series([1.5, 2.25, 3.0] * 20)).problem
        'regression'
        >>> pose(pd.Series([0, 1, 2] * 20)).problem
        'multiclass'
    """
    name = repr(str(target.name))
    if len(target) < FEWEST_ROWS:
        raise DataError(
            f"There are {len(target)} rows with a known target {name}", f"Bring at least {FEWEST_ROWS} of them"
        )
    try:
        found = target.unique()
    except TypeError as error:
        raise DataError(f"The target {name} holds lists or mappings", "Make a number or a class of it") from error
    if len(found) < 2:
        raise DataError(f"Every row has the same target in {name}", "Bring rows of more than one outcome")
    if pd.api.types.is_datetime64_any_dtype(target.dtype):
        raise DataError(f"The target {name} holds times", "Make a number of it, such as the hours until then")
    if len(found) > 2 and _is_amount(target):
        return Posed("regression", None, target.to_numpy(dtype=np.float64), ())
    strange = sorted(
        {type(value).__name__ for value in found if not isinstance(_plain(value), bool | int | float | str)}
    )
    if strange:
        cure = "Convert it to numbers, as with astype(float), or to texts"
        raise DataError(f"The target {name} holds values of type {', '.join(strange)}", cure)
    if len(found) > max(MOST_CLASSES, 2):
        cure = "Group the values into fewer classes, or name another --target"
        raise DataError(f"The target {name} has {len(found):,} different texts", cure)
    classes = tuple(sorted((_plain(value) for value in found), key=lambda value: (str(type(value)), value)))
    codes = target.map({value: code for code, value in enumerate(classes)}).to_numpy(dtype=np.int64)
    counts = np.bincount(codes, minlength=len(classes))
    if counts.min() < 3:
        rare = classes[int(counts.argmin())]
        raise DataError(
            f"The class {rare!r} of {name} has {counts.min()} rows, which cannot teach and judge too",
            "Bring more rows of it, join it to another class, or leave its rows out",
        )
    if len(classes) == 2:
        yes = [label for label in classes if label is True or str(label).lower().strip(" .") in YES]
        return Posed("binary", yes[0] if len(yes) == 1 else classes[int(counts.argmin())], codes, classes)
    return Posed("multiclass", None, codes, classes)


def _is_amount(target: pd.Series) -> bool:
    if pd.api.types.is_bool_dtype(target.dtype) or not pd.api.types.is_numeric_dtype(target.dtype):
        return False
    values = target.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"The target {str(target.name)!r} is infinite in some rows", "Correct it at its source")
    counts = target.value_counts()
    whole = bool((values == np.floor(values)).all())
    return not (whole and len(counts) <= MOST_CLASSES and counts.min() >= FEW_OF_A_CLASS)


def _plain(value: object) -> Label:
    plain = value.item() if hasattr(value, "item") else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain  # type: ignore[return-value]  # strange types were refused
