"""How a server answers below the path by which a load balancer knows its model."""

import asyncio
from typing import Any

import httpx
import pytest

from prefect_mlops.tasks.bento_service.run import below


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
