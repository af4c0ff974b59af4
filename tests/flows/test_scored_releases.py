"""A release whose version scores beside the champion first, or only: real flows, server, registry, tables, gateway."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pandas as pd
import pytest
from prefect.states import State

from prefect_mlops.blocks import LocalTarget, Places
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.core.names import write_limit
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.flows.monitor import monitor
from prefect_mlops.flows.release import release
from prefect_mlops.flows.score import score
from prefect_mlops.tasks import accept_labels
from tests.flows.callers import calling
from tests.tasks.scoring_cases import A_DAY, accept, day, spec_of, train_version, visits

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
NEW_DAYS, END = 40, day(50)
"""More than are committed at once, so that a release can die between two commits."""
PLAN = {"steps": [50], "requests_per_step": 20, "min_seconds_per_step": 0, "poll_seconds": 0.2}


def booked(candidates: str) -> ModelSpec:
    return spec_of(
        name="booked",
        data={"key": ["visit"], "time": "at", "labels": "later"},
        scoring={"candidates": candidates},
        monitors=[{"kind": "performance", "metric": "accuracy", "max_loss": 0.02, "min_labelled": 50}],
        rollout=PLAN | {"latency_budget_ms": 10_000, "error_rate_limit": 0.05},
    )


class Office(NamedTuple):
    """Version 1 is champion and has scored forty days; 2 sees one feature of three, 3 and 4 are as good as 1."""

    places: Places
    url: str
    env: dict[str, str]

    def release(self, candidates: str, version: int, moment: datetime = END) -> State[Any]:
        return release(booked(candidates), version, environment="office", as_of=moment, return_state=True)

    def score(self, moment: datetime = END, **span: Any) -> State[Any]:
        return score(booked("only"), environment="office", as_of=moment, return_state=True, **span)

    def scores(self, arm: str, version: int) -> pd.DataFrame:
        rows = self.places.tables.read("booked-scores")
        mine = (rows["arm"] == arm) & (rows["version"] == version)
        return rows[mine].sort_values("prediction_id", ignore_index=True)

    def stages(self, version: int) -> list[str]:
        return [record.stage for record in self.places.ledger.records("booked") if record.subject == str(version)]

    def served(self) -> tuple[list[int], list[int]]:
        """Which versions run, and who has how much of the traffic."""
        slots = self.places.target.slots("booked").values()
        return sorted(one.version for one in slots), sorted(self.places.target.weights("booked").values())

    def page(self) -> str:
        wanted = {"artifacts": {"key": {"any_": ["booked-scores"]}}, "sort": "CREATED_DESC", "limit": 1}
        (found,) = httpx.post(f"{self.url}/artifacts/filter", json=wanted, timeout=60).raise_for_status().json()
        return str(found["data"])

    def callers(self) -> AbstractContextManager[list[tuple[int, Any]]]:
        """Whoever calls it all the while."""
        row = visits(49, 1).drop(columns=["buys", "at"]).head(1)
        return calling(self.places.target.url("booked"), row, 0.01)


@pytest.fixture(scope="module")
def office(prefect_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    home, spec, rows = tmp_path_factory.mktemp("office"), booked("only"), visits(0, 10 + NEW_DAYS)
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        bootstrap([spec], home, environment="office")
        LocalTarget(folder=str(home / "serving"), port=free_port()).save("office", overwrite=True)
        found = Office(Places.load("office"), prefect_server.url, prefect_server.env)
        try:
            accept(found.places, spec, rows.drop(columns="buys"), "rows", day(50))
            accept_labels.fn(found.places.tables, spec, rows[["visit", "buys"]], "labels", day(50))
            known = rows[rows["at"] < day(10)]
            poor = spec.model_copy(update={"features": spec_of(features={"numeric": ["pages"]}).features})
            train_version(found.places, spec, known, day(10), promoted=False)
            train_version(found.places, poor, known, day(10), promoted=False)
            for seed in (1, 2):
                train_version(found.places, spec, known.sample(frac=0.9, random_state=seed), day(10), promoted=False)
            yield found
        finally:
            found.places.target.stop()


def test_the_first_version_has_nobody_beside_it_and_becomes_champion(office: Office) -> None:
    state = office.release("only", 1)

    assert state.name == "Promoted", state.message
    assert not office.places.tables.exists("booked-scores")
    assert office.score().name == "Scored"
    assert len(office.scores("champion", 1)) == NEW_DAYS * A_DAY


def test_a_worse_version_is_refused_by_its_scores_and_nothing_of_it_is_left_half_done(office: Office) -> None:
    before = office.scores("champion", 1)

    state = office.release("first", 2)

    assert state.name == "RolledBack"
    assert str(state.message).startswith("Scored beside: Version 2 is less often right than 1")
    assert office.places.tracking.champion("booked") == 1
    assert office.served() == ([1], [100])
    assert office.stages(2)[-2:] == ["candidate.scored", "release.ended"]
    assert "canary.step" not in office.stages(2)
    assert "Version 2 beside version 1: roll back" in office.page()
    shadow = office.scores("shadow", 2)
    assert sorted(shadow["key"]) == sorted(before["key"])
    pd.testing.assert_frame_equal(office.scores("champion", 1), before)


def test_a_version_that_answers_alike_goes_on_to_its_canary(office: Office) -> None:
    with office.callers() as got:
        state = office.release("first", 3)

    assert state.name == "Promoted", state.message
    assert office.places.tracking.champion("booked") == 3
    done = office.stages(3)
    assert done.index("candidate.scored") < done.index("canary.step") < done.index("champion.promoted")
    assert {status for status, _ in got} == {200}
    assert {version for _, version in got} == {1, 3}
    assert got[-1] == (200, 3)


def test_scores_that_the_new_champion_has_not_made_say_nothing_about_the_next(office: Office) -> None:
    state = office.release("only", 4)

    assert state.name == "Undecided"
    assert "Of 0 rows 0 (0.00%) are answered otherwise; too few rows" in str(state.message)
    assert office.served() == ([1, 3], [100])


def test_a_span_is_scored_again_by_the_new_champion_and_once(office: Office) -> None:
    span = {"start": day(10).date(), "end": day(50).date()}

    assert [office.score(**span).name for _ in range(2)] == ["Scored", "NothingNew"]
    assert office.scores("champion", 1).empty
    assert sorted(office.scores("champion", 3)["key"]) == sorted(visits(10, NEW_DAYS)["visit"].astype(str))


DIES = """
import json, sys, time
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.flows.monitor import monitor
from prefect_mlops.flows.release import release
from prefect_mlops.tasks import scoring

read, groups = scoring._score_rows, []

def read_one_group(*given):
    groups.append(given)
    if len(groups) == 2:
        print("half", flush=True)
        time.sleep(600)
    yield from read(*given)

scoring._score_rows = read_one_group
release(ModelSpec.model_validate_json(sys.argv[1]), 0, environment="office", as_of=sys.argv[2])
"""


def test_the_undecided_version_is_asked_for_again_and_killed_while_it_scores_and_scores_each_row_once(
    office: Office,
) -> None:
    command = [sys.executable, "-c", DIES, booked("only").model_dump_json(), day(50).isoformat()]
    run = subprocess.Popen(command, cwd=ROOT, env=office.env, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "half\n"
    run.kill()
    run.wait()
    half = office.scores("shadow", 4)
    assert (half["window"].nunique(), len(half)) == (31, 31 * A_DAY)
    assert office.places.tracking.champion("booked") == 3
    assert office.served() == ([1, 3], [100])
    _unlock(office)

    state = office.release("only", 0)

    assert state.name == "Promoted", state.message
    assert office.places.tracking.champion("booked") == 4
    done = office.stages(4)
    assert done.count("release.resumed") == 1
    assert "canary.step" not in done
    shadow = office.scores("shadow", 4)
    assert sorted(shadow["key"]) == sorted(office.scores("champion", 3)["key"])
    assert shadow["prediction_id"].is_unique
    assert set(half["prediction_id"]) <= set(shadow["prediction_id"])
    kept = shadow[shadow["window"].isin(half["window"].unique())]
    assert kept["scored_at"].unique().tolist() == half["scored_at"].unique().tolist()


def test_new_rows_are_scored_by_the_version_whose_scores_alone_made_it_champion(office: Office) -> None:
    new = visits(50, 2)
    accept(office.places, booked("only"), new.drop(columns="buys"), "new", day(52))

    state = office.score(day(52))

    assert state.name == "Scored", state.message
    found = office.scores("champion", 4)
    assert sorted(found["key"]) == sorted(new["visit"].astype(str))
    assert {*found["window"]} == {"2026-02-20", "2026-02-21"}
    office.places.ledger.verify()


def test_scores_are_monitored_like_served_answers(office: Office) -> None:
    labels, states = visits(50, 2)[["visit", "buys"]], []
    for moment, right in ((day(52), labels["buys"]), (day(53), ~labels["buys"])):
        accept_labels.fn(office.places.tables, booked("only"), labels.assign(buys=right), f"of {moment}", moment)
        states.append(monitor(booked("only"), environment="office", as_of=moment, return_state=True))

    assert [state.name for state in states] == ["Healthy", "Degraded"], states
    seen = [record.body["seen"] for record in office.places.ledger.records("booked", "monitor.looked")]
    assert [each["labelled"] for each in seen] == [2 * A_DAY, 2 * A_DAY]


def _unlock(office: Office) -> None:
    """What the server does by itself minutes after a run was killed: its lock is free again."""
    limit = f"{office.url}/v2/concurrency_limits/{write_limit('booked')}"
    httpx.patch(limit, json={"active_slots": 0}, timeout=60).raise_for_status()
