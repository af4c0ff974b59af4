"""How one model is learned: columns, estimator, and what is chosen on the newest rows before all of them teach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prefect_mlops.core.errors import TrainingError
from prefect_mlops.core.trainers.chances import calibrated, cheapest_threshold, deciding, threshold_of_costs
from prefect_mlops.core.trainers.columns import columns_by_role, columns_of_its_own, has_columns_of_its_own
from prefect_mlops.core.trainers.fitted import QUANTILES, FittedModel
from prefect_mlops.core.trainers.lessons import Lesson, inner_split
from prefect_mlops.core.trainers.making import in_words
from prefect_mlops.core.trainers.stages import stages_wanted, with_stages

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.sklearn import SklearnTrainer

__all__ = ["learn"]

MONOTONE = {
    "sklearn.ensemble._hist_gradient_boosting.": "monotonic_cst",
    "sklearn.ensemble._forest.": "monotonic_cst",
    "sklearn.tree.": "monotonic_cst",
    "lightgbm.": "monotone_constraints",
}
QUANTILE = {
    "sklearn.ensemble._hist_gradient_boosting.": ("quantile", {"loss": "quantile"}),
    "sklearn.ensemble._gb.": ("alpha", {"loss": "quantile"}),
    "sklearn.linear_model._quantile.": ("quantile", {}),
    "lightgbm.": ("alpha", {"objective": "quantile"}),
}
THRESHOLD_SHARE = 0.2
UNSEEN = "a category that nobody has seen"


class _Learned(NamedTuple):
    """Fitted columns and what was fitted on them."""

    columns: Any
    estimator: Any


def learn(trainer: SklearnTrainer, spec: ModelSpec, estimator: Any, rows: pd.DataFrame, lesson: Lesson) -> FittedModel:
    """The fitted model.

    Args:
        trainer: What is asked.
        spec: Names columns, problem, costs and seed.
        estimator: Unfitted.
        rows: Training rows, for the inner split.
        lesson: The same rows, ready to be learned from.

    Raises:
        DataError: The rows do not give what is asked.
        TrainingError: The estimator cannot do what is asked, or fails.
    """
    own = trainer.columns == "its-own" or (trainer.columns is None and _brings_columns(trainer, estimator))
    learning = _Learning(trainer, spec, own)
    learning.refuse_impossible(estimator)
    chosen = [learning.staged(one, rows, lesson) for one in learning.estimators(estimator)]
    learned = learning.fit(chosen, lesson)
    final = learned.estimator
    if trainer.calibration is not None:
        split = inner_split(spec, rows, lesson.target, trainer.calibration.share, "calibration")
        twin, judged = learning.fit(chosen, lesson.at(split.older)), lesson.at(split.newer)
        columns = twin.columns.transform(judged.frame)
        final = calibrated(trainer.calibration.method, twin.estimator, columns, judged.target, final)
    threshold = learning.threshold(chosen, rows, lesson)
    if threshold is not None:
        final = deciding(final, threshold, spec.target.positive)
    classes = () if spec.target.problem == "regression" else tuple(learned.estimator.classes_.tolist())
    columns = _answering(trainer.estimator, spec, learned, lesson) if own else learned.columns
    return FittedModel(_pipeline(columns, final, bool(trainer.quantiles)), spec.features.names, classes)


class _Learning:
    """The steps of `learn`, for one trainer and spec."""

    def __init__(self, trainer: SklearnTrainer, spec: ModelSpec, own: bool) -> None:
        self.trainer, self.spec, self.own = trainer, spec, own
        self.path = trainer.estimator

    def refuse_impossible(self, estimator: Any) -> None:
        """Refuse what the problem, the columns or the estimator do not allow, before anything is fitted."""
        trainer, problem = self.trainer, self.spec.target.problem
        if problem == "regression" and trainer.calibration:
            raise TrainingError(self.path, "calibration is of chances, and a regression has none")
        if problem != "binary" and trainer.threshold is not None:
            raise TrainingError(self.path, f"a threshold belongs to a binary problem, and the spec's is {problem}")
        if problem != "regression" and trainer.quantiles:
            raise TrainingError(self.path, f"quantiles belong to a regression, and the spec's problem is {problem}")
        if trainer.quantiles and 0.5 not in trainer.quantiles:
            raise TrainingError(self.path, "quantiles must hold 0.5, the median, which is the prediction")
        strange = sorted(set(trainer.monotone) - set(self.spec.features.numeric))
        if strange:
            known = ", ".join(self.spec.features.numeric) or "none"
            raise TrainingError(self.path, f"monotone names {strange[0]!r}, and numeric features are {known}")
        if self.own and (trainer.monotone or trainer.quantiles or trainer.early_stopping):
            reason = "it prepares its own columns, so monotone, quantiles and early_stopping go into its own parameters"
            raise TrainingError(self.path, reason)
        if trainer.monotone:
            _named(
                self.path,
                estimator,
                MONOTONE,
                "it takes no monotone constraints; trees of scikit-learn (not GradientBoosting) and LightGBM do",
            )
        if (trainer.weight or trainer.class_weight) and not _takes_weights(estimator):
            raise TrainingError(self.path, "it takes no weights of rows; leave weight and class_weight out")

    def estimators(self, estimator: Any) -> list[Any]:
        """One estimator, or one a quantile."""
        from sklearn.base import clone

        if not self.trainer.quantiles:
            return [estimator]
        name, always = _named(
            self.path,
            estimator,
            QUANTILE,
            "it learns no quantiles; GradientBoosting, "
            "HistGradientBoosting and QuantileRegressor of scikit-learn and LightGBM do",
        )
        levels = sorted(set(self.trainer.quantiles))
        return [clone(estimator).set_params(**always, **{name: level}) for level in levels]

    def staged(self, estimator: Any, rows: pd.DataFrame, lesson: Lesson) -> Any:
        """The estimator with the number of stages that early stopping chooses."""
        stopping = self.trainer.early_stopping
        if stopping is None:
            return estimator
        split = inner_split(self.spec, rows, lesson.target, stopping.share, "early_stopping")
        older, newer = lesson.at(split.older), lesson.at(split.newer)
        with_stages(self.path, estimator, 1)
        columns, features = self._columns(estimator, older)
        judged = (columns.transform(newer.frame), newer.target)
        try:
            wanted = stages_wanted(
                self.path, self._constrained(estimator, columns), (features, older.target, older.weights), judged
            )
        except TrainingError:
            raise
        except Exception as error:
            raise TrainingError(self.path, in_words(error)) from error
        return with_stages(self.path, estimator, wanted)

    def fit(self, estimators: list[Any], lesson: Lesson) -> _Learned:
        """Columns and estimator, fitted on a lesson."""
        columns, features = self._columns(estimators[0], lesson)
        whole = _together([self._constrained(one, columns) for one in estimators], self.trainer.quantiles)
        weights = {} if lesson.weights is None else {_weight_key(whole): lesson.weights}
        try:
            return _Learned(columns, whole.fit(features, lesson.target, **weights))
        except Exception as error:
            raise TrainingError(self.path, in_words(error)) from error

    def threshold(self, estimators: list[Any], rows: pd.DataFrame, lesson: Lesson) -> float | None:
        """The threshold asked for: by the costs alone where chances are calibrated, tried on newest rows otherwise."""
        wanted, costs = self.trainer.threshold, self.spec.purpose.costs
        if wanted is None or isinstance(wanted, float):
            return wanted
        if self.trainer.calibration is not None:
            return threshold_of_costs(costs)
        split = inner_split(self.spec, rows, lesson.target, THRESHOLD_SHARE, "threshold")
        twin, judged = self.fit(estimators, lesson.at(split.older)), lesson.at(split.newer)
        told = twin.estimator.predict_proba(twin.columns.transform(judged.frame))
        positive = twin.estimator.classes_.tolist().index(self.spec.target.positive)
        return cheapest_threshold(told[:, positive], judged.target == self.spec.target.positive, costs)

    def _columns(self, estimator: Any, lesson: Lesson) -> tuple[Any, Any]:
        """Fitted columns and the lesson's features behind them."""
        if self.own:
            columns = columns_of_its_own(self.spec, fill=False)
        else:
            columns = columns_by_role(
                self.spec,
                lesson.frame,
                estimator,
                min_frequency=self.trainer.min_frequency,
                max_categories=self.trainer.max_categories,
            )
        try:
            return columns, columns.fit_transform(lesson.frame, lesson.target)
        except Exception as error:
            raise TrainingError(self.path, in_words(error)) from error

    def _constrained(self, estimator: Any, columns: Any) -> Any:
        """A copy that may only rise or fall with some columns; the numeric ones come first and stay single."""
        from sklearn.base import clone

        copy = clone(estimator)
        if not self.trainer.monotone:
            return copy
        signs = {"rising": 1, "falling": -1}
        directions = [0] * len(columns.get_feature_names_out())
        for place, name in enumerate(self.spec.features.numeric):
            directions[place] = signs.get(self.trainer.monotone.get(name, ""), 0)
        return copy.set_params(**{_named(self.path, estimator, MONOTONE, ""): directions})


def _brings_columns(trainer: SklearnTrainer, estimator: Any) -> bool:
    """Whether it is a pipeline, looks at columns by name, or was made by somebody's function."""
    from prefect_mlops.core.plugins import import_object

    return has_columns_of_its_own(estimator) or not isinstance(import_object(trainer.estimator), type)


def _answering(path: str, spec: ModelSpec, learned: _Learned, lesson: Lesson) -> Any:
    """The guard of somebody's own pipeline: with medians for missing numbers where it cannot answer without.

    Raises:
        TrainingError: It fails on a category that it has not seen.
    """
    import numpy as np

    def fails(**changes: Any) -> Exception | None:
        try:
            learned.estimator.predict(learned.columns.transform(lesson.frame.head(1).assign(**changes)))
        except Exception as error:
            return error
        return None

    error = fails(**dict.fromkeys(spec.features.category, UNSEEN))
    if spec.features.category and error is not None:
        reason = (
            f"it fails on a category that it has not seen, as rows in service may hold ({in_words(error)}); "
            "give its encoder handle_unknown='ignore'"
        )
        raise TrainingError(path, reason) from error
    if any(fails(**{name: np.nan}) is not None for name in spec.features.numeric):
        return columns_of_its_own(spec, fill=True).fit(lesson.frame)
    return learned.columns


def _together(estimators: list[Any], quantiles: tuple[float, ...]) -> Any:
    """One estimator of several: an average in which only the median weighs, so that it predicts the median."""
    from sklearn.ensemble import VotingRegressor

    if not quantiles:
        return estimators[0]
    levels = sorted(set(quantiles))
    named = [(str(level), one) for level, one in zip(levels, estimators, strict=True)]
    return VotingRegressor(named, weights=[float(level == 0.5) for level in levels])


def _pipeline(columns: Any, estimator: Any, quantiles: bool) -> Any:
    from sklearn.pipeline import Pipeline

    return Pipeline([("columns", columns), (QUANTILES if quantiles else "estimator", estimator)])


def _named(path: str, estimator: Any, known: Any, reason: str) -> Any:
    """What a table says of an estimator's family."""
    module = f"{type(estimator).__module__}."
    for family, found in known.items():
        if module.startswith(family):
            return found
    raise TrainingError(path, reason)


def _takes_weights(estimator: Any) -> bool:
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import has_fit_parameter

    if isinstance(estimator, Pipeline):
        return _takes_weights(estimator.steps[-1][1])
    several = getattr(estimator, "estimators", None)
    if isinstance(several, list):  # voting and stacking hand them on
        return all(_takes_weights(one) for _, one in several)
    return bool(has_fit_parameter(estimator, "sample_weight"))


def _weight_key(estimator: Any) -> str:
    """The name by which `fit` takes weights, as deep as pipelines go."""
    from sklearn.pipeline import Pipeline

    steps = []
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        steps.append(name)
    return "__".join([*steps, "sample_weight"])
