"""A chain of records, each sealed with the digest of the one before it."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prefect_mlops.core.errors import DataError, LedgerBroken
from prefect_mlops.core.parts import Frozen

__all__ = ["GENESIS", "Record", "canonical", "seal", "verify"]

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


def canonical(value: Mapping[str, Any]) -> str:
    """JSON of which equal facts have one text only: keys sorted, no blanks, numbers that are not finite as words.

    Raises:
        DataError: A value is none that JSON can hold.

    Examples:
        >>> canonical({"b": float("nan"), "a": (1, "é")})
        '{"a":[1,"é"],"b":"NaN"}'
    """
    return json.dumps(_plain(value, ""), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def seal(fields: Mapping[str, Any], *, sequence: int, previous: str) -> Record:
    """Make the record that follows another.

    Args:
        fields: `at`, `model`, `stage`, `subject`, `as_of`, `actor`, `key` and `body`.
        sequence: Its place in the chain.
        previous: The digest of the record before, `GENESIS` for the first.

    Raises:
        DataError: The body holds what JSON cannot.

    Examples:
        >>> fields = dict.fromkeys(("at", "model", "stage", "subject", "as_of", "actor", "key"), "") | {"body": {}}
        >>> first = seal(fields, sequence=1, previous=GENESIS)
        >>> verify([first, seal(fields, sequence=2, previous=first.digest)])
    """
    chained = json.loads(canonical({**fields, "sequence": sequence, "previous": previous}))
    return Record(**chained, digest=_digest(chained))


def verify(records: Iterable[Record], *, head: tuple[int, str] | None = None) -> None:
    """Follow the chain from its first record.

    A chain whose newest records are gone is whole in itself; only who remembers its end can tell.

    Args:
        records: All records, in their order.
        head: Sequence and digest of the newest record, as remembered elsewhere.

    Raises:
        LedgerBroken: A record was changed, removed, put in later or moved.
    """
    previous, sequence = GENESIS, 0
    for sequence, record in enumerate(records, start=1):
        if record.sequence != sequence:
            raise LedgerBroken(sequence, f"record {record.sequence} stands where record {sequence} should")
        if record.previous != previous:
            raise LedgerBroken(sequence, "it does not follow the record before it")
        if record.digest != _digest(record.model_dump(exclude={"digest"})):
            raise LedgerBroken(sequence, "its content does not match its digest")
        previous = record.digest
    if head is not None and head != (sequence, previous):
        raise LedgerBroken(
            min(sequence, head[0]) + 1, f"it ends at record {sequence}, and should end at record {head[0]}"
        )


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(fields).encode()).hexdigest()


def _plain(value: object, where: str) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return (
            value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        )
    if isinstance(value, Mapping):
        return {str(name): _plain(inner, f"{where}.{name}" if where else str(name)) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(inner, f"{where}[{index}]") for index, inner in enumerate(value)]
    raise DataError(
        f"A ledger record cannot hold {where!r}, a {type(value).__name__}",
        "Pass text, numbers, lists or mappings; records with model_dump(mode='json')",
    )
