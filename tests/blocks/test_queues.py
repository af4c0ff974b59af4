"""What a bucket says on its queue is received, and stays there until somebody deletes it."""

import builtins
import sys
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from pydantic import SecretStr

from prefect_mlops.blocks.queues import LandingQueue
from prefect_mlops.core.errors import NotFound, ServingError


@pytest.fixture
def queue(aws: dict[str, Any], new_queue: Callable[[], str]) -> LandingQueue:
    return LandingQueue(
        url=new_queue(),
        region=aws["region_name"],
        endpoint=aws["endpoint_url"],
        access_key_id=aws["aws_access_key_id"],
        secret_access_key=SecretStr(aws["aws_secret_access_key"]),
    )


@pytest.fixture
def send(aws: dict[str, Any], queue: LandingQueue) -> Callable[[str], None]:
    sqs = boto3.client("sqs", **aws)
    return lambda body: sqs.send_message(QueueUrl=queue.url, MessageBody=body)


def test_an_empty_queue_gives_nothing(queue: LandingQueue) -> None:
    assert queue.receive() == ()


def test_a_message_comes_again_until_it_is_forgotten(queue: LandingQueue, send: Callable[[str], None]) -> None:
    send("hello")
    (first,) = queue.receive(seconds=1)
    time.sleep(1.2)
    (second,) = queue.receive(seconds=1)

    assert (first.body, first.id) == (second.body, second.id) == ("hello", first.id)

    queue.forget([second])
    time.sleep(1.2)

    assert queue.receive() == ()


def test_more_messages_than_one_call_takes_are_forgotten_together(
    queue: LandingQueue, send: Callable[[str], None]
) -> None:
    for number in range(23):
        send(str(number))
    notices = [notice for _ in range(3) for notice in queue.receive()]
    assert sorted(int(notice.body) for notice in notices) == list(range(23))

    queue.forget(notices)
    queue.forget(notices)
    time.sleep(1.2)

    assert queue.receive() == ()


def test_a_queue_that_does_not_answer_is_named_and_its_keys_are_not() -> None:
    queue = LandingQueue(
        url="http://127.0.0.1:9/landing",
        region="eu-west-1",
        endpoint="http://127.0.0.1:9",
        access_key_id="key",
        secret_access_key=SecretStr("hunter2"),
    )

    with pytest.raises(ServingError, match="9/landing does not answer") as caught:
        queue.receive()
    assert "hunter2" not in str(caught.value)


def test_a_queue_that_is_gone_is_named(queue: LandingQueue) -> None:
    gone = queue.model_copy(update={"url": queue.url + "-gone"})

    with pytest.raises(ServingError, match="-gone does not answer"):
        gone.receive()


def test_without_boto3_the_extra_is_named(queue: LandingQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_it(name: str, *values: Any, **named: Any) -> Any:
        if name.partition(".")[0] in ("boto3", "botocore"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *values, **named)

    monkeypatch.setattr(builtins, "__import__", without_it)
    monkeypatch.delitem(sys.modules, "botocore.exceptions", raising=False)

    with pytest.raises(NotFound, match=r"pip install 'prefect-mlops\[aws\]'"):
        queue.receive()
