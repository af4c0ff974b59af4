"""What a shadow is sent where nobody copies requests: those that its champion has logged, a little later."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Self

from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.names import Slot

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks.tables import DeltaTables

__all__ = ["Copying", "read_answered", "send_again"]

COLUMNS = ("request_id", "row", "slot", "arm", "answered", "predicted_at", "features")
MOST = 500
"""Requests that are sent in one go; of more than that an even part."""
SLOTS: dict[str, Slot] = {"a": "a", "b": "b"}


class Copying(NamedTuple):
    """Who gets copies, of how much, and up to when the log was sent.

    Attributes:
        slot: The shadow's.
        percent: Of the requests.
        until: Seconds since 1970; what was answered up to then was sent, or is none of its business.
    """

    slot: Slot
    percent: int
    until: float

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What `written` wrote; None where it is something else.

        Examples:
            >>> Copying.read("b:50:1764034200.5")
            Copying(slot='b', percent=50, until=1764034200.5)
            >>> Copying.read("") is None
            True
        """
        slot, _, rest = text.partition(":")
        percent, _, until = rest.partition(":")
        try:
            return cls(SLOTS[slot], int(percent), float(until))
        except (KeyError, ValueError):
            return None

    def written(self) -> str:
        """All of it in one line."""
        return f"{self.slot}:{self.percent}:{self.until!r}"


def read_answered(tables: DeltaTables, model: str, copying: Copying, until: float) -> list[tuple[str, bytes]]:
    """The requests of a window that another slot than the shadow's answered: the id of each, and its body.

    Args:
        tables: Where the log's table is.
        model: Whose requests.
        copying: Who gets them, of how much, and from when on.
        until: To when, in seconds since 1970.
    """
    if not tables.exists(f"{model}-predictions"):
        return []
    after, before = (datetime.fromtimestamp(moment, UTC) for moment in (copying.until, until))
    found = tables.read(
        f"{model}-predictions", columns=COLUMNS, time="predicted_at", after=after, before=before
    ).sort_values(["predicted_at", "row"], kind="stable")
    named = found["request_id"].fillna("") != ""
    asked = found[named & (found["arm"] != "shadow") & (found["slot"] != copying.slot)]
    answered = asked[asked["answered"].map(lambda value: value is True or value == 1).astype(bool)]
    requests = ((str(name), _body(rows)) for name, rows in answered.groupby("request_id", sort=False))
    return [(name, body) for name, body in requests if _is_meant(name, copying)]


def send_again(asked: Sequence[tuple[str, bytes]], addresses: Sequence[str], token: str = "") -> int:
    """Send requests to the servers of a shadow, in turn, marked as copies.

    What a shadow fails it logs itself. A request that comes twice counts once, so whoever dies half-way begins anew.

    Args:
        asked: Ids and bodies.
        addresses: Of its servers, such as `http://10.0.1.7:3000`.
        token: What servers want to be shown; empty for none.

    Returns:
        How many were sent.

    Raises:
        ServingError: No server takes them, or one refuses what another version answered.
    """
    import httpx

    if not asked:
        return 0
    if not addresses:
        raise ServingError("The shadow has no healthy server", "Run the release again; it deploys one")
    step = -(-len(asked) // MOST) or 1
    headers = {"content-type": "application/json", "x-mlops-arm": "shadow"}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    chosen = list(asked)[::step]
    with httpx.Client(timeout=30, trust_env=False) as client:
        for number, (name, body) in enumerate(chosen):
            server = addresses[number % len(addresses)]
            try:
                said = client.post(f"{server}/predict", content=body, headers={**headers, "x-request-id": name})
            except httpx.HTTPError as error:
                cure = "Let the security group of the servers be reached from where flows run; traffic is as it was"
                raise ServingError(f"The shadow at {server} does not answer ({type(error).__name__})", cure) from error
            if said.status_code in (401, 403):
                raise ServingError(f"The shadow at {server} wants another token", "Mend `token_secret_arn`")
            if 400 <= said.status_code < 500:
                cure = (
                    "Leave `rollout.shadow` out of the spec where features are personal: the log does not hold those; "
                    "else the two versions take different rows"
                )
                raise ServingError(
                    f"The shadow refuses what the champion answered ({said.status_code}: {said.text[:200]})", cure
                )
    return len(chosen)


def _body(rows: pd.DataFrame) -> bytes:
    return json.dumps({"rows": [json.loads(features) for features in rows["features"]]}).encode()


def _is_meant(name: str, copying: Copying) -> bool:
    """Whether a request is among the percentage: the same ones whoever asks, also after a crash."""
    return zlib.crc32(name.encode()) % 100 < copying.percent
