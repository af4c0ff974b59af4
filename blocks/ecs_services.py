"""One slot of a model as an ECS service: what runs in it, and how a version gets there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from prefect_mlops.blocks.aws import AwsAccess
from prefect_mlops.blocks.ecs_tasks import BENTO, VERSION
from prefect_mlops.core.errors import NotFound, ServingError
from prefect_mlops.core.parts import Frozen

__all__ = ["Placed", "Service", "ServiceState"]

QUOTED = 3
"""So many reasons for which tasks stopped are told."""


class Placed(Frozen):
    """What runs in a slot.

    Attributes:
        tag: The bento.
        version: The registry version that it holds.
    """

    tag: str
    version: int


class ServiceState(NamedTuple):
    """A service as ECS describes it.

    Attributes:
        desired: Tasks that should run.
        running: Tasks that do.
        deployment: The id of the newest deployment.
        rollout: How far that is: `IN_PROGRESS`, `COMPLETED` or `FAILED`.
        definition: The ARN of its task definition.
        since: When that deployment began.
        said: The newest event, for people.
    """

    desired: int
    running: int
    deployment: str
    rollout: str
    definition: str
    since: datetime
    said: str

    @property
    def serving(self) -> bool:
        """Whether what was last deployed runs, as far as ECS knows."""
        return self.desired > 0 and self.running > 0 and self.rollout == "COMPLETED"


class Service:
    """The service of one slot; Terraform makes it, without tasks.

    Args:
        aws: How AWS is asked.
        cluster: Name or ARN of the cluster.
        name: The service's name, `<model>-<slot>`.
        poll_seconds: Between two looks.
    """

    def __init__(self, aws: AwsAccess, cluster: str, name: str, poll_seconds: float) -> None:
        self._aws, self._cluster, self.name, self._poll_seconds = aws, cluster, name, poll_seconds

    def read(self) -> ServiceState:
        """How it stands.

        Raises:
            NotFound: There is no such service, or no such cluster.
        """
        found = self._aws.call(
            "ecs", "describe_services", f"{self.name} in {self._cluster}", cluster=self._cluster, services=[self.name]
        )
        active = [service for service in found["services"] if service["status"] == "ACTIVE"]
        if not active:
            cure = "Apply the Terraform that makes both services of the model, or correct `cluster` in the target block"
            raise NotFound("ECS service", self.name, cure)
        service = active[0]
        primary = next(each for each in service["deployments"] if each["status"] == "PRIMARY")
        return ServiceState(
            service["desiredCount"],
            service["runningCount"],
            primary["id"],
            primary.get("rolloutState", "IN_PROGRESS"),
            service["taskDefinition"],
            primary["createdAt"],
            service["events"][0]["message"] if service.get("events") else "",
        )

    def placed(self, definition: str) -> Placed:
        """Which version a task definition serves.

        Raises:
            ServingError: It was not registered by us.
        """
        found = self._aws.call("ecs", "describe_task_definition", definition, taskDefinition=definition)
        known = {
            variable["name"]: variable["value"]
            for container in found["taskDefinition"]["containerDefinitions"]
            for variable in container.get("environment", ())
        }
        if BENTO not in known or not known.get(VERSION, "").isdigit():
            said = f"The service {self.name} runs the task definition {definition}, which names no bento"
            raise ServingError(said, "Scale it to 0; the next release puts a version there")
        return Placed(tag=known[BENTO], version=int(known[VERSION]))

    def is_ours(self, definition: str) -> bool:
        """Whether we registered a task definition."""
        try:
            return bool(self.placed(definition).tag)
        except ServingError:
            return False

    def deploy(
        self, definition: Mapping[str, Any], update: Mapping[str, Any], tasks: int, boot_seconds: float
    ) -> ServiceState:
        """Register a task definition, run it, and wait until ECS calls it stable.

        Args:
            definition: Arguments of `register_task_definition`.
            update: Further arguments of `update_service`.
            tasks: How many tasks should run.
            boot_seconds: How long that may take.

        Raises:
            ServingError: It does not; why its tasks stopped is told, and none is left running.
        """
        registered = self._aws.call("ecs", "register_task_definition", self.name, **definition)["taskDefinition"]
        arn = registered["taskDefinitionArn"]
        breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
        self._update(taskDefinition=arn, desiredCount=tasks, deploymentConfiguration=breaker, **update)
        return self.wait(arn, tasks, boot_seconds)

    def wait(self, definition: str, tasks: int, boot_seconds: float) -> ServiceState:
        """Wait until so many tasks of a definition run; see `deploy`."""
        deadline = time.monotonic() + boot_seconds
        while True:
            state = self.read()
            if state.definition == definition and state.serving and state.running >= tasks:
                return state
            if state.definition != definition:
                said = f"The service {self.name} was given another task definition meanwhile, {state.definition}"
                raise ServingError(said, "Look who else changes it; then run the flow again")
            failed = state.rollout == "FAILED"
            if failed or time.monotonic() >= deadline:
                ended = "gave up" if failed else f"is not stable after {boot_seconds:g} s"
                why = self._reasons() or state.said or "ECS says no more"
                self.scale(0)
                cure = "Mend that and release again; the traffic is as it was, and the slot is empty"
                raise ServingError(f"The service {self.name} {ended} ({why.rstrip('.')})", cure)
            time.sleep(self._poll_seconds)

    def scale(self, tasks: int) -> None:
        """Let so many tasks run."""
        self._update(desiredCount=tasks)

    def drain(self, seconds: float) -> None:
        """Wait until no task runs any more; ECS goes on with it where that takes longer."""
        deadline = time.monotonic() + seconds
        while self.read().running and time.monotonic() < deadline:
            time.sleep(self._poll_seconds)

    def _update(self, **arguments: Any) -> None:
        self._aws.call("ecs", "update_service", self.name, cluster=self._cluster, service=self.name, **arguments)

    def _reasons(self) -> str:
        """Why its last tasks stopped, each reason once."""
        stopped = {"cluster": self._cluster, "serviceName": self.name, "desiredStatus": "STOPPED"}
        arns = self._aws.call("ecs", "list_tasks", self.name, **stopped)["taskArns"]
        if not arns:
            return ""
        tasks = self._aws.call("ecs", "describe_tasks", self.name, cluster=self._cluster, tasks=arns[:100])["tasks"]
        said = dict.fromkeys(_why_stopped(task) for task in tasks)
        return " / ".join(list(said)[:QUOTED])


def _why_stopped(task: Mapping[str, Any]) -> str:
    """What ECS says of a task, then of each of its containers that failed."""
    said = [str(task.get("stoppedReason", "")).rstrip(".")]
    for container in task.get("containers", ()):
        if container.get("exitCode") or container.get("reason"):
            ended = f"{container['name']} ended with {container.get('exitCode', 'no exit code')}"
            said.append(": ".join(filter(None, [ended, container.get("reason", "")])))
    return "; ".join(filter(None, said))
