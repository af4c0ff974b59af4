"""Which release a run begins, goes on with or undoes, by a real ledger and registry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prefect_mlops.blocks import Places
from prefect_mlops.core.ledger import Record
from prefect_mlops.core.scoring import Scoring
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import begin_release, find_usurper, record_stage, usurper_watch
from prefect_mlops.tasks.releases import Begun

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Model:
    """A model of three versions, of which none serves."""

    def __init__(self, spec: ModelSpec, places: Places) -> None:
        self.spec, self.places = spec, places
        client = places.tracking.client()
        client.create_registered_model(spec.name)
        for _ in range(3):
            client.create_model_version(spec.name, "file:///nowhere")

    def begin(self, version: int, cancelled: str = "") -> Begun:
        places = self.places
        return begin_release.fn(
            places.ledger, places.tracking, places.target, self.spec, version, NOON, cancelled=cancelled
        )

    def record(self, stage: str, subject: str, **body: Any) -> Record:
        return record_stage.fn(self.places.ledger, self.spec, stage, subject, NOON, body)

    def trust(self, version: int) -> None:
        client = self.places.tracking.client()
        client.set_registered_model_alias(self.spec.name, "champion", str(version))

    def stages(self) -> list[str]:
        return [record.stage for record in self.places.ledger.records(model=self.spec.name)]


@pytest.fixture
def model(toy_spec: Callable[..., ModelSpec], tmp_path: Path) -> Model:
    return Model(toy_spec("binary"), Places.local(tmp_path))


def test_a_run_without_a_version_goes_on_with_what_stopped_and_has_else_nothing_to_do(model: Model) -> None:
    assert model.begin(0).version == 0
    assert model.begin(2).version == 2

    resumed = model.begin(0)

    assert (resumed.version, resumed.moment, resumed.given_up) == (2, NOON, "")
    assert model.stages() == ["release.begun", "release.resumed"]


def test_a_release_that_stopped_four_times_is_undone(model: Model) -> None:
    model.begin(2)
    ends = [model.begin(0).given_up for _ in range(4)]

    assert ends[:3] == ["", "", ""]
    assert ends[3] == "Its runs stopped 4 times without an end; it is undone."


def test_what_a_cancelled_run_left_is_undone_and_what_another_run_does_is_not(model: Model) -> None:
    model.begin(2)
    (begun,) = model.places.ledger.records(model=model.spec.name)

    other = model.begin(0, cancelled="prefect.flow-run.11111111-1111-1111-1111-111111111111")
    mine = model.begin(0, cancelled=f"prefect.flow-run.{begun.body['run']}")

    assert other.version == 0
    assert (mine.version, mine.given_up) == (2, "Its run was cancelled; version 2 is undone.")


def test_a_run_that_was_to_undo_a_cancelled_release_and_died_is_followed_by_one_that_undoes_it(model: Model) -> None:
    model.begin(2)
    (begun,) = model.places.ledger.records(model=model.spec.name)
    cancelled = f"prefect.flow-run.{begun.body['run']}"
    model.begin(0, cancelled=cancelled)

    after = [model.begin(0), model.begin(0, cancelled=cancelled)]

    assert [each.given_up for each in after] == ["Its run was cancelled; version 2 is undone."] * 2
    assert model.begin(3).given_up == ""


def test_a_second_answer_to_one_stopped_run_finds_nothing_left(model: Model) -> None:
    model.begin(2)
    (begun,) = model.places.ledger.records(model=model.spec.name)
    model.begin(0)
    model.record("release.ended", "2", outcome="RolledBack", reason="It is worse.")

    again = [model.begin(0), model.begin(0, cancelled=f"prefect.flow-run.{begun.body['run']}")]

    assert [each.version for each in again] == [0, 0]
    assert model.stages() == ["release.begun", "release.resumed", "release.ended"]


def test_where_scores_alone_decide_a_run_without_a_version_takes_the_one_that_had_too_few_rows(model: Model) -> None:
    model.begin(2)
    model.record("release.ended", "2", outcome="Undecided", reason="Too few rows.")
    assert model.begin(0).version == 0
    model.spec = model.spec.model_copy(update={"scoring": Scoring(candidates="only")})

    again = model.begin(0)

    assert (again.version, again.reason) == (2, "The release of version 2 begins.")
    model.record("release.ended", "2", outcome="RolledBack", reason="It is worse.")
    assert model.begin(0).version == 0


def test_a_version_older_than_the_champion_is_outdated(model: Model) -> None:
    model.trust(3)

    assert model.begin(2).reason == "Version 3 is champion already."


def test_a_release_gives_way_to_an_alias_moved_by_hand_and_to_a_rollback(model: Model) -> None:
    model.trust(1)
    tracking, ledger = model.places.tracking, model.places.ledger
    begun = model.begin(2)
    look = usurper_watch(tracking, ledger, model.spec, begun)

    assert look() == ""
    model.trust(3)
    assert look().startswith("The champion was moved by hand while version 2 rolled out: version 3 is champion, ")
    model.trust(1)
    model.record("rollback.asked", "1", reason="slow")
    assert find_usurper.fn(tracking, ledger, model.spec, begun) == (
        "A rollback to version 1 was asked for while version 2 rolled out (slow); version 2 is undone."
    )


def test_a_release_that_stopped_ends_when_another_version_is_released_before_it_goes_on(model: Model) -> None:
    model.begin(2)
    begun = model.begin(3)

    told = model.places.ledger.records(model=model.spec.name)
    assert [(record.stage, record.subject) for record in told] == [
        ("release.begun", "2"),
        ("release.ended", "2"),
        ("release.begun", "3"),
    ]
    assert (begun.version, model.begin(0).version) == (3, 3)
