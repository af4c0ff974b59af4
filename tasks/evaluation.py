"""Measure a candidate beside the champion and a baseline, all on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.evidence import Evidence
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.trainers import FittedModel

__all__ = ["evaluate_candidate"]


@task
def evaluate_candidate(
    spec: ModelSpec,
    candidate: FittedModel,
    rows: pd.DataFrame,
    training_target: pd.Series,
    champion: FittedModel | None = None,
    champion_version: int | None = None,
    candidate_name: str = "candidate",
    judged_on: str = "",
) -> Evidence:
    """Measure what the gates will judge.

    Args:
        spec: The model's spec.
        candidate: The model that asks to be trusted.
        rows: The judging rows, with the target; nobody learned from them.
        training_target: The target of the candidate's training rows; gives the constant baseline.
        champion: The model trusted now, reloaded from the registry; None where there is none.
        champion_version: Its registry version.
        candidate_name: What the candidate is called before it has a version.
        judged_on: The judging rows in words.

    Raises:
        DataError: The rows cannot be judged on.
        NotMeasured: A gate names a metric that the problem does not have.
    """
    from prefect_mlops.core.evaluation import evaluate

    return evaluate(
        spec,
        candidate=candidate,
        champion=champion,
        champion_version=champion_version,
        rows=rows,
        training_target=training_target,
        candidate_name=candidate_name,
        judged_on=judged_on,
    )
