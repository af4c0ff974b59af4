"""Where the record of every decision is: an append-only, hash-chained SQL table."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.ledger import GENESIS, Record, canonical, seal, verify

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["Ledger"]

ATTEMPTS = 100


class Ledger(Block):
    """An append-only table of records, each sealed with the digest of the one before.

    Example:
        Load a saved ledger and check its chain:
        ```python
        from prefect_mlops.blocks import Ledger

        ledger = Ledger.load("BLOCK_NAME")
        ledger.verify()
        ```
    """

    _block_type_name = "MLOps Ledger"
    _block_type_slug = "mlops-ledger"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    url: SecretStr = Field(
        default=SecretStr(""), description="SQLAlchemy address; a SQLite file `ledger.db` under the home when empty."
    )

    secret_arn: str = Field(
        default="",
        description="Secret with the whole address, or with `username` and `password` for `url`, as RDS keeps them.",
    )

    def address(self) -> str:
        """The address that is used, with its password: never print it.

        Raises:
            NotFound: The secret has no value.
            ServingError: It cannot be read, or holds no address and no login.
        """
        url = self.url.get_secret_value()
        if self.secret_arn:
            from prefect_mlops.blocks.secretstore import read_secret_value, with_login

            return with_login(url, read_secret_value(self.secret_arn))
        return url or f"sqlite:///{place('', 'ledger.db')}"

    def append(
        self, *, model: str, stage: str, subject: str, body: Mapping[str, Any], as_of: str, actor: str, key: str
    ) -> Record:
        """Append one record; a key that is there already gives back its record and writes nothing.

        Two writers at once cannot follow the same record: the digest of the record before is unique in the table,
        and whoever comes second reads the chain's end again.

        Args:
            model: The model it is about.
            stage: What happened.
            subject: The batch or version it happened to.
            body: Facts that JSON can hold; numbers that are not finite become words.
            as_of: The time it belongs to, ISO 8601.
            actor: Who did it.
            key: Names the very happening.

        Raises:
            DataError: The key is empty, or the body holds what JSON cannot.
        """
        if not key:
            raise DataError(
                "A ledger record without a key", "Name the very happening, such as `<model>:<stage>:<batch>`"
            )
        import sqlalchemy as sa

        fields = {
            "model": model,
            "stage": stage,
            "subject": subject,
            "as_of": as_of,
            "actor": actor,
            "key": key,
            "body": body,
        }
        canonical(fields)
        with self._opened() as (engine, tables):
            for attempt in range(ATTEMPTS):
                try:
                    with engine.execution_options(mlops_writes=True).begin() as connection:
                        return _append(connection, tables, fields)
                except (sa.exc.IntegrityError, sa.exc.OperationalError, _OvertakenError):
                    if attempt == ATTEMPTS - 1:
                        raise
                    time.sleep(random.uniform(0, 0.01 * min(attempt + 1, 20)))
        raise AssertionError("the loop above returns or raises")

    def records(self, model: str | None = None, stage: str | None = None) -> tuple[Record, ...]:
        """The records, oldest first; of one model or stage where asked."""
        with self._opened() as (engine, tables), engine.connect() as connection:
            return _read(connection, tables["mlops_ledger"], model=model, stage=stage)

    def find(self, key: str) -> Record | None:
        """The record that has a key; None where nothing has happened under it."""
        with self._opened() as (engine, tables), engine.connect() as connection:
            return next(iter(_read(connection, tables["mlops_ledger"], key=key)), None)

    def verify(self) -> int:
        """Follow the whole chain, up to the end that the ledger remembers beside it.

        Whoever can write to the database can also forge what it remembers: keep the newest digest elsewhere too,
        and pass it to `core.ledger.verify` as `head`.

        Returns:
            How many records it has.

        Raises:
            LedgerBroken: A record was changed, removed or put in later.
        """
        import sqlalchemy as sa

        with self._opened() as (engine, tables), engine.begin() as connection:
            records = _read(connection, tables["mlops_ledger"])
            end = connection.execute(sa.select(tables["mlops_ledger_end"])).mappings().first()
        verify(records, head=(end["sequence"], end["digest"]) if end else (0, GENESIS))
        return len(records)

    @contextmanager
    def _opened(self) -> Iterator[tuple[sa.Engine, dict[str, sa.Table]]]:
        import sqlalchemy as sa

        url = self.address()
        lite = url.startswith("sqlite")
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": 30} if lite else {})
        if lite:
            _take_turns(engine)
        try:
            yield engine, _made(engine)
        finally:
            engine.dispose()


class _OvertakenError(Exception):
    """Another writer appended between our look at the chain's end and our write."""


def _append(connection: sa.Connection, tables: dict[str, sa.Table], fields: Mapping[str, Any]) -> Record:
    """Append one record and move the remembered end along, in one transaction."""
    import sqlalchemy as sa

    records, end = tables["mlops_ledger"], tables["mlops_ledger_end"]
    known = _read(connection, records, key=fields["key"])
    if known:
        return known[0]
    last = connection.execute(sa.select(end)).mappings().first()
    sequence, previous = (last["sequence"], last["digest"]) if last else (0, GENESIS)
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    record = seal({**fields, "at": at}, sequence=sequence + 1, previous=previous)
    connection.execute(sa.insert(records), record.model_dump(exclude={"body"}) | {"body": canonical(record.body)})
    if last is None:
        connection.execute(sa.insert(end), {"only": 1, "sequence": record.sequence, "digest": record.digest})
        return record
    moved = sa.update(end).where(end.c.digest == previous).values(sequence=record.sequence, digest=record.digest)
    if connection.execute(moved).rowcount != 1:
        raise _OvertakenError
    return record


def _read(connection: sa.Connection, records: sa.Table, **wanted: str | None) -> tuple[Record, ...]:
    import sqlalchemy as sa

    asked = sa.select(records).order_by(records.c.sequence)
    for name, value in wanted.items():
        if value is not None:
            asked = asked.where(records.c[name] == value)
    return tuple(Record(**{**row, "body": json.loads(row["body"])}) for row in connection.execute(asked).mappings())


def _made(engine: sa.Engine) -> dict[str, sa.Table]:
    """The two tables, made where they are not there yet, also by two processes at once."""
    import sqlalchemy as sa

    text, metadata = sa.Text(), sa.MetaData()
    sa.Table(
        "mlops_ledger",
        metadata,
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, text, nullable=False) for name in ("at", "model", "stage", "subject", "as_of", "actor")),
        sa.Column("key", text, nullable=False, unique=True),
        sa.Column("body", text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
    )
    sa.Table(
        "mlops_ledger_end",
        metadata,
        sa.Column("only", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    for attempt in range(ATTEMPTS):
        try:
            metadata.create_all(engine)
            break
        except (sa.exc.OperationalError, sa.exc.IntegrityError, sa.exc.ProgrammingError):
            if attempt >= 3 and not sa.inspect(engine).has_table("mlops_ledger"):
                raise
            time.sleep(0.05)
    return dict(metadata.tables)


def _take_turns(engine: sa.Engine) -> None:
    """Let SQLite's writers wait for each other before they read, and never block its readers."""
    import sqlalchemy as sa

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("mlops_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
