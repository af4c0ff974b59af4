"""What became of a batch that landed: accepted, rejected, or known already."""

from collections.abc import Sequence
from typing import Literal

from prefect_mlops.core.lineage import DataVersion
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.validation import ValidationReport

__all__ = ["Intake", "end_of"]


class Intake(Frozen):
    """What became of one batch.

    Attributes:
        batch: Its name.
        outcome: `accepted` as a table version, at least in part; `rejected` as a whole; `known` where the same batch
            was accepted before.
        version: The table version that it is; None where it was rejected.
        aside: How many of its rows are in quarantine.
        report: What the validation found; None where it was never asked, as for labels and unreadable files.
        page: Great Expectations' own page of the validation, HTML; empty unless the suite asks for it.
        reason: One sentence for people.
    """

    batch: str
    outcome: Literal["accepted", "rejected", "known"]
    version: DataVersion | None = None
    aside: int = 0
    report: ValidationReport | None = None
    page: str = ""
    reason: str


def end_of(taken: Sequence[Intake]) -> tuple[str, str]:
    """The name and the message of the state in which an ingest ends.

    Args:
        taken: At least one batch.

    Examples:
        >>> good = Intake(batch="a", outcome="accepted", reason="2 rows are version 0.")
        >>> bad = Intake(batch="b", outcome="rejected", reason="It has no rows.")
        >>> end_of([good])
        ('Accepted', '2 rows are version 0.')
        >>> end_of([good, bad])
        ('PartlyRejected', '1 of 2 batches accepted; b: It has no rows.')
    """
    rejected = [intake for intake in taken if intake.outcome == "rejected"]
    name = "Accepted" if not rejected else "Rejected" if len(rejected) == len(taken) else "PartlyRejected"
    if len(taken) == 1:
        return name, taken[0].reason
    said = "; ".join(f"{intake.batch}: {intake.reason}" for intake in rejected[:5])
    more = f"; and {len(rejected) - 5} more" if len(rejected) > 5 else ""
    told = f"{len(taken) - len(rejected)} of {len(taken)} batches accepted"
    return name, f"{told}; {said}{more}" if rejected else f"{told}."
