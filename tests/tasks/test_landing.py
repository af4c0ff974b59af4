"""The watch looks at the folder and listens to the queue; a message is deleted when what it led to was announced."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3
import httpx
import pytest
from pydantic import SecretStr

from prefect_mlops.blocks import FileSource, LandingQueue
from prefect_mlops.tasks.landing import LandingWatch

MODELS = ("flights-late", "wine-cultivar")


class Told:
    """Keeps what was announced; or fails as a server does that is away."""

    def __init__(self) -> None:
        self.announced: list[tuple[str, int]] = []
        self.is_away = False

    def __call__(self, model: str, count: int) -> None:
        if self.is_away:
            raise httpx.ConnectError("the server is away")
        self.announced.append((model, count))


def nothing_expected(_model: str, _waiting: Collection[str]) -> bool:
    return False


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def folder(tmp_path: Path) -> FileSource:
    (tmp_path / "landing").mkdir()
    return FileSource(folder=str(tmp_path / "landing"))


def drop(source: FileSource, name: str) -> None:
    path = Path(source.folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a\n1\n")
    os.utime(path, (time.time() - 60,) * 2)


def test_many_files_are_one_announcement_and_not_one_again_at_once(folder: FileSource, told: Told) -> None:
    watch = LandingWatch(folder, None, MODELS, told, nothing_expected)
    for number in range(200):
        drop(folder, f"wine-cultivar/{number}.csv")
    drop(folder, "flights-late/a.csv")

    watch.look()
    watch.look()

    assert sorted(told.announced) == [("flights-late", 1), ("wine-cultivar", 200)]


def test_a_file_that_lands_later_is_announced_within_seconds(folder: FileSource, told: Told) -> None:
    watch = LandingWatch(folder, None, MODELS, told, nothing_expected)
    drop(folder, "wine-cultivar/a.csv")
    watch.look()
    drop(folder, "wine-cultivar/b.csv")

    begun = time.monotonic()
    while len(told.announced) < 2:
        watch.look()
        assert time.monotonic() < begun + 5

    assert told.announced == [("wine-cultivar", 1), ("wine-cultivar", 2)]


def test_files_that_a_run_will_take_anyway_are_not_announced(folder: FileSource, told: Told) -> None:
    asked = []

    def expected(model: str, waiting: Collection[str]) -> bool:
        asked.append((model, tuple(waiting)))
        return True

    drop(folder, "wine-cultivar/a.csv")
    LandingWatch(folder, None, MODELS, told, expected).look()

    assert asked == [("wine-cultivar", ("wine-cultivar/a.csv",))]
    assert told.announced == []


def test_a_server_that_is_away_is_said_once_and_told_when_it_is_back(
    folder: FileSource, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    watch = LandingWatch(folder, None, MODELS, told, nothing_expected)
    drop(folder, "wine-cultivar/a.csv")
    told.is_away = True
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            watch.look()
        told.is_away = False
        while not told.announced:
            watch.look()

    assert told.announced == [("wine-cultivar", 1)]
    assert len([record for record in caplog.records if "No answer from Prefect" in record.message]) == 1
    assert "Prefect answers again." in caplog.text


def test_a_missing_folder_is_said_once_and_watched_until_it_is_there(
    tmp_path: Path, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    source = FileSource(folder=str(tmp_path / "later"))
    watch = LandingWatch(source, None, MODELS, told, nothing_expected)
    watch.look()
    watch.look()
    assert caplog.text.count("is not there") == 1

    drop(source, "wine-cultivar/a.csv")
    watch.look()

    assert told.announced == [("wine-cultivar", 1)]


def test_a_file_that_nobody_will_take_is_told(folder: FileSource, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    drop(folder, "wine-cultivar/rows.xlsx")
    LandingWatch(folder, None, MODELS, told, nothing_expected).look()

    assert "wine-cultivar/rows.xlsx is passed over" in caplog.text
    assert told.announced == []


# Through the queue.


class Lake:
    """A bucket in which batches land, and the queue on which they are told."""

    def __init__(self, bucket: Any, aws: dict[str, Any], url: str) -> None:
        self.bucket, self._s3, self._sqs = bucket.name, boto3.client("s3", **aws), boto3.client("sqs", **aws)
        self.source = FileSource(folder=f"s3://{bucket.name}/in", storage_options=bucket.options)
        self.queue = LandingQueue(
            url=url,
            region=aws["region_name"],
            endpoint=aws["endpoint_url"],
            access_key_id=aws["aws_access_key_id"],
            secret_access_key=SecretStr(aws["aws_secret_access_key"]),
        )

    def drop(self, name: str) -> None:
        self._s3.put_object(Bucket=self.bucket, Key=f"in/{name}", Body=b"a\n1\n")

    def send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self.queue.url, MessageBody=body)

    def left(self) -> int:
        """Messages on the queue, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        said = self._sqs.get_queue_attributes(QueueUrl=self.queue.url, AttributeNames=names)["Attributes"]
        return sum(int(said[name]) for name in names)

    def by_eventbridge(self, name: str) -> str:
        detail = {"bucket": {"name": self.bucket}, "object": {"key": f"in/{name}"}}
        return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})

    def by_s3(self, name: str) -> str:
        said = {"bucket": {"name": self.bucket}, "object": {"key": quote_plus(f"in/{name}")}}
        return json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": said}]})


@pytest.fixture
def lake(aws: dict[str, Any], new_bucket: Callable[[], Any], new_queue: Callable[[], str]) -> Lake:
    return Lake(new_bucket(), aws, new_queue())


@pytest.fixture
def watch(lake: Lake, told: Told) -> LandingWatch:
    """A watch that has looked around already, so that only the queue can tell it something."""
    made = LandingWatch(lake.source, lake.queue, MODELS, told, nothing_expected)
    lake.send('{"Service": "Amazon S3", "Event": "s3:TestEvent"}')
    made.look()
    assert lake.left() == 0
    return made


@pytest.mark.parametrize("form", [Lake.by_eventbridge, Lake.by_s3])
def test_a_message_of_either_form_is_announced_and_deleted(
    lake: Lake, watch: LandingWatch, told: Told, form: Callable[[Lake, str], str]
) -> None:
    lake.drop("wine-cultivar/may rows+.csv")
    lake.send(form(lake, "wine-cultivar/may rows+.csv"))

    watch.look()

    assert told.announced == [("wine-cultivar", 1)]
    assert lake.left() == 0


def test_the_same_object_seen_twice_is_announced_once(lake: Lake, watch: LandingWatch, told: Told) -> None:
    lake.drop("wine-cultivar/a.csv")
    lake.send(lake.by_s3("wine-cultivar/a.csv"))
    lake.send(lake.by_eventbridge("wine-cultivar/a.csv"))
    watch.look()
    lake.send(lake.by_s3("wine-cultivar/a.csv"))
    watch.look()

    assert told.announced == [("wine-cultivar", 1)]
    assert lake.left() == 0


def test_a_message_about_what_is_settled_already_is_deleted_and_announced_to_nobody(
    lake: Lake, watch: LandingWatch, told: Told
) -> None:
    lake.drop("wine-cultivar/a.csv")
    lake.source.settle("wine-cultivar/a.csv")
    lake.send(lake.by_s3("wine-cultivar/a.csv"))
    lake.send(lake.by_s3("wine-cultivar/.done/a.csv"))

    watch.look()

    assert told.announced == []
    assert lake.left() == 0


def test_a_message_stays_until_the_server_has_the_announcement(lake: Lake, watch: LandingWatch, told: Told) -> None:
    lake.drop("wine-cultivar/a.csv")
    lake.send(lake.by_s3("wine-cultivar/a.csv"))
    told.is_away = True
    watch.look()
    assert lake.left() == 1

    told.is_away = False
    begun = time.monotonic()
    while lake.left():
        watch.look()
        assert time.monotonic() < begun + 20

    assert told.announced == [("wine-cultivar", 1)]


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "[]",
        "7",
        "null",
        '{"source": "aws.s3"}',
        '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]}',
    ],
)
def test_what_is_not_ours_is_said_once_and_left_for_the_dead_letter_queue(
    lake: Lake, watch: LandingWatch, told: Told, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    lake.send(body)
    watch.look()
    time.sleep(1.1)
    watch.look()

    assert told.announced == []
    assert lake.left() == 1
    assert caplog.text.count("left on the queue") == 1


def test_a_model_that_nobody_watches_is_named(
    lake: Lake, watch: LandingWatch, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    lake.send(lake.by_s3("wine-cultivars/a.csv"))
    watch.look()

    assert "wine-cultivars/a.csv belongs to no model that is watched" in caplog.text
    assert told.announced == []
    assert lake.left() == 1


def test_a_queue_that_is_away_is_said_once_and_the_folder_is_looked_at_meanwhile(
    lake: Lake, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    away = lake.queue.model_copy(update={"url": lake.queue.url + "-away"})
    lake.drop("wine-cultivar/a.csv")
    watch = LandingWatch(lake.source, away, MODELS, told, nothing_expected)

    watch.look()
    watch.look()

    assert told.announced == [("wine-cultivar", 1)]
    assert caplog.text.count("No answer from the landing queue") == 1
