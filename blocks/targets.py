"""Where versions are served: two slots a model, as local processes behind one gateway."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks import requestlog
from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.envoy import Listening, Mirror
from prefect_mlops.blocks.envoyadmin import Counters, read_counters
from prefect_mlops.blocks.gateway import drain_slot, ensure_gateway, tell_again, tell_gateway
from prefect_mlops.blocks.occupying import bring_up, end_all, missing, require_idle, serving, vacate, withdraw
from prefect_mlops.blocks.placements import Assignment, Occupied, Placements, changing, read_placements, unwritten
from prefect_mlops.blocks.requestlog import RequestsSeen
from prefect_mlops.blocks.secretfiles import keep_secret
from prefect_mlops.blocks.settings import place
from prefect_mlops.blocks.supervision import made_so
from prefect_mlops.core.errors import MlopsError, NotFound, ServingError
from prefect_mlops.core.names import Slot
from prefect_mlops.core.serving import Capabilities

__all__ = ["Counters", "LocalTarget", "Occupied", "RequestsSeen"]


class LocalTarget(Block):
    """Serves models on this machine: a server for each slot behind one Envoy, all of which outlive a run.

    Whoever calls writes what should run; `prefect-mlops serve` makes it so and keeps it so. Where that does not run,
    the caller makes it so itself, by the same steps, and what ends stays down until `ensure`. Traffic is always moved
    by the caller: a rollback waits for no supervisor.

    Example:
        Load a saved target and look at a model's traffic:
        ```python
        from prefect_mlops.blocks import LocalTarget

        target = LocalTarget.load("BLOCK_NAME")
        weights = target.weights("flights-late")
        ```
    """

    _block_type_name = "MLOps Target"
    _block_type_slug = "mlops-target"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    folder: str = Field(default="", description="State, configuration and logs; `serving` under the home when empty.")
    port: int = Field(default=8780, ge=1, le=65535, description="Where the gateway listens, on 127.0.0.1.")
    most_kilobytes: int = Field(default=16384, gt=0, description="Larger requests are answered 413 by the gateway.")
    token: SecretStr | None = Field(
        default=None, min_length=8, description="Callers bring `Authorization: Bearer <token>`, or are answered 401."
    )
    drain_seconds: float = Field(default=10.0, ge=0, description="How long requests may take whose server is to end.")

    def capabilities(self) -> Capabilities:
        """What a plan may ask of this target."""
        told = {"mirror": True, "sticky_by_key": True, "failover": True, "requests_listed": True}
        return Capabilities(**told, counters_within_seconds=1, smallest_share=1, arms=4)

    def url(self, model: str) -> str:
        """A model's address behind the gateway; requests go to `<url>/predict`."""
        return f"http://127.0.0.1:{self.port}/{model}"

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
    ) -> Occupied:
        """Serve a bento in a slot, without traffic; what ran there before is ended first.

        Args:
            model: The model's name.
            slot: One that has no traffic.
            store: Where the bento is.
            tag: Which bento.
            version: The registry version that it holds.
            spool: Where predictions are logged; None for nowhere.
            personal: The key of the stand-ins for personal values; empty keeps the one that the model had.

        Raises:
            NotFound: The bento is not in the store, or Envoy is not installed.
            PortInUse: The gateway's port is taken.
            ServingError: The slot has traffic, or the bento is damaged or does not become ready. The other slot and
                all traffic are as they were.
        """
        store.verified(tag)
        if personal:
            keep_secret(self.root(), model, personal)
        with self._changing() as placements:
            ensure_gateway(self.root(), placements)
            places = placements.of(model)
            share = places.weights.get(slot)
            if share and serving(places, slot):
                raise ServingError(
                    f"Slot {slot} of {model} takes {share}% of the traffic and cannot be given another version",
                    "Deploy into the other slot, or move the traffic first",
                )
        drain_slot(self.root(), model, slot, self.drain_seconds)
        with self._changing() as placements:
            withdraw(self.root(), placements, model, slot)
        with self._changing() as placements:
            vacate(placements, model, slot)
            places = placements.of(model)
            places.rollout = order = placements.generation = placements.generation + 1
            places.wanted[slot] = Assignment(
                tag=tag,
                version=version,
                store=str(store.folder()),
                spool=str(spool) if spool else None,
                order=order,
            )
        try:
            return made_so(self.root(), model, slot, order)
        except OSError as error:
            raise unwritten(self.root(), error) from error

    def ensure(self, model: str | None = None) -> tuple[str, ...]:
        """Start again what died, with the traffic it had, also what the supervisor has given up.

        Args:
            model: Whose slots to look at; every model's when None.

        Returns:
            One sentence for each slot that cannot be started; it stays without a server.

        Raises:
            PortInUse: The gateway died and its port is taken.
        """
        with self._changing() as placements:
            ensure_gateway(self.root(), placements)
            dead = missing(placements, model)
        problems = []
        for name, slot in dead:
            try:
                bring_up(self.root(), name, slot)
            except MlopsError as error:
                problems.append(f"{name}-{slot}: {error}")
        return tuple(problems)

    def slots(self, model: str) -> dict[Slot, Occupied]:
        """What runs for a model, by slot; a process that died is not listed."""
        places = read_placements(self.root()).of(model)
        found = {slot: serving(places, slot) for slot in places.slots}
        return {slot: occupied for slot, occupied in found.items() if occupied}

    def weights(self, model: str) -> dict[Slot, int]:
        """Percent of a model's traffic by slot; empty where nothing serves it."""
        return read_placements(self.root()).of(model).weights

    def trusted(self, model: str) -> Slot | None:
        """The slot that last had all of a model's traffic: the champion's, also in the middle of a rollout."""
        return read_placements(self.root()).of(model).trusted

    def set_weights(self, model: str, weights: Mapping[Slot, int], user_key: str = "") -> None:
        """Divide a model's traffic among its slots; it is live when this returns.

        A slot that gets traffic is mirrored to no more.

        Args:
            model: The model's name.
            weights: Percent by slot; they add up to 100.
            user_key: The request header that names a user. Whoever is on a slot stays on it while its weight rises;
                requests without the header, and all where it is empty, are divided by chance.

        Raises:
            NotFound: A slot with a weight has no running version.
            ServingError: The gateway does not take the change.
            ValueError: The weights do not add up to 100.
        """
        if sum(weights.values()) != 100 or min(weights.values()) < 0:
            raise ValueError(f"The weights {dict(weights)} must be percents that add up to 100.")
        with self._changing() as placements:
            places = placements.of(model)
            for slot, weight in weights.items():
                if weight:
                    self._require_serving(placements, model, slot, "Deploy one before it gets traffic")
            if sum(weight > 0 for weight in places.weights.values()) < 2:  # lines of an earlier division come late
                places.rollout = placements.generation = placements.generation + 1
            places.weights = {slot: weight for slot, weight in weights.items() if slot in places.wanted}
            places.trust(weights)
            places.user_key = user_key
            if places.mirror and weights.get(places.mirror.slot):
                places.mirror = None
            tell_gateway(self.root(), placements)
            divided = (sum(weight > 0 for weight in known.weights.values()) for known in placements.models.values())
            if max(divided) < 2:
                requestlog.reopen(self.root(), ensure_gateway(self.root(), placements).url)

    def mirror(self, model: str, slot: Slot | None, percent: int = 100) -> None:
        """Copy requests to a slot without traffic, whose answers nobody sees; live when this returns.

        Copies come with the header `x-mlops-arm: shadow` and a Host that ends in `-shadow`. Callers wait for none of
        them, and where 64 are under way to a slow shadow, further ones are dropped and counted.

        Args:
            model: The model's name.
            slot: Where to; None ends it.
            percent: Of the model's requests.

        Raises:
            NotFound: Nothing runs in the slot.
            ServingError: The slot has traffic of its own.
            ValueError: The percentage is not one.
        """
        if not 0 < percent <= 100:
            raise ValueError(f"{percent} is no percentage of requests; use 1 to 100, or the slot None to end it.")
        with self._changing() as placements:
            places = placements.of(model)
            if slot:
                self._require_serving(placements, model, slot, "Deploy one before it is mirrored to")
                if places.weights.get(slot):
                    raise ServingError(
                        f"Slot {slot} of {model} takes {places.weights[slot]}% of the traffic itself",
                        "Mirror to the other slot, or move the traffic first",
                    )
            places.mirror = Mirror(slot=slot, percent=percent) if slot else None
            tell_gateway(self.root(), placements)

    def requests(self, model: str, canary: Slot, position: int = 0) -> RequestsSeen:
        """The requests divided since the traffic was last one slot's alone, in the order of their ends.

        They are kept while any rollout of this target goes on, also over a crash of whoever drives it. A gateway that
        died is started again.

        Args:
            model: The model's name.
            canary: The slot of the version that is tried.
            position: Where an earlier reading ended.
        """
        with self._changing() as placements:
            ensure_gateway(self.root(), placements)
            rollout = placements.of(model).rollout
        return requestlog.read_requests(self.root(), model, rollout, canary, position)

    def counters(self, model: str, slot: Slot) -> Counters:
        """What the gateway has counted for a slot since it started; it is started again if it died.

        Raises:
            ServingError: The gateway does not answer.
        """
        with self._changing() as placements:
            gateway = ensure_gateway(self.root(), placements)
        return read_counters(gateway.url, model, slot)

    def remove(self, model: str, slot: Slot) -> None:
        """Empty a slot, when it has answered what it was sent; nothing happens when it is empty.

        Raises:
            ServingError: The slot still has traffic, or that it is empty cannot be written down; then it goes on.
        """
        with self._changing() as placements:
            require_idle(placements, model, slot)
            if placements.of(model).mirror == Mirror(slot=slot):
                placements.of(model).mirror = None
                tell_gateway(self.root(), placements)
        drain_slot(self.root(), model, slot, self.drain_seconds)
        with self._changing() as placements:
            require_idle(placements, model, slot)
            withdraw(self.root(), placements, model, slot)
        with self._changing() as placements:
            if slot not in placements.of(model).wanted:  # or somebody has deployed there meanwhile
                vacate(placements, model, slot)

    def stop(self) -> None:
        """End everything that runs for this target, the gateway first; a supervisor has nothing to do then.

        Raises:
            ServingError: That cannot be written down; then everything goes on.
        """
        try:
            end_all(self.root(), self.drain_seconds)
        except OSError as error:
            raise unwritten(self.root(), error) from error

    def root(self) -> Path:
        """The folder of state, configuration and logs."""
        folder = place(self.folder, "serving")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def listening(self) -> Listening:
        """How the gateway meets callers."""
        token = self.token.get_secret_value() if self.token else None
        return Listening(port=self.port, most_kilobytes=self.most_kilobytes, token=token)

    def _require_serving(self, placements: Placements, model: str, slot: Slot, cure: str) -> None:
        if not serving(placements.of(model), slot):
            raise NotFound("running version in slot", f"{model}-{slot}", cure)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Placements]:
        """The placements under their lock, and the gateway as this block says that it listens.

        Raises:
            ServingError: The folder is that of another target, or what changed cannot be written down; then the state
                is the old one, and the gateway is told it again.
        """
        try:
            with changing(self.root()) as placements:
                known, ours = placements.listening, self.listening()
                up = placements.gateway is not None and placements.gateway.alive()
                if known and known.port != ours.port and up:
                    said = f"belongs to a target whose gateway listens at port {known.port}, not {ours.port}"
                    cure = "Give this target a folder of its own, or stop the other first"
                    raise ServingError(f"{self.root()} {said}", cure)
                placements.listening = ours
                if known and known != ours and up:
                    tell_gateway(self.root(), placements)
                yield placements
        except MlopsError:  # a port in use is an OSError too
            raise
        except OSError as error:
            with contextlib.suppress(OSError, MlopsError):
                tell_again(self.root())
            raise unwritten(self.root(), error) from error
