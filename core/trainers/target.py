"""Whether a target can be learned, and in which type: one type for every label, whatever it travelled as."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["known_classes", "labels_of", "learnable_target"]

MOST_CLASSES = 1000


def learnable_target(spec: ModelSpec, rows: pd.DataFrame) -> np.ndarray:
    """The target as an estimator takes it: booleans, whole numbers or texts for classes, floats for regression.

    Args:
        spec: Names the target and the problem.
        rows: Training rows.

    Returns:
        Shape `(rows,)`.

    Raises:
        DataError: The target is not there, has missing or infinite values, a single value, or labels that do not
            fit the problem.
    """
    values = labels_of(spec, rows)
    if spec.target.problem != "regression":
        known_classes(spec, set(values.tolist()), len(values))
    elif values.min() == values.max():
        name = spec.target.column
        raise DataError(
            f"The target {name!r} has one value in all {len(rows):,} rows", "Train on rows whose target varies"
        )
    return values


def labels_of(spec: ModelSpec, rows: pd.DataFrame) -> np.ndarray:
    """The target in its one type, whether or not these rows alone suffice to learn from.

    Raises:
        DataError: The target is not there, has missing or infinite values, or labels that do not fit the problem.
    """
    import numpy as np

    name = spec.target.column
    if name not in rows.columns:
        raise DataError(f"The rows have no target column {name!r}", "Correct target.column in the spec, or join labels")
    column = rows[name]
    missing = int(column.isna().sum())
    if missing:
        raise DataError(
            f"The target {name!r} is missing in {missing:,} of {len(rows):,} rows",
            "Leave unlabelled rows out before training",
        )
    if spec.target.problem != "regression":
        return _one_type(name, column)
    try:
        values = column.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The target {name!r} holds values that are not numbers", "Correct them, or the spec's problem"
        ) from error
    if not np.isfinite(values).all():
        raise DataError(
            f"The target {name!r} is infinite in {int((~np.isfinite(values)).sum()):,} rows",
            "Correct these labels at their source",
        )
    return np.asarray(values)


def known_classes(spec: ModelSpec, labels: set[bool | int | str], rows: int) -> np.ndarray:
    """The classes that can be learned, in the order of an estimator's probabilities.

    Args:
        spec: Names the target and the problem.
        labels: All that were found, of one type.
        rows: In how many rows.

    Raises:
        DataError: They do not fit the problem.
    """
    import numpy as np

    name, positive = spec.target.column, spec.target.positive
    found = sorted(labels)
    if len(found) < 2:
        raise DataError(
            f"The target {name!r} has one class only ({found[0]!r}) in all {rows:,} training rows",
            "Train on rows that hold every class: a longer window, or a corrected label",
        )
    if spec.target.problem == "binary":
        if len(found) > 2:
            raise DataError(
                f"The target {name!r} has {len(found):,} classes, and a binary problem has two",
                "Choose problem: multiclass in the spec, or correct the labels",
            )
        if positive not in found:
            raise DataError(
                f"No row of the target {name!r} is {positive!r}, the spec's target.positive; found are {found!r}",
                "Correct target.positive, minding its type (true is not 'true'), or the labels",
            )
    if len(found) > MOST_CLASSES:
        raise DataError(
            f"The target {name!r} has {len(found):,} classes",
            "Choose problem: regression in the spec, or fewer classes",
        )
    return np.array(found, dtype=object) if isinstance(found[0], str) else np.array(found)


def _one_type(name: str, column: pd.Series) -> np.ndarray:
    import numpy as np
    import pandas as pd

    if pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(dtype=bool)
    if pd.api.types.is_integer_dtype(column.dtype):
        return column.to_numpy(dtype=np.int64)
    if pd.api.types.is_float_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64)
        if not np.isfinite(values).all() or (values != np.floor(values)).any():
            raise DataError(
                f"The target {name!r} holds fractions, which are no classes",
                "Choose problem: regression in the spec, or give classes as texts, booleans or whole numbers",
            )
        return values.astype(np.int64)
    values = column.to_numpy(dtype=object)
    kinds = {type(value) for value in values}
    if kinds <= {bool, np.bool_}:
        return values.astype(bool)
    if kinds <= {int, np.int64}:
        return values.astype(np.int64)
    if kinds <= {str}:
        return values.astype(str).astype(object)
    raise DataError(
        f"The target {name!r} mixes {', '.join(sorted(kind.__name__ for kind in kinds))}",
        "Give every label in one type: text, boolean or whole number",
    )
