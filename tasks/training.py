"""Split labelled rows, and fit a candidate on the part it may learn from."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.profile import ReferenceProfile
    from prefect_mlops.core.splits import RowSets
    from prefect_mlops.core.trainers import FittedModel

__all__ = ["profile_candidate", "split_rows", "train_candidate"]


@task
def split_rows(spec: ModelSpec, rows: pd.DataFrame, as_of: datetime, champion_cutoff: str = "") -> RowSets:
    """Say which rows train, which give the reference, and which judge.

    Args:
        spec: The model's spec.
        rows: Labelled rows, with the spec's key and time columns.
        as_of: End of the window; newer rows are left out.
        champion_cutoff: The newest time that the champion learned from; empty where there is none.

    Raises:
        DataError: The rows do not allow an honest split.
    """
    import pandas as pd

    after = pd.Timestamp(champion_cutoff).to_pydatetime() if champion_cutoff else None
    return spec.split.split(rows, key=spec.data.key, time=spec.data.time, as_of=as_of, after=after)


@task
def train_candidate(spec: ModelSpec, rows: pd.DataFrame) -> FittedModel:
    """Fit the spec's trainer on labelled rows.

    Raises:
        DataError: The rows cannot be learned from.
        PartError: The trainer's class cannot be used.
        TrainingError: The estimator failed.
    """
    return spec.resolved_trainer().fit(spec, rows)


@task
def profile_candidate(spec: ModelSpec, candidate: FittedModel, rows: pd.DataFrame) -> ReferenceProfile:
    """Describe the reference rows, and how well the candidate does on them, for monitors to come."""
    from prefect_mlops.core.profile import profile_reference

    return profile_reference(spec, candidate, rows)
