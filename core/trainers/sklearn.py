"""Any scikit-learn estimator by import path, behind a preprocessing that the columns' roles build."""

from typing import Annotated, Any, Literal

from pydantic import Field

from prefect_mlops.core.parts import Frozen

__all__ = ["SklearnTrainer"]


class SklearnTrainer(Frozen):
    """Fits `estimator(**parameters)` behind imputation and one-hot encoding."""

    kind: Literal["sklearn"] = "sklearn"
    estimator: Annotated[str, Field(description="Import path, such as sklearn.linear_model.LogisticRegression.")]
    parameters: Annotated[dict[str, Any], Field(description="Keyword arguments of the estimator.")] = {}
    min_frequency: Annotated[
        int, Field(ge=1, description="Categories with fewer rows share one column.")
    ] = 20
