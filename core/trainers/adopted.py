"""A model that somebody else fitted, behind a guard that gives it the columns as it was trained on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.trainers.fitted import MISSING, FittedModel, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["adopted"]

UNSEEN = "a category never seen"
UNSEEN_NUMBER = "987654321"
TOLERANCE = 1e-9
AGAIN = "log it again in MLflow, and adopt that version"


def adopted(spec: ModelSpec, estimator: Any, columns: Sequence[str], rows: pd.DataFrame) -> FittedModel:
    """A fitted estimator of somebody else's as one of ours, that answers just as it did before.

    Our pipelines get floats for numbers and text for categories, whatever these travelled as. This one was fitted on
    other types: in front of it stands a guard that turns categories back into numbers, booleans, or text with missing
    values, as the rows have them, and puts the columns in its own order. Missing values become the rows' median, or
    their most frequent category, only in columns where the estimator itself fails on them.

    Args:
        spec: What the model must be.
        estimator: A fitted scikit-learn estimator or pipeline that takes a frame of named columns.
        columns: These columns, in its order.
        rows: Rows as it was trained on, with all features of the spec.

    Returns:
        A model that takes all features of the spec, also those that the estimator does not look at.

    Raises:
        DataError: Its columns, classes or kind do not fit the spec, it cannot answer the rows, or the guarded
            estimator would answer otherwise.
    """
    _refuse_another_kind(spec, estimator)
    _refuse_columns(spec, columns, rows)
    classes = _classes(spec, estimator)
    told = _told(estimator, rows[list(columns)])
    model = _answering(spec, estimator, tuple(columns), classes, rows)
    said = model.predict(rows)
    _refuse_difference(estimator, told, said.labels if said.probabilities is None else said.probabilities)
    return model


def _refuse_another_kind(spec: ModelSpec, estimator: Any) -> None:
    from sklearn.base import is_classifier, is_regressor

    name, problem = type(estimator).__name__, spec.target.problem
    found = "classifier" if is_classifier(estimator) else "regressor" if is_regressor(estimator) else ""
    wanted = "regressor" if problem == "regression" else "classifier"
    if found != wanted:
        said = f"is a {found}" if found else "is neither a classifier nor a regressor"
        raise DataError(
            f"The model {said} ({name}), and the spec's problem is {problem}", "Adopt another, or correct the spec"
        )
    if any("ThresholdClassifier" in type(part).__name__ for part in _parts(estimator)):
        cure = f"Take the estimator out of it, {AGAIN}; set the threshold as trainer.threshold for its successors"
        raise DataError(f"The model holds a decision threshold ({name}), which serving would not see", cure)
    if problem != "regression" and not hasattr(estimator, "predict_proba"):
        cure = f"Calibrate it with sklearn.calibration.CalibratedClassifierCV, {AGAIN}"
        raise DataError(f"The model gives no probabilities ({name}), which gates, monitors and serving need", cure)


def _parts(estimator: Any) -> list[Any]:
    return [estimator, *(step for _, step in getattr(estimator, "steps", ()))]


def _refuse_columns(spec: ModelSpec, columns: Sequence[str], rows: pd.DataFrame) -> None:
    strange = [name for name in columns if name not in spec.features.names]
    if strange:
        raise DataError(
            f"The model looks at {', '.join(map(repr, strange))}, which the spec does not name as a feature",
            "Name them under features.numeric or features.category in the spec",
        )
    if rows.empty:
        raise DataError("There are no rows to take a profile from", "Give rows as the model was trained on")
    wanted = dict.fromkeys([*spec.features.names, spec.target.column, *([spec.data.time] if spec.data.time else [])])
    absent = [name for name in wanted if name not in rows.columns]
    if absent:
        raise DataError(
            f"The rows have no column {', '.join(map(repr, absent))}, which the spec names",
            "Give rows with all features, the target and the time, as the model was trained on",
        )


def _classes(spec: ModelSpec, estimator: Any) -> tuple[bool | int | str, ...]:
    """The labels that it can say; whole numbers that travelled as floats are whole numbers."""
    if spec.target.problem == "regression":
        return ()
    from prefect_mlops.core.metrics.encoding import class_order

    found = [int(label) if isinstance(label, float) and label.is_integer() else label for label in _listed(estimator)]
    if any(not isinstance(label, bool | int | str) for label in found):
        raise DataError(
            f"The model's classes are {found!r}", "Classes are texts, whole numbers or booleans; train one with these"
        )
    class_order(spec, tuple(found))
    return tuple(found)


def _listed(estimator: Any) -> list[Any]:
    labels: list[Any] = estimator.classes_.tolist()
    return labels


def _told(estimator: Any, frame: pd.DataFrame) -> np.ndarray:
    """What it says of the rows by itself."""
    import numpy as np

    telling = getattr(estimator, "predict_proba", estimator.predict)
    try:
        return np.asarray(telling(frame), dtype=np.float64)
    except Exception as error:  # whatever somebody's code raises
        raise DataError(
            f"The model cannot answer the rows as they are ({type(error).__name__})",
            "Give rows in the types that it was trained on, such as the Parquet file of its training rows",
        ) from error


def _answering(
    spec: ModelSpec,
    estimator: Any,
    columns: tuple[str, ...],
    classes: tuple[bool | int | str, ...],
    rows: pd.DataFrame,
) -> FittedModel:
    """Behind a guard that fills in only what the estimator cannot do without."""
    fill: tuple[str, ...] = ()
    for name in columns:
        if not _answers(_guarded(spec, estimator, columns, classes, rows, fill), rows, {name: None}):
            fill = (*fill, name)
    model = _guarded(spec, estimator, columns, classes, rows, fill)
    unseen = {
        name: UNSEEN if _kind(rows[name]) == "text" else UNSEEN_NUMBER
        for name in columns
        if name in spec.features.category and _kind(rows[name]) != "truth"
    }
    if not _answers(model, rows, unseen):
        raise DataError(
            "The model fails on a category that it has not seen, as rows in service may hold",
            f"Give its encoder handle_unknown='ignore', {AGAIN}",
        )
    return model


def _answers(model: FittedModel, rows: pd.DataFrame, changes: dict[str, Any]) -> bool:
    import numpy as np
    import pandas as pd

    row = rows.head(1).assign(
        **{name: pd.Series([value], rows.index[:1], dtype=object) for name, value in changes.items()}
    )
    try:
        said = model.predict(row)
    except Exception:  # whatever somebody's code raises, the answer is no
        return False
    told = said.labels if said.probabilities is None else said.probabilities
    return bool(np.isfinite(told.astype(np.float64)).all())


def _guarded(
    spec: ModelSpec,
    estimator: Any,
    columns: tuple[str, ...],
    classes: tuple[bool | int | str, ...],
    rows: pd.DataFrame,
    fill: tuple[str, ...],
) -> FittedModel:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    names, texts = spec.features.names, spec.features.category
    kinds = {name: _kind(rows[name]) if name in texts else "numeric" for name in columns}
    parts = []
    for kind, title in (
        ("numeric", "numeric"),
        ("text", "category"),
        ("number", "category as number"),
        ("truth", "category as truth"),
    ):
        for filled in (False, True):
            chosen = [name for name in columns if kinds[name] == kind and (name in fill) == filled]
            if chosen:
                parts.append((f"{title}, filled" if filled else title, _restoring(kind, filled, chosen), chosen))
    given = [name for _, _, chosen in parts for name in chosen]
    unused = [name for name in texts if name not in columns]  # without it they would be taken for numbers
    unseen = [("category, unused", "drop", unused)] if unused else []
    guard = ColumnTransformer([*parts, *unseen], verbose_feature_names_out=False)
    steps = [("columns", guard)]
    if given != list(columns):
        order = ColumnTransformer([("order", "passthrough", list(columns))], verbose_feature_names_out=False)
        steps.append(("order", order))
    frame = prepare(rows, names, texts)
    for _, step in steps:
        step.set_output(transform="pandas")
        frame = step.fit_transform(frame)
    return FittedModel(Pipeline([*steps, ("adopted", estimator)]), names, classes)


def _kind(column: pd.Series) -> str:
    """What the values of a category are, whatever holds them."""
    import pandas as pd

    found = pd.api.types.infer_dtype(column.astype(object), skipna=True)
    if found == "boolean":
        return "truth"
    return "number" if found in ("integer", "floating", "mixed-integer-float") else "text"


def _restoring(kind: str, filled: bool, names: list[str]) -> Any:
    """What turns a prepared column back into what the estimator was fitted on; nothing but scikit-learn, to be stored.

    A scaler that neither moves nor scales reads numbers from texts.
    """
    import numpy as np
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder, StandardScaler

    if kind == "numeric":
        return SimpleImputer(strategy="median", keep_empty_features=True) if filled else "passthrough"
    often = SimpleImputer(missing_values=MISSING, strategy="most_frequent")
    if kind == "text":
        return often if filled else _text_or_nothing(names)
    if kind == "number":
        absent = SimpleImputer(missing_values=MISSING, strategy="constant", fill_value="nan")
        number = StandardScaler(with_mean=False, with_std=False)
        return Pipeline([("fill", often if filled else absent), ("number", number)])
    truths = [np.array(["False", "True"], dtype=object)]
    truth = OrdinalEncoder(categories=truths, handle_unknown="use_encoded_value", unknown_value=np.nan)
    return Pipeline([("fill", often), ("truth", truth)]) if filled else truth


def _text_or_nothing(names: list[str]) -> Any:
    """NaN for a missing category. The imputer by itself takes the name from a column that it fills with NaN."""
    import numpy as np
    import pandas as pd
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import FunctionTransformer

    absent = SimpleImputer(missing_values=MISSING, strategy="constant", fill_value=np.nan, keep_empty_features=True)
    absent.fit(pd.DataFrame([[MISSING] * len(names)], columns=names, dtype=object))
    return FunctionTransformer(absent.transform, feature_names_out="one-to-one")


def _refuse_difference(estimator: Any, told: np.ndarray, said: np.ndarray) -> None:
    import numpy as np

    given = said.astype(np.float64)
    apart = ~np.isclose(given, told, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=False).reshape(len(given), -1).all(
        axis=1
    )
    if apart.any():
        raise DataError(
            f"The model ({type(estimator).__name__}) answers {int(apart.sum()):,} of {len(apart):,} rows otherwise "
            "once they travel as numbers and texts, as rows in service do, or with what is no finite number",
            "Name under features.category what it takes as text, under features.numeric what it takes as numbers",
        )
