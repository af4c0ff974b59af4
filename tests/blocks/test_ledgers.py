"""The ledger is one unbroken chain, on SQLite and on PostgreSQL, whoever writes at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from prefect_mlops.blocks.ledgers import Ledger
from prefect_mlops.core.errors import DataError, LedgerBroken
from prefect_mlops.core.ledger import Record


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def ledger(url: str) -> Ledger:
    return Ledger(url=SecretStr(url))


def append(ledger: Ledger, number: int, **changes: object) -> Record:
    fields = {
        "model": "m",
        "stage": "data.accepted",
        "subject": str(number),
        "body": {"rows": number, "share": 0.1, "note": "é"},
        "as_of": "2013-04-01",
        "actor": "tests",
        "key": f"k{number}",
    }
    return ledger.append(**(fields | changes))  # type: ignore[arg-type]  # a test's own dictionary


def change(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def test_an_empty_ledger_holds(ledger: Ledger) -> None:
    assert ledger.verify() == 0
    assert ledger.records() == ()


def test_records_follow_each_other(ledger: Ledger) -> None:
    one, two = append(ledger, 1), append(ledger, 2)

    assert (one.sequence, two.sequence, two.previous) == (1, 2, one.digest)
    assert ledger.records() == (one, two)
    assert ledger.verify() == 2


def test_a_key_that_is_there_gives_back_its_record(ledger: Ledger) -> None:
    one = append(ledger, 1)

    assert append(ledger, 1, body={"rows": 99}) == one
    assert ledger.verify() == 1


def test_records_are_found_by_model_and_stage(ledger: Ledger) -> None:
    append(ledger, 1)
    append(ledger, 2, model="other")
    append(ledger, 3, stage="bento.built")

    assert [record.subject for record in ledger.records(model="m")] == ["1", "3"]
    assert [record.subject for record in ledger.records(stage="data.accepted")] == ["1", "2"]
    assert [record.subject for record in ledger.records(model="m", stage="bento.built")] == ["3"]


def test_a_number_that_is_not_finite_stays_in_the_chain(ledger: Ledger) -> None:
    assert append(ledger, 1, body={"auc": float("nan")}).body == {"auc": "NaN"}
    assert ledger.verify() == 1


@pytest.mark.parametrize("changes", [{"key": ""}, {"body": {"when": object()}}])
def test_what_cannot_be_kept_is_refused_and_nothing_is_written(ledger: Ledger, changes: dict[str, object]) -> None:
    with pytest.raises(DataError):
        append(ledger, 1, **changes)
    assert ledger.records() == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mlops_ledger SET body = '{}' WHERE sequence = 2",
        "UPDATE mlops_ledger SET actor = 'nobody' WHERE sequence = 4",
        "DELETE FROM mlops_ledger WHERE sequence = 1",
        "DELETE FROM mlops_ledger WHERE sequence = 2",
        "DELETE FROM mlops_ledger WHERE sequence = 4",
        "DELETE FROM mlops_ledger",
        "DELETE FROM mlops_ledger_end",
        "UPDATE mlops_ledger SET sequence = CASE sequence WHEN 2 THEN 30 ELSE 2 END WHERE sequence IN (2)",
        "INSERT INTO mlops_ledger SELECT 5, at, model, stage, subject, as_of, actor, 'k5', body, 'p', 'd' "
        "FROM mlops_ledger WHERE sequence = 4",
    ],
)
def test_every_tampering_is_found(ledger: Ledger, url: str, statement: str) -> None:
    for number in range(1, 5):
        append(ledger, number)
    change(url, statement)

    with pytest.raises(LedgerBroken):
        ledger.verify()


WRITER = """
import sys
from pydantic import SecretStr
from prefect_mlops.blocks.ledgers import Ledger

ledger = Ledger(url=SecretStr(sys.argv[1]))
for number in range(25):
    for key in (f"{sys.argv[2]}-{number}", f"shared-{number}"):
        ledger.append(model="m", stage="s", subject=sys.argv[2], body={}, as_of="", actor="", key=key)
"""


def write_at_once(url: str, writers: int = 2) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, url, f"w{number}"]) for number in range(writers)]
    for writer in running:
        writer.wait(timeout=180)
    assert [writer.returncode for writer in running] == [0] * writers


@pytest.mark.process
def test_processes_at_once_make_one_unbroken_chain(ledger: Ledger, url: str) -> None:
    write_at_once(url)

    assert ledger.verify() == 75
    keys = [record.key for record in ledger.records()]
    assert len(set(keys)) == 75


@pytest.mark.process
def test_postgresql_keeps_the_same_promises(postgres: str) -> None:
    ledger = Ledger(url=SecretStr(postgres))
    write_at_once(postgres)
    assert append(ledger, 1) == append(ledger, 1)
    assert ledger.verify() == 76

    change(postgres, "UPDATE mlops_ledger SET body = '{}' WHERE sequence = 76")
    with pytest.raises(LedgerBroken, match="record 76"):
        ledger.verify()
