"""What a model's chances are worth: calibration, and the threshold at which a chance becomes a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import numpy as np

    from prefect_mlops.core.spec import Costs

__all__ = ["Calibration", "calibrated", "cheapest_threshold", "deciding", "threshold_of_costs"]


class Calibration(Frozen):
    """Chances that come true as often as they say, learned on the newest training rows."""

    method: Annotated[
        Literal["sigmoid", "isotonic"], Field(description="Isotonic bends freely and wants a thousand rows or more.")
    ] = "sigmoid"
    share: Annotated[float, Field(gt=0, lt=0.9, description="Share of the training rows that calibrate.")] = 0.2


def calibrated(method: str, taught: Any, columns: np.ndarray, target: np.ndarray, final: Any) -> Any:
    """A classifier that knows all rows, with chances corrected by rows that taught its twin nothing.

    As `CalibratedClassifierCV(ensemble=False)` does it, with one split in place of folds: the map from scores to
    chances is learned where the twin, fitted on the other rows, is judged; the model itself learns from all.

    Args:
        method: `sigmoid` or `isotonic`.
        taught: The twin.
        columns: Encoded rows that the twin did not learn from.
        target: Their target.
        final: The estimator that learned from all rows.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    made = CalibratedClassifierCV(FrozenEstimator(taught), method=method).fit(columns, target)
    for pair in made.calibrated_classifiers_:
        pair.estimator = final
    return made.set_params(estimator=final)


def deciding(estimator: Any, threshold: float, positive: Any) -> Any:
    """A fitted classifier that says `positive` from a chance of `threshold` on, wherever it is taken."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import FixedThresholdClassifier

    made = FixedThresholdClassifier(
        FrozenEstimator(estimator), threshold=threshold, pos_label=positive, response_method="predict_proba"
    )
    made.estimator_ = estimator
    return made.set_params(estimator=estimator)


def threshold_of_costs(costs: Costs) -> float:
    """The threshold at which both errors cost the same in expectation, for chances that can be trusted.

    Raises:
        DataError: Neither error costs anything.

    References:
        Elkan (2001), The foundations of cost-sensitive learning, IJCAI-01, equation 2.

    Examples:
        A missed flight costs four times a needless warning: warn from one in five on.

        >>> from prefect_mlops.core.spec import Costs
        >>> threshold_of_costs(Costs(false_positive=1, false_negative=4))
        0.2
    """
    total = costs.false_positive + costs.false_negative
    if not total:
        raise DataError("Neither error costs anything, so no threshold is the cheapest", "Give purpose.costs")
    return costs.false_positive / total


def cheapest_threshold(chances: np.ndarray, positive: np.ndarray, costs: Costs) -> float:
    """The threshold that would have cost least on some rows; of equally cheap ones the nearest to that of the costs.

    Args:
        chances: Of the positive class, shape `(rows,)`, on rows that taught nothing.
        positive: Whether each row was positive, shape `(rows,)`.
        costs: Of both errors.

    Examples:
        >>> import numpy as np
        >>> from prefect_mlops.core.spec import Costs
        >>> cheapest_threshold(np.array([0.1, 0.3, 0.6, 0.9]), np.array([False, False, True, True]), Costs())
        0.5
        >>> round(cheapest_threshold(np.array([0.1, 0.3, 0.9]), np.array([False, True, True]), Costs()), 3)
        0.2
    """
    import numpy as np

    wanted = threshold_of_costs(costs)
    levels, place = np.unique(chances, return_inverse=True)
    hits = np.bincount(place, weights=positive, minlength=len(levels))
    misses = np.bincount(place, weights=~positive, minlength=len(levels))
    # Cut number k lies below level k: rows under it are called negative, the others positive.
    missed = np.concatenate([[0.0], np.cumsum(hits)]) * costs.false_negative
    alarmed = np.concatenate([np.cumsum(misses[::-1])[::-1], [0.0]]) * costs.false_positive
    total = missed + alarmed
    lower = np.concatenate([[0.0], levels])
    upper = np.concatenate([levels, [1.0 if levels[-1] < 1.0 else 2.0]])
    # Between two levels every threshold decides alike: the one of the costs where it lies there, else the middle.
    middle = (lower + upper) / 2
    inside = (wanted > lower) & (wanted <= upper)
    cuts = np.where(inside, wanted, middle)
    cheapest = np.flatnonzero(total <= total.min() * (1 + 1e-12))
    return float(cuts[cheapest[np.argmin(np.abs(cuts[cheapest] - wanted))]])
