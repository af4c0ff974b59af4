"""Where versions are served: two slots a model, as local processes behind one gateway."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from prefect.blocks.core import Block
from pydantic import BaseModel, Field

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.envoy import Served, envoy_binary, write_bootstrap, write_routes
from prefect_mlops.blocks.serving import BentoProcess, ServingProcess, free_port
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import NotFound, PortInUse
from prefect_mlops.core.names import Slot

__all__ = ["Counters", "LocalTarget", "Occupied"]


class Occupied(BaseModel):
    """What runs in a slot."""

    tag: str
    version: int
    process: ServingProcess


class Counters(BaseModel):
    """What a slot did since it was deployed.

    Attributes:
        requests: Requests that the gateway sent to it.
        errors: Those that it failed, also where another slot answered in the end.
    """

    requests: int
    errors: int


class _ModelState(BaseModel):
    slots: dict[str, Occupied] = {}
    weights: dict[str, int] = {}


class _State(BaseModel):
    """All that the target knows, in one file."""

    gateway: ServingProcess | None = None
    admin_port: int = 0
    models: dict[str, _ModelState] = {}


class LocalTarget(Block):
    """Serves models on this machine: `bentoml serve` processes behind one Envoy, which outlive the runs that start them.

    Example:
        Load a saved target and look at a model's traffic:
        ```python
        from prefect_mlops.blocks import LocalTarget

        weights = LocalTarget.load("default").weights("flights-late")
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

    def deploy(self, model: str, slot: Slot, store: BentoStore, tag: str, version: int, spool: Path | None) -> Occupied:
        """Serve a bento in a slot, without traffic; what ran there before is ended first.

        Raises:
            NotFound: The bento is not in the store.
            PortInUse: The gateway's port is taken.
            ServingError: It did not become ready; the other slot and all traffic are as they were.
        """
        with self._changing() as state:
            self._ensure_gateway(state)
            served = state.models.setdefault(model, _ModelState())
            if old := served.slots.pop(slot, None):
                served.weights.pop(slot, None)
                self._route(state)
                old.process.stop()
            log = self._folder() / "logs" / f"{model}-{slot}.log"
            process = BentoProcess.start(store, tag, slot=slot, spool=spool, log=log)
            occupied = Occupied(tag=tag, version=version, process=process)
            served.slots[slot] = occupied
            self._route(state)
            return occupied

    def slots(self, model: str) -> dict[str, Occupied]:
        """What runs for a model, by slot; a process that died is not listed."""
        found = self._read().models.get(model, _ModelState()).slots
        return {slot: occupied for slot, occupied in found.items() if occupied.process.alive()}

    def weights(self, model: str) -> dict[str, int]:
        """Percent of a model's traffic by slot; empty where nothing serves it."""
        return dict(self._read().models.get(model, _ModelState()).weights)

    def set_weights(self, model: str, weights: Mapping[str, int]) -> None:
        """Divide a model's traffic among its slots.

        Args:
            model: The model's name.
            weights: Percent by slot; they add up to 100.

        Raises:
            NotFound: A slot with a weight is empty.
            ValueError: The weights do not add up to 100.
        """
        if sum(weights.values()) != 100 or min(weights.values()) < 0:
            raise ValueError(f"The weights {dict(weights)} must be percents that add up to 100.")
        with self._changing() as state:
            served = state.models.setdefault(model, _ModelState())
            for slot, weight in weights.items():
                if weight and slot not in served.slots:
                    raise NotFound("version in slot", f"{model}-{slot}", "Deploy one into it before it gets traffic")
            served.weights = {slot: weight for slot, weight in weights.items() if slot in served.slots}
            self._ensure_gateway(state)
            self._route(state)

    def counters(self, model: str, slot: Slot) -> Counters:
        """What the gateway has counted for a slot; zero where it saw nothing."""
        import httpx

        state = self._read()
        name = f"{model}-{slot}"
        answer = httpx.get(
            f"http://127.0.0.1:{state.admin_port}/stats", params={"filter": f"^cluster\\.{name}\\.", "format": "json"}, timeout=5
        )
        found = {entry["name"].rpartition(".")[2]: entry.get("value", 0) for entry in answer.json()["stats"]}
        requests = int(found.get("upstream_rq_total", 0))
        failed = ("upstream_rq_5xx", "upstream_rq_retry", "upstream_cx_connect_fail", "upstream_rq_timeout")
        return Counters(requests=requests, errors=sum(int(found.get(stat, 0)) for stat in failed))

    def remove(self, model: str, slot: Slot) -> None:
        """Empty a slot; nothing happens when it is empty.

        Raises:
            ValueError: The slot still has traffic.
        """
        with self._changing() as state:
            served = state.models.get(model)
            if served is None or slot not in served.slots:
                return
            if served.weights.get(slot):
                raise ValueError(f"{model}-{slot} still takes {served.weights[slot]}% of the traffic; move that first.")
            served.weights.pop(slot, None)
            occupied = served.slots.pop(slot)
            self._route(state)
            occupied.process.stop()

    def stop(self) -> None:
        """End everything that this target started."""
        with self._changing() as state:
            for served in state.models.values():
                for occupied in served.slots.values():
                    occupied.process.stop()
            if state.gateway:
                state.gateway.stop()
            state.gateway, state.models = None, {}

    def _ensure_gateway(self, state: _State) -> None:
        """Start Envoy when none of ours runs."""
        if state.gateway and state.gateway.alive():
            return
        folder = self._folder()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise PortInUse(self.port, "the gateway", "End that process, or set another `port` in the target block") from error
        self._route(state)
        state.admin_port = free_port()
        bootstrap = write_bootstrap(folder, self.port, state.admin_port)
        command = [envoy_binary(), "-c", str(bootstrap), "--use-dynamic-base-id", "--log-level", "warning"]
        log = folder / "logs" / "envoy.log"
        admin = ServingProcess.spawn(command, os.environ, state.admin_port, log)
        admin.wait_ready("/ready", "The gateway")
        state.gateway = admin

    def _route(self, state: _State) -> None:
        served = {
            model: Served({slot: occupied.process.port for slot, occupied in found.slots.items()}, found.weights)
            for model, found in state.models.items()
        }
        write_routes(self._folder(), served)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_State]:
        """The state, under a lock; it is written back also when the change fails halfway."""
        with (self._folder() / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self._read()
            try:
                yield state
            finally:
                path = self._folder() / "state.json"
                partial = path.with_suffix(".part")
                partial.write_text(state.model_dump_json(indent=1))
                partial.replace(path)

    def _read(self) -> _State:
        path = self._folder() / "state.json"
        return _State.model_validate(json.loads(path.read_text())) if path.exists() else _State()

    def _folder(self) -> Path:
        folder = place(self.folder, "serving")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
