"""How AWS is asked: clients that try again in reason, and errors that say whom to ask for what."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr, SecretStr

from prefect_mlops.core.errors import MlopsError, NotFound, ServingError

__all__ = ["AwsAccess"]

GONE = {
    "ClusterNotFoundException": "ECS cluster",
    "ListenerNotFound": "listener",
    "LoadBalancerNotFound": "load balancer",
    "RuleNotFound": "listener rule",
    "ServiceNotFoundException": "ECS service",
    "ServiceNotActiveException": "ECS service",
    "TargetGroupNotFound": "target group",
    "NoSuchBucket": "bucket",
    "ResourceNotFoundException": "secret",
}
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnrecognizedClientException")
THROTTLED = ("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown")
ATTEMPTS = 6
"""In botocore's standard mode: five more tries, with waits that double up to 20 seconds."""


class AwsAccess(BaseModel):
    """Where AWS is, and the keys where no role of the machine, the task or the environment gives access."""

    _clients: dict[str, Any] = PrivateAttr(default_factory=dict)

    region: str = Field(default="", description="The region; that of the environment when empty.")
    endpoint: str = Field(default="", description="Another address of AWS, for example a VPC endpoint.")
    access_key_id: str = Field(default="", description="Only where no role gives access.")
    secret_access_key: SecretStr = Field(default=SecretStr(""), description="The secret of that key.")
    session_token: SecretStr = Field(default=SecretStr(""), description="Its session token, if it has one.")

    def call(self, service: str, operation: str, about: str, /, **arguments: Any) -> dict[str, Any]:
        """One request to AWS.

        Args:
            service: Such as `ecs`.
            operation: Such as `update_service`.
            about: What it is about, for an error: a name or an ARN.
            **arguments: Of the operation, as boto3 calls them.

        Raises:
            NotFound: boto3 is not installed, or what it is about is not there.
            ServingError: AWS does not answer, does not allow it, or refuses it; nothing was changed.
        """
        with self.answering(service, about):
            found: dict[str, Any] = getattr(self.client(service), operation)(**arguments)
            return found

    def client(self, service: str) -> Any:
        """The boto3 client of a service, made once."""
        if service not in self._clients:
            import boto3
            from botocore.config import Config

            retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
            self._clients[service] = boto3.client(
                service,
                region_name=self.region or None,
                endpoint_url=self.endpoint or None,
                aws_access_key_id=self.access_key_id or None,
                aws_secret_access_key=self.secret_access_key.get_secret_value() or None,
                aws_session_token=self.session_token.get_secret_value() or None,
                config=Config(connect_timeout=5, read_timeout=30, retries=retries),
            )
        return self._clients[service]

    @contextlib.contextmanager
    def answering(self, service: str, about: str) -> Iterator[None]:
        """Tell what goes wrong in one of our own errors."""
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ModuleNotFoundError as error:
            raise NotFound("package", "boto3", "Install it with `pip install 'prefect-mlops[aws]'`") from error
        try:
            yield
        except ClientError as error:
            told = error.response.get("Error", {})
            code, said = str(told.get("Code", "")), " ".join(str(told.get("Message", error)).split())[:300]
            raise _translated(service, error.operation_name, about, code, said) from error
        except BotoCoreError as error:
            said = " ".join(str(error).split())[:300]
            cure = "Check region, endpoint and keys in the block, or the role under which flows run"
            raise ServingError(f"AWS {service} does not answer about {about} ({said.rstrip('.')})", cure) from error


def _translated(service: str, operation: str, about: str, code: str, said: str) -> MlopsError:
    if code in GONE:
        cure = "Correct the name in the target block, or apply the Terraform that makes it; traffic is as it was"
        return NotFound(GONE[code], about, cure)
    if code in DENIED:
        prefix = {"elbv2": "elasticloadbalancing"}.get(service, service)
        cure = f"Allow `{prefix}:{operation}` to the role under which flows run"
        return ServingError(f"AWS does not allow {operation} on {about} ({code})", cure)
    if code in THROTTLED:
        cure = "Run the flow again later, or ask AWS for a higher rate"
        return ServingError(f"AWS has too many requests to take {operation} on {about}, {ATTEMPTS} tries long", cure)
    return ServingError(f"AWS refuses {operation} on {about} ({code}: {said.rstrip('.')})", "Mend that and run again")
