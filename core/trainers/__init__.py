"""Trainers: how labelled rows become a fitted pipeline."""

from prefect_mlops.core.trainers.contents import content_digest
from prefect_mlops.core.trainers.fitted import FittedModel, Predictions, Trainer, trusted_types
from prefect_mlops.core.trainers.sklearn import SklearnTrainer

__all__ = ["FittedModel", "Predictions", "SklearnTrainer", "Trainer", "content_digest", "trusted_types"]
