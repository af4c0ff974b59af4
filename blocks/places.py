"""The blocks of one environment, loaded by the one name that their documents share."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.expectations import SuiteStore
from prefect_mlops.blocks.ledgers import Ledger
from prefect_mlops.blocks.observations import PredictionLog
from prefect_mlops.blocks.sources import FileSource
from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.blocks.tracking import MlflowTracking
from prefect_mlops.core.errors import NotFound

__all__ = ["Places"]


class Places(NamedTuple):
    """Where things are in one environment.

    Attributes:
        source: Where batches land.
        tables: The models' tables.
        suites: Validation suites that specs share.
        tracking: Experiments and registry.
        predictions: What servers have logged.
        bentos: Packaged versions.
        target: Where versions are served.
        ledger: The record of every decision.
    """

    source: FileSource
    tables: DeltaTables
    suites: SuiteStore
    tracking: MlflowTracking
    predictions: PredictionLog
    bentos: BentoStore
    target: LocalTarget
    ledger: Ledger

    @classmethod
    def load(cls, environment: str) -> Places:
        """Load the block documents of an environment.

        Raises:
            NotFound: One of them does not exist.
        """
        found = {}
        for name, block in BLOCKS.items():
            try:
                found[name] = block.load(environment)
            except ValueError as error:
                slug = f"{block.get_block_type_slug()}/{environment}"
                raise NotFound("block", slug, "Run `prefect-mlops bootstrap`, or save it in the Prefect UI") from error
        return cls(**found)

    @classmethod
    def local(cls, home: Path) -> Places:
        """Everything on this machine, in one folder; what `prefect-mlops bootstrap` saves."""
        return cls(
            source=FileSource(folder=str(home / "landing")),
            tables=DeltaTables(root=str(home / "tables")),
            suites=SuiteStore(folder=str(home / "suites")),
            tracking=MlflowTracking(tracking_uri=f"sqlite:///{home / 'mlflow.db'}", artifacts=str(home / "artifacts")),
            predictions=PredictionLog(spool=str(home / "spool")),
            bentos=BentoStore(home=str(home / "bentos")),
            target=LocalTarget(folder=str(home / "serving")),
            ledger=Ledger(url=SecretStr(f"sqlite:///{home / 'ledger.db'}")),
        )


BLOCKS = {
    "source": FileSource,
    "tables": DeltaTables,
    "suites": SuiteStore,
    "tracking": MlflowTracking,
    "predictions": PredictionLog,
    "bentos": BentoStore,
    "target": LocalTarget,
    "ledger": Ledger,
}
