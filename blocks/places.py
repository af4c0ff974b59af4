"""The blocks of one environment, loaded by the one name that their documents share."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from prefect.blocks.core import Block
from pydantic import SecretStr

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.expectations import SuiteStore
from prefect_mlops.blocks.landing import FileSource
from prefect_mlops.blocks.ledgers import Ledger
from prefect_mlops.blocks.observations import PredictionLog
from prefect_mlops.blocks.personal import PersonalKey
from prefect_mlops.blocks.serving_target import ServingTarget, load_target
from prefect_mlops.blocks.sources import BatchSource
from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.blocks.tracking import MlflowTracking
from prefect_mlops.core.errors import DataError, NotFound

__all__ = ["Places", "load_source"]

Loaded = TypeVar("Loaded", bound=Block)


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
        personal: The key of the stand-ins for personal values.
    """

    source: FileSource
    tables: DeltaTables
    suites: SuiteStore
    tracking: MlflowTracking
    predictions: PredictionLog
    bentos: BentoStore
    target: ServingTarget
    ledger: Ledger
    personal: PersonalKey

    @classmethod
    def load(cls, environment: str) -> Places:
        """Load the block documents of an environment.

        Raises:
            NotFound: One of them does not exist.
        """
        return cls(
            source=_loaded(FileSource, environment),
            tables=_loaded(DeltaTables, environment),
            suites=_loaded(SuiteStore, environment),
            tracking=_loaded(MlflowTracking, environment),
            predictions=_loaded(PredictionLog, environment),
            bentos=_loaded(BentoStore, environment),
            target=load_target(environment),
            ledger=_loaded(Ledger, environment),
            personal=_loaded(PersonalKey, environment),
        )

    @classmethod
    def local(cls, home: Path) -> Places:
        """Everything on this machine, in one folder; what `prefect-mlops bootstrap` saves."""
        home = home.expanduser().absolute()
        return cls(
            source=FileSource(folder=str(home / "landing")),
            tables=DeltaTables(root=str(home / "tables")),
            suites=SuiteStore(folder=str(home / "suites")),
            tracking=MlflowTracking(tracking_uri=f"sqlite:///{home / 'mlflow.db'}", artifacts=str(home / "artifacts")),
            predictions=PredictionLog(spool=str(home / "spool")),
            bentos=BentoStore(home=str(home / "bentos")),
            target=LocalTarget(folder=str(home / "serving")),
            ledger=Ledger(url=SecretStr(f"sqlite:///{home / 'ledger.db'}")),
            personal=PersonalKey.kept_in(home / "personal.key"),
        )


def load_source(slug: str, places: Places) -> BatchSource:
    """The source that a block slug names, such as `mlops-sql-source/warehouse`; the landing folder when empty.

    Raises:
        NotFound: No such block is saved.
        DataError: The slug is none, or names a block that gives no batches.
    """
    if not slug:
        return places.source
    if slug.count("/") != 1:
        raise DataError(f"{slug!r} is no block slug", "Write kind/name, such as mlops-sql-source/warehouse")
    try:
        block = cast("Block", Block.load(slug))
    except ValueError as error:
        if "Unable to find" not in str(error):
            raise
        raise NotFound("block", slug, "Save it in the Prefect UI, or name one that is there") from error
    if not callable(getattr(block, "read", None)):
        cure = "Name a source, such as mlops-source/NAME, mlops-sql-source/NAME or mlops-delta-source/NAME"
        raise DataError(f"The block {slug!r} gives no batches", cure)
    return cast("BatchSource", block)


def _loaded(kind: type[Loaded], environment: str) -> Loaded:
    try:
        return cast("Loaded", kind.load(environment))
    except ValueError as error:
        if "Unable to find" not in str(error):
            raise
        slug = f"{kind.get_block_type_slug()}/{environment}"
        raise NotFound("block", slug, "Run `prefect-mlops bootstrap`, or save it in the Prefect UI") from error
