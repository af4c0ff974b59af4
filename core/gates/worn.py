"""How often judging rows have been compared on: a hold-out wears out, whatever it is called the next time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefect_mlops.core.evidence import HoldoutUse

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.ledger import Record

__all__ = ["COMPARED", "count_uses", "sketch_of"]

COMPARED = "holdout.compared"
"""The stage of the ledger that says a hold-out was used, written before anybody looks at the result."""
KEPT = 128
"""Rows that stand for all: two hold-outs that share a tenth of their rows are told apart once in 500 cases."""


def sketch_of(rows: pd.DataFrame, key: Sequence[str]) -> tuple[str, ...]:
    """The 128 lowest hashes of the rows' keys, which two sets have in common about as much as their rows.

    Args:
        rows: The judging rows, in any order.
        key: The columns that name a row.

    References:
        Broder (1997), Proceedings of Compression and Complexity of Sequences, 21-29.
    """
    import numpy as np
    import pandas as pd

    hashes = pd.util.hash_pandas_object(rows[[*key]].reset_index(drop=True), index=False).to_numpy()
    lowest = np.sort(np.partition(hashes, KEPT)[:KEPT] if len(hashes) > KEPT else hashes)
    return tuple(f"{number:016x}" for number in lowest)


def count_uses(records: Sequence[Record], digest: str, sketch: Sequence[str]) -> HoldoutUse:
    """How many comparisons these rows, or rows among them, have served, the present one included.

    A window that moves on by a day, and a hold-out to which new rows were added, are the same rows for the most part:
    whoever shares rows shares the account.

    Args:
        records: The model's records.
        digest: Of the present judging rows.
        sketch: Of the present judging rows.
    """
    present = set(sketch)
    earlier = sum(
        record.stage == COMPARED
        and (record.body.get("digest") == digest or not present.isdisjoint(record.body.get("sketch", ())))
        for record in records
    )
    return HoldoutUse(digest=digest, comparisons=earlier + 1)
