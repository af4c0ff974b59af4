"""Any estimator or pipeline by import path, with what a spec may ask of its learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from prefect_mlops.core.errors import DataError, TrainingError
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.trainers.chances import Calibration
from prefect_mlops.core.trainers.fitted import FittedModel, prepare
from prefect_mlops.core.trainers.limits import Limit, fit_within
from prefect_mlops.core.trainers.making import in_words, labels_as_text, local_parts, made, seeded
from prefect_mlops.core.trainers.stages import EarlyStopping
from prefect_mlops.core.trainers.target import learnable_target

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["SklearnTrainer"]

CHECKED_ROWS = 10_000


class SklearnTrainer(Frozen):
    """Fits `estimator(**parameters)`, behind the preprocessing of the columns' roles unless it is a pipeline itself."""

    kind: Literal["sklearn"] = "sklearn"
    estimator: Annotated[
        str,
        Field(
            description="Import path of a class, such as sklearn.linear_model.LogisticRegression or "
            "lightgbm.LGBMClassifier, or package.module:make_pipeline, a function that returns an estimator."
        ),
    ]
    parameters: Annotated[
        dict[str, Any],
        Field(default_factory=dict, description="Keyword arguments; {estimator: path, parameters: {...}} makes one."),
    ]
    columns: Annotated[
        Literal["by-role", "its-own"] | None,
        Field(description="Who prepares the columns: their roles, or the pipeline itself, as it does when it can."),
    ] = None
    min_frequency: Annotated[int, Field(ge=1, description="Categories with fewer rows share one answer.")] = 20
    max_categories: Annotated[
        int, Field(ge=1, description="A feature of more categories is encoded by its target, or keeps the largest.")
    ] = 100
    weight: Annotated[str | None, Field(description="The column that says how much a row counts.")] = None
    class_weight: Annotated[
        Literal["balanced"] | dict[str, Annotated[float, Field(ge=0)]] | None,
        BeforeValidator(labels_as_text),
        Field(description="`balanced`, or how much a row of each class counts; 1 where it is not named."),
    ] = None
    monotone: Annotated[
        dict[str, Literal["rising", "falling"]],
        Field(description="Numeric features with which the prediction may only rise, or fall."),
    ] = Field(default={})
    early_stopping: EarlyStopping | None = None
    calibration: Calibration | None = None
    threshold: Annotated[
        Literal["costs"] | Annotated[float, Field(gt=0, lt=1)] | None,
        Field(description="The chance from which on the positive class is said: a number, or what the costs give."),
    ] = None
    quantiles: Annotated[
        tuple[Annotated[float, Field(gt=0, lt=1)], ...],
        Field(description="Of a regression, 0.5 among them, which is the prediction; the others stand beside it."),
    ] = ()
    limit: Annotated[Limit | None, Field(description="What a training may take; it runs in a process of its own.")] = (
        None
    )

    def fit(self, spec: ModelSpec, rows: pd.DataFrame) -> FittedModel:
        """Learn from labelled rows.

        All chance comes from the spec's seed unless the parameters give one. What is chosen on the way (a number of
        stages, a calibration, a threshold) is chosen on the newest of the rows, by a model that did not learn from
        them; the model itself learns from all.

        Raises:
            DataError: A column is missing, empty, infinite or of the wrong kind, or the target cannot be learned.
            TrainingError: The estimator cannot be made, fails while it learns, takes more than its limit, cannot do
                what the trainer asks of it, or answers with what is no number.
        """
        from prefect_mlops.core.trainers.columns import refuse_bare
        from prefect_mlops.core.trainers.learning import learn
        from prefect_mlops.core.trainers.lessons import Lesson, row_weights

        if rows.empty:
            raise DataError("There are no rows to learn from", "Ingest rows and their labels before training")
        if self.limit is not None:
            unlimited = spec.model_copy(update={"trainer": self.model_copy(update={"limit": None})})
            return fit_within(self.limit, self.estimator, unlimited, rows)
        estimator = self.made(spec)
        target = learnable_target(spec, rows)
        frame = prepare(rows, spec.features.names, spec.features.category)
        refuse_bare(rows, spec.features.names)
        lesson = Lesson(frame, target, row_weights(spec, rows, target, self.weight, self.class_weight))
        model = learn(self, spec, estimator, rows, lesson)
        refuse_nonsense(self.estimator, model, rows.head(CHECKED_ROWS))
        return model

    def made(self, spec: ModelSpec) -> Any:
        """The unfitted estimator, of the right kind for the spec's problem and with the spec's seed.

        Raises:
            TrainingError: It cannot be made, or does not fit the problem.
        """
        found = made(self.estimator, self.parameters)
        return seeded(fitting(self.estimator, found, spec.target.problem), spec.seed)


def fitting(path: str, estimator: Any, problem: str) -> Any:
    """The estimator, if it is of the right kind for a problem and can be stored.

    Raises:
        TrainingError: It is not.
    """
    from sklearn.base import is_classifier, is_regressor

    # Asked of the class: a stacked estimator denies to predict until it is fitted.
    if isinstance(estimator, type) or not all(hasattr(type(estimator), verb) for verb in ("fit", "predict")):
        raise TrainingError(path, "it is not an estimator class with fit and predict")
    for name in local_parts(estimator):
        reason = (
            f"{name!r} is a lambda, or stands in a function or script, and a model that holds it can be loaded nowhere "
            "else; put it into a module of its own and import it from there"
        )
        raise TrainingError(path, reason)
    held = [estimator, *estimator.get_params(deep=True).values()]
    if any(type(part).__name__ in ("TunedThresholdClassifierCV", "FixedThresholdClassifier") for part in held):
        raise TrainingError(path, "it holds a threshold of its own; leave that out and set trainer.threshold")
    if problem == "regression" and is_classifier(estimator):
        raise TrainingError(path, "it is a classifier, and the spec's problem is regression")
    if problem != "regression":
        if is_regressor(estimator):
            raise TrainingError(path, f"it is a regressor, and the spec's problem is {problem}")
        if not _tells_chances(estimator):
            reason = (
                "it gives no probabilities (no predict_proba with these parameters), which gates, monitors and "
                "serving need; choose an estimator that has them"
            )
            raise TrainingError(path, reason)
    return estimator


def _tells_chances(estimator: Any) -> bool:
    final = getattr(estimator, "final_estimator", estimator)  # None stands for a LogisticRegression
    return final is None or hasattr(final, "predict_proba")


def refuse_nonsense(path: str, model: FittedModel, rows: pd.DataFrame) -> None:
    """Refuse a model that fails on its own training rows, or answers them with what is no number.

    Raises:
        TrainingError: It does.
    """
    import numpy as np

    try:
        said = model.predict(rows)
    except Exception as error:
        raise TrainingError(path, f"it fails on its own training rows: {in_words(error)}") from error
    answers = said.labels if said.probabilities is None else said.probabilities
    lost = int((~np.isfinite(answers.astype(np.float64).reshape(len(rows), -1)).all(axis=1)).sum())
    if lost:
        reason = f"it answers {lost:,} of {len(rows):,} of its own training rows with what is no finite number"
        raise TrainingError(path, reason)
