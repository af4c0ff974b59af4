"""Where the record of every decision is: an append-only, hash-chained SQL table."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.ledger import GENESIS, Record, seal, verify

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["Ledger"]

ATTEMPTS = 50


class Ledger(Block):
    """An append-only table of records, each sealed with the digest of the one before.

    Example:
        Load a saved ledger and check its chain:
        ```python
        from prefect_mlops.blocks import Ledger

        ledger = Ledger.load("default")
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

    def append(
        self, *, model: str, stage: str, subject: str, body: dict[str, Any], as_of: str, actor: str, key: str
    ) -> Record:
        """Append one record; a key that is there already gives back its record.

        Two writers at once cannot follow the same record: the digest of the record before is unique in the table,
        and whoever comes second reads the chain's end again.

        Args:
            model: The model it is about.
            stage: What happened.
            subject: The batch or version it happened to.
            body: Facts that JSON can hold.
            as_of: The time it belongs to, ISO 8601.
            actor: Who did it.
            key: Names the very happening.
        """
        import sqlalchemy as sa

        fields = {
            "at": datetime.now(UTC).isoformat(),
            "model": model,
            "stage": stage,
            "subject": subject,
            "as_of": as_of,
            "actor": actor,
            "key": key,
            "body": json.loads(json.dumps(body)),
        }
        engine, records = self._open()
        try:
            for attempt in range(ATTEMPTS):
                with engine.connect() as connection:
                    known = connection.execute(sa.select(records).where(records.c.key == key)).mappings().first()
                    if known:
                        return _record(known)
                    newest = sa.select(records).order_by(records.c.sequence.desc()).limit(1)
                    last = connection.execute(newest).mappings().first()
                    record = seal(
                        fields,
                        sequence=last["sequence"] + 1 if last else 1,
                        previous=last["digest"] if last else GENESIS,
                    )
                    row = record.model_dump(exclude={"body"}) | {"body": json.dumps(record.body, sort_keys=True)}
                    try:
                        connection.execute(sa.insert(records), row)
                        connection.commit()
                    except (sa.exc.IntegrityError, sa.exc.OperationalError):
                        connection.rollback()
                        if attempt == ATTEMPTS - 1:
                            raise
                        time.sleep(0.01 * (attempt + 1))
                        continue
                    return record
            raise AssertionError("unreachable")
        finally:
            engine.dispose()

    def records(self, model: str | None = None, stage: str | None = None) -> tuple[Record, ...]:
        """The records, oldest first; of one model or stage where asked."""
        import sqlalchemy as sa

        engine, records = self._open()
        asked = sa.select(records).order_by(records.c.sequence)
        if model is not None:
            asked = asked.where(records.c.model == model)
        if stage is not None:
            asked = asked.where(records.c.stage == stage)
        try:
            with engine.connect() as connection:
                return tuple(_record(row) for row in connection.execute(asked).mappings())
        finally:
            engine.dispose()

    def verify(self) -> int:
        """Follow the whole chain.

        Returns:
            How many records it has.

        Raises:
            LedgerBroken: A record was changed, removed or put in later.
        """
        records = self.records()
        verify(records)
        return len(records)

    def _open(self) -> tuple[sa.Engine, sa.Table]:
        import sqlalchemy as sa

        url = self.url.get_secret_value() or f"sqlite:///{place('', 'ledger.db')}"
        engine = sa.create_engine(url, connect_args={"timeout": 30} if url.startswith("sqlite") else {})
        text = sa.Text()
        records = sa.Table(
            "mlops_ledger",
            sa.MetaData(),
            sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
            *(sa.Column(name, text, nullable=False) for name in ("at", "model", "stage", "subject", "as_of", "actor")),
            sa.Column("key", text, nullable=False, unique=True),
            sa.Column("body", text, nullable=False),
            sa.Column("previous", sa.String(64), nullable=False, unique=True),
            sa.Column("digest", sa.String(64), nullable=False, unique=True),
        )
        for attempt in range(ATTEMPTS):
            try:
                records.create(engine, checkfirst=True)
                break
            except (sa.exc.OperationalError, sa.exc.IntegrityError, sa.exc.ProgrammingError):  # made by another in between
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.05)
        return engine, records


def _record(row: sa.RowMapping) -> Record:
    return Record(**{**row, "body": json.loads(row["body"])})
