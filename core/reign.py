"""What has happened since the champion took over: the account that the next decision continues."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from prefect_mlops.core.evidence import HoldoutUse, Wager
from prefect_mlops.core.ledger import Record
from prefect_mlops.core.parts import Frozen

__all__ = ["ADOPTED", "PROMOTED", "TAKES_OVER", "Reign", "reign_of"]

ADOPTED, PROMOTED = "champion.adopted", "champion.promoted"
TAKES_OVER = (ADOPTED, PROMOTED, "champion.rolled-back")
"""Stages of the ledger with which a version becomes champion."""


class Reign(Frozen):
    """The champion's time in service, as the ledger has it.

    Attributes:
        version: The champion.
        days: For how long it has served; None where the ledger does not know.
        chosen_until: Time of the newest row that had a part in choosing it, ISO 8601; empty where rows have no time.
        since: When it took over, ISO 8601; empty where the ledger does not know.
        wagers: What betting on candidates against it has won so far.
        counted_until: By metric, the time of the newest row that any wager has counted, under any champion.
        holdout_use: How worn the judging rows are.
    """

    version: int
    days: float | None = None
    chosen_until: str = ""
    since: str = ""
    wagers: tuple[Wager, ...] = ()
    counted_until: dict[str, str] = Field(default_factory=dict)
    holdout_use: HoldoutUse | None = None

    def unseen_after(self, metric: str, *, arrived: bool = False) -> str:
        """The time after which no row has been bet on for a metric or has chosen the champion; empty for none.

        Args:
            metric: What is bet on.
            arrived: Whether rows are told by when they arrived, because they do not say when they happened.
        """
        chosen = self.since if arrived else self.chosen_until
        times = [time for time in (chosen, self.counted_until.get(metric, "")) if time]
        return max(times, key=datetime.fromisoformat, default="")


def reign_of(
    records: Sequence[Record],
    version: int,
    as_of: datetime,
    *,
    chosen_until: str = "",
    holdout_use: HoldoutUse | None = None,
) -> Reign:
    """Read a champion's reign from the ledger.

    A version that comes back by a rollback begins a new reign, in which no row counts that counted before.

    Args:
        records: The model's records, oldest first.
        version: The champion.
        as_of: Until when it has served, with a time zone.
        chosen_until: Time of the newest row that had a part in choosing it.
        holdout_use: How worn the judging rows are.
    """
    changes = [record for record in records if record.stage in TAKES_OVER]
    began = changes[-1] if changes and changes[-1].subject == str(version) else None
    wagers: dict[str, Wager] = {}
    counted: dict[str, str] = {}
    for record in records:
        for wager in _wagers(record):
            if wager.until:
                known = counted.get(wager.metric, wager.until)
                counted[wager.metric] = max(known, wager.until, key=datetime.fromisoformat)
            if wager.champion_version == version and (began is None or record.sequence > began.sequence):
                wagers[wager.metric] = wager
    return Reign(
        version=version,
        days=None if began is None else (as_of - datetime.fromisoformat(began.as_of)).total_seconds() / 86_400,
        chosen_until=chosen_until,
        since="" if began is None else began.as_of,
        wagers=tuple(wagers.values()),
        counted_until=counted,
        holdout_use=holdout_use,
    )


def _wagers(record: Record) -> list[Wager]:
    evidence = record.body.get("evidence") if record.stage.startswith("candidate.") else None
    found = evidence.get("wagers", ()) if isinstance(evidence, dict) else ()
    return [Wager.model_validate(wager) for wager in found]
