"""One request of a rollout, as whoever divides the traffic saw it."""

from typing import NamedTuple

__all__ = ["Request"]


class Request(NamedTuple):
    """One answered request, assigned by chance to a canary or to its champion.

    Attributes:
        chain: Names the request and its repetitions: a client that tries again sends the same `x-request-id`.
        user: Who asked; empty where nobody is named.
        on_canary: Whether it was assigned to the canary, whoever answered in the end.
        percent: The canary's percent of the traffic when it was assigned.
        failed: Whether the version that it was assigned to failed it.
        milliseconds: From its arrival to its answer.
        slot: The slot that it was assigned to; empty where only two share the traffic and nobody wrote it down.
    """

    chain: str
    user: str
    on_canary: bool
    percent: int
    failed: bool
    milliseconds: float
    slot: str = ""
