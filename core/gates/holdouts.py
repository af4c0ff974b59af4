"""How worn a hold-out is: which earlier comparisons looked at the same rows."""

from collections.abc import Sequence
from datetime import datetime

from prefect_mlops.core.evidence import HoldoutUse
from prefect_mlops.core.parts import Frozen

__all__ = ["Use", "count_uses"]


class Use(Frozen):
    """One comparison of a candidate with a champion on some judging rows, as a ledger keeps it.

    Attributes:
        digest: Of the judging rows.
        first: Time of the oldest row, ISO 8601 with a zone; None where rows have no time.
        last: Time of the newest row.
        split: What chose the rows, such as a digest of the spec's split; it tells rows without a time apart.
    """

    digest: str
    first: str | None = None
    last: str | None = None
    split: str = ""


def count_uses(earlier: Sequence[Use], present: Use) -> HoldoutUse:
    """Count the comparisons that these rows, or any of them, have served, this one included.

    Rows are the same where the digest is, or where their windows of time overlap: a window that moves on by a day
    still holds most of the rows of yesterday. Rows without a time are the same where the same split chose them, for a
    split by key or group only ever adds to its hold-out. A promotion does not make rows new.

    Args:
        earlier: All uses on record for the model, in any order, without the present one.
        present: The use that is about to be judged.

    Examples:
        >>> days = [Use(digest=f"{n}", first=f"2013-05-{n}T00:00:00Z", last=f"2013-05-{n + 4}T00:00:00Z")
        ...         for n in (10, 12, 15)]
        >>> count_uses(days[:2], days[2]).comparisons, count_uses(days[:1], days[2]).comparisons
        (2, 1)
    """
    return HoldoutUse(digest=present.digest, comparisons=1 + sum(_shares_rows(use, present) for use in earlier))


def _shares_rows(one: Use, other: Use) -> bool:
    if one.digest == other.digest:
        return True
    if one.first is None or one.last is None or other.first is None or other.last is None:
        # A window says nothing of rows without one; only the split can tell them apart.
        return one.split == other.split
    return _moment(one.first) <= _moment(other.last) and _moment(other.first) <= _moment(one.last)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
