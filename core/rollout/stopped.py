"""Which release runs ended badly and had no answer since, told by the runs that there are."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from prefect_mlops.core.events import Event
from prefect_mlops.core.parts import Frozen

__all__ = ["BAD_ENDS", "LOOKED_BACK", "ReleaseRun", "Unanswered", "unanswered"]

BAD_ENDS = ("Crashed", "Failed", "TimedOut", "Cancelled")
PATIENCE = timedelta(seconds=60)
"""An automation answers within seconds; so long it is left to it."""
LOOKED_BACK = timedelta(days=1)
MOST_IN_A_ROW = 8
"""Four deaths and the run that undoes them, which may die too; what ends badly more often has a lasting reason."""


class ReleaseRun(Frozen):
    """A run that releases a model, as its orchestrator knows it.

    Attributes:
        id: The run's id.
        model: The model that is released.
        state: The name of its state.
        created: When somebody asked for it.
        began: When it began; None where it never did.
        ended: When it ended; None where it has not.
        asks: Whether the model's spec lets a person decide, so that a failed run may be one that nobody answered.
    """

    id: str
    model: str
    state: str
    created: datetime
    began: datetime | None = None
    ended: datetime | None = None
    asks: bool = False


class Unanswered(NamedTuple):
    """A run that ended badly, and what is announced about it for as long as nothing has answered it.

    Attributes:
        event: What is announced.
        run: The run.
        is_given_up: Whether so many runs of its model ended badly in a row that one more would do so too.
    """

    event: Event
    run: ReleaseRun
    is_given_up: bool = False


def unanswered(runs: Sequence[ReleaseRun], withdrawn: Collection[str], now: datetime) -> tuple[Unanswered, ...]:
    """The runs that ended badly at least a minute and at most a day ago, and that nobody has answered.

    A run is answered by any release of its model that was asked for or began after its end, or that has yet to begin:
    such a run goes on with what was left, or gives it up for another version. One that failed where a person
    may be asked is also answered by its withdrawal, which is announced for itself.

    Args:
        runs: Runs of any models, in any order.
        withdrawn: The ids of release runs for which a withdrawal was asked.
        now: The time of this look.

    Returns:
        What to announce, oldest run first.

    Examples:
        Seven was killed at noon; eight, which was asked for a second later, answers it.

        >>> noon = datetime(2026, 5, 1, 12)
        >>> seven = ReleaseRun(id="7", model="m", state="Crashed", created=noon - PATIENCE, ended=noon)
        >>> eight = ReleaseRun(id="8", model="m", state="Running", created=noon + timedelta(seconds=1))
        >>> [found.event.value for found in unanswered([seven], (), noon + PATIENCE)]
        ['mlops.release.stopped']
        >>> unanswered([seven, eight], (), noon + PATIENCE)
        ()
    """
    found = []
    for run in sorted(runs, key=lambda run: (run.created, run.id)):
        if run.state not in BAD_ENDS or run.ended is None or not PATIENCE <= now - run.ended <= LOOKED_BACK:
            continue
        if not any(_answers(other, run.model, run.ended) for other in runs if other.id != run.id):
            is_cancelled = run.state == "Cancelled"
            event = Event.RELEASE_CANCELLED if is_cancelled else Event.RELEASE_STOPPED
            is_given_up = not is_cancelled and _bad_in_a_row(runs, run) >= MOST_IN_A_ROW
            found.append(Unanswered(event, run, is_given_up))
        if run.asks and run.state == "Failed" and run.id not in withdrawn:
            found.append(Unanswered(Event.RELEASE_FAILED, run))
    return tuple(found)


def _answers(run: ReleaseRun, model: str, ended: datetime) -> bool:
    if run.model != model:
        return False
    is_later = run.ended is None if run.began is None else run.began > ended
    return is_later or run.created > ended


def _bad_in_a_row(runs: Sequence[ReleaseRun], last: ReleaseRun) -> int:
    """How many runs of a model ended badly one after another, up to this one."""
    before = [run for run in runs if run.model == last.model and run.created <= last.created]
    count = 0
    for run in sorted(before, key=lambda run: (run.created, run.id), reverse=True):
        if run.state not in BAD_ENDS:
            break
        count += 1
    return count
