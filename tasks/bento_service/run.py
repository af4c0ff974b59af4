"""Serves the bento in whose folder it lies: one process of uvicorn, which ends when the model cannot load.

`python run.py --port 3000`; `bentoml serve` does the same with a supervisor, which starts a failing worker for ever.
Where `MLOPS_PREFIX` is `/flights`, it answers `/flights/predict` as it does `/predict`.
"""

import argparse
import gc
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

KEPT_ALIVE_SECONDS = 75
"""Longer than a gateway keeps an idle connection, so that it is never the server who closes one."""
DRAIN_SECONDS = 30
GO_ON = b"HTTP/1.1 100"
App = Callable[[Any, Any, Any], Awaitable[None]]


def main() -> None:
    """Serve until a signal comes; requests under way are answered first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    asked = parser.parse_args()
    folder = Path(__file__).parent
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    if (folder / "lean.py").is_file():  # a team's own service may call anything, and comes without it
        from lean import skip_unused

        skip_unused()

    import uvicorn
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.context import server_context
    from bentoml._internal.server.metrics.prometheus import PrometheusClient

    # One process counts in memory; files shared by several are slower, and stale after a crash.
    BentoMLContainer.metrics_client.set(PrometheusClient(multiproc=False))
    from service import service

    server_context.service_name = server_context.bento_name = service.name
    server_context.bento_version = folder.parent.name  # its metrics say which bento counted
    server_context.service_routes = [api.route for api in service.apis.values()]
    app: App = service.to_asgi()
    if prefix := os.environ.get("MLOPS_PREFIX", "").rstrip("/"):
        app = below(prefix, app)
    protocol = whole_answers()
    gc.collect()
    gc.freeze()  # what importing made stays for good; no later collection looks at it again
    uvicorn.run(
        app,
        host=asked.host,
        port=asked.port,
        http=protocol,
        access_log=False,
        log_level="warning",
        server_header=False,
        ws="none",
        timeout_keep_alive=KEPT_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def below(prefix: str, app: App) -> App:
    """The app, also below a path: a load balancer hands on the path of a request as it is."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith(f"{prefix}/"):
            path = scope["path"][len(prefix) :]
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await app(scope, receive, send)

    return serve


class Whole:
    """A connection on which the head of an answer waits for the first of its body, and both go in one write.

    A gateway that has a head hands it on. If the server then died before the body, nobody could ask another server for
    that answer; so no head leaves alone.
    """

    def __init__(self, transport: Any) -> None:
        self._transport, self._head = transport, b""

    def write(self, content: bytes) -> None:
        """Send the content and what waits for it; a head is what waits."""
        if not self._head and content.startswith(b"HTTP/1.1 ") and not content.startswith(GO_ON):
            self._head = content
        elif content or self._head:
            waiting, self._head = self._head, b""
            self._transport.write(waiting + content)

    def close(self) -> None:
        """Send what waits, then close."""
        self.write(b"")
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def whole_answers() -> type[Any]:
    """The protocol of uvicorn, on connections that are `Whole`."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class WholeAnswers(HttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(Whole(transport))  # type: ignore[arg-type]  # it stands in for one

        def on_response_complete(self) -> None:
            self.transport.write(b"")  # an answer to HEAD has no body to wait for
            super().on_response_complete()

    return WholeAnswers


if __name__ == "__main__":
    main()
