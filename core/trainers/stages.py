"""Estimators that learn in stages: how many of them, by the loss on rows that taught nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from prefect_mlops.core.errors import TrainingError
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import numpy as np

__all__ = ["EarlyStopping", "stages_wanted", "with_stages"]

BOOSTED, LINEAR, LIGHT = "sklearn.ensemble.", "sklearn.linear_model._stochastic_gradient.", "lightgbm."
STAGED = {
    "sklearn.ensemble._hist_gradient_boosting.": "max_iter",
    "sklearn.ensemble._gb.": "n_estimators",
    LINEAR: "max_iter",
    LIGHT: "n_estimators",
}
"""Who learns in stages, and the parameter that counts them."""
NEVER_BY_THEMSELVES: dict[str, dict[str, object]] = {
    "sklearn.ensemble._hist_gradient_boosting.": {"early_stopping": False},
    "sklearn.ensemble._gb.": {"n_iter_no_change": None},
    LINEAR: {"early_stopping": False, "tol": None},
    LIGHT: {},
}
"""What an estimator would put aside by itself is a random share of the rows, of all times."""


class EarlyStopping(Frozen):
    """Choose the number of stages on the newest training rows, then learn from all rows with that number."""

    share: Annotated[float, Field(gt=0, lt=0.9, description="Share of the training rows that judge the stages.")] = 0.2


def stages_wanted(
    path: str,
    estimator: Any,
    taught: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    judged: tuple[np.ndarray, np.ndarray],
) -> int:
    """The number of stages with the least loss on rows that taught nothing; the estimator's own number is the most.

    The loss is the log loss for classes; for numbers it is the pinball loss where the estimator learns a quantile, the
    squared error otherwise.

    Args:
        path: What the estimator is called in an error.
        estimator: Unfitted.
        taught: Columns, target and weights of the rows to learn from.
        judged: Columns and target of the rows to judge on.

    Raises:
        TrainingError: It does not learn in stages, or not in a way that tells chances.
    """
    import numpy as np

    family = _family(path, estimator)
    staged = with_stages(path, estimator, int(estimator.get_params()[STAGED[family]]))
    if family == LIGHT:
        return int(np.argmin(_losses_of_lightgbm(staged, taught, judged))) + 1
    losses = [_loss(staged, said, judged[1]) for said in _answers(staged, taught, judged[0])]
    return int(np.argmin(losses)) + 1


def with_stages(path: str, estimator: Any, stages: int) -> Any:
    """A copy of an estimator that learns in so many stages, and never stops by itself before.

    Raises:
        TrainingError: It does not learn in stages.
    """
    from sklearn.base import clone

    family = _family(path, estimator)
    return clone(estimator).set_params(**NEVER_BY_THEMSELVES[family], **{STAGED[family]: stages})


def _family(path: str, estimator: Any) -> str:
    module = f"{type(estimator).__module__}."
    for family in STAGED:
        if module.startswith(family):
            return family
    reason = (
        "it does not learn in stages, so there is nothing to stop early; GradientBoosting, HistGradientBoosting and "
        "SGD of scikit-learn and LightGBM do"
    )
    raise TrainingError(path, reason)


def _answers(
    staged: Any, taught: tuple[np.ndarray, np.ndarray, np.ndarray | None], columns: np.ndarray
) -> Iterator[np.ndarray]:
    """What an estimator says of some rows after each of its stages."""
    import numpy as np

    features, target, weights = taught
    telling = "predict_proba" if hasattr(staged, "predict_proba") else "predict"
    if type(staged).__module__.startswith(BOOSTED):
        staged.fit(features, target, sample_weight=weights)
        yield from getattr(staged, f"staged_{telling}")(columns)
    else:
        classes = {"classes": np.unique(target)} if telling == "predict_proba" else {}
        for _ in range(staged.max_iter):  # one pass over the rows is one stage
            staged.partial_fit(features, target, sample_weight=weights, **classes)
            yield getattr(staged, telling)(columns)


def _losses_of_lightgbm(
    staged: Any, taught: tuple[np.ndarray, np.ndarray, np.ndarray | None], judged: tuple[np.ndarray, np.ndarray]
) -> list[float]:
    """It counts its losses itself while it learns; asked afterwards it would go through all earlier trees each time."""
    import numpy as np

    features, target, weights = taught
    if hasattr(staged, "predict_proba"):
        metric = "binary_logloss" if len(np.unique(target)) == 2 else "multi_logloss"
    else:
        metric = "l2" if _quantile(staged) is None else "quantile"
    staged.fit(features, target, sample_weight=weights, eval_X=judged[0], eval_y=judged[1], eval_metric=metric)
    losses: list[float] = staged.evals_result_["valid_0"][metric]
    return losses


def _loss(estimator: Any, said: np.ndarray, truth: np.ndarray) -> float:
    import numpy as np

    if said.ndim == 2:
        place = np.searchsorted(estimator.classes_, truth)
        return float(-np.log(np.maximum(said[np.arange(len(truth)), place], 1e-15)).mean())
    missed = truth - said
    level = _quantile(estimator)
    if level is not None:
        return float(np.maximum(level * missed, (level - 1.0) * missed).mean())
    return float((missed**2).mean())


def _quantile(estimator: Any) -> float | None:
    """The quantile that an estimator learns; None where it learns the mean."""
    given = estimator.get_params()
    if "quantile" not in (given.get("loss"), given.get("objective")):
        return None
    level = given.get("quantile")
    return float(given["alpha"] if level is None else level)
