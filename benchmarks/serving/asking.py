"""A client that costs next to nothing: one connection, requests whose bytes are made beforehand."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

__all__ = ["Asker", "bodies_for", "request_bytes"]

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Asker:
    """One connection that stays open."""

    def __init__(self, port: int, timeout_seconds: float = 30.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send one request; its status and the body of its answer."""
        self._socket.sendall(request)
        said = b""
        while (end := said.find(b"\r\n\r\n")) < 0:
            said += self._more()
        head, body = said[:end], said[end + 4 :]
        found = LENGTH.search(head)
        if found is None:
            raise ValueError(f"an answer of unknown length: {head!r}")
        while len(body) < int(found[1]):
            body += self._more()
        return int(head[9:12]), body

    def times(self, requests: Sequence[bytes], count: int) -> list[float]:
        """Milliseconds of so many requests one after another; all must be answered by 200."""
        taken = []
        for number in range(count):
            begun = time.perf_counter()
            status, body = self.ask(requests[number % len(requests)])
            taken.append(1000 * (time.perf_counter() - begun))
            if status != 200:
                raise ValueError(f"a request got {status}: {body[:300]!r}")
        return taken

    def _more(self) -> bytes:
        piece = self._socket.recv(65536)
        if not piece:
            raise ConnectionError("the server closed the connection")
        return piece


def request_bytes(path: str, body: bytes, **headers: str) -> bytes:
    """A POST of JSON."""
    lines = [f"POST {path} HTTP/1.1", "host: bench", "content-type: application/json", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def bodies_for(path: str, key: str, rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """A request for each row, alone in a list under some key."""
    return [request_bytes(path, json.dumps({key: [row]}).encode()) for row in rows]
