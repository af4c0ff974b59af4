"""Trainers: how labelled rows become a fitted pipeline."""

from prefect_mlops.core.trainers.fitted import FittedModel, Trainer
from prefect_mlops.core.trainers.sklearn import SklearnTrainer

__all__ = ["FittedModel", "SklearnTrainer", "Trainer"]
