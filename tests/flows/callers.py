"""Callers who notice whatever happens to a model that is served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pandas as pd

__all__ = ["calling"]


@contextmanager
def calling(url: str, rows: pd.DataFrame, pause: float = 0.02) -> Iterator[list[tuple[int, Any]]]:
    """Two of them, who send rows again and again; what they get is their requests' status and version.

    The status is 0 where nobody answered, with the error instead of the version.
    """
    body = f'{{"rows": {rows.to_json(orient="records")}}}'
    got: list[tuple[int, Any]] = []
    going = threading.Event()

    def call() -> None:
        with httpx.Client(timeout=30, trust_env=False, headers={"content-type": "application/json"}) as client:
            while not going.wait(pause):
                try:
                    answer = client.post(f"{url}/predict", content=body)
                    got.append((answer.status_code, answer.json().get("version")))
                except (httpx.HTTPError, ValueError) as error:
                    got.append((0, repr(error)))

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield got
    finally:
        going.set()
        for thread in threads:
            thread.join()
