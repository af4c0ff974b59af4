"""Requests to a server under trial, over connections that stay open, at little cost to the one who asks."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

__all__ = ["Caller", "Reply", "load"]

HEADERS = {"content-type": "application/json"}


class Reply(NamedTuple):
    """What a request got.

    Attributes:
        status: Of the answer; 0 where the connection broke or nothing came in time.
        body: What it said; in that case what went wrong.
        ms: How long it took.
    """

    status: int
    body: bytes
    ms: float

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def quoted(self) -> str:
        """The beginning of the body for people."""
        return self.body[:200].decode(errors="replace")


class Caller:
    """One connection, which is opened again where the server closed it."""

    def __init__(self, url: str, timeout_seconds: float = 30.0) -> None:
        parts = urlsplit(url)
        self._path = parts.path.rstrip("/")
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def post(self, path: str, body: bytes) -> Reply:
        """Send one body; a server that is gone or too slow is a value, too."""
        begun = time.perf_counter()
        for attempt in (1, 2):
            try:
                # A server that refuses a body may hang up before it has read it, and has answered all the same.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self._connection.request("POST", self._path + path, body, HEADERS)
                answer = self._connection.getresponse()
                said = answer.read()
                return Reply(answer.status, said, 1000 * (time.perf_counter() - begun))
            except (http.client.HTTPException, OSError) as error:
                self._connection.close()
                # An idle connection may have been closed meanwhile: that is nobody's fault, once.
                idle = isinstance(error, http.client.RemoteDisconnected | BrokenPipeError | ConnectionResetError)
                if attempt == 2 or not idle:
                    return Reply(0, f"{type(error).__name__}: {error}".encode(), 1000 * (time.perf_counter() - begun))
        raise AssertionError("the second attempt returns")

    def ask(self, path: str, rows: Sequence[dict[str, Any]]) -> Reply:
        """Send rows as a request for predictions."""
        return self.post(path, json.dumps({"rows": list(rows)}).encode())


def load(url: str, path: str, bodies: Sequence[bytes], connections: int, seconds: float) -> tuple[int, int, float]:
    """Send bodies in turn over several connections for some time.

    Returns:
        Requests answered by 200, other requests, and the seconds it took.
    """
    done = threading.Barrier(connections + 1)
    counts = [[0, 0] for _ in range(connections)]

    def keep_asking(place: int) -> None:
        with Caller(url) as caller:
            done.wait()
            turn, ends = place, time.monotonic() + seconds
            while time.monotonic() < ends:
                status = caller.post(path, bodies[turn % len(bodies)]).status
                counts[place][status != 200] += 1
                turn += connections
                if not status:
                    return

    threads = [threading.Thread(target=keep_asking, args=(place,)) for place in range(connections)]
    for thread in threads:
        thread.start()
    done.wait()
    begun = time.monotonic()
    for thread in threads:
        thread.join()
    return sum(good for good, _ in counts), sum(bad for _, bad in counts), time.monotonic() - begun
