"""A serving target as somebody else would write it, in memory; it keeps its promises unless it is told to lie."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from prefect.blocks.core import Block
from pydantic import PrivateAttr

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.echo import Answer
from prefect_mlops.blocks.envoyadmin import Counters
from prefect_mlops.blocks.requestlog import RequestsSeen
from prefect_mlops.core.errors import NotFound, ServingError
from prefect_mlops.core.names import Slot
from prefect_mlops.core.serving import Capabilities

PROMISES = {
    "serves nothing": "a version that is deployed serves once it has the traffic",
    "sends traffic at once": "a version beside the champion gets no traffic",
    "ignores weights": "traffic is divided by the weights, and trust stays",
    "takes any weights": "weights are percents that add up to 100",
    "knows every model": "traffic goes only where something runs",
    "empties anything": "a slot with traffic is neither emptied nor given another version",
    "counts nothing": "counters_within_seconds",
    "says it mirrors": "mirror",
    "says it fails over": "failover",
    "says it keeps users": "sticky_by_key",
    "says it lists": "requests_listed",
    "passes user keys over": "sticky_by_key",
    "forgets to empty": "a slot without traffic can be emptied, again and again",
}
"""What it can lie about, and the promise that is broken by it."""


class Here(NamedTuple):
    tag: str
    version: int


class OwnTarget(Block):
    """Two slots that are entries of a dictionary."""

    _block_type_name = "Own Target"
    _block_type_slug = "own-target"

    lie: str = ""
    _slots: dict[tuple[str, Slot], Here] = PrivateAttr(default_factory=dict)
    _weights: dict[str, dict[Slot, int]] = PrivateAttr(default_factory=dict)
    _trusted: dict[str, Slot] = PrivateAttr(default_factory=dict)
    _counted: dict[Slot, list[int]] = PrivateAttr(default_factory=lambda: {"a": [0, 0], "b": [0, 0]})
    _seen: dict[str, int] = PrivateAttr(default_factory=dict)
    _random: random.Random = PrivateAttr(default_factory=lambda: random.Random(1))

    def capabilities(self) -> Capabilities:
        return Capabilities(
            mirror=self.lie == "says it mirrors",
            failover=self.lie == "says it fails over",
            sticky_by_key=self.lie == "says it keeps users",
            requests_listed=self.lie == "says it lists",
            counters_within_seconds=0,
        )

    def url(self, model: str) -> str:
        return f"memory://{model}"

    def deploy(
        self,
        model: str,
        slot: Slot,
        store: BentoStore,
        tag: str,
        *,
        version: int,
        spool: str | Path | None,  # noqa: ARG002
        personal: str = "",  # noqa: ARG002
    ) -> Here:
        store.verified(tag)
        if self.weights(model).get(slot) and self.lie != "empties anything":
            raise ServingError(f"Slot {slot} has traffic", "Move it first")
        self._slots[model, slot] = Here(tag, version)
        if self.lie == "sends traffic at once" and slot == "b":
            self._weights[model] = {"a": 50, "b": 50}
        return self._slots[model, slot]

    def ensure(self, model: str | None = None) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def slots(self, model: str) -> dict[Slot, Here]:
        return {slot: here for (name, slot), here in self._slots.items() if name == model}

    def weights(self, model: str) -> dict[Slot, int]:
        return dict(self._weights.get(model, {}))

    def trusted(self, model: str) -> Slot | None:
        return self._trusted.get(model)

    def set_weights(self, model: str, weights: Mapping[Slot, int], user_key: str = "") -> None:
        if self.lie != "takes any weights" and (sum(weights.values()) != 100 or min(weights.values()) < 0):
            raise ValueError("Weights must add up to 100.")
        if user_key and not self.capabilities().sticky_by_key and self.lie != "passes user keys over":
            raise ServingError("Users are not known here", "Leave user_key out")
        missing = [slot for slot, weight in weights.items() if weight and (model, slot) not in self._slots]
        if missing and self.lie != "knows every model":
            raise NotFound("running version in slot", f"{model}-{missing[0]}", "Deploy one")
        self._weights[model] = dict(weights)
        self._trusted.update((model, slot) for slot, weight in weights.items() if weight == 100)

    def mirror(self, model: str, slot: Slot | None, percent: int = 100) -> None:  # noqa: ARG002
        if slot and not self.capabilities().mirror:
            raise ServingError("Nothing is copied here", "Leave the shadow out")

    def requests(self, model: str, canary: Slot, position: int = 0) -> RequestsSeen:  # noqa: ARG002
        if not self.capabilities().requests_listed:
            raise ServingError("No request is listed here", "Serve elsewhere")
        return RequestsSeen((), position)

    def counters(self, model: str, slot: Slot) -> Counters:  # noqa: ARG002
        requests, errors = self._counted[slot]
        return Counters(0, 0) if self.lie == "counts nothing" else Counters(requests, errors)

    def remove(self, model: str, slot: Slot) -> None:
        if self.weights(model).get(slot) and self.lie != "empties anything":
            raise ServingError(f"Slot {slot} has traffic", "Move it first")
        if self.lie != "forgets to empty":
            self._slots.pop((model, slot), None)

    def stop(self) -> None:
        self._slots.clear()

    def ask(self, _headers: dict[str, str], fail_in: str) -> Answer:
        """A caller's request."""
        ((model, weights),) = self._weights.items() if len(self._weights) == 1 else [*self._weights.items()][:1]
        share = 50 if self.lie == "ignores weights" and len(self.slots(model)) == 2 else weights.get("b", 0)
        slot: Slot = "b" if self._random.random() * 100 < share else "a"
        here = self._slots.get((model, slot))
        self._counted[slot][0] += 1
        if here is None or slot in fail_in or self.lie == "serves nothing":
            self._counted[slot][1] += 1
            return Answer(500)
        self._seen[here.tag] = self._seen.get(here.tag, 0) + 1
        return Answer(200, here.version, slot, self._seen[here.tag])
