"""Versions compared on real users: a real server, registry, gateway and log, and labels that come later."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from prefect_mlops.blocks import LocalTarget, Places
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.tasks import find_comparison, look_at_arms, record_stage
from tests.flows.arena import NOW, SPEC, Arena, page_of, visits

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def arena(prefect_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    home = tmp_path_factory.mktemp("arena")
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        bootstrap([SPEC], home, environment="arena")
        LocalTarget(folder=str(home / "serving"), port=free_port()).save("arena", overwrite=True)
        places = Places.load("arena")
        try:
            yield Arena.open(places, "arena", prefect_server.env)
        finally:
            places.target.stop()


def test_a_better_version_of_three_is_told_by_labels_that_come_later(arena: Arena, prefect_server: Any) -> None:
    rows = visits(700, seed=2)

    # The plan is settled and users are divided; without a label nothing is said, and a second test must wait.
    assert arena.compare(against=[2, 3]).name == "Ongoing"
    met = arena.visit(rows, "first")
    assert Counter(met.values()).keys() == {1, 2, 3}
    silent = arena.compare(days=1)
    assert silent.name == "Ongoing"
    assert "nothing can be said yet from 0 users" in silent.message
    assert arena.compare(against=[3]).name == "Refused"
    again = arena.visit(rows.head(40).assign(visit=lambda r: r["visit"] + 500_000), "other")
    assert len(again) == 40

    # Some labels, then all.
    arena.label(rows.head(150), "labels-1")
    assert arena.compare(days=2).name == "Ongoing"
    arena.label(rows.tail(550), "labels-2")
    told = arena.compare(days=3)
    assert told.name == "Better", told.message
    assert arena.traffic() == ({"a": 100}, {"a": 1})
    ended = [r.body for r in arena.places.ledger.records(model="visits") if r.stage == "comparison.ended"][-1]
    assert ended["finding"]["winner"] == 2
    better, equal = ended["finding"]["effects"]
    assert (better["verdict"], equal["verdict"]) == ("better", "ongoing")
    assert better["users"] + equal["users"] + better["against"] == 700

    page = page_of(prefect_server.url)
    assert "Versions compared: better" in page
    assert "data:image/png;base64," in page
    assert "version 2: -" in page
    assert arena.compare(days=4).name == "Idle"


def test_equal_versions_have_no_winner_when_the_time_is_up(arena: Arena) -> None:
    rows = visits(260, seed=3)
    assert arena.compare(against=[3], max_days=2.0).name == "Ongoing"
    arena.visit(rows, "equal")
    arena.label(rows, "labels-3")

    assert arena.compare(days=1).name == "Ongoing"
    ended = arena.compare(days=2)

    assert ended.name == "Undecided"
    assert arena.traffic() == ({"a": 100}, {"a": 1})


def test_users_whose_outcomes_are_lost_on_one_side_make_a_test_invalid(arena: Arena, prefect_server: Any) -> None:
    rows = visits(500, seed=4)
    assert arena.compare(against=[2]).name == "Ongoing"
    met = arena.visit(rows, "lost")
    kept = [met[f"lost-{visit}"] == 1 or visit % 4 == 0 for visit in rows["visit"]]
    arena.label(rows[kept], "labels-4")

    ended = arena.compare(days=1)

    assert ended.name == "Invalid"
    assert ended.message.startswith("The users with an outcome are not split 50% / 50%")
    assert arena.traffic() == ({"a": 100}, {"a": 1})
    assert "Versions compared: invalid" in page_of(prefect_server.url)


@pytest.mark.slow
def test_a_test_ends_where_somebody_else_moves_the_traffic_or_stops_it(arena: Arena) -> None:
    assert arena.compare(against=[2]).name == "Ongoing"
    arena.places.target.set_weights("visits", {"a": 100})
    moved = arena.compare(days=1)
    assert (moved.name, arena.traffic()) == ("Stopped", ({"a": 100}, {"a": 1}))

    assert arena.compare(against=[2]).name == "Ongoing"
    assert arena.traffic()[0] == {"a": 50, "b": 50}
    stopped = arena.compare(stop=True)
    assert (stopped.name, arena.traffic()) == ("Stopped", ({"a": 100}, {"a": 1}))
    assert arena.stages()[-1] == "comparison.ended"


def kill(process: Any) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_a_test_that_is_killed_anywhere_goes_on_and_ends_once(arena: Arena, prefect_server: Any) -> None:
    before, rows = arena.stages(), visits(400, seed=5)

    # Killed while its arms are placed: the champion has all traffic, and the next run begins what was planned.
    run = arena.begin_compare(against=[2])
    arena.wait_for("comparison.planned", before.count("comparison.planned") + 1)
    kill(run)
    assert arena.traffic()[0] == {"a": 100}
    arena.unlock(prefect_server.url)
    assert arena.compare().name == "Ongoing"
    assert arena.traffic()[0] == {"a": 50, "b": 50}
    arena.visit(rows, "killed")

    # Killed in the middle of a look: users stay where they are.
    arena.label(rows, "labels-5")
    run = arena.begin_compare()
    arena.wait_locked(prefect_server.url)
    kill(run)
    assert arena.traffic()[0] == {"a": 50, "b": 50}
    arena.unlock(prefect_server.url)

    # Died right after its verdict, before users are back: the next run ends it by that very verdict.
    opened = find_comparison.fn(arena.places.ledger, arena.places.target, SPEC, None, [], 0, {})
    finding, _ = look_at_arms.fn(arena.places, SPEC, opened, NOW)
    record_stage.fn(arena.places.ledger, SPEC, "comparison.looked", "2", NOW, {"finding": finding}, key="killed")
    assert arena.traffic()[0] == {"a": 50, "b": 50}
    ended = arena.compare(days=1)

    assert (ended.name, ended.message) == ("Better", finding.reason)
    assert arena.traffic() == ({"a": 100}, {"a": 1})
    since = arena.stages()[len(before) :]
    assert since == [f"comparison.{done}" for done in ("planned", "started", "looked", "ended")]
