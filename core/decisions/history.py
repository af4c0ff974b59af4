"""What the ledger keeps of earlier decisions, read back for people."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from prefect_mlops.core.evidence import Decision, Evidence, Wager
from prefect_mlops.core.ledger import Record

__all__ = ["decision_in", "evidence_in", "wagers_of"]


def evidence_in(record: Record) -> Evidence | None:
    """The evidence of a record; None where it holds none, or one of a form that is no longer read."""
    try:
        return Evidence.model_validate(record.body.get("evidence"))
    except ValidationError:
        return None


def decision_in(record: Record) -> Decision | None:
    """The decision of a record; None where it holds none, or one of a form that is no longer read."""
    try:
        return Decision.model_validate(record.body.get("decision"))
    except ValidationError:
        return None


def wagers_of(records: Sequence[Record], champion_version: int | None) -> tuple[Wager, ...]:
    """Every wager against a champion, oldest first.

    Args:
        records: The model's records, oldest first.
        champion_version: The champion; nothing was bet where there is none.
    """
    found: list[Wager] = []
    for record in records:
        if not record.stage.startswith("candidate.") or (evidence := evidence_in(record)) is None:
            continue
        found += [one for one in evidence.wagers if one.champion_version == champion_version and one.looks]
    return tuple(found)
