"""How a server answers below the path by which a load balancer knows its model, and that its answers leave whole."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn

from prefect_mlops.blocks.serving import free_port
from prefect_mlops.tasks.bento_service.run import below, whole_answers


async def echo(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode() + b" " + scope["raw_path"]})


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("/flights/predict", "/predict"),
        ("/predict", "/predict"),
        ("/readyz", "/readyz"),
        ("/flightsx/p", "/flightsx/p"),
    ],
)
def test_a_path_below_the_prefix_and_one_without_it_mean_the_same(asked: str, meant: str) -> None:
    async def ask() -> str:
        transport = httpx.ASGITransport(below("/flights", echo))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return (await client.get(asked)).text

    assert asyncio.run(ask()) == f"{meant} {meant}"


async def in_pieces(scope: Any, receive: Any, send: Any) -> None:
    """Says a head, and after a moment a body in two pieces, which tells how many bytes it was sent."""
    if scope["type"] != "http":
        return
    sent = len((await receive()).get("body", b""))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.sleep(0.2)
    await send({"type": "http.response.body", "body": b"got %d" % sent, "more_body": True})
    await asyncio.sleep(0.2)
    await send({"type": "http.response.body", "body": b"!"})


@pytest.fixture(scope="module")
def whole() -> Iterator[int]:
    """The port of a server whose answers leave whole."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(in_pieces, port=port, http=whole_answers(), log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield port
    server.should_exit = True
    thread.join()


@pytest.mark.process
def test_a_head_leaves_with_the_first_of_its_body(whole: int) -> None:
    with socket.create_connection(("127.0.0.1", whole), timeout=5) as caller:
        caller.sendall(b"POST / HTTP/1.1\r\nhost: me\r\ncontent-length: 2\r\n\r\nhi")
        first = caller.recv(4096)

    assert first.startswith(b"HTTP/1.1 200")
    assert first.endswith(b"got 2\r\n")


@pytest.mark.process
@pytest.mark.parametrize(("method", "body"), [("POST", "got 2!"), ("HEAD", "")])
@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_answers_arrive_as_they_would(whole: int, method: str, body: str, connection: str) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{whole}", trust_env=False) as client:
        content = b"hi" if method == "POST" else b""
        answers = [client.request(method, "/", content=content, headers={"connection": connection}) for _ in range(2)]

    assert [(answer.status_code, answer.text) for answer in answers] == [(200, body)] * 2


@pytest.mark.process
def test_a_caller_who_asks_whether_to_go_on_is_told_so_at_once(whole: int) -> None:
    with socket.create_connection(("127.0.0.1", whole), timeout=5) as caller:
        caller.sendall(b"POST / HTTP/1.1\r\nhost: me\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        assert caller.recv(4096).startswith(b"HTTP/1.1 100")
        caller.sendall(b"hi")
        assert b"got 2" in caller.recv(4096)
