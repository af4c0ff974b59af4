"""The ledger says which release was begun and has not ended."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_mlops.core.ledger import GENESIS, Record, seal
from prefect_mlops.core.rollout.releases import open_release, rollback_asked

Entry = tuple[str, str, dict[str, Any]]
BEGUN: Entry = ("release.begun", "2", {"champion": 1, "run": "r1"})
GONE_ON: Entry = ("canary.step", "2", {"share": 0, "step": {"outcome": "go on"}})
HELD: Entry = ("canary.step", "2", {"share": 10, "step": {"outcome": "undecided"}})
RESUMED: Entry = ("release.resumed", "2", {"run": "r2"})
ASKED: Entry = ("rollback.asked", "1", {"reason": "slow"})


def story(*entries: Entry) -> list[Record]:
    records: list[Record] = []
    for number, (stage, subject, body) in enumerate(entries, 1):
        fields = {"at": f"2026-01-01T12:00:{number:02}+00:00", "as_of": "2026-01-01T00:00:00+00:00", "actor": "a"}
        fields |= {"model": "churn", "stage": stage, "subject": subject, "key": str(number), "body": body}
        records.append(seal(fields, sequence=number, previous=records[-1].digest if records else GENESIS))
    return records


def test_a_release_that_stopped_keeps_what_it_has_passed_and_how_often_it_was_gone_on_with() -> None:
    found = open_release(story(BEGUN, GONE_ON, RESUMED, HELD, RESUMED))

    assert found is not None
    assert (found.version, found.champion, found.resumed, found.passed) == (2, 1, 2, (0,))
    assert (found.at, found.run) == ("2026-01-01T12:00:01+00:00", "r2")


@pytest.mark.parametrize(
    "end",
    [
        ("release.ended", "2", {"outcome": "RolledBack"}),
        ("champion.promoted", "2", {"version": 2}),
        ("champion.rolled-back", "1", {"version": 1}),
        ("champion.adopted", "7", {"version": 7}),
        ("approval.refused", "2", {}),
    ],
)
def test_an_end_closes_it_whoever_was_behind_it(end: Entry) -> None:
    assert open_release(story(BEGUN, GONE_ON, end)) is None
    assert open_release(story(BEGUN, end, BEGUN)) is not None


def test_the_last_one_begun_is_the_open_one_and_takes_nothing_from_another() -> None:
    found = open_release(story(BEGUN, GONE_ON, RESUMED, ("release.begun", "3", {"champion": 1}), GONE_ON))

    assert found is not None
    assert (found.version, found.resumed, found.passed) == (3, 0, ())


def test_nothing_is_open_where_nothing_was_begun() -> None:
    assert open_release(story(GONE_ON, RESUMED)) is None


@pytest.mark.parametrize(
    ("told", "gives_way"),
    [
        ((BEGUN,), False),
        ((BEGUN, ASKED), True),
        ((BEGUN, ASKED, RESUMED), True),
        ((ASKED, BEGUN), False),
        ((BEGUN, ASKED, BEGUN), False),
        ((BEGUN, ASKED, ("release.begun", "3", {"champion": 1})), True),
    ],
)
def test_a_release_gives_way_to_a_rollback_that_was_asked_for_since_it_began(
    told: tuple[Entry, ...], gives_way: bool
) -> None:
    assert bool(rollback_asked(story(*told), 2)) == gives_way
