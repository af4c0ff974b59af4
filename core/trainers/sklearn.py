"""Any scikit-learn estimator by import path, behind a preprocessing that the columns' roles build."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from prefect_mlops.core.errors import DataError, PartError, TrainingError
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.plugins import import_object
from prefect_mlops.core.trainers.fitted import MISSING, FittedModel, prepare
from prefect_mlops.core.trainers.target import learnable_target

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["SklearnTrainer"]

UNSCALED = ("sklearn.tree.", "sklearn.ensemble.")
"""Trees split on order alone; scaling would only add rounding where a served copy computes in single precision."""
CHECKED_ROWS = 10_000


class SklearnTrainer(Frozen):
    """Fits `estimator(**parameters)` behind imputation and one-hot encoding."""

    kind: Literal["sklearn"] = "sklearn"
    estimator: Annotated[str, Field(description="Import path, such as sklearn.linear_model.LogisticRegression.")]
    parameters: Annotated[
        dict[str, Any], Field(default_factory=dict, description="Keyword arguments of the estimator.")
    ]
    min_frequency: Annotated[int, Field(ge=1, description="Categories with fewer rows share one column.")] = 20

    def fit(self, spec: ModelSpec, rows: pd.DataFrame) -> FittedModel:
        """Learn from labelled rows.

        Missing numbers become the median, missing or empty categories one of their own; numbers are standardised
        except for trees; categories are one-hot encoded. All chance comes from the spec's seed unless the
        parameters give one.

        Raises:
            DataError: A column is missing, empty, infinite or of the wrong kind, or the target cannot be learned.
            TrainingError: The estimator cannot be made, fails while it learns, or answers with what is no number.
        """
        if rows.empty:
            raise DataError("There are no rows to learn from", "Ingest rows and their labels before training")
        estimator = self._made(spec)
        target = learnable_target(spec, rows)
        frame = prepare(rows, spec.features.names, spec.features.category)
        bare = [name for name in spec.features.names if rows[name].isna().all()]
        if bare:
            raise DataError(
                f"Feature {', '.join(map(repr, bare))} has no value in any of {len(rows):,} training rows",
                "Mend it at its source, or leave it out of features in the spec",
            )
        pipeline = self._pipeline(spec, estimator)
        try:
            pipeline.fit(frame, target)
        except Exception as error:
            raise TrainingError(self.estimator, self._in_words(error)) from error
        classes = () if spec.target.problem == "regression" else _plain(pipeline.classes_)
        model = FittedModel(pipeline, spec.features.names, classes)
        self._check(model, rows.head(CHECKED_ROWS))
        return model

    def _made(self, spec: ModelSpec) -> Any:
        """The unfitted estimator."""
        try:
            maker = import_object(self.estimator)
        except PartError as error:
            raise TrainingError(self.estimator, f"{error.reason}{self._near_names()}") from error
        if not (isinstance(maker, type) and hasattr(maker, "fit") and hasattr(maker, "predict")):
            raise TrainingError(self.estimator, "it is not an estimator class with fit and predict")
        known = inspect.signature(maker).parameters
        parameters = dict(self.parameters)
        if "random_state" in known and parameters.get("random_state") is None:
            parameters["random_state"] = spec.seed
        open_ended = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values())
        wrong = [name for name in parameters if name not in known]
        if wrong and not open_ended:
            near = get_close_matches(wrong[0], known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}" if near else f"it takes {', '.join(known)}"
            raise TrainingError(self.estimator, f"it has no parameter {wrong[0]!r}; {hint}")
        try:
            made = maker(**parameters)
        except Exception as error:
            raise TrainingError(self.estimator, self._in_words(error)) from error
        return self._fitting(spec, made)

    def _fitting(self, spec: ModelSpec, made: Any) -> Any:
        """The estimator, if it is of the right kind for the spec's problem."""
        from sklearn.base import is_classifier, is_regressor

        problem = spec.target.problem
        if problem == "regression" and is_classifier(made):
            raise TrainingError(self.estimator, "it is a classifier, and the spec's problem is regression")
        if problem != "regression":
            if is_regressor(made):
                raise TrainingError(self.estimator, f"it is a regressor, and the spec's problem is {problem}")
            if not hasattr(made, "predict_proba"):
                reason = (
                    "it gives no probabilities (no predict_proba with these parameters), which gates, monitors and "
                    "serving need; choose an estimator that has them"
                )
                raise TrainingError(self.estimator, reason)
        return made

    def _pipeline(self, spec: ModelSpec, estimator: Any) -> Any:
        import numpy as np
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        numeric: list[tuple[str, Any]] = [("fill", SimpleImputer(strategy="median"))]
        if not self.estimator.replace(":", ".").startswith(UNSCALED):
            numeric.append(("scale", StandardScaler()))
        category = [
            ("fill", SimpleImputer(missing_values="", strategy="constant", fill_value=MISSING)),
            (
                "encode",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist",
                    min_frequency=self.min_frequency,
                    sparse_output=False,
                    dtype=np.float64,
                ),
            ),
        ]
        parts = [
            ("numeric", Pipeline(numeric), list(spec.features.numeric)),
            ("category", Pipeline(category), list(spec.features.category)),
        ]
        columns = ColumnTransformer([part for part in parts if part[2]], verbose_feature_names_out=False)
        return Pipeline([("columns", columns), ("estimator", estimator)])

    def _check(self, model: FittedModel, rows: pd.DataFrame) -> None:
        import numpy as np

        try:
            said = model.predict(rows)
        except Exception as error:
            raise TrainingError(
                self.estimator, f"it fails on its own training rows: {self._in_words(error)}"
            ) from error
        answers = said.labels if said.probabilities is None else said.probabilities
        lost = int((~np.isfinite(answers.astype(np.float64).reshape(len(rows), -1)).all(axis=1)).sum())
        if lost:
            reason = f"it answers {lost:,} of {len(rows):,} of its own training rows with what is no finite number"
            raise TrainingError(self.estimator, reason)

    def _near_names(self) -> str:
        module_name, _, name = self.estimator.replace(":", ".").rpartition(".")
        try:
            public = [found for found in dir(import_object(module_name)) if not found.startswith("_")]
        except PartError:
            try:
                public = [found for found in dir(__import__(module_name, fromlist=["_"])) if not found.startswith("_")]
            except (ImportError, ValueError):
                return ""
        near = get_close_matches(name, public, n=3, cutoff=0.5)
        return f"; near it {'are' if len(near) > 1 else 'is'} {', '.join(near)}" if near else ""

    def _in_words(self, error: Exception) -> str:
        told = " ".join(str(error).split())[:400].rstrip(".")
        return f"{type(error).__name__}: {told}" if told else type(error).__name__


def _plain(classes: Any) -> tuple[bool | int | str, ...]:
    import numpy as np

    return tuple(np.asarray(classes).tolist())
