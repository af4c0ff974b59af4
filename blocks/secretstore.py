"""Secrets that stay in AWS Secrets Manager: a block names one by its ARN, and it is read when it is needed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from prefect_mlops.blocks.aws import AwsAccess
from prefect_mlops.core.errors import NotFound, ServingError

__all__ = ["as_login", "read_secret_value", "with_login"]

KEPT_SECONDS = 60.0
"""A password that is rotated is asked for again after a minute."""
ARN_PARTS = 7
_known: dict[str, tuple[float, str]] = {}


def read_secret_value(arn: str) -> str:
    """The text of a secret, asked for once a minute at most.

    Args:
        arn: The secret's ARN; its region is in it.

    Raises:
        NotFound: There is no such secret, nobody has put a value in, or boto3 is not installed.
        ServingError: It is no ARN of a secret, or AWS does not answer or does not allow it.
    """
    read, value = _known.get(arn, (0.0, ""))
    if value and time.monotonic() - read < KEPT_SECONDS:
        return value
    parts = arn.split(":")
    if len(parts) < ARN_PARTS or parts[0] != "arn" or parts[2] != "secretsmanager":
        cure = "Write the ARN that Secrets Manager shows, arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME"
        raise ServingError(f"{arn!r} is no ARN of a secret", cure)
    aws = AwsAccess(region=parts[3])
    with aws.answering("secretsmanager", arn):
        client = aws.client("secretsmanager")
        try:
            value = str(client.get_secret_value(SecretId=arn)["SecretString"])
        except client.exceptions.ResourceNotFoundException as error:
            cure = "Put one in with `aws secretsmanager put-secret-value`, or correct the ARN in the block"
            raise NotFound("value of the secret", arn, cure) from error
    _known[arn] = (time.monotonic(), value)
    return value


def as_login(secret: str) -> Mapping[str, str]:
    """What a secret says by name, where it is JSON as RDS writes it; nothing where it is plain text.

    Examples:
        >>> as_login('{"username": "mlops", "password": "s3cret", "port": 5432}')["username"]
        'mlops'
        >>> as_login("s3cret")
        {}
    """
    try:
        told = json.loads(secret)
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in told.items()} if isinstance(told, dict) else {}


def with_login(url: str, secret: str) -> str:
    """A database's address with the user and password that a secret holds; the secret itself where there is no address.

    Args:
        url: SQLAlchemy address without user and password, or empty.
        secret: JSON with `username` and `password`, or the whole address.

    Raises:
        ServingError: The secret holds neither.

    Examples:
        >>> with_login("postgresql+psycopg://db:5432/ledger", '{"username": "m", "password": "a/b"}')
        'postgresql+psycopg://m:a%2Fb@db:5432/ledger'
    """
    login = as_login(secret)
    if url and "password" in login:
        parts = urlsplit(url)
        user = f"{quote(login.get('username', ''), safe='')}:{quote(login['password'], safe='')}"
        return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))
    if not login and "://" in secret:
        return secret
    cure = "Put in JSON with `username` and `password` for the block's `url`, or the whole address as plain text"
    raise ServingError("A secret holds no address of a database, and no login for one", cure)
