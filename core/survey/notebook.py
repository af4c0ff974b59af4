"""What stands in a notebook, as a spec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prefect_mlops.core.errors import DataError, TrainingError
from prefect_mlops.core.names import require_model_name
from prefect_mlops.core.survey.drafting import draft_spec, named_rows
from prefect_mlops.core.survey.records import Column, Survey
from prefect_mlops.core.survey.surveying import survey_rows
from prefect_mlops.core.trainers import SklearnTrainer, write_down
from prefect_mlops.core.trainers.sklearn import fitting

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["spec_from_estimator"]


def spec_from_estimator(
    estimator: Any,
    rows: pd.DataFrame,
    target: str,
    *,
    name: str,
    time: str | None = None,
    key: Sequence[str] = (),
    later: Sequence[str] = (),
) -> ModelSpec:
    """Survey the rows, and write the estimator down by import path and parameters.

    Where the estimator was fitted on a DataFrame, its columns are the features, else those that the survey finds.

    Args:
        estimator: Any scikit-learn estimator or pipeline, fitted or not, or LightGBM's.
        rows: The rows with their target.
        target: The column to predict.
        name: The model's name.
        time: The column that says when a row happened.
        key: The columns that name a row; looked for when empty.
        later: Columns known only after a prediction is made.

    Raises:
        PartError: Something in the estimator cannot be written down, told by name with the cure.
        DataError: The rows cannot be learned from, or the estimator was fitted on columns that leak or are not there.
        TrainingError: The estimator does not fit the problem.
    """
    require_model_name(name)
    written = write_down(estimator)
    survey = survey_rows(rows, target, time=time, key=key, later=later)
    seen = getattr(estimator, "feature_names_in_", None)
    if seen is not None:
        survey = _only([str(one) for one in seen], survey)
    fitting(written["estimator"], estimator, survey.problem)
    try:
        trainer = SklearnTrainer(**written)
    except ValueError as error:
        raise TrainingError(written["estimator"], str(error)) from error
    return draft_spec(survey, named_rows(rows, survey), name, trainer)


def _only(names: list[str], survey: Survey) -> Survey:
    """The survey with just the features that an estimator was fitted on."""
    known = {column.name: column for column in survey.columns}
    absent = [name for name in names if name not in known]
    if absent:
        raise DataError(
            f"The estimator was fitted on column {absent[0]!r}, which the rows do not have",
            "Give the rows that it was fitted on, or an estimator that was not fitted yet",
        )
    wrong = [known[name] for name in names if known[name].role not in ("numeric", "category")]
    if wrong:
        told = "; ".join(f"{column.name} ({column.role}: {column.reason})" for column in wrong)
        raise DataError(
            f"The estimator was fitted on what no model may learn from: {told}", "Fit it without, or give `key`"
        )
    columns = tuple(
        Column(name=column.name, role="useless", reason="the estimator was not fitted on it")
        if column.role in ("numeric", "category") and column.name not in names
        else column
        for column in survey.columns
    )
    return survey.model_copy(update={"columns": columns})
