"""A person between staging and traffic, on a real server: the runs are deployments' runs, done in this process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.states import Completed
from pydantic import SecretStr

from prefect_mlops.blocks import Ledger
from prefect_mlops.core.consent import Shown, consent_on_record, newer_accepted
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.staging import Staged
from prefect_mlops.tasks import ask_approval, find_lapse, record_lapse
from prefect_mlops.tasks.approving import still_asks
from prefect_mlops.tasks.packaging import Bento
from tests.waiting import until

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
STAGED = Staged(fit=True, reason="Staged: 50 golden rows answered as offline.")


class Asking:
    """Runs of a flow that does nothing but ask."""

    def __init__(self, url: str, spec: ModelSpec, ledger: Ledger) -> None:
        self.url, self.spec, self.ledger, self.version, self.champion = url, spec, ledger, 2, 0

        @flow(name="asks")
        def asks() -> State:
            bento = Bento(f"{spec.name}:{self.version}", spec.name, self.version)
            consent = ask_approval(self.spec, self.ledger, bento, STAGED, self.champion, MARCH)
            return Completed(name=consent.ended or "Approved", message=consent.reason)

        self.flow = asks
        with get_client(sync_client=True) as client:
            self.deployment = client.create_deployment(client.create_flow(asks), name="approvals")

    def start(self) -> UUID:
        with get_client(sync_client=True) as client:
            run: UUID = client.create_flow_run_from_deployment(self.deployment).id
        self.go_on(run)
        return run

    def go_on(self, run: UUID) -> Any:
        """What a worker does with a run that is due."""
        with get_client(sync_client=True) as client:
            found = client.read_flow_run(run)
            with contextlib.suppress(Pause):  # a worker's process ends with it
                run_flow(self.flow, flow_run=found, return_type="state")
            return client.read_flow_run(run).state

    def answer(self, run: UUID, **said: Any) -> httpx.Response:
        for _ in range(5):
            answered = httpx.post(f"{self.url}/flow_runs/{run}/resume", json={"run_input": said}, timeout=60)
            if answered.status_code != 503:  # SQLite is busy
                break
            time.sleep(1)
        return answered

    def digest(self, run: UUID) -> str:
        (asked,) = [r for r in self.records("approval.asked") if r.body["run"] == str(run)]
        return str(asked.body["digest"])

    def records(self, stage: str) -> list[Any]:
        return [record for record in self.ledger.records(model=self.spec.name) if record.stage == stage]


@pytest.fixture
def asking(prefect_api: Any, toy_spec: Callable[..., ModelSpec], tmp_path: Any) -> Iterator[Asking]:
    spec = toy_spec("binary", approval={"timeout_hours": 1})
    made = Asking(prefect_api.url, spec, Ledger(url=SecretStr(f"sqlite:///{tmp_path / 'ledger.db'}")))
    yield made
    httpx.delete(f"{prefect_api.url}/deployments/{made.deployment}")


def state_of(asking: Asking, run: UUID) -> str:
    return str(httpx.get(f"{asking.url}/flow_runs/{run}", timeout=60).json()["state"]["name"])


@pytest.mark.process
def test_a_version_goes_on_once_a_person_has_approved_what_was_shown(asking: Asking) -> None:
    run = asking.start()
    assert state_of(asking, run) == "Suspended"

    answered = asking.answer(run, decision="approve", who=" ann ", shown=asking.digest(run))
    ended = asking.go_on(run)

    assert (answered.status_code, answered.json()["status"]) == (201, "ACCEPT")
    assert (ended.name, ended.message) == ("Approved", "A person approved it (ann, without a reason).")
    (given,) = asking.records("approval.given")
    assert (given.subject, given.body["consent"]["who"]) == ("2", "ann")
    assert given.body["bento"] == "toy-binary:2"


@pytest.mark.process
def test_the_form_rejects_by_default_and_a_second_answer_does_nothing(asking: Asking) -> None:
    run = asking.start()
    asking.answer(run, who="bob", reason="not before the holidays", shown=asking.digest(run))
    ended = asking.go_on(run)

    late = asking.answer(run, decision="approve", who="bob", shown=asking.digest(run))

    assert (ended.name, ended.message) == ("Rejected", "A person rejected it (bob: not before the holidays).")
    assert (late.status_code, late.json()["status"]) == (200, "ABORT")
    assert len(asking.records("approval.refused")) == 1
    assert asking.records("approval.given") == []


@pytest.mark.process
def test_an_answer_that_is_none_leaves_the_run_where_it_is(asking: Asking) -> None:
    run, whole = asking.start(), {"decision": "approve", "who": "ann", "shown": "5e"}
    said: list[dict[str, Any]] = [{name: whole[name] for name in names} for names in ((), ("decision",), ("who",))]
    said += [{**whole, **wrong} for wrong in ({"who": ""}, {"who": 7}, {"decision": "yes"}, {"force": True})]

    refused = [asking.answer(run, **each) for each in said]

    assert [(answer.status_code, answer.json()["status"]) for answer in refused] == [(200, "REJECT")] * len(said)
    assert state_of(asking, run) == "Suspended"


@pytest.mark.process
def test_an_approval_of_something_else_is_a_rejection(asking: Asking) -> None:
    run = asking.start()
    asking.answer(run, decision="approve", who="ann", shown="5e" * 32)
    assert asking.go_on(run).name == "Rejected"

    changed = asking.start()
    asking.answer(changed, decision="approve", who="ann", shown=asking.digest(changed))
    asking.spec = asking.spec.model_copy(update={"alarm_level": 0.01})  # another spec than was shown
    ended = asking.go_on(changed)
    assert ended.name == "Rejected"
    assert "What was shown has changed" in str(ended.message)


@pytest.mark.process
def test_a_run_that_is_pushed_on_past_its_form_is_a_rejection(asking: Asking) -> None:
    run = asking.start()
    forced = {"state": {"type": "SCHEDULED", "name": "Scheduled"}, "force": True}
    assert httpx.post(f"{asking.url}/flow_runs/{run}/set_state", json=forced, timeout=60).status_code == 201

    ended = asking.go_on(run)

    assert (ended.name, ended.message) == (
        "Rejected",
        "The run was resumed without an answer that can be read.",
    )


@pytest.mark.process
def test_a_version_is_outdated_when_the_gates_have_accepted_a_newer_one_meanwhile(asking: Asking) -> None:
    run = asking.start()
    keep(asking.ledger, asking.spec.name, "candidate.accepted", "3")
    asking.answer(run, decision="approve", who="ann", shown=asking.digest(run))

    ended = asking.go_on(run)

    assert (ended.name, ended.message) == ("Outdated", "Version 3 was accepted meanwhile.")


@pytest.mark.process
def test_a_run_after_a_crash_is_not_asked_again_and_one_after_an_undone_canary_is(asking: Asking) -> None:
    first = asking.start()
    asking.answer(first, decision="approve", who="ann", shown=asking.digest(first))
    asking.go_on(first)

    resumed = asking.start()
    assert state_of(asking, resumed) == "Approved"

    keep(asking.ledger, asking.spec.name, "canary.step", "2", step={"outcome": "roll back"})
    assert state_of(asking, asking.start()) == "Suspended"


@pytest.mark.process
def test_only_the_run_of_a_deployment_can_wait_for_a_person(asking: Asking) -> None:
    state = asking.flow(return_state=True)

    with pytest.raises(DataError, match=r"prefect deployment run mlops-release/toy-binary --param version=2"):
        state.result()


@pytest.mark.process
def test_a_run_that_died_with_its_answer_asks_no_more(asking: Asking) -> None:
    run = asking.start()
    waiting = still_asks(str(run))
    asking.answer(run, decision="approve", who="ann", shown=asking.digest(run))
    answered = still_asks(str(run))
    crashed = {"state": {"type": "CRASHED", "name": "Crashed"}, "force": True}
    httpx.post(f"{asking.url}/flow_runs/{run}/set_state", json=crashed, timeout=60).raise_for_status()

    assert (waiting, answered) == (True, True)
    assert not still_asks(str(run))
    assert not still_asks("00000000-0000-0000-0000-000000000000")


@pytest.mark.process
def test_a_run_that_failed_at_work_has_not_lapsed(asking: Asking) -> None:
    run = asking.start()
    asking.answer(run, decision="approve", who="ann", shown=asking.digest(run))
    failed = {"state": {"type": "FAILED", "name": "Failed"}, "force": True}
    httpx.post(f"{asking.url}/flow_runs/{run}/set_state", json=failed, timeout=60).raise_for_status()

    lapse = find_lapse.fn(asking.ledger, asking.spec, f"prefect.flow-run.{run}")
    unasked = find_lapse.fn(asking.ledger, asking.spec, "prefect.flow-run.00000000-0000-0000-0000-000000000000")

    assert (lapse.run, lapse.reason) == ("", f"Run {run} did not fail while it waited for an answer.")
    assert (unasked.run, unasked.version) == ("", 0)


@pytest.mark.process
def test_a_run_that_nobody_answers_is_failed_by_the_server_and_stays_rejected(asking: Asking) -> None:
    asking.spec = asking.spec.model_copy(
        update={"approval": asking.spec.approval.model_copy(update={"timeout_hours": 0.5 / 3600})}  # type: ignore[union-attr]
    )
    run = asking.start()
    until(lambda: state_of(asking, run) == "Failed")
    late = asking.answer(run, decision="approve", who="ann", shown=asking.digest(run))

    assert still_asks(str(run))
    lapse = find_lapse.fn(asking.ledger, asking.spec, f"prefect.flow-run.{run}")
    record_lapse.fn(asking.ledger, asking.spec, lapse, MARCH)
    again = find_lapse.fn(asking.ledger, asking.spec, str(run))
    pushed = {"state": {"type": "SCHEDULED", "name": "Scheduled"}, "force": True}
    httpx.post(f"{asking.url}/flow_runs/{run}/set_state", json=pushed, timeout=60).raise_for_status()
    ended = asking.go_on(run)

    assert late.json()["status"] == "ABORT"
    assert (lapse.run, lapse.version, lapse.bento) == (str(run), 2, "toy-binary:2")
    assert lapse.reason.startswith("Nobody decided about version 2 until 20")
    assert again.run == ""
    assert (ended.name, ended.message) == ("Rejected", lapse.reason)


def test_a_newer_version_that_was_refused_outdates_nobody(tmp_path: Any) -> None:
    ledger = Ledger(url=SecretStr(f"sqlite:///{tmp_path / 'ledger.db'}"))
    for version in ("2", "3", "4"):
        keep(ledger, "m", "candidate.accepted", version)
    assert newer_accepted(ledger.records(model="m"), 2) == 4
    keep(ledger, "m", "approval.refused", "4", run="r", consent={"ended": "Rejected", "reason": "no"})
    keep(ledger, "m", "canary.step", "3", step={"outcome": "undecided"})

    assert newer_accepted(ledger.records(model="m"), 2) is None


def test_an_approval_of_another_bento_or_champion_does_not_stand(tmp_path: Any) -> None:
    ledger = Ledger(url=SecretStr(f"sqlite:///{tmp_path / 'ledger.db'}"))
    shown = Shown(model="m", version=2, bento="m:5e", champion=1, spec_digest="0")
    keep(ledger, "m", "approval.given", "2", run="r", bento="m:5e", champion=1, consent={"reason": "yes"})
    records = ledger.records(model="m")

    assert consent_on_record(records, shown, "other") is not None
    assert consent_on_record(records, shown.model_copy(update={"bento": "m:5f"}), "other") is None
    assert consent_on_record(records, shown.model_copy(update={"champion": 3}), "other") is None
    assert consent_on_record(records, shown.model_copy(update={"version": 3}), "other") is None


def keep(ledger: Ledger, model: str, stage: str, subject: str, **body: Any) -> None:
    ledger.append(
        model=model,
        stage=stage,
        subject=subject,
        body=body,
        as_of=MARCH.isoformat(),
        actor="test",
        key=f"{model}:{stage}:{subject}",
    )
