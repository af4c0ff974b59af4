"""Where versions are served: two slots a model, as local processes behind one gateway."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field

from prefect_mlops.blocks import envoy, requestlog
from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.envoy import Counters
from prefect_mlops.blocks.placements import Assignment, Occupied, Placements, changing, read_placements
from prefect_mlops.blocks.requestlog import RequestsSeen
from prefect_mlops.blocks.serving import BentoProcess, ServingProcess, free_port, quiet_environment
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import MlopsError, NotFound, PortInUse, ServingError
from prefect_mlops.core.names import Slot
from prefect_mlops.core.serving import Capabilities

__all__ = ["Counters", "LocalTarget", "Occupied", "RequestsSeen"]


class LocalTarget(Block):
    """Serves models on this machine: `bentoml serve` processes behind one Envoy, all of which outlive a run.

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

    def url(self, model: str) -> str:
        """A model's address behind the gateway; requests go to `<url>/predict`."""
        return f"http://127.0.0.1:{self.port}/{model}"

    def capabilities(self) -> Capabilities:
        """It keeps users where they are, lets the champion answer what a canary fails, and lists every request."""
        return Capabilities(sticky_by_key=True, failover=True, requests_listed=True, counters_within_seconds=1)

    def mirror(self, model: str, slot: Slot | None, percent: int = 100) -> None:
        """Refused, but where a mirror is to end."""
        if slot is not None:
            raise ServingError(f"{percent}% of the requests of {model} cannot be copied", "Leave out `rollout.shadow`")

    def deploy(
        self, model: str, slot: Slot, store: BentoStore, tag: str, *, version: int, spool: str | Path | None
    ) -> Occupied:
        """Serve a bento in a slot, without traffic; what ran there before is ended first.

        Args:
            model: The model's name.
            slot: One that has no traffic.
            store: Where the bento is.
            tag: Which bento.
            version: The registry version that it holds.
            spool: Where predictions are logged; None for nowhere.

        Raises:
            NotFound: The bento is not in the store, or Envoy is not installed.
            PortInUse: The gateway's port is taken.
            ServingError: The slot has traffic, or the bento is damaged or does not become ready. The other slot and
                all traffic are as they were.
        """
        store.verified(tag)
        wanted = Assignment(tag=tag, version=version, store=str(store.folder()), spool=Path(spool) if spool else None)
        with self._changing() as placements:
            self._ensure_gateway(placements)
            places = placements.of(model)
            share, old = places.weights.get(slot), places.slots.get(slot)
            if share and old and old.process.alive():
                raise ServingError(
                    f"Slot {slot} of {model} takes {share}% of the traffic and cannot be given another version",
                    "Deploy into the other slot, or move the traffic first",
                )
            places.weights.pop(slot, None)
            self._vacate(placements, model, slot)
            self._launch(placements, model, slot, wanted)
            places.rollout = placements.generation + 1  # of its own: to be ready raises it
        return self._finish(model, slot)

    def ensure(self, model: str | None = None) -> tuple[str, ...]:
        """Start again what died, with the traffic it had.

        Args:
            model: Whose slots to look at; every model's when None.

        Returns:
            One sentence for each slot that cannot be started; it stays without a server.

        Raises:
            PortInUse: The gateway died and its port is taken.
        """
        with self._changing() as placements:
            self._ensure_gateway(placements)
            dead = [
                (name, slot)
                for name, places in placements.models.items()
                for slot, occupied in places.slots.items()
                if model in (None, name) and not occupied.process.alive()
            ]
        problems = []
        for name, slot in dead:
            try:
                with self._changing() as placements:
                    occupied = placements.of(name).slots.get(slot)
                    if occupied is None or occupied.process.alive():
                        continue
                    occupied.process.stop()  # a worker may have outlived its supervisor
                    self._launch(placements, name, slot, occupied)
                self._finish(name, slot, keep=True)
            except MlopsError as error:
                problems.append(f"{name}-{slot}: {error}")
        return tuple(problems)

    def slots(self, model: str) -> dict[Slot, Occupied]:
        """What runs for a model, by slot; a process that died is not listed."""
        found = read_placements(self._folder()).of(model).slots
        return {slot: occupied for slot, occupied in found.items() if occupied.ready and occupied.process.alive()}

    def weights(self, model: str) -> dict[Slot, int]:
        """Percent of a model's traffic by slot; empty where nothing serves it."""
        return read_placements(self._folder()).of(model).weights

    def trusted(self, model: str) -> Slot | None:
        """The slot that last had all of a model's traffic: the champion's, also in the middle of a rollout."""
        return read_placements(self._folder()).of(model).trusted

    def set_weights(self, model: str, weights: Mapping[Slot, int], user_key: str = "") -> None:
        """Divide a model's traffic among its slots; it is live when this returns.

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
            self._ensure_gateway(placements)
            places = placements.of(model)
            for slot, weight in weights.items():
                occupied = places.slots.get(slot)
                if weight and not (occupied and occupied.ready and occupied.process.alive()):
                    raise NotFound("running version in slot", f"{model}-{slot}", "Deploy one before it gets traffic")
            places.weights = {slot: weight for slot, weight in weights.items() if slot in places.slots}
            places.trusted = next((slot for slot, weight in weights.items() if weight == 100), places.trusted)
            places.user_key = user_key
            self._tell(placements)
            divided = (sum(weight > 0 for weight in known.weights.values()) for known in placements.models.values())
            if max(divided) < 2:
                requestlog.reopen(self._folder(), self._ensure_gateway(placements).url)

    def requests(self, model: str, canary: Slot, position: int = 0) -> RequestsSeen:
        """The requests divided between two slots since a version was deployed, in the order of their ends.

        They are kept while any rollout of this target goes on, also over a crash of whoever drives it. A gateway that
        died is started again.

        Args:
            model: The model's name.
            canary: The slot of the version that is tried.
            position: Where an earlier reading ended.
        """
        with self._changing() as placements:
            self._ensure_gateway(placements)
            rollout = placements.of(model).rollout
        return requestlog.read_requests(self._folder(), model, rollout, canary, position)

    def counters(self, model: str, slot: Slot) -> Counters:
        """What the gateway has counted for a slot since it started; it is started again if it died.

        Raises:
            ServingError: The gateway does not answer.
        """
        with self._changing() as placements:
            gateway = self._ensure_gateway(placements)
        return envoy.read_counters(gateway.url, model, slot)

    def remove(self, model: str, slot: Slot) -> None:
        """Empty a slot; nothing happens when it is empty.

        Raises:
            ServingError: The slot still has traffic.
        """
        with self._changing() as placements:
            places = placements.of(model)
            if places.weights.get(slot):
                raise ServingError(
                    f"Slot {slot} of {model} still takes {places.weights[slot]}% of the traffic", "Move it first"
                )
            places.weights.pop(slot, None)
            self._vacate(placements, model, slot)

    def stop(self) -> None:
        """End everything that this target started; nothing happens when nothing runs."""
        with self._changing() as placements:
            running = [occupied.process for places in placements.models.values() for occupied in places.slots.values()]
            for process in filter(None, [placements.gateway, *running]):
                process.stop()
            placements.gateway, placements.models = None, {}

    def _launch(self, placements: Placements, model: str, slot: Slot, wanted: Assignment) -> None:
        """Start a server and write it down before it is ready: if we die now, whoever comes next finds and ends it."""
        log = self._folder() / "logs" / f"{model}-{slot}.log"
        store = BentoStore(home=wanted.store)
        process = BentoProcess.launch(store, wanted.tag, slot=slot, spool=wanted.spool, log=log)
        assigned = wanted.model_dump(include=set(Assignment.model_fields))
        placements.of(model).slots[slot] = Occupied(**assigned, process=process)

    def _finish(self, model: str, slot: Slot, *, keep: bool = False) -> Occupied:
        """Wait outside of the lock until a launched server is ready, then tell the gateway."""
        launched = read_placements(self._folder()).of(model).slots[slot]
        failed = True
        try:
            launched.process.wait_serving(launched.tag)
            failed = False
        finally:
            with self._changing() as placements:
                slots = placements.of(model).slots
                ours = slot in slots and slots[slot].process == launched.process
                if ours and not failed:
                    slots[slot] = launched.model_copy(update={"ready": True})
                    self._tell(placements)
                elif ours and not keep:
                    del slots[slot]
        if not ours:
            launched.process.stop()
            raise ServingError(f"Slot {slot} of {model} was given to another version meanwhile", "Run the flow again")
        return slots[slot]

    def _vacate(self, placements: Placements, model: str, slot: Slot) -> None:
        occupied = placements.of(model).slots.pop(slot, None)
        if occupied is None:
            return
        if placements.gateway and placements.gateway.alive():
            self._tell(placements)
        occupied.process.stop()

    def _ensure_gateway(self, placements: Placements) -> ServingProcess:
        """The running Envoy, started when none of ours runs."""
        if placements.gateway and placements.gateway.alive():
            return placements.gateway
        if placements.gateway:
            placements.gateway.stop()
        self._require_port(patience_seconds=2.0 if placements.gateway else 0.0)
        folder = self._folder()
        self._write(placements)
        admin_port = free_port()
        bootstrap = envoy.write_bootstrap(folder, self.port, admin_port)
        command = [envoy.envoy_binary(), "-c", str(bootstrap), "--use-dynamic-base-id", "--concurrency", "2"]
        command += ["--file-flush-interval-msec", str(envoy.FLUSH_MS)]
        log = folder / "logs" / "envoy.log"
        gateway = ServingProcess.spawn([*command, "--log-level", "warning"], quiet_environment(), admin_port, log)
        gateway.wait_ready("/ready", "The gateway")
        envoy.wait_live(gateway.url, placements.generation)
        placements.gateway = gateway
        return gateway

    def _require_port(self, patience_seconds: float) -> None:
        """The sockets of a killed gateway close a moment after it is gone, so then it is worth to wait."""
        deadline = time.monotonic() + patience_seconds
        while True:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", self.port))
                    return
                except OSError as error:
                    if time.monotonic() >= deadline:
                        cure = "End that process, or set another `port` in the target block"
                        raise PortInUse(self.port, "the gateway", cure) from error
            time.sleep(0.05)

    def _tell(self, placements: Placements) -> None:
        """Write the gateway's files and wait until it acts on them."""
        self._write(placements)
        envoy.wait_live(self._ensure_gateway(placements).url, placements.generation)

    def _write(self, placements: Placements) -> None:
        placements.generation += 1
        served = {
            model: envoy.Served(
                {slot: occupied.process.port for slot, occupied in places.slots.items() if occupied.ready},
                places.weights,
                places.rollout,
                places.user_key,
            )
            for model, places in placements.models.items()
        }
        envoy.write_files(self._folder(), served, placements.generation)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Placements]:
        with changing(self._folder()) as placements:
            yield placements

    def _folder(self) -> Path:
        folder = place(self.folder, "serving")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
