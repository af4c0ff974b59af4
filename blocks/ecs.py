"""Where versions are served on AWS: two ECS services a model, behind one rule of an Application Load Balancer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.attempts import read_attempts, requests_of, whole_minute
from prefect_mlops.blocks.ecs_replays import Copying, read_answered, send_again
from prefect_mlops.blocks.ecs_services import Placed, Service
from prefect_mlops.blocks.ecs_tasks import TaskTemplate
from prefect_mlops.blocks.elb import ListenerRule
from prefect_mlops.blocks.envoyadmin import Counters
from prefect_mlops.blocks.observations import PredictionLog
from prefect_mlops.blocks.requestlog import RequestsSeen
from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.core.errors import MlopsError, NotFound, ServingError
from prefect_mlops.core.names import Slot
from prefect_mlops.core.serving import Capabilities

if TYPE_CHECKING:
    from prefect_mlops.blocks.bentos import BentoStore

__all__ = ["EcsTarget"]

SLOTS: tuple[Slot, ...] = ("a", "b")
DRAIN_SECONDS = 330.0
"""A little more than a load balancer waits for requests under way by default."""
MINUTE, METRIC_SECONDS = 60.0, 120.0
"""CloudWatch shows the sums of a minute of a load balancer two minutes later at the latest."""


class EcsTarget(TaskTemplate, Block):
    """Serves models on ECS: each slot is a service `<model>-<slot>`, and a listener rule divides the traffic.

    Terraform makes services, target groups and rules; what runs there and its share of the traffic is ours. Needs
    `prefect-mlops[aws]`. Without keys of its own it takes those of the machine, the task or the environment.

    Example:
        Load a saved target and look at a model's traffic:
        ```python
        from prefect_mlops.blocks import EcsTarget

        target = EcsTarget.load("BLOCK_NAME")
        weights = target.weights("flights-late")
        ```
    """

    _block_type_name = "MLOps ECS Target"
    _block_type_slug = "mlops-ecs-target"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    cluster: str = Field(default=..., description="Name or ARN of the ECS cluster.")
    rules: dict[str, str] = Field(default=..., description="ARN of the listener rule of each model.")
    target_groups: dict[str, str] = Field(
        default=..., description="ARN of the target group of each slot, by <model>-a and <model>-b."
    )
    address: str = Field(
        default=...,
        pattern=r"\{model\}",
        description="Where callers reach a model, such as https://{model}.example.org.",
    )
    tasks: int = Field(default=1, gt=0, description="Tasks of a slot that serves.")
    boot_seconds: float = Field(default=600, gt=0, description="By when a slot must be stable and healthy.")
    poll_seconds: float = Field(default=5, gt=0, description="Seconds between two looks while waiting.")
    settling_seconds: float = Field(default=15, ge=0, description="By when a change of weights has reached every node.")
    log_seconds: float = Field(default=60, ge=0, description="By when a prediction is in the bucket of its log.")
    predictions: PredictionLog | None = Field(
        default=None, description="The log in a bucket; without it and `tables` no canary can be judged here."
    )
    tables: DeltaTables | None = Field(default=None, description="Where that log is collected.")

    def capabilities(self) -> Capabilities:
        """It divides by chance, request by request; what needs to know of requests needs the prediction log."""
        listed = self.predictions is not None and self.tables is not None
        return Capabilities(mirror=listed, requests_listed=listed, counters_within_seconds=self._delay() + MINUTE)

    def url(self, model: str) -> str:
        """A model's address; requests go to `<url>/predict`."""
        return self.address.format(model=model)

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
    ) -> Placed:
        """Serve a bento in a slot and wait until its tasks are stable and healthy behind the load balancer.

        Args:
            model: The model's name.
            slot: One that has no traffic.
            store: Where the bento is; the tasks fetch it from `bentos`, the same store in its bucket.
            tag: Which bento.
            version: The registry version that it holds.
            spool: The `s3://` address to which predictions are logged; None for nowhere.
            personal: The key of the stand-ins for personal values. Whoever reads a task definition sees what is in it,
                so tasks take the key from `personal_key_secret_arn`, which must hold the same.

        Raises:
            NotFound: The bento, the service, the rule or the target group is not there.
            ServingError: The slot has traffic, somebody changed the rule by hand, or the tasks do not become stable;
                why they stopped is told. The other slot and all traffic are as they were.
        """
        store.verified(tag)
        if spool is not None and not str(spool).startswith("s3://"):
            cure = "Give the predictions block an s3:// address as `spool`"
            raise ServingError(f"Tasks on ECS cannot log predictions into {spool} of this machine", cure)
        if personal and not self.personal_key_secret_arn:
            cure = "Put the key of the PersonalKey block into a secret and its ARN into `personal_key_secret_arn`"
            raise ServingError(f"Servers of {model} need the key of personal values, and none may be told it", cure)
        rule, service = self._rule(model), self._service(model, slot)
        division = rule.read().untouched(model)
        state = service.read()
        if division.percents.get(slot) and state.desired and state.running:
            raise ServingError(
                f"Slot {slot} of {model} takes {division.percents[slot]}% of the traffic and cannot be given another "
                "version",
                "Deploy into the other slot, or move the traffic first",
            )
        definition = self.task_definition(model, slot, tag, version, spool, keyed=bool(personal))
        service.deploy(definition, self.network(), self.tasks, self.boot_seconds)
        ill = rule.wait_healthy(slot, self.tasks, self.boot_seconds, self.poll_seconds)
        if ill:
            service.scale(0)
            cure = "Look at the server's output in its log group; the traffic is as it was, and the slot is empty"
            raise ServingError(f"Not all tasks of {service.name} are healthy ({ill})", cure)
        rule.begin(division)
        return Placed(tag=tag, version=version)

    def ensure(self, model: str | None = None) -> tuple[str, ...]:
        """Scale up again what has traffic and was scaled to nothing; ECS itself restarts what dies.

        Args:
            model: Whose slots to look at; every model's when None.

        Returns:
            One sentence for each slot that has traffic and no healthy server.
        """
        problems = []
        for name in self.rules if model is None else (model,):
            try:
                rule = self._rule(name)
                shares = rule.read().percents
                for slot in (slot for slot in SLOTS if shares.get(slot)):
                    service = self._service(name, slot)
                    state = service.read()
                    if not state.desired and service.is_ours(state.definition):
                        service.scale(self.tasks)
                        service.wait(state.definition, self.tasks, self.boot_seconds)
                    if state.desired and not rule.health(slot)[0]:
                        problems.append(f"{name}-{slot}: no server is healthy ({rule.health(slot)[1] or 'none runs'})")
            except MlopsError as error:
                problems.append(f"{name}: {error}")
        return tuple(problems)

    def slots(self, model: str) -> dict[Slot, Placed]:
        """What runs for a model, by slot; what is not stable or has no healthy server is not listed.

        Raises:
            NotFound: The model, a service or a target group is not there.
        """
        rule = self._rule(model)
        found: dict[Slot, Placed] = {}
        for slot in SLOTS:
            service = self._service(model, slot)
            state = service.read()
            if state.serving and rule.health(slot)[0]:
                found[slot] = service.placed(state.definition)
        return found

    def weights(self, model: str) -> dict[Slot, int]:
        """Percent of a model's traffic by slot, as the rule has it; empty where nothing serves it."""
        shares = self._rule(model).read().percents
        running = [slot for slot in SLOTS if self._service(model, slot).read().running]
        return {slot: share for slot, share in shares.items() if slot in running}

    def trusted(self, model: str) -> Slot | None:
        """The slot that last had all of a model's traffic, by the rule's weights and tags."""
        return self._rule(model).read().champion

    def set_weights(self, model: str, weights: Mapping[Slot, int], user_key: str = "") -> None:
        """Divide a model's traffic among its slots; the rule was read back when this returns.

        A rule that somebody changed by hand is not divided further; all traffic can be given back to the trusted slot.

        Args:
            model: The model's name.
            weights: Percent by slot.
            user_key: Must be empty: a load balancer knows no users.

        Raises:
            NotFound: A slot with a weight has no running version.
            ServingError: A user key was given, the rule was changed by hand, or AWS does not take the change.
            ValueError: The weights do not add up to 100.
        """
        if sum(weights.values()) != 100 or min(weights.values()) < 0:
            raise ValueError(f"The weights {dict(weights)} must be percents that add up to 100.")
        if user_key:
            cure = "Leave `rollout.user_key` out of the spec, or serve on a target that is sticky"
            raise ServingError(f"A load balancer cannot keep each {user_key!r} on one version", cure)
        rule = self._rule(model)
        division = rule.read()
        if weights.get(division.champion or "a") != 100:  # back to the champion is always allowed
            division.untouched(model)
        running = self.slots(model)
        for slot, weight in weights.items():
            if weight and slot not in running:
                raise NotFound("running version in slot", f"{model}-{slot}", "Deploy one before it gets traffic")
        rule.write(weights.get("b", 0), division)

    def mirror(self, model: str, slot: Slot | None, percent: int = 100) -> None:
        """Send requests again to a slot whose answers nobody sees; a load balancer cannot copy them.

        Each call sends what the other slot has answered by the prediction log since the call before.

        Args:
            model: The model's name.
            slot: Where to; None ends it.
            percent: Of the model's requests.

        Raises:
            NotFound: Nothing runs in the slot.
            ServingError: Nobody can read the log, the slot has traffic, or its servers are not reached or refuse a row.
            ValueError: The percentage is not one.
        """
        if not 0 < percent <= 100:
            raise ValueError(f"{percent} is no percentage of requests; use 1 to 100, or the slot None to end it.")
        if slot is not None and (self.predictions is None or self.tables is None):
            cure = "Leave `rollout.shadow` out of the spec, or give the target block `predictions` and `tables`"
            raise ServingError(f"A load balancer cannot copy requests of {model}, and no log of them is known", cure)
        rule = self._rule(model)
        division = rule.read()
        known = division.copying
        if slot is None or self.predictions is None or self.tables is None:
            return rule.note_copying(None) if known else None
        if slot not in self.slots(model):
            raise NotFound("running version in slot", f"{model}-{slot}", "Deploy one before it is mirrored to")
        if division.percents.get(slot):
            said = f"Slot {slot} of {model} takes {division.percents[slot]}% of the traffic itself"
            raise ServingError(said, "Mirror to the other slot, or move the traffic first")
        if known is None or known[:2] != (slot, percent):
            return rule.note_copying(Copying(slot, percent, time.time()))
        until = max(known.until, time.time() - self.log_seconds)
        self.predictions.collect(model, self.tables)
        send_again(read_answered(self.tables, model, known, until), rule.addresses(slot), self.shown_token())
        return rule.note_copying(Copying(slot, percent, until))

    def requests(self, model: str, canary: Slot, position: int = 0) -> RequestsSeen:
        """The requests divided between two slots since a version was deployed, in the order of their ends.

        They come from the prediction log, whole minutes at a time and only when all of both servers can have arrived:
        what one server logs must not be judged before what the other did meanwhile.

        Args:
            model: The model's name.
            canary: The slot of the version that is tried.
            position: Where an earlier reading ended, in seconds since 1970.

        Raises:
            ServingError: Predictions are not logged where they can be read, or the rule was changed by hand.
        """
        if self.predictions is None or self.tables is None:
            cure = "Give the target block `predictions` and `tables`, so that it reads them from the log"
            raise ServingError(f"Nobody lists the requests of {model}", cure)
        rule = self._rule(model)
        shares = rule.read().untouched(model).shares
        since = position or (shares.changes[0].since if shares.changes else 0)
        until = whole_minute(time.time() - self._delay())
        if not since or until <= since:
            return RequestsSeen((), position)
        self.predictions.collect(model, self.tables)
        attempts = read_attempts(self.tables, model, since, until)
        unreached = rule.unreached(whole_minute(since), until)
        return RequestsSeen(requests_of(attempts, unreached, shares, canary, self.settling_seconds), until)

    def counters(self, model: str, slot: Slot) -> Counters:
        """What the load balancer counted for a slot since its version was deployed, two weeks back at most."""
        return self._rule(model).counters(slot, self._service(model, slot).read().since)

    def remove(self, model: str, slot: Slot) -> None:
        """Empty a slot: no task runs in it; nothing happens when it is empty.

        Raises:
            ServingError: The slot still has traffic.
        """
        service = self._service(model, slot)
        state = service.read()
        share = self._rule(model).read().percents.get(slot, 0)
        if share and state.running:
            raise ServingError(f"Slot {slot} of {model} still takes {share}% of the traffic", "Move it first")
        if state.desired or state.running:
            service.scale(0)
            service.drain(DRAIN_SECONDS)

    def stop(self) -> None:
        """Take every model of this target out of service; rules and services stay, for Terraform owns them."""
        for service in (self._service(model, slot) for model in self.rules for slot in SLOTS):
            if service.read().desired:
                service.scale(0)

    def _delay(self) -> float:
        """By when all is known that happened in a minute which is over."""
        return max(METRIC_SECONDS, self.log_seconds)

    def _rule(self, model: str) -> ListenerRule:
        cure = "Add the model to the Terraform, and its outputs to `rules` and `target_groups` of the target block"
        if model not in self.rules:
            raise NotFound("listener rule of model", model, cure)
        missing = [f"{model}-{slot}" for slot in SLOTS if f"{model}-{slot}" not in self.target_groups]
        if missing:
            raise NotFound("target group of slot", missing[0], cure)
        groups: dict[Slot, str] = {slot: self.target_groups[f"{model}-{slot}"] for slot in SLOTS}
        return ListenerRule(self, model, self.rules[model], groups)

    def _service(self, model: str, slot: Slot) -> Service:
        return Service(self, self.cluster, f"{model}-{slot}", self.poll_seconds)
