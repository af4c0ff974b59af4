"""A chain of records, each sealed with the digest of the one before it."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from prefect_mlops.core.errors import LedgerBroken
from prefect_mlops.core.parts import Frozen

__all__ = ["GENESIS", "Record", "seal", "verify"]

GENESIS = "0" * 64
"""What the first record has for the digest of the one before it."""


class Record(Frozen):
    """One thing that happened.

    Attributes:
        sequence: 1 for the first record, then one more each.
        at: When it was written, ISO 8601.
        model: The model it is about.
        stage: What happened, such as `candidate.accepted`.
        subject: The batch or version that it happened to.
        as_of: The time it belongs to, ISO 8601.
        actor: Who did it.
        key: Names the very happening; no two records share one.
        body: Facts, as JSON.
        previous: The digest of the record before.
        digest: SHA-256 over all other fields in canonical JSON.
    """

    sequence: int
    at: str
    model: str
    stage: str
    subject: str
    as_of: str
    actor: str
    key: str
    body: dict[str, Any]
    previous: str
    digest: str


def seal(fields: dict[str, Any], *, sequence: int, previous: str) -> Record:
    """Make the record that follows another.

    Args:
        fields: `at`, `model`, `stage`, `subject`, `as_of`, `actor`, `key` and `body`.
        sequence: Its place in the chain.
        previous: The digest of the record before, `GENESIS` for the first.

    Examples:
        >>> fields = dict.fromkeys(("at", "model", "stage", "subject", "as_of", "actor", "key"), "") | {"body": {}}
        >>> first = seal(fields, sequence=1, previous=GENESIS)
        >>> verify([first, seal(fields, sequence=2, previous=first.digest)])
    """
    chained = {**fields, "sequence": sequence, "previous": previous}
    return Record(**chained, digest=_digest(chained))


def verify(records: Iterable[Record]) -> None:
    """Follow the chain from its first record.

    Raises:
        LedgerBroken: A record was changed, removed, put in later or moved.
    """
    previous, sequence = GENESIS, 0
    for record in records:
        sequence += 1
        if record.sequence != sequence:
            raise LedgerBroken(sequence, f"record {record.sequence} stands where record {sequence} should")
        if record.previous != previous:
            raise LedgerBroken(sequence, "it does not follow the record before it")
        if record.digest != _digest(record.model_dump(exclude={"digest"})):
            raise LedgerBroken(sequence, "its content does not match its digest")
        previous = record.digest


def _digest(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
