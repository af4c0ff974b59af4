"""What a server is on ECS: its image, its roles, its size, and what it is told by its environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from prefect_mlops.blocks.aws import AwsAccess
from prefect_mlops.core.names import Slot

__all__ = ["BENTO", "VERSION", "TaskTemplate"]

CONTAINER = "server"
BENTO, VERSION = "MLOPS_BENTO", "MLOPS_VERSION"
"""The variables by which a server is told which version it serves, and we read again what runs."""


class TaskTemplate(AwsAccess):
    """What all servers of a target have in common."""

    image: str = Field(default=..., description="The generic serving image, which fetches a bento when it starts.")
    bentos: str = Field(default=..., pattern=r"^s3://", description="The BentoStore's bucket, s3://bucket/prefix.")
    execution_role_arn: str = Field(default="", description="The role by which ECS pulls the image and reads secrets.")
    task_role_arn: str = Field(default="", description="The role of the server: it reads bentos and writes its log.")
    subnets: list[str] = Field(default=[], description="Of the tasks; those of the service when empty.")
    security_groups: list[str] = Field(default=[], description="Of the tasks; those of the service when empty.")
    log_group: str = Field(default="", description="Where the servers' own output goes; nowhere when empty.")
    token_secret_arn: str = Field(default="", description="Secret with the token that callers show; none when empty.")
    personal_key_secret_arn: str = Field(
        default="",
        description="Secret with the key of the PersonalKey block, for specs whose log hashes personal columns.",
    )
    cpu: int = Field(default=512, gt=0, description="CPU units of a task; 1024 are one core.")
    memory: int = Field(default=1024, gt=0, description="Memory of a task in MiB.")
    port: int = Field(default=3000, ge=1, le=65535, description="Where a server listens.")

    def task_definition(
        self, model: str, slot: Slot, tag: str, version: int, spool: str | Path | None, *, keyed: bool = False
    ) -> dict[str, Any]:
        """What `register_task_definition` takes for one version in one slot.

        Args:
            model: The model's name; a load balancer hands on its path as it is, so servers answer below `/<model>` too.
            slot: The slot.
            tag: The bento, which the image fetches from the store.
            version: The registry version that it holds.
            spool: Where predictions are logged; None for nowhere.
            keyed: Whether the server needs the key of the stand-ins for personal values.
        """
        family = f"{model}-{slot}"
        known = {
            BENTO: tag,
            "MLOPS_BENTOS": self.bentos,
            "MLOPS_PREFIX": f"/{model}",
            "MLOPS_PORT": str(self.port),
            VERSION: str(version),
            "MLOPS_SLOT": slot,
            **({"MLOPS_SPOOL": str(spool)} if spool is not None else {}),
        }
        server: dict[str, Any] = {
            "name": CONTAINER,
            "image": self.image,
            "essential": True,
            "environment": [{"name": name, "value": value} for name, value in known.items()],
            "portMappings": [{"containerPort": self.port, "protocol": "tcp"}],
        }
        secrets = {
            "MLOPS_TOKEN": self.token_secret_arn,
            "MLOPS_PERSONAL_KEY": self.personal_key_secret_arn if keyed else "",
        }
        if any(secrets.values()):
            server["secrets"] = [{"name": name, "valueFrom": arn} for name, arn in secrets.items() if arn]
        if self.log_group:
            options = {"awslogs-group": self.log_group, "awslogs-stream-prefix": family}
            region = {"awslogs-region": self.region or str(self.client("ecs").meta.region_name)}
            server["logConfiguration"] = {"logDriver": "awslogs", "options": options | region}
        roles = {"executionRoleArn": self.execution_role_arn, "taskRoleArn": self.task_role_arn}
        return {
            "family": family,
            "containerDefinitions": [server],
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": str(self.cpu),
            "memory": str(self.memory),
            **{name: arn for name, arn in roles.items() if arn},
        }

    def shown_token(self) -> str:
        """The token that servers want to be shown, out of its secret; empty where they want none.

        Raises:
            NotFound: There is no such secret.
            ServingError: It may not be read.
        """
        if not self.token_secret_arn:
            return ""
        parts = self.token_secret_arn.split(":")
        secret, key = ":".join(parts[:7]), parts[7] if len(parts) > 7 else ""  # as a task definition names one value
        found = str(self.call("secretsmanager", "get_secret_value", secret, SecretId=secret)["SecretString"])
        return str(json.loads(found)[key]) if key else found

    def network(self) -> dict[str, Any]:
        """What `update_service` takes besides; nothing where the service's own network is to stay."""
        if not self.subnets:
            return {}
        network = {"subnets": self.subnets, "securityGroups": self.security_groups, "assignPublicIp": "DISABLED"}
        return {"networkConfiguration": {"awsvpcConfiguration": network}}
