"""What every trainer takes and gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from prefect_mlops.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["FittedModel", "Predictions", "Trainer", "prepare", "trusted_types", "uncrossed"]

MISSING = "missing"
"""The category that stands for no value."""
ROLES = ("category", "crowded")
"""How the parts are called that take categories; an adopted model has several, such as `category as number`."""
QUANTILES = "quantiles"
"""The last step of a pipeline that answers several quantiles."""


class Predictions(NamedTuple):
    """What a model says of some rows.

    Attributes:
        labels: Predicted class or value, shape `(rows,)`.
        probabilities: Shape `(rows, classes)` in the order of `FittedModel.classes`; None for regression.
        quantiles: Shape `(rows, quantiles)` in the order of `FittedModel.quantiles`; None where the model has none.
    """

    labels: np.ndarray
    probabilities: np.ndarray | None
    quantiles: np.ndarray | None = None


class FittedModel(NamedTuple):
    """A fitted pipeline with what is needed to use it elsewhere.

    Attributes:
        pipeline: A fitted scikit-learn estimator that takes a DataFrame of the spec's features.
        features: The columns it takes, in order.
        classes: The labels it can say, in the order of its probabilities; empty for regression.
    """

    pipeline: Any
    features: tuple[str, ...]
    classes: tuple[bool | int | str, ...]

    @property
    def threshold(self) -> float | None:
        """The chance from which on a binary model says its positive class; None where the likelier class is said."""
        last = _last(self.pipeline)
        return float(last.threshold) if type(last).__name__ == "FixedThresholdClassifier" else None

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The quantiles that a regression answers beside its label, rising; none for most."""
        if not hasattr(self.pipeline, "steps") or self.pipeline.steps[-1][0] != QUANTILES:
            return ()
        return tuple(float(name) for name, _ in _last(self.pipeline).estimators)

    def predict(self, rows: pd.DataFrame) -> Predictions:
        """What the model says of some rows; other columns than its features are ignored.

        Args:
            rows: With all features, of whatever dtype they travelled as. Missing values are imputed.

        Returns:
            One prediction a row; none for no rows.

        Raises:
            DataError: A feature is not there, is not a number where one is expected, or is infinite.
        """
        import numpy as np

        frame = prepare(rows, self.features, _categories(self.pipeline))
        if frame.empty:
            wide = np.empty((0, len(self.classes))) if self.classes else None
            between = np.empty((0, len(self.quantiles))) if self.quantiles else None
            return Predictions(np.empty(0, dtype=object if self.classes else np.float64), wide, between)
        if self.quantiles:
            return _between(self.pipeline, frame, self.quantiles.index(0.5))
        if not self.classes:
            return Predictions(np.asarray(self.pipeline.predict(frame), dtype=np.float64), None)
        told = np.asarray(self.pipeline.predict_proba(frame), dtype=np.float64)
        labels = np.empty(len(self.classes), dtype=object)
        labels[:] = self.classes
        if self.threshold is None:
            return Predictions(labels[told.argmax(axis=1)], told)
        positive = self.classes.index(_last(self.pipeline).pos_label)
        return Predictions(labels[np.where(told[:, positive] >= self.threshold, positive, 1 - positive)], told)


@runtime_checkable
class Trainer(Protocol):
    """Anything that fits a model; bring one by `kind: "package.module:Class"`."""

    @property
    def kind(self) -> str:
        """The name under which a spec asks for it."""

    def fit(self, spec: ModelSpec, rows: pd.DataFrame) -> FittedModel:
        """Learn from labelled rows.

        Raises:
            TrainingError: It failed, or learned something that cannot be used.
        """


def prepare(rows: pd.DataFrame, features: tuple[str, ...], categories: tuple[str, ...]) -> pd.DataFrame:
    """Features in the form that pipelines take: floats for numbers, text for categories.

    A value is the same whatever it travelled as: 3, 3.0 and "3" are one category, None and NaN are both missing.

    Args:
        rows: Rows with at least the features.
        features: The columns wanted, in order.
        categories: Those of them that are categories; `missing` stands for no value.

    Raises:
        DataError: A feature is not there, is not a number where one is expected, or is infinite.

    Examples:
        >>> import pandas as pd
        >>> prepare(pd.DataFrame({"day": [3.0, None], "load": [1, 2]}), ("load", "day"), ("day",)).values.tolist()
        [[1.0, '3'], [2.0, 'missing']]
    """
    import pandas as pd

    absent = [name for name in features if name not in rows.columns]
    if absent:
        raise DataError(
            f"The rows have no column {', '.join(map(repr, absent))}, which the model looks at",
            "Add it to the rows, or train a model without it",
        )
    twice = [name for name in features if list(rows.columns).count(name) > 1]
    if twice:
        raise DataError(f"The rows have column {twice[0]!r} twice", "Rename one of them, or leave it out")
    columns = {name: _text(rows[name]) if name in categories else _numbers(rows[name]) for name in features}
    return pd.DataFrame(columns, index=rows.index)


def uncrossed(told: np.ndarray, middle: int) -> np.ndarray:
    """Quantiles of which none crosses the median: where one would, it ends at it.

    Args:
        told: Quantiles in rising order, shape `(rows, quantiles)`.
        middle: The place of the median.

    Examples:
        >>> import numpy as np
        >>> uncrossed(np.array([[5.0, 4.0, 7.0]]), 1).tolist()
        [[4.0, 4.0, 7.0]]
    """
    import numpy as np

    told[:, : middle + 1] = np.minimum.accumulate(told[:, middle::-1], axis=1)[:, ::-1]
    told[:, middle:] = np.maximum.accumulate(told[:, middle:], axis=1)
    return told


def trusted_types(model: FittedModel) -> list[str]:
    """The types that `skops.io.loads(..., trusted=...)` must be told of to read a model's pipeline back.

    Raises:
        TrainingError: The pipeline holds a type from outside scikit-learn, numpy and scipy.
    """
    from prefect_mlops.core.trainers.stored import stored

    return list(stored(model).trusted)


def _categories(pipeline: Any) -> tuple[str, ...]:
    """The category columns of a pipeline of ours; none for anybody else's, whose frame must hold numbers."""
    first = pipeline.steps[0][1] if hasattr(pipeline, "steps") else pipeline
    parts = getattr(first, "transformers", ())
    return tuple(column for name, _, columns in parts if name.startswith(ROLES) for column in columns)


def _last(pipeline: Any) -> Any:
    return pipeline.steps[-1][1] if hasattr(pipeline, "steps") else pipeline


def _between(pipeline: Any, frame: pd.DataFrame, middle: int) -> Predictions:
    """A median with its quantiles; where these cross it, they end at it."""
    import numpy as np

    columns = frame
    for _, step in pipeline.steps[:-1]:
        columns = step.transform(columns)
    told = np.asarray(_last(pipeline).transform(columns), dtype=np.float64)
    told = uncrossed(told, middle)
    return Predictions(told[:, middle].copy(), None, told)


def _numbers(column: pd.Series) -> np.ndarray:
    import numpy as np
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise DataError(
            f"Feature {str(column.name)!r} holds times, not numbers",
            "Derive numbers from it, such as the hour, or leave it out of features.numeric",
        )
    try:
        values = np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Feature {str(column.name)!r} holds values that are not numbers",
            "Move it to features.category in the spec, or let the suite block such rows",
        ) from error
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise DataError(
            f"Feature {str(column.name)!r} is infinite in {infinite:,} of {len(values):,} rows",
            "Correct it at its source, or let the suite block infinite values; a missing value would be imputed",
        )
    return values


def _text(column: pd.Series) -> np.ndarray:
    texts = {value: _one_text(value) for value in column.dropna().unique()}
    return column.map(texts).astype(object).where(column.notna(), MISSING).to_numpy(dtype=object)


def _one_text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
