"""Secrets stay in Secrets Manager: blocks hold their ARN, and read them when they are needed."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import pandas as pd
import pytest

from prefect_mlops.blocks import secretstore
from prefect_mlops.blocks.ledgers import Ledger
from prefect_mlops.blocks.personal import PersonalKey
from prefect_mlops.blocks.tracking import MlflowTracking
from prefect_mlops.core.errors import NotFound, ServingError

LOGIN = {"username": "mlops", "password": "a/b@c", "host": "db"}


@pytest.fixture
def new_secret(aws: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    secretstore._known.clear()
    client = boto3.client("secretsmanager", **aws)

    def make(value: str) -> str:
        given = {"SecretString": value} if value else {}
        return str(client.create_secret(Name=f"s{uuid4()}", **given)["ARN"])

    return make


def test_a_ledger_takes_user_and_password_from_the_secret_that_rds_keeps(new_secret: Callable[[str], str]) -> None:
    ledger = Ledger(url="postgresql+psycopg://db:5432/ledger", secret_arn=new_secret(json.dumps(LOGIN)))

    assert ledger.address() == "postgresql+psycopg://mlops:a%2Fb%40c@db:5432/ledger"
    assert "a/b" not in repr(ledger)


def test_a_ledger_writes_where_its_secret_says(new_secret: Callable[[str], str], home: Any) -> None:
    ledger = Ledger(secret_arn=new_secret(f"sqlite:///{home}/elsewhere.db"))
    ledger.append(model="m", stage="s", subject="1", body={}, as_of="2013-01-01", actor="a", key="k")

    assert (home / "elsewhere.db").exists()
    assert ledger.verify() == 1


def test_the_key_of_the_stand_ins_is_read_from_its_secret(new_secret: Callable[[str], str]) -> None:
    values = pd.Series(["ada@example.com"])
    kept = PersonalKey(secret_arn=new_secret("0123456789abcdef"))

    assert kept.pseudonymise(values)[0] == PersonalKey(key="0123456789abcdef").pseudonymise(values)[0]
    with pytest.raises(ServingError, match="fewer than 16"):
        PersonalKey(secret_arn=new_secret("short")).secret()


@pytest.mark.parametrize(
    ("secret", "credentials"),
    [(json.dumps(LOGIN), ("mlops", "a/b@c", "")), ('{"token": "t"}', ("", "", "t")), ("plain", ("", "", "plain"))],
)
def test_mlflow_is_asked_with_what_its_secret_holds(
    secret: str, credentials: tuple[str, ...], new_secret: Callable[[str], str]
) -> None:
    tracking = MlflowTracking(tracking_uri="http://127.0.0.1:1", secret_arn=new_secret(secret))

    assert tracking._credentials() == credentials


def test_a_secret_without_a_value_is_told_with_its_cure(new_secret: Callable[[str], str]) -> None:
    arn = new_secret("")

    with pytest.raises(NotFound, match="put-secret-value") as told:
        Ledger(secret_arn=arn).address()
    assert arn in str(told.value)


@pytest.mark.parametrize(
    ("url", "secret"), [("", "hunter2"), ("postgresql://db/x", "hunter2"), ("", json.dumps(LOGIN))]
)
def test_a_secret_that_holds_no_address_is_refused_and_not_quoted(
    url: str, secret: str, new_secret: Callable[[str], str]
) -> None:
    with pytest.raises(ServingError, match="no address of a database") as told:
        Ledger(url=url, secret_arn=new_secret(secret)).address()
    assert secret not in str(told.value)


def test_what_is_no_arn_of_a_secret_is_refused() -> None:
    with pytest.raises(ServingError, match="is no ARN of a secret"):
        secretstore.read_secret_value("arn:aws:s3:::bucket")
