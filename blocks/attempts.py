"""The requests of a rollout, read from the table of the prediction log where no gateway writes them down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from prefect_mlops.core.names import Slot
from prefect_mlops.core.rollout.requests import Request
from prefect_mlops.core.rollout.shares import Shares

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks.tables import DeltaTables

__all__ = ["Unreached", "read_attempts", "requests_of", "whole_minute"]

COLUMNS = ("request_id", "row", "slot", "arm", "answered", "predicted_at", "latency_ms")
MINUTE = 60


class Unreached(NamedTuple):
    """Requests that no server of a slot took in one minute; only the load balancer knows of them."""

    slot: Slot
    minute: float
    requests: int


def whole_minute(moment: float) -> int:
    """The begin of the minute that a moment lies in, in seconds since 1970."""
    return int(moment) // MINUTE * MINUTE


def read_attempts(tables: DeltaTables, model: str, since: float, until: float) -> pd.DataFrame:
    """What the prediction log holds of a window, one row for each attempt, by the time of its end.

    Args:
        tables: Where the log's table is.
        model: Whose attempts.
        since: Its begin in seconds since 1970.
        until: Its end, itself not part of it.
    """
    # A window of the tables ends with its last moment; this one begins with its first.
    after, before = (datetime.fromtimestamp(moment, UTC) - timedelta(microseconds=1) for moment in (since, until))
    table = f"{model}-predictions"
    found = tables.read(table, columns=COLUMNS, time="predicted_at", after=after, before=before)
    attempts = found[(found["row"].fillna(0) == 0) & (found["arm"].fillna("") != "shadow")]
    return attempts.sort_values("predicted_at", kind="stable")


def requests_of(
    attempts: pd.DataFrame, unreached: Iterable[Unreached], shares: Shares, canary: Slot, settling: float
) -> tuple[Request, ...]:
    """The requests that two versions shared, in the order of their ends.

    A request that came while a change of the shares was settling counts for nobody: nobody can say by which chance it
    was assigned. One that no server took is in no log; the load balancer counts it by the minute, and it is placed
    evenly within its minute.

    Args:
        attempts: As `read_attempts` gives them.
        unreached: What the load balancer counted.
        shares: When slot b had which share.
        canary: The slot of the version that is tried.
        settling: Seconds that a change takes to reach every node of the load balancer.
    """
    found: list[tuple[float, Request]] = []
    columns = (attempts[name].tolist() for name in ("request_id", "slot", "answered", "predicted_at", "latency_ms"))
    for chain, slot, answered, ended, milliseconds in zip(*columns, strict=True):
        end = ended.timestamp()
        percent = _percent(shares.at(end - milliseconds / 1000, settling), canary)
        if percent:
            failed = answered is not None and not _is_true(answered)
            found.append((end, Request(str(chain or ""), "", slot == canary, percent, failed, float(milliseconds))))
    for slot, minute, requests in unreached:
        percent = _percent(_throughout(shares, minute, settling), canary)
        for number in range(requests if percent else 0):
            chain = f"unreached-{slot}-{int(minute)}-{number}"
            end = minute + (number + 0.5) / requests * MINUTE
            found.append((end, Request(chain, "", slot == canary, percent, True, 0.0)))
    return tuple(request for _, request in sorted(found, key=lambda pair: pair[0]))


def _percent(of_b: int | None, canary: Slot) -> int:
    """The canary's share; 0 where the traffic was not divided."""
    if of_b is None or not 0 < of_b < 100:
        return 0
    return of_b if canary == "b" else 100 - of_b


def _throughout(shares: Shares, minute: float, settling: float) -> int | None:
    """The share of slot b in a whole minute; None where it changed."""
    ends: Sequence[int | None] = [shares.at(minute, settling), shares.at(minute + MINUTE - 1, settling)]
    changed = any(minute <= change.since < minute + MINUTE for change in shares.changes)
    return None if changed or ends[0] != ends[1] else ends[0]


def _is_true(answered: object) -> bool:
    return bool(answered) and not (isinstance(answered, float) and math.isnan(answered))
