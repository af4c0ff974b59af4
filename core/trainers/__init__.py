"""Trainers: how labelled rows become a fitted pipeline, and how an estimator is written into a spec."""

from prefect_mlops.core.trainers.contents import content_digest
from prefect_mlops.core.trainers.fitted import FittedModel, Predictions, Trainer, trusted_types
from prefect_mlops.core.trainers.parts import PartialTrainer
from prefect_mlops.core.trainers.sklearn import SklearnTrainer
from prefect_mlops.core.trainers.written import write_down

__all__ = [
    "FittedModel",
    "PartialTrainer",
    "Predictions",
    "SklearnTrainer",
    "Trainer",
    "content_digest",
    "trusted_types",
    "write_down",
]
