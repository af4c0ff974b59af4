"""Where outside things are: one Prefect block for each, and the only home of credentials."""

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.ecs import EcsTarget
from prefect_mlops.blocks.expectations import SuiteStore
from prefect_mlops.blocks.landing import FileSource
from prefect_mlops.blocks.ledgers import Ledger
from prefect_mlops.blocks.observations import PredictionLog
from prefect_mlops.blocks.personal import PersonalKey
from prefect_mlops.blocks.places import Places
from prefect_mlops.blocks.queues import LandingQueue
from prefect_mlops.blocks.serving_target import ServingTarget
from prefect_mlops.blocks.settings import MlopsSettings
from prefect_mlops.blocks.sources import DeltaSource, SqlSource
from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.blocks.tracking import MlflowTracking

__all__ = [
    "BentoStore",
    "DeltaSource",
    "DeltaTables",
    "EcsTarget",
    "FileSource",
    "LandingQueue",
    "Ledger",
    "LocalTarget",
    "MlflowTracking",
    "MlopsSettings",
    "PersonalKey",
    "Places",
    "PredictionLog",
    "ServingTarget",
    "SqlSource",
    "SuiteStore",
]
