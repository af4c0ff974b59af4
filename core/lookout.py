"""When batches that wait are announced: new ones at once, old ones again, and never many times for a handful."""

from collections.abc import Collection
from typing import NamedTuple

__all__ = ["Lookout"]


class _Told(NamedTuple):
    batches: frozenset[str]
    at: float


class Lookout:
    """Remembers what was announced for whom, and says what is due.

    That batches wait is a state: while it lasts it is announced again, so a lost announcement costs time and no data.

    Args:
        breath_seconds: How long an announcement stands for all that lands meanwhile, before the next one.
        again_seconds: After how long batches that still wait are announced again.

    Examples:
        One file is announced at once, a second one within the same breath after it, and both again in a minute.

        >>> lookout = Lookout(breath_seconds=3.0, again_seconds=60.0)
        >>> lookout.is_due("m", {"m/a.csv"}, now=0.0)
        True
        >>> lookout.announced("m", {"m/a.csv"}, now=0.0)
        >>> [lookout.is_due("m", {"m/a.csv", "m/b.csv"}, now) for now in (1.0, 3.0)]
        [False, True]
        >>> lookout.announced("m", {"m/a.csv", "m/b.csv"}, now=3.0)
        >>> [lookout.is_due("m", {"m/b.csv"}, now) for now in (30.0, 63.0)]
        [False, True]
    """

    def __init__(self, breath_seconds: float = 3.0, again_seconds: float = 60.0) -> None:
        self._breath_seconds, self._again_seconds = breath_seconds, again_seconds
        self._told: dict[str, _Told] = {}

    def is_due(self, model: str, waiting: Collection[str], now: float) -> bool:
        """Whether a model's waiting batches should be announced now.

        Args:
            model: The model.
            waiting: The names of all its batches that wait.
            now: Seconds of a clock that never goes back.
        """
        told = self._told.get(model)
        if not waiting or told is None:
            return bool(waiting)
        if self.is_told(model, waiting):
            return now - told.at >= self._again_seconds
        return now - told.at >= self._breath_seconds

    def is_told(self, model: str, waiting: Collection[str]) -> bool:
        """Whether each of these batches was part of the model's last announcement; true where none waits."""
        told = self._told.get(model)
        return not waiting or (told is not None and told.batches.issuperset(waiting))

    def announced(self, model: str, waiting: Collection[str], now: float) -> None:
        """Remember that a model's waiting batches were announced."""
        self._told[model] = _Told(frozenset(waiting), now)
