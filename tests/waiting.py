"""Waiting for what other processes do, for as long as it may take and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["until"]

Found = TypeVar("Found")


def until(
    look: Callable[[], Found],
    seconds: float = 60,
    said: Callable[[], object] | str = "nothing was there",
    pause: float = 0.2,
) -> Found:
    """Look, ever more seldom, until something is there.

    Args:
        look: Gives what it finds; what is false is not there yet.
        seconds: How long it may take.
        said: What did not come, or what to show then.
        pause: The longest between two looks; a drill that kills something in the middle looks more often.
    """
    deadline, next_pause = time.monotonic() + seconds, 0.01
    while not (found := look()):
        if time.monotonic() > deadline:
            told = said if isinstance(said, str) else said()
            raise AssertionError(f"It did not come within {seconds:g} s: {told}")
        time.sleep(min(next_pause, pause))
        next_pause *= 1.5
    return found
