"""How what runs for ever goes on where something outside does not answer."""

from __future__ import annotations

import time as clock
from collections.abc import Callable

import httpx

from prefect_mlops.core.errors import MlopsError
from prefect_mlops.tasks.runs import run_logger

__all__ = ["Trouble"]

LONGEST_PAUSE_SECONDS = 60.0


class Trouble:
    """Lets the watch go on where something outside does not answer: said once, tried again after longer pauses."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._again_at: dict[str, float] = {}

    def survives(self, what: str, act: Callable[[], None]) -> bool:
        """Do something, unless its last failure was a moment ago; whether it was done."""
        if clock.monotonic() < self._again_at.get(what, 0.0):
            return False
        try:
            act()
        except (MlopsError, httpx.HTTPError) as error:
            failures = self._failures[what] = self._failures.get(what, 0) + 1
            self._again_at[what] = clock.monotonic() + min(2.0 ** (failures - 1), LONGEST_PAUSE_SECONDS)
            if failures == 1:
                run_logger().warning("No answer from %s; it is asked again until there is one. %s", what, error)
            return False
        if self._failures.pop(what, 0):
            run_logger().info("%s answers again.", what[0].upper() + what[1:])
        return True
