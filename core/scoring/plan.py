"""Which windows of a model's accepted rows are scored by a run: new rows by default, any span when it is asked for.

A window is a day of the rows' own time, or all rows that were accepted at one moment. Accepted rows are only ever
appended to, so a window that has as many rows as it had when it was scored has the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.parts import Frozen

__all__ = [
    "Arm",
    "Recorded",
    "Scoring",
    "Window",
    "due_windows",
    "grouped",
    "window_before",
    "window_ends",
    "window_name",
]

Arm = Literal["champion", "shadow"]
Kind = Literal["day", "batch"]
MOMENT = "%Y-%m-%dT%H%M%S.%fZ"
"""No colons: the name is a folder's too. Names sort as their windows do, days and moments alike."""
WINDOWS_AT_ONCE = 31
ROWS_AT_ONCE = 2_000_000


class Scoring(Frozen):
    """When a model scores accepted rows by itself, and in which pieces."""

    on_data: Annotated[bool, Field(description="Score as soon as a batch is accepted.")] = False
    schedule: Annotated[
        str | None, Field(pattern=r"^\S+( \S+){4}$", description="Cron line in UTC at which new rows are scored.")
    ] = None
    window: Annotated[
        Kind,
        Field(description="What is scored as one: a UTC day of `data.time`, or what was accepted at one moment."),
    ] = "day"
    disagreement_limit: Annotated[
        float, Field(gt=0, lt=1, description="Share of rows that a candidate beside may answer otherwise.")
    ] = 0.2
    candidates: Annotated[
        Literal["unscored", "first", "only"],
        Field(
            description="Whether a release has its version score beside the champion: not at all, first and then by "
            "canary, or only so, for a model that nobody calls."
        ),
    ] = "unscored"


class Recorded(NamedTuple):
    """What a window's scores were made from.

    Attributes:
        version: The registry version that answered.
        rows: How many rows were scored.
        data_version: The version of the table of accepted rows that they were read from.
    """

    version: int
    rows: int
    data_version: int


class Window(NamedTuple):
    """A window to score.

    Attributes:
        name: The day, such as `2013-05-01`, or the moment of acceptance.
        rows: How many rows it has.
        before: What is on record of it; None where nothing is.
    """

    name: str
    rows: int
    before: Recorded | None = None

    def held(self, version: int | None = None) -> bool:
        """Whether what is on record stays: it has all the rows, and is of this version where one is named.

        Examples:
            >>> before = Recorded(version=2, rows=6, data_version=11)
            >>> Window("2013-05-01", 6, before).held(2), Window("2013-05-01", 6, before).held(3)
            (True, False)
            >>> Window("2013-05-01", 5, before).held(3), Window("2013-05-01", 7, before).held(2)
            (True, False)
        """
        if self.before is None or self.rows > self.before.rows:
            return False
        return self.rows < self.before.rows or version in (None, self.before.version)

    def why(self, version: int) -> str:
        """Why it is scored, in a few words."""
        if self.before is None:
            return "new"
        if self.before.rows != self.rows:
            return f"{self.rows - self.before.rows:+,} rows"
        return f"version {version} instead of {self.before.version}"


def window_name(moment: datetime, kind: Kind) -> str:
    """The window that a moment belongs to.

    Examples:
        >>> window_name(datetime(2013, 5, 1, 22, tzinfo=UTC), "day")
        '2013-05-01'
        >>> window_name(datetime(2013, 5, 1, 22, tzinfo=UTC), "batch")
        '2013-05-01T220000.000000Z'
    """
    moment = moment.astimezone(UTC)
    return moment.date().isoformat() if kind == "day" else moment.strftime(MOMENT)


def window_ends(name: str) -> tuple[datetime, datetime]:
    """The first moment of a window, and the first one after it.

    Examples:
        >>> first, after = window_ends("2013-05-01")
        >>> first.isoformat(), after.isoformat()
        ('2013-05-01T00:00:00+00:00', '2013-05-02T00:00:00+00:00')
    """
    if "T" in name:
        moment = datetime.strptime(name, MOMENT).replace(tzinfo=UTC)
        return moment, moment + timedelta(microseconds=1)
    first = datetime.fromisoformat(name).replace(tzinfo=UTC)
    return first, first + timedelta(days=1)


def window_before(name: str) -> str:
    """The name just before a window's own.

    Examples:
        >>> window_before("2013-05-01"), window_before("2013-05-01T220000.000000Z")
        ('2013-04-30', '2013-05-01T215959.999999Z')
    """
    first, _ = window_ends(name)
    return window_name(first - timedelta(microseconds=1), "batch" if "T" in name else "day")


def due_windows(
    found: Mapping[str, int],
    recorded: Mapping[str, Recorded],
    version: int,
    as_of: datetime,
    *,
    learned_until: str = "",
    start: date | None = None,
    end: date | None = None,
) -> tuple[Window, ...]:
    """Say which windows a run scores, the oldest first.

    Without a span: windows with rows that nobody has scored, after the first one on record that the version did not
    learn from; where there is none, after the newest one on record, or after all that it learned from. What is on
    record stays, whichever version it is from.
    With a span: all its windows whose scores lack rows or are of another version. A run that sees fewer rows of a
    window than were scored, because it belongs to an earlier moment, leaves that window as it is.

    Args:
        found: Rows of each window by name.
        recorded: What is on record of the windows scored so far.
        version: The version that scores.
        as_of: End of what may be read.
        learned_until: Name of the window up to which the version learned; empty where nobody knows it.
        start: First UTC day of the span.
        end: The day after the last one; with `start` alone the span is open.

    Raises:
        DataError: The span is empty, or ends after `as_of`'s day, or what is on record is cut into windows of the other
            kind.

    Examples:
        A day's window has grown since it was scored, another one is new, and one was learned from.

        >>> found = {"2013-04-30": 9, "2013-05-01": 7, "2013-05-02": 5}
        >>> known = {"2013-05-01": Recorded(version=2, rows=6, data_version=11)}
        >>> june = datetime(2013, 6, 1, tzinfo=UTC)
        >>> [window.name for window in due_windows(found, known, 3, june, learned_until="2013-04-30")]
        ['2013-05-01', '2013-05-02']
    """
    _require_span(start, end, as_of)
    _require_kind(found, recorded)
    windows = [Window(name, found[name], recorded.get(name)) for name in sorted(found)]
    if start is None and end is None:
        newest = max(recorded, default=learned_until)
        since = min((name for name in recorded if name > learned_until), default=min(newest, learned_until))
        return tuple(window for window in windows if not window.held() and (window.before or window.name > since))
    first, after = start.isoformat() if start else "", end.isoformat() if end else "~"
    return tuple(window for window in windows if first <= window.name < after and not window.held(version))


def grouped(windows: Sequence[Window], most: int = ROWS_AT_ONCE) -> Iterator[tuple[Window, ...]]:
    """Windows that are read in one pass: at most a month of days, or some rows unless one window alone has more.

    They are also written in one commit: what a run has committed is not scored again after a crash.

    Examples:
        >>> many = [Window(f"2013-05-{day:02d}", 900_000) for day in range(1, 6)]
        >>> [len(group) for group in grouped(many)]
        [2, 2, 1]
    """
    group: list[Window] = []
    for window in windows:
        rows = sum(each.rows for each in group)
        if group and (len(group) == WINDOWS_AT_ONCE or rows + window.rows > most):
            yield tuple(group)
            group = []
        group.append(window)
    if group:
        yield tuple(group)


def _require_span(start: date | None, end: date | None, as_of: datetime) -> None:
    if start is not None and end is not None and start >= end:
        raise DataError(
            f"The windows from {start} to {end} are none", "Give the first day, and the day after the last one"
        )
    today = as_of.astimezone(UTC).date()
    for word, day, latest in (("start", start, today), ("end", end, today + timedelta(days=1))):
        if day is not None and day > latest:
            raise DataError(
                f"The {word} {day} lies after {as_of.astimezone(UTC).isoformat()}, up to which rows are read",
                f"Give one up to {latest}, leave it out, or run it later",
            )


def _require_kind(found: Mapping[str, int], recorded: Mapping[str, Recorded]) -> None:
    """A row would be on record twice, once in a window of each kind."""
    if {"T" in name for name in found} | {"T" in name for name in recorded} == {True, False}:
        raise DataError(
            "The scores on record are in windows of another kind than `scoring.window` says",
            "Set it back, or move the table of scores away and score anew",
        )
