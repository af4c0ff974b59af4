"""What every trainer takes and gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["FittedModel", "Predictions", "Trainer"]


class Predictions(NamedTuple):
    """What a model says of some rows.

    Attributes:
        labels: Predicted class or value, shape `(rows,)`.
        probabilities: Shape `(rows, classes)` in the order of `FittedModel.classes`; None for regression.
    """

    labels: np.ndarray
    probabilities: np.ndarray | None


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

    def predict(self, rows: pd.DataFrame) -> Predictions:
        """What the model says of some rows; other columns than its features are ignored."""
        raise RuntimeError("placeholder")


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
