"""A release run that ended badly is announced until something answers it, and never for ever."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_mlops.core.events import Event
from prefect_mlops.core.rollout.stopped import BAD_ENDS, MOST_IN_A_ROW, PATIENCE, ReleaseRun, unanswered

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
MINUTE = timedelta(minutes=1)


def run(state: str = "Crashed", *, id: str = "stopped", model: str = "wine", asks: bool = False) -> ReleaseRun:
    """One that ended badly at noon."""
    began = NOON - 10 * MINUTE
    return ReleaseRun(id=id, model=model, state=state, created=began, began=began, ended=NOON, asks=asks)


def other(state: str, created: int, began: int | None, ended: int | None = None, model: str = "wine") -> ReleaseRun:
    """A further run; its times are minutes after noon."""
    when = [None if each is None else NOON + each * MINUTE for each in (began, ended)]
    return ReleaseRun(
        id="other", model=model, state=state, created=NOON + created * MINUTE, began=when[0], ended=when[1]
    )


def events(*runs: ReleaseRun, withdrawn: tuple[str, ...] = (), now: datetime = LATER) -> list[str]:
    return [found.event for found in unanswered(runs, withdrawn, now) if found.run.id == "stopped"]


@pytest.mark.parametrize(
    ("state", "announced"),
    [
        ("Crashed", [Event.RELEASE_STOPPED]),
        ("TimedOut", [Event.RELEASE_STOPPED]),
        ("Failed", [Event.RELEASE_STOPPED]),
        ("Cancelled", [Event.RELEASE_CANCELLED]),
        ("Promoted", []),
        ("RolledBack", []),
        ("Running", []),
        ("Suspended", []),
    ],
)
def test_each_bad_end_is_announced_and_no_other(state: str, announced: list[Event]) -> None:
    assert events(run(state)) == announced


@pytest.mark.parametrize(
    "answer",
    [
        other("Scheduled", created=1, began=None),
        other("Running", created=1, began=2),
        other("Outdated", created=1, began=2, ended=3),
        other("Crashed", created=1, began=2, ended=3),
        other("AwaitingConcurrencySlot", created=-5, began=None),
        other("Running", created=-5, began=1),
    ],
)
def test_a_later_run_or_one_that_has_yet_to_begin_is_an_answer(answer: ReleaseRun) -> None:
    assert events(run(), answer) == []


@pytest.mark.parametrize(
    "none",
    [
        other("Promoted", created=-20, began=-20, ended=-15),
        other("Suspended", created=-20, began=-20),
        other("Cancelled", created=-5, began=None, ended=1),
        other("Running", created=1, began=2, model="bikes"),
    ],
)
def test_an_older_run_one_that_never_began_and_another_models_are_no_answer(none: ReleaseRun) -> None:
    assert events(run(), none) == [Event.RELEASE_STOPPED]


def test_a_failed_run_that_asks_people_is_also_answered_by_its_own_withdrawal() -> None:
    asked, resumed = run("Failed", asks=True), other("Outdated", created=1, began=2, ended=3)

    assert events(asked) == [Event.RELEASE_STOPPED, Event.RELEASE_FAILED]
    assert events(asked, resumed) == [Event.RELEASE_FAILED]
    assert events(asked, withdrawn=("stopped",)) == [Event.RELEASE_STOPPED]
    assert events(asked, resumed, withdrawn=("another",)) == [Event.RELEASE_FAILED]
    assert events(asked, resumed, withdrawn=("stopped",)) == []


@pytest.mark.parametrize(
    ("since", "is_announced"),
    [
        (PATIENCE - timedelta(seconds=1), False),
        (PATIENCE, True),
        (timedelta(days=1), True),
        (timedelta(days=1, seconds=1), False),
    ],
)
def test_the_automation_has_a_minute_and_yesterday_is_over(since: timedelta, is_announced: bool) -> None:
    assert bool(events(run(), now=NOON + since)) is is_announced


def fallen(count: int, state: str = "Failed") -> list[ReleaseRun]:
    """So many runs one after another, the last of them at noon."""
    ends = [NOON - back * MINUTE for back in reversed(range(count))]
    return [
        ReleaseRun(id=str(number), model="wine", state=state, created=end - MINUTE / 2, began=end, ended=end)
        for number, end in enumerate(ends)
    ]


@pytest.mark.parametrize(("count", "is_given_up"), [(1, False), (MOST_IN_A_ROW - 1, False), (MOST_IN_A_ROW, True)])
def test_a_release_that_ends_badly_again_and_again_is_left_to_people(count: int, is_given_up: bool) -> None:
    (found,) = unanswered(fallen(count), (), LATER)

    assert (found.run.id, found.is_given_up) == (str(count - 1), is_given_up)


def test_one_good_end_begins_the_count_anew_and_a_person_who_cancels_is_always_heard() -> None:
    ended, cancelled = fallen(MOST_IN_A_ROW), fallen(MOST_IN_A_ROW, "Cancelled")
    ended[3] = ended[3].model_copy(update={"state": "Outdated"})

    assert [found.is_given_up for found in unanswered(ended, (), LATER)] == [False]
    assert [found.is_given_up for found in unanswered(cancelled, (), LATER)] == [False]


@st.composite
def a_run(draw: st.DrawFn, id: str) -> ReleaseRun:
    created = NOON + draw(st.integers(0, 60)) * MINUTE
    began = draw(st.none() | st.integers(0, 30).map(lambda wait: created + wait * MINUTE))
    state = draw(st.sampled_from([*BAD_ENDS, "Outdated", "Running"]))
    ended = None if state == "Running" else (began or created) + draw(st.integers(0, 30)) * MINUTE
    model = draw(st.sampled_from(["wine", "bikes"]))
    return ReleaseRun(
        id=id, model=model, state=state, created=created, began=began, ended=ended, asks=draw(st.booleans())
    )


SOME = st.integers(0, 6).flatmap(lambda count: st.tuples(*(a_run(str(number)) for number in range(count))))


@given(runs=SOME, minutes=st.integers(0, 180), order=st.randoms())
def test_the_reactions_that_are_asked_for_are_answers_and_the_order_of_the_runs_is_none(
    runs: tuple[ReleaseRun, ...], minutes: int, order: Random
) -> None:
    now = NOON + minutes * MINUTE
    found = unanswered(runs, (), now)
    shuffled = list(runs)
    order.shuffle(shuffled)

    assert unanswered(shuffled, (), now) == found
    reactions = tuple(
        ReleaseRun(id=f"r{number}", model=each.run.model, state="Scheduled", created=now)
        for number, each in enumerate(found)
        if each.event != Event.RELEASE_FAILED
    )
    withdrawn = {each.run.id for each in found if each.event == Event.RELEASE_FAILED}
    assert unanswered((*runs, *reactions), withdrawn, now) == ()


@given(runs=SOME, minutes=st.integers(0, 180))
def test_no_model_hears_of_another(runs: tuple[ReleaseRun, ...], minutes: int) -> None:
    now = NOON + minutes * MINUTE
    alone = [
        found for model in ("wine", "bikes") for found in unanswered([r for r in runs if r.model == model], (), now)
    ]

    assert sorted(alone, key=str) == sorted(unanswered(runs, (), now), key=str)
