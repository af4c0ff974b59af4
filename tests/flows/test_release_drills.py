"""A release that is overruled, killed or cancelled while its canary has traffic; and no caller notices anything."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prefect.states import State

from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.flows.release import release
from prefect_mlops.flows.rollback import rollback

if TYPE_CHECKING:
    from tests.flows.conftest import Released

pytestmark = [pytest.mark.process, pytest.mark.slow]

APRIL = datetime(2026, 4, 1, tzinfo=UTC)
PLAN = {"steps": [10, 50], "requests_per_step": 200, "min_seconds_per_step": 0, "poll_seconds": 0.5}
PARTS = {"rollout": PLAN | {"latency_budget_ms": 10_000, "error_rate_limit": 0.05}}


@contextmanager
def rolling_out(released: Released, version: int) -> Iterator[list[State[Any]]]:
    """A release whose canary has its first traffic; the list has its end once it has one."""
    ends: list[State[Any]] = []
    before, spec = len(released.records("release.begun")), planned(released, requests_per_step=100_000)

    def roll_out() -> None:
        ends.append(release(spec, version, as_of=APRIL, return_state=True))

    thread = threading.Thread(target=contextvars.copy_context().run, args=[roll_out])  # with the server's address
    thread.start()
    released.wait(lambda: len(released.records("release.begun")) > before)
    released.wait(lambda: 10 in released.weights().values() or ends)
    yield ends
    thread.join(60)
    assert not thread.is_alive()


def planned(released: Released, **plan: Any) -> ModelSpec:
    return released.spec.model_copy(update={"rollout": released.spec.rollout.model_copy(update=plan)})


def test_a_breach_takes_a_promotion_back_when_it_began_while_that_was_watched_and_never_else(
    released: Released,
) -> None:
    with released.callers() as got:
        assert (
            release(planned(released, requests_per_step=20, steps=(50,)), 2, as_of=APRIL, return_state=True).name
            == "Promoted"
        )
        (promoted,) = (record.at for record in released.records("champion.promoted") if record.subject == "2")
        moment = datetime.fromisoformat(promoted)
        early, late = moment - timedelta(minutes=1), moment + timedelta(minutes=released.spec.rollout.watch_minutes + 1)
        refused = [
            rollback(released.spec, began=began.isoformat(), as_of=APRIL, return_state=True) for began in (early, late)
        ]
        kept = released.places.tracking.champion(released.spec.name)
        clock = time.monotonic()
        state = rollback(released.spec, began=moment.isoformat(), as_of=APRIL, return_state=True)
        took = time.monotonic() - clock

    assert [each.name for each in refused] == ["Refused", "Refused"]
    assert kept == 2
    assert state.name == "RolledBack", state.message
    assert took < 30
    assert released.places.tracking.champion(released.spec.name) == 1
    assert {status for status, _ in got} == {200}
    assert got[-1] == (200, 1)


def test_a_rollback_waits_for_no_release_and_takes_any_version(released: Released) -> None:
    with released.callers() as got, rolling_out(released, 3) as ends:
        clock = time.monotonic()
        state = rollback(released.spec, 2, "ann does not like it", as_of=APRIL, return_state=True)
        took = time.monotonic() - clock

    assert state.name == "RolledBack", state.message
    assert took < 60
    (end,) = ends
    assert end.name == "Outdated"
    assert end.message is not None
    assert "A rollback to version 2 was asked for while version 3 rolled out (ann does not like it)" in end.message
    assert released.places.tracking.champion(released.spec.name) == 2
    assert got[-1] == (200, 2)
    assert {status for status, _ in got} == {200}
    released.places.ledger.verify()


def test_an_alias_moved_by_hand_in_the_middle_ends_the_release_and_leaves_the_traffic_where_it_was(
    released: Released,
) -> None:
    client, name = released.places.tracking.client(), released.spec.name
    with released.callers() as got, rolling_out(released, 3) as ends:
        client.set_registered_model_alias(name, "champion", "1")
        released.wait(lambda: ends, 30)

    (end,) = ends
    assert end.name == "Outdated"
    assert "The champion was moved by hand while version 3 rolled out: version 1 is champion, version 2 was" in str(
        end.message
    )
    assert sorted(released.versions().values()) == [2]
    assert list(released.weights().values()) == [100]
    assert {status for status, _ in got} == {200}
    steps = [record.body["step"]["outcome"] for record in released.records("canary.step") if record.subject == "3"]
    assert steps == ["outdated", "outdated"]
    assert released.records()[-1].stage == "release.ended"
    client.set_registered_model_alias(name, "champion", "2")


def test_a_release_killed_in_its_canary_leaves_the_traffic_and_another_run_goes_on_with_it(
    released: Released, prefect_worker: Callable[..., int]
) -> None:
    worker = prefect_worker("local")
    with released.callers() as got:
        first = released.start("mlops-release", version=3)
        released.wait(lambda: 10 in released.weights().values())
        second = released.start("mlops-release", version=1)
        released.wait_for(second, "AwaitingConcurrencySlot")
        doomed = released.process_of(worker, first)
        assert doomed is not None
        before, known = released.weights(), released.ids("mlops-release")
        doomed.kill()
        released.wait_for(first, "Crashed")
        left = released.weights()
        third = released.wait_for_another("mlops-release", known)
        released.wait_for(second, "Outdated", seconds=300)
        released.wait_for(third, "Promoted", seconds=600)

    assert left == before
    assert {status for status, _ in got} == {200}
    assert got[-1] == (200, 3)
    assert released.run(third)["parameters"]["version"] == 0
    began = [record for record in released.records("release.begun") if record.subject == "3"][-1]
    since = [record.stage for record in released.records() if record.sequence > began.sequence]
    assert since.count("release.resumed") == 1
    assert since[-2:] == ["canary.step", "champion.promoted"]
    released.places.ledger.verify()


def test_a_release_that_is_cancelled_in_its_canary_is_undone(
    released: Released, prefect_worker: Callable[..., int]
) -> None:
    assert rollback(released.spec, 1, as_of=APRIL, return_state=True).name == "RolledBack"
    prefect_worker("local")
    whole = planned(released, requests_per_step=100_000).model_dump(mode="json")
    with released.callers() as got:
        run = released.start("mlops-release", version=2, spec=whole)
        released.wait(lambda: 10 in released.weights().values())
        known = released.ids("mlops-release")
        released.cancel(run)
        released.wait_for(run, "Cancelled")
        undoing = released.wait_for_another("mlops-release", known)
        released.wait_for(undoing, "RolledBack", seconds=300)

    assert list(released.weights().values()) == [100]
    assert {status for status, _ in got} == {200}
    assert got[-1] == (200, 1)
    assert released.records()[-1].body == {
        "outcome": "RolledBack",
        "reason": "Its run was cancelled; version 2 is undone.",
    }
