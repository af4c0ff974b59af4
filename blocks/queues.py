"""Where a bucket says that something has landed in it: an SQS queue."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from prefect.blocks.core import Block
from pydantic import Field, PrivateAttr, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.core.errors import NotFound, ServingError

__all__ = ["LandingQueue", "Notice"]

AT_ONCE = 10
"""What SQS gives or deletes with one call at most."""


class Notice(NamedTuple):
    """A message on the queue.

    Attributes:
        id: Its own, the same whenever it is received again.
        receipt: By which it is deleted.
        body: What it says.
    """

    id: str
    receipt: str
    body: str


class LandingQueue(Block):
    """An SQS queue of S3's "object created" messages, straight from the bucket or through EventBridge.

    Needs `prefect-mlops[aws]`. Without keys of its own it takes those of the machine, the task or the environment.

    Example:
        Load a saved queue and read what it holds:
        ```python
        from prefect_mlops.blocks import LandingQueue

        queue = LandingQueue.load("BLOCK_NAME")
        notices = queue.receive(seconds=5)
        ```
    """

    _block_type_name = "MLOps Landing Queue"
    _block_type_slug = "mlops-landing-queue"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION
    _client: Any = PrivateAttr(default=None)

    url: str = Field(default=..., description="The queue's URL.")
    region: str = Field(default="", description="Its region; that of the environment when empty.")
    endpoint: str = Field(default="", description="Another address of SQS, for example a VPC endpoint.")
    access_key_id: str = Field(default="", description="Only where no role gives access.")
    secret_access_key: SecretStr = Field(default=SecretStr(""), description="The secret of that key.")
    session_token: SecretStr = Field(default=SecretStr(""), description="Its session token, if it has one.")

    def receive(self, seconds: float = 0) -> tuple[Notice, ...]:
        """Up to ten messages, which stay on the queue until they are deleted.

        Args:
            seconds: How long to wait for the first one, at most 20.

        Raises:
            NotFound: boto3 is not installed.
            ServingError: The queue does not answer.
        """
        with self._answering():
            said = self._sqs().receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=AT_ONCE, WaitTimeSeconds=min(20, int(seconds))
            )
        return tuple(Notice(m["MessageId"], m["ReceiptHandle"], m["Body"]) for m in said.get("Messages", ()))

    def forget(self, notices: Sequence[Notice]) -> None:
        """Take messages off the queue; those that are gone already do no harm.

        Raises:
            ServingError: The queue does not answer.
        """
        for start in range(0, len(notices), AT_ONCE):
            some = notices[start : start + AT_ONCE]
            entries = [{"Id": str(number), "ReceiptHandle": notice.receipt} for number, notice in enumerate(some)]
            with self._answering():
                self._sqs().delete_message_batch(QueueUrl=self.url, Entries=entries)

    def _sqs(self) -> Any:
        if self._client is None:
            import boto3
            from botocore.config import Config

            self._client = boto3.client(
                "sqs",
                region_name=self.region or None,
                endpoint_url=self.endpoint or None,
                aws_access_key_id=self.access_key_id or None,
                aws_secret_access_key=self.secret_access_key.get_secret_value() or None,
                aws_session_token=self.session_token.get_secret_value() or None,
                config=Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2}),
            )
        return self._client

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ModuleNotFoundError as error:
            raise NotFound("package", "boto3", "Install it with `pip install 'prefect-mlops[aws]'`") from error
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            said = " ".join(str(error).split())[:200]
            cure = "Check its URL and region in the block, and that its messages may be received and deleted"
            raise ServingError(f"The landing queue {self.url} does not answer ({said})", cure) from error
