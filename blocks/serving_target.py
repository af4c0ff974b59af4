"""What every serving target can be asked, and how the target of an environment is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from prefect.blocks.core import Block

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.envoyadmin import Counters
from prefect_mlops.blocks.requestlog import RequestsSeen
from prefect_mlops.core.errors import DataError, NotFound, PartError
from prefect_mlops.core.names import Slot
from prefect_mlops.core.serving import Capabilities

__all__ = ["GROUP", "Running", "ServingTarget", "load_target", "target_by_slug"]

GROUP = "prefect_mlops.targets"
"""The entry point group in which a package names its own target classes."""


class Running(Protocol):
    """What runs in a slot."""

    @property
    def tag(self) -> str:
        """The bento."""

    @property
    def version(self) -> int:
        """The registry version that it holds."""


@runtime_checkable
class ServingTarget(Protocol):
    """Two slots a model, traffic divided between them, and what was seen of it; `LocalTarget` and `EcsTarget` are two.

    What a target does not declare in `capabilities` it refuses with an error of `core.errors`, and never passes over
    in silence. Whatever fails leaves the traffic as it was.
    """

    def capabilities(self) -> Capabilities:
        """What it can do beyond dividing traffic."""

    def url(self, model: str) -> str:
        """A model's address; requests go to `<url>/predict`."""

    def deploy(
        self,
        model: str,
        slot: Slot,
        store: BentoStore,
        tag: str,
        *,
        version: int,
        spool: str | Path | None,
        personal: str = "",
    ) -> Running:
        """Serve a bento in a slot without traffic, and wait until it is ready.

        The server is told by its environment: `MLOPS_SLOT`, and where they are given `MLOPS_SPOOL` and
        `MLOPS_PERSONAL_KEY`, the key of the stand-ins for personal values, which is a secret.

        Raises:
            ServingError: The slot has traffic, or the bento does not become ready; then the slot is empty.
        """

    def ensure(self, model: str | None = None) -> tuple[str, ...]:
        """Start again what died; one sentence for each slot that stays without a server."""

    def slots(self, model: str) -> Mapping[Slot, Running]:
        """What is ready, by slot."""

    def weights(self, model: str) -> dict[Slot, int]:
        """Percent of a model's traffic by slot; empty where nothing serves it."""

    def trusted(self, model: str) -> Slot | None:
        """The slot that last had all of a model's traffic: the champion's, also in the middle of a rollout."""

    def set_weights(self, model: str, weights: Mapping[Slot, int], user_key: str = "") -> None:
        """Divide a model's traffic in percents that add up to 100; it is live when this returns.

        Raises:
            NotFound: A slot with a weight has no running version.
            ServingError: The change is not taken, or a user key is asked of a target that is not sticky by one.
            ValueError: The weights do not add up to 100.
        """

    def mirror(self, model: str, slot: Slot | None, percent: int = 100) -> None:
        """Copy requests to a slot whose answers nobody sees; None ends it.

        Asked for again at every look, so that a target which has no copies can send what its log holds since the last.

        Raises:
            ServingError: The target cannot.
        """

    def requests(self, model: str, canary: Slot, position: int = 0) -> RequestsSeen:
        """The requests divided between two slots since a version was deployed, from a position on.

        Raises:
            ServingError: The target lists none.
        """

    def counters(self, model: str, slot: Slot) -> Counters:
        """Requests and errors of a slot so far, at most `counters_within_seconds` old."""

    def remove(self, model: str, slot: Slot) -> None:
        """Empty a slot; nothing happens when it is empty.

        Raises:
            ServingError: The slot has traffic.
        """

    def stop(self) -> None:
        """Take all that this target serves out of service."""


def load_target(environment: str) -> ServingTarget:
    """The target of an environment: the one block of that name which is no `LocalTarget`, else the `LocalTarget`.

    `bootstrap` saves a `LocalTarget` everywhere, so a document of another kind is what somebody decided.

    Raises:
        NotFound: No target is saved under that name.
        DataError: Two others are.
        PartError: A class in the entry point group cannot be used.
    """
    from prefect_mlops.blocks.targets import LocalTarget

    others = [target for kind in _kinds() if (target := _saved(kind, environment)) is not None]
    if len(others) > 1:
        named = " and ".join(f"{type(target).get_block_type_slug()}/{environment}" for target in others)
        raise DataError(f"Two targets are saved for one environment, {named}", "Delete all but one in the Prefect UI")
    found = others[0] if others else _saved(LocalTarget, environment)
    if found is None:
        slug = f"{LocalTarget.get_block_type_slug()}/{environment}"
        raise NotFound("block", slug, "Run `prefect-mlops bootstrap`, or save a serving target under that name")
    return cast("ServingTarget", found)


def target_by_slug(slug: str) -> ServingTarget:
    """The target that a block slug names, such as `mlops-ecs-target/production`.

    Raises:
        NotFound: No such block is saved.
        DataError: The slug is none, or names a block that serves nothing.
    """
    if slug.count("/") != 1:
        raise DataError(f"{slug!r} is no block slug", "Write kind/name, such as mlops-target/default")
    list(_kinds())  # so that Prefect knows the classes that only our group names
    try:
        block = Block.load(slug)
    except ValueError as error:
        if "Unable to find" not in str(error):
            raise
        raise NotFound("block", slug, "Save it in the Prefect UI, or name one that is there") from error
    if not isinstance(block, ServingTarget):
        raise DataError(f"The block {slug!r} serves nothing", "Name a target, such as mlops-target/NAME")
    return block


def _kinds() -> Iterator[type[Block]]:
    """`EcsTarget`, and the classes that other packages name."""
    from prefect_mlops.blocks.ecs import EcsTarget

    yield EcsTarget
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            found: Any = entry.load()
        except (ImportError, AttributeError) as error:
            cure = f"its module does not load ({error}); mend or uninstall the package that names it in {GROUP!r}"
            raise PartError(entry.value, cure) from error
        if not (isinstance(found, type) and issubclass(found, Block)):
            raise PartError(entry.value, "it is not a block class")
        wanted = [name for name in vars(ServingTarget) if not name.startswith("_")]
        missing = [name for name in wanted if not callable(getattr(found, name, None))]
        if missing:
            raise PartError(entry.value, f"it is not a serving target: it has no {', '.join(missing)}")
        yield found


def _saved(kind: type[Block], environment: str) -> Block | None:
    try:
        return cast("Block", kind.load(environment))
    except ValueError as error:
        if "Unable to find" not in str(error):
            raise
        return None
