"""Asking a Prefect server that other tests keep busy."""

from __future__ import annotations

import time
from typing import Any

import httpx

__all__ = ["ask"]


def ask(method: str, url: str, seconds: float = 240, **body: Any) -> httpx.Response:
    """Ask until there is an answer.

    Args:
        method: GET or POST.
        url: Whom to ask.
        seconds: How long it is asked again while "not now" (503) is the answer, or none where it only reads.
        body: As `httpx.request` takes it.
    """
    deadline, reads = time.monotonic() + seconds, method == "GET" or url.endswith("/filter")
    while True:
        try:
            answer = httpx.request(method, url, timeout=60, **body)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                return answer
        except httpx.TimeoutException:
            if not reads or time.monotonic() > deadline:
                raise
        time.sleep(1)
