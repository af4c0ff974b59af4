"""What a message about a bucket says: which objects were created."""

import json
from typing import Any
from urllib.parse import unquote_plus

from prefect_mlops.core.errors import DataError

__all__ = ["created_objects"]


def created_objects(body: str) -> tuple[str, ...]:
    """The addresses of the objects that a message announces as created.

    It may come through EventBridge or from S3 itself, whose keys are url-encoded.

    Returns:
        Addresses such as `s3://bucket/key`; none where it tells of something else, such as a test or a deletion.

    Raises:
        DataError: It is no message about a bucket.

    Examples:
        >>> created_objects(
        ...     '{"source": "aws.s3", "detail-type": "Object Created",'
        ...     ' "detail": {"bucket": {"name": "lake"}, "object": {"key": "in/may rows.csv"}}}'
        ... )
        ('s3://lake/in/may rows.csv',)
        >>> created_objects(
        ...     '{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",'
        ...     ' "s3": {"bucket": {"name": "lake"}, "object": {"key": "in/may+rows%2B.csv"}}}]}'
        ... )
        ('s3://lake/in/may rows+.csv',)
        >>> created_objects('{"Service": "Amazon S3", "Event": "s3:TestEvent"}')
        ()
    """
    try:
        said = json.loads(body)
        if said.get("source") == "aws.s3":
            return (_address(said["detail"], str),) if said["detail-type"] == "Object Created" else ()
        if said.get("Event") == "s3:TestEvent":
            return ()
        records = [record for record in said["Records"] if record["eventName"].startswith("ObjectCreated:")]
        return tuple(_address(record["s3"], unquote_plus) for record in records)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        cure = "Send it what S3 or EventBridge say about the landing bucket, and nothing else"
        raise DataError(f"A message on the landing queue tells of no object ({type(error).__name__})", cure) from error


def _address(said: dict[str, Any], decode: Any) -> str:
    return f"s3://{said['bucket']['name']}/{decode(said['object']['key'])}"
