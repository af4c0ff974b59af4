"""Whoever finds a model taken by another run is told who holds it, on a real server."""

from __future__ import annotations

import contextvars
import functools
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import flow

from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.flows import train as training
from prefect_mlops.flows import withdraw as withdrawing
from prefect_mlops.tasks import first_writer, one_writer, turn_to_write

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("prefect_api")]

SPEC = load_spec(Path(__file__).parents[2] / "deployments" / "specs" / "wine-cultivar.yaml")
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
CANARY = "mlops-release 'long-canary' since "


@pytest.fixture
def held(home: Path) -> ModelSpec:
    """A spec whose limit is there."""
    spec = SPEC.model_copy(update={"name": "held"})
    bootstrap([spec], home)
    return spec


@contextmanager
def canary_of(model: str) -> Iterator[None]:
    """A release that holds a model's lock for as long as this lasts."""
    begun, over = threading.Event(), threading.Event()

    @flow(name="mlops-release", flow_run_name="long-canary")
    def hold() -> None:
        with one_writer(model):
            begun.set()
            assert over.wait(120)

    thread = threading.Thread(target=contextvars.copy_context().run, args=[hold])  # with the server's address
    thread.start()
    try:
        assert begun.wait(60)
        yield
    finally:
        over.set()
        thread.join(60)


def test_a_training_that_comes_while_a_canary_runs_is_postponed_and_says_for_whom(
    held: ModelSpec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(training, "turn_to_write", functools.partial(turn_to_write, wait_seconds=1))
    with canary_of("held"):
        state = training.train(held, as_of=MARCH, return_state=True)

    assert (state.type.value, state.name) == ("COMPLETED", "Postponed"), state
    assert re.search(rf"held is held by {CANARY}20.*: waiting 1 seconds at most", caplog.text)
    assert str(state.message).startswith(f"held is held by {CANARY}20")
    assert "which was waited for 1 seconds. Nothing was learned. If `mlops-retrain` started this run" in str(
        state.message
    )


def test_another_flow_fails_with_the_holders_name_and_not_as_one_that_took_too_long(
    held: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(withdrawing, "one_writer", functools.partial(one_writer, wait_seconds=1))
    with canary_of("held"):
        state = withdrawing.withdraw(held, "none", as_of=MARCH, return_state=True)

    assert state.name == "Failed", state
    assert f"ModelBusy: held is held by {CANARY}" in str(state.message)
    assert "Run this again when that has ended, or cancel it." in str(state.message)


@pytest.mark.usefixtures("held")
def test_a_run_is_tagged_while_it_writes_and_a_rollback_that_goes_on_beside_it_tells_of_it(
    prefect_api: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("prefect_mlops.tasks.runs.POLITE_SECONDS", 1)

    @flow(log_prints=False)
    def roll_back() -> None:
        with first_writer("held"):
            pass

    def tagged() -> list[str]:
        asked = {"flow_runs": {"tags": {"all_": ["held-write"]}}}
        found = httpx.post(f"{prefect_api.url}/flow_runs/filter", json=asked, timeout=60).raise_for_status().json()
        return [run["name"] for run in found]

    with canary_of("held"):
        during = tagged()
        roll_back()

    assert (during, tagged()) == (["long-canary"], [])
    assert re.search(rf"{CANARY}.* still writes to held; this one goes on beside it", caplog.text)
