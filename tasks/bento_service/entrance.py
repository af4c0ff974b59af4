"""What every request passes before it reaches the model: token, size, and a note of who asked; beside `service.py`."""

import hmac
import json
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Answering = Callable[[bytes], Awaitable[tuple[int, bytes]]]

OPEN = {"/livez", "/readyz", "/healthz"}
FOREIGN = (b"application/vnd.bentoml", b"multipart/", b"application/x-www-form-urlencoded")
"""Content types that BentoML would read in ways of its own, one of them by pickle."""

JSON, CHALLENGE = (b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")

asked_by: ContextVar[Mapping[str, str]] = ContextVar(
    "asked_by", default=MappingProxyType({"request_id": "", "arm": ""})
)
"""The request's id, and the arm of a rollout that it was sent to; empty where nobody says."""


class Entrance:
    """An ASGI middleware; who has no token is answered 401, what is too large 413, what is no JSON 415.

    What BentoML does around a call (contexts, signatures, header by header) takes longer than most models: so requests
    to the path of `answer` go there at once, with all that stands before this middleware done.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], path: str, answer: Answering, most_bytes: int) -> None:
        self._app, self._path, self._answer, self._most = app, path, answer, most_bytes
        token = os.environ.get("MLOPS_TOKEN", "")
        self._wanted = f"Bearer {token}".encode() if token else b""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            return await self._app(scope, receive, send)
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if self._wanted and not hmac.compare_digest(headers.get(b"authorization", b""), self._wanted):
            return await _send(send, 401, _error("Authorization: Bearer <token> is needed"), CHALLENGE)
        if scope["method"] == "POST":
            return await self._posted(scope, headers, receive, send)
        return await self._app(scope, receive, send)

    async def _posted(self, scope: Message, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        if headers.get(b"content-type", b"").startswith(FOREIGN):
            return await _send(send, 415, _error("Send JSON, with content-type: application/json"))
        size = headers.get(b"content-length", b"")
        body = None if size.isdigit() and int(size) > self._most else await self._read(receive)
        if body is None:
            return await _send(send, 413, _error(f"A request may have {self._most:,} bytes; send its rows in several"))
        host = headers.get(b"host", b"").partition(b":")[0]
        arm = b"shadow" if host.endswith(b"-shadow") else headers.get(b"x-mlops-arm", b"")
        name = headers.get(b"x-request-id") or uuid.uuid4().hex.encode()
        asked_by.set({"request_id": name.decode("latin-1"), "arm": arm.decode("latin-1")})
        if scope["path"] != self._path:
            return await self._app(scope, _again(body, receive), send)
        status, content = await self._answer(body)
        return await _send(send, status, content, (b"x-request-id", name))

    async def _read(self, receive: Receive) -> bytes | None:
        """A body; None as soon as it is too large, whatever its header said."""
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body") and len(body) <= self._most:
            message = await receive()
            body += message.get("body", b"")
        return body if len(body) <= self._most else None


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, then goes on."""
    waiting = [body]

    async def give() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return give


async def _send(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [JSON, (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _error(reason: str) -> bytes:
    return json.dumps({"error": reason}).encode()
