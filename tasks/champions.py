"""Which version is trusted, and which stands still beside it: two aliases of the MLflow registry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from prefect import task

from prefect_mlops.core.evidence import Decision, Evidence
from prefect_mlops.core.gates.anchor import moves_anchor
from prefect_mlops.core.lineage import Lineage
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.registry import fetch_package, records_of

if TYPE_CHECKING:
    from prefect_mlops.blocks import MlflowTracking
    from prefect_mlops.core.profile import ReferenceProfile
    from prefect_mlops.core.trainers import FittedModel

__all__ = ["Anchor", "Champion", "load_anchor", "load_champion", "promote_version", "read_champion"]

ANCHOR, ANCHORED = "anchor", "mlops.anchored_at"


class Champion(NamedTuple):
    """The version trusted now, as the registry has it."""

    version: int
    lineage: Lineage
    profile: ReferenceProfile
    judged_until: str = ""
    """Time of the newest row that had a part in choosing it, ISO 8601; empty where rows have no time."""


class Anchor(NamedTuple):
    """The version that stands still while champions come and go, with its fitted model."""

    version: int
    model: FittedModel


@task
def read_champion(tracking: MlflowTracking, spec: ModelSpec) -> Champion | None:
    """The champion's records, without its model; None where nothing is trusted yet."""
    from prefect_mlops.core.profile import ReferenceProfile

    version = tracking.champion(spec.name)
    if version is None:
        return None
    folder = records_of(tracking, spec.name, version)
    lineage = Lineage.model_validate_json((folder / "lineage.json").read_text())
    profile = ReferenceProfile.model_validate_json((folder / "profile.json").read_text())
    evidence = Evidence.model_validate_json((folder / "evidence.json").read_text())
    return Champion(version, lineage, profile, evidence.judged_until)


@task
def load_champion(tracking: MlflowTracking, spec: ModelSpec, version: int) -> FittedModel:
    """A version's fitted model, always from the registry and never from memory.

    Raises:
        NotFound: The version is gone.
    """
    return _fitted(tracking, spec, version)


@task
def load_anchor(tracking: MlflowTracking, spec: ModelSpec) -> Anchor | None:
    """The version that stands still while champions come and go, so that small steps down cannot add up.

    It is the first champion, until a later one is promoted that is proved better, or a year has passed.

    Raises:
        NotFound: The version is gone.
    """
    version = tracking.aliased(spec.name, ANCHOR)
    return None if version is None else Anchor(version, _fitted(tracking, spec, version))


def _fitted(tracking: MlflowTracking, spec: ModelSpec, version: int) -> FittedModel:
    import skops.io

    from prefect_mlops.core.trainers import FittedModel

    package = fetch_package.fn(tracking, spec, version)
    pipeline = skops.io.loads(package.model, trusted=list(package.trusted))
    return FittedModel(pipeline, package.features, package.classes)


@task
def promote_version(
    tracking: MlflowTracking, spec: ModelSpec, version: int, as_of: datetime | None = None
) -> int | None:
    """Give a version the alias `champion`, and `anchor` where it is proved better than that, and take `candidate` away.

    Args:
        tracking: The registry.
        spec: The model's spec.
        version: The version that is trusted from now on.
        as_of: When; now by default.

    Returns:
        The version that was champion before; None for the first.
    """
    client = tracking.client()
    previous = tracking.champion(spec.name)
    _move_anchor(tracking, spec.name, version, previous, as_of or datetime.now(UTC))
    client.set_registered_model_alias(spec.name, "champion", str(version))
    if str(client.get_registered_model(spec.name).aliases.get("candidate")) == str(version):
        client.delete_registered_model_alias(spec.name, "candidate")
    return previous


def _move_anchor(tracking: MlflowTracking, model: str, version: int, previous: int | None, as_of: datetime) -> None:
    """Point the alias `anchor` at a version that earned it, or away from one that traffic is taken back from."""
    client, anchor = tracking.client(), tracking.aliased(model, ANCHOR)
    stood = None if anchor is None else client.get_model_version(model, str(anchor)).tags.get(ANCHORED)
    folder = records_of(tracking, model, version)
    evidence = Evidence.model_validate_json((folder / "evidence.json").read_text())
    decision = Decision.model_validate_json((folder / "decision.json").read_text())
    taken_back = previous is not None and anchor == previous > version
    since = None if stood is None else datetime.fromisoformat(stood)
    if taken_back or moves_anchor(evidence, decision, anchor=anchor, anchored_at=since, as_of=as_of):
        client.set_registered_model_alias(model, ANCHOR, str(version))
        client.set_model_version_tag(model, str(version), ANCHORED, as_of.isoformat())
