"""How a model's traffic was divided, and since when, in a text short enough for a tag."""

from typing import Annotated, Self

from pydantic import Field

from prefect_mlops.core.parts import Frozen

__all__ = ["MOST", "Change", "Shares"]

MOST = 256
"""Characters that the value of an AWS tag may have; the oldest changes are forgotten first."""


class Change(Frozen):
    """From when on slot b gets how much.

    Attributes:
        since: Seconds since 1970; the fraction is dropped.
        percent: Of the traffic, for slot b; slot a gets the rest.
    """

    since: Annotated[int, Field(ge=0)]
    percent: Annotated[int, Field(ge=0, le=100)]


class Shares(Frozen):
    """The changes of one rollout, oldest first."""

    changes: tuple[Change, ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """What `written` wrote.

        Raises:
            ValueError: It is something else.

        Examples:
            >>> Shares.read("1764034200:0 1764034260:10").now
            10
        """
        pairs = [entry.split(":") for entry in text.split()]
        return cls(changes=tuple(Change(since=int(since), percent=int(percent)) for since, percent in pairs))

    def written(self) -> str:
        """All of it in one line, or as many of the newest changes as fit into a tag."""
        text = " ".join(f"{change.since}:{change.percent}" for change in self.changes)
        return text if len(text) <= MOST else text[text.index(" ", len(text) - MOST - 1) + 1 :]

    @property
    def now(self) -> int | None:
        """The percent of slot b since the last change; None before the first."""
        return self.changes[-1].percent if self.changes else None

    def then(self, since: float, percent: int) -> Self:
        """With one change more."""
        return type(self)(changes=(*self.changes, Change(since=int(since), percent=percent)))

    def at(self, moment: float, settling: float = 0) -> int | None:
        """The percent of slot b that held for a request that came at some moment.

        Args:
            moment: Seconds since 1970.
            settling: Seconds after a change for which nobody can say which share held.

        Returns:
            None in such seconds, and before the first change.

        Examples:
            >>> shares = Shares.read("100:0 200:10")
            >>> [shares.at(moment, settling=5) for moment in (99, 104, 105, 199, 204, 300)]
            [None, None, 0, 0, None, 10]
        """
        before = [change for change in self.changes if change.since <= moment]
        if not before or moment < before[-1].since + settling:
            return None
        return before[-1].percent
