"""What the gateway says of itself: its counters, what it acts on by now, and whether requests are under way."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.names import Slot, other_slot

__all__ = ["Counters", "command", "gateway_idle", "read_counters", "wait_idle", "wait_live"]

LIVE_SECONDS = 10.0
QUIET_SECONDS = 0.25
"""A request that waits for its second attempt counts nowhere as under way, nor does one that a thread of the gateway
divides by the routes before; both end well within this time."""
CLUSTERS, ROUTES = "cluster_manager.cds.version_text", "http.gateway.rds.models.version_text"


class Counters(NamedTuple):
    """What a slot did since the gateway started.

    Attributes:
        requests: Requests that were sent to it first, or mirrored to it.
        errors: Those that it failed, also where the other slot answered in the end.
        dropped: Requests that were not mirrored to it, because as many as may wait did.
    """

    requests: int
    errors: int
    dropped: int = 0


def command(admin: str, path: str) -> None:
    """Tell the gateway something, such as `/reopen_logs`.

    Raises:
        ServingError: It does not answer.
    """
    with _asking(admin) as connection:
        _answer(connection, "POST", path)


def wait_live(admin: str, clusters: str, routes: str) -> None:
    """Wait until the gateway acts on these versions of its files.

    Raises:
        ServingError: It does not take them.
    """
    deadline = time.monotonic() + LIVE_SECONDS
    with _asking(admin) as connection:
        while time.monotonic() < deadline:
            live = _stats(connection, r"version_text$", type="TextReadouts")
            if (live.get(CLUSTERS), live.get(ROUTES)) == (clusters, routes):
                return
            time.sleep(0.003)
    raise ServingError(
        f"The gateway did not take its files within {LIVE_SECONDS:g} s",
        "Look at logs/envoy.log in the target's folder",
    )


def wait_idle(admin: str, model: str, slot: Slot, patience_seconds: float) -> bool:
    """Wait until no request is under way to a slot that gets no more of them.

    A slot may still be the second choice of a request that was divided before.

    Returns:
        Whether it came to that in time.
    """
    own, other = re.escape(f"{model}-{slot}"), re.escape(f"{model}-{other_slot(slot)}")
    return _idle(admin, rf"^cluster\.({own}(-first|-shadow)?|{other}-first)\.upstream_rq_active$", patience_seconds)


def gateway_idle(admin: str, patience_seconds: float) -> bool:
    """Wait until no request at all is under way; whether it came to that in time."""
    return _idle(admin, r"^http\.gateway\.downstream_rq_active$", patience_seconds)


def read_counters(admin: str, model: str, slot: Slot) -> Counters:
    """What the gateway counted for a slot; zeros where it saw nothing.

    A request that the slot failed and the other answered counts nowhere as an error but in the retries of the
    composite cluster; without a second slot it is a 5xx of the slot's own.

    Raises:
        ServingError: The gateway does not answer.
    """
    name = re.escape(f"{model}-{slot}")
    wanted = "completed|5xx|retry|retry_overflow|pending_overflow"
    with _asking(admin) as connection:
        found = _stats(connection, rf"^cluster\.{name}(-first|-shadow)?\.upstream_rq_({wanted})$")

    def total(stat: str, *kinds: str) -> int:
        return sum(int(found.get(f"cluster.{model}-{slot}{kind}.upstream_rq_{stat}", 0)) for kind in kinds)

    return Counters(
        requests=total("completed", "", "-first", "-shadow") - total("pending_overflow", "-shadow"),
        errors=total("5xx", "", "-shadow")
        + total("retry", "-first")
        + total("retry_overflow", "-first")
        - total("pending_overflow", "-shadow"),
        dropped=total("pending_overflow", "-shadow"),
    )


@contextlib.contextmanager
def _asking(admin: str) -> Iterator[http.client.HTTPConnection]:
    """One connection for a conversation; an HTTP client of more means takes longer to make than the answer."""
    connection = http.client.HTTPConnection(urlsplit(admin).netloc, timeout=5)
    try:
        yield connection
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        said = f"The gateway at {admin} does not answer ({type(error).__name__})"
        raise ServingError(said, "Run the flow again; it starts a gateway that died") from error
    finally:
        connection.close()


def _idle(admin: str, gauges: str, patience_seconds: float) -> bool:
    deadline = time.monotonic() + patience_seconds
    quiet_since: float | None = None
    with _asking(admin) as connection:
        while True:
            now, busy = time.monotonic(), any(_stats(connection, gauges).values())
            quiet_since = None if busy else quiet_since or now
            if quiet_since and now - quiet_since >= QUIET_SECONDS:
                return True
            if busy and now >= deadline:
                return False
            time.sleep(0.02)


def _stats(connection: http.client.HTTPConnection, pattern: str, **parameters: str) -> dict[str, Any]:
    asked = urlencode({"filter": pattern, "format": "json", **parameters})
    listed = json.loads(_answer(connection, "GET", f"/stats?{asked}"))["stats"]
    return {entry["name"]: entry["value"] for entry in listed if "name" in entry}


def _answer(connection: http.client.HTTPConnection, method: str, path: str) -> bytes:
    connection.request(method, path)
    return connection.getresponse().read()
