"""Ask a person before a version sees traffic, and put away a version that may not."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from prefect import runtime, task
from pydantic import Field, StringConstraints, ValidationError, create_model

from prefect_mlops.core.consent import (
    ASKED,
    GIVEN,
    REFUSED,
    Consent,
    Shown,
    consent_on_record,
    judge_answer,
    newer_accepted,
)
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.events import Event
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.staging import Staged
from prefect_mlops.tasks.governance import record_stage
from prefect_mlops.tasks.publishing import announce
from prefect_mlops.tasks.rollout import withdraw_version
from prefect_mlops.tasks.runs import run_key, run_logger, run_name

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from prefect_mlops.blocks import BentoStore, Ledger, MlflowTracking, ServingTarget
    from prefect_mlops.core.ledger import Record
    from prefect_mlops.tasks.packaging import Bento

__all__ = [
    "Lapse",
    "ask_approval",
    "find_lapse",
    "recall_stage",
    "record_lapse",
    "still_asks",
    "withdraw_candidate",
]

RUN = "prefect.flow-run."
"""What the resource of a run's events begins with."""


class Lapse(NamedTuple):
    """Whether a failed run was waiting for a person, and what it wanted to release; `run` is empty where it was not."""

    run: str
    version: int
    bento: str
    reason: str


def recall_stage(ledger: Ledger, spec: ModelSpec, bento: Bento) -> Staged | None:
    """What this very run found when it staged a bento before it was suspended; None where it did not."""
    for record in _of_run(ledger, spec, "bento.staged", run_key()):
        if record.body.get("bento") == bento.tag:
            return Staged.model_validate(record.body["report"])
    return None


def ask_approval(
    spec: ModelSpec,
    ledger: Ledger,
    bento: Bento,
    staged: Staged,
    champion: int,
    as_of: datetime,
    target: ServingTarget | None = None,
) -> Consent:
    """Suspend the run until a person has answered, where the spec asks for one.

    Prefect ends the process, which frees the model's lock, and begins the flow anew in another one when somebody
    answers; then this returns. It is a function because a task cannot suspend its run. A run that nobody answers in
    time is ended by the server as Failed, and `mlops-withdraw` writes that down.

    Args:
        spec: The model's spec.
        ledger: Knows what the gates said, and keeps question and answer.
        bento: What would be served.
        staged: What its trial showed.
        champion: The version that it would replace; 0 for none.
        as_of: The time that the release belongs to.
        target: Where a run before this one may have left the version with traffic; nobody would judge it meanwhile.

    Returns:
        A finding; an answer to anything but what is shown now is a rejection.

    Raises:
        DataError: The run has no deployment, or is part of another run, so that Prefect cannot suspend it.
    """
    if spec.approval is None:
        return Consent(reason="No person has to agree.")
    records = ledger.records(model=spec.name)
    shown = _shown(spec, records, bento, staged, champion)
    consent = consent_on_record(records, shown, run_key())
    if consent is not None:
        return consent
    if runtime.deployment.id is None or runtime.flow_run.parent_flow_run_id is not None:
        raise DataError(
            f"Version {bento.version} of {spec.name} needs a person's approval, and only a deployment's run can wait",
            f"Run `prefect deployment run mlops-release/{spec.name} --param version={bento.version}`",
        )
    facts: dict[str, object] = {"run": run_key(), "bento": bento.tag, "champion": shown.champion}
    subject = str(bento.version)
    if not _of_run(ledger, spec, ASKED, run_key()):
        if target is not None:
            withdraw_version(spec, target, bento.version)
        record_stage(ledger, spec, ASKED, subject, as_of, {**facts, "digest": shown.digest, "shown": shown})
        said = (
            f"A person must agree to version {subject} within {spec.approval.timeout_hours:g} hours: run {run_name()}."
        )
        announce(Event.APPROVAL_ASKED, spec, subject, as_of, version=bento.version, reason=said)
    answer = _wait(shown, math.ceil(spec.approval.timeout_hours * 3600))
    consent, newer = judge_answer(shown, answer), newer_accepted(ledger.records(model=spec.name), bento.version)
    if newer is not None:
        consent = Consent(ended="Outdated", reason=f"Version {newer} was accepted meanwhile.", who=consent.who)
    record_stage(ledger, spec, REFUSED if consent.ended else GIVEN, subject, as_of, {**facts, "consent": consent})
    return consent


def _wait(shown: Shown, seconds: int) -> dict[str, Any] | None:
    """The answer, once there is one; before that, the process ends here."""
    from prefect.flow_runs import suspend_flow_run

    form = _form(shown)
    try:
        answer = suspend_flow_run(wait_for_input=form, timeout=seconds, key=f"approval-{shown.version}")
    except ValidationError as error:
        run_logger().warning("The run was resumed past its form: %s", error)
        return None
    said: dict[str, Any] = answer.model_dump()
    return said


def _form(shown: Shown) -> Any:
    """The form; the digest is filled in and yet required, so that no answer is about nothing."""
    from prefect.input import RunInput

    bound = Field(
        description="Digest of what is shown above; leave it as it is.", json_schema_extra={"default": shown.digest}
    )
    fields: dict[str, Any] = {
        "decision": (
            Annotated[Literal["approve", "reject"], Field(description="Whether it may see traffic.")],
            "reject",
        ),
        "who": (
            Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), Field(description="Your name.")],
            ...,
        ),
        "reason": (Annotated[str, Field(description="Why, for whoever reads the ledger.")], ""),
        "shown": (Annotated[str, bound], ...),
    }
    form = create_model("Approval", __base__=RunInput, **fields)
    form._description = shown.markdown()
    return form


def _shown(spec: ModelSpec, records: tuple[Record, ...], bento: Bento, staged: Staged, champion: int) -> Shown:
    from prefect_mlops.core.decisions.history import decision_in

    accepted = [r for r in records if r.stage == "candidate.accepted" and r.subject == str(bento.version)]
    decision = decision_in(accepted[-1]) if accepted else None
    verdicts = decision.verdicts if decision else ()
    measured = {name: value for name, value in staged.model_dump(mode="json").items() if name != "fit"}
    return Shown(
        model=spec.name,
        version=bento.version,
        bento=bento.tag,
        champion=champion or None,
        spec_digest=spec.digest,
        steps=spec.rollout.steps,
        staged={
            name.replace("_", " "): f"{value:.4g}" if isinstance(value, float) else str(value)
            for name, value in measured.items()
            if isinstance(value, bool | int | float | str)
        },
        decision=decision.summary if decision else "The ledger holds no decision of the gates about it.",
        verdicts=tuple((verdict.outcome, verdict.gate, verdict.reason) for verdict in verdicts),
        links=_links(spec),
    )


def _links(spec: ModelSpec) -> dict[str, str]:
    """Where the Prefect UI shows the documents of the decision."""
    from prefect.settings import PREFECT_UI_URL

    base = PREFECT_UI_URL.value()
    return {name: f"{base}/artifacts/key/{spec.name}-{name}" for name in ("decision", "card")} if base else {}


@task
def find_lapse(ledger: Ledger, spec: ModelSpec, run: str) -> Lapse:
    """Say whether a failed release run failed because nobody answered in time.

    It did where the ledger knows that it asked and has no answer, and where the server failed it while it was
    suspended; a run that failed at work after its answer is none of this step's business.

    Args:
        ledger: Knows what was asked.
        spec: The model's spec.
        run: The run's id, or its resource as an event names it.
    """
    found = run.removeprefix(RUN)
    asked = _of_run(ledger, spec, ASKED, found)
    if not asked:
        return Lapse("", 0, "", f"Run {found} has asked nobody about {spec.name}.")
    version, bento = int(asked[-1].subject), str(asked[-1].body["bento"])
    if _of_run(ledger, spec, GIVEN, found) or _of_run(ledger, spec, REFUSED, found):
        return Lapse("", version, bento, f"Run {found} had its answer about version {version}.")
    states = _states(found)
    if not _lapsed(states):
        return Lapse("", version, bento, f"Run {found} did not fail while it waited for an answer.")
    until = states[-2].state_details.pause_timeout
    waited = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    return Lapse(found, version, bento, f"Nobody decided about version {version}{waited}.")


def still_asks(run: str) -> bool:
    """Whether a run that has asked a person may yet have an answer, or had none in time, which `mlops-withdraw` notes.

    One that died between the answer and its own note of it has lost it, and somebody must be asked again.

    Args:
        run: Its id.
    """
    states = _states(run)
    return bool(states) and (not states[-1].is_final() or _lapsed(states))


def _states(run: str) -> list[State]:
    """Through which states a run has gone; none where nobody knows it any more."""
    from uuid import UUID

    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return sorted(client.read_flow_run_states(UUID(run)), key=lambda state: state.timestamp)


def _lapsed(states: list[State]) -> bool:
    """The server fails a run whose pause is over."""
    return len(states) > 1 and states[-1].is_failed() and states[-2].is_paused()


@task
def record_lapse(ledger: Ledger, spec: ModelSpec, lapse: Lapse, as_of: datetime) -> Record:
    """Write down, as the release run's own answer, that there was none; who resumes that run finds it."""
    consent = Consent(ended="Rejected", reason=lapse.reason)
    facts = {"run": lapse.run, "bento": lapse.bento, "consent": consent}
    return record_stage.fn(ledger, spec, REFUSED, str(lapse.version), as_of, facts, key=lapse.run)


@task
def withdraw_candidate(
    tracking: MlflowTracking, bentos: BentoStore, target: ServingTarget, spec: ModelSpec, version: int, bento: str
) -> None:
    """Take a version that may not see traffic out of the registry's candidates, its slot and the store.

    The version stays in the registry: who wants it after all releases it again, and is asked again.
    """
    client = tracking.client()
    if tracking.aliased(spec.name, "candidate") == version:
        client.delete_registered_model_alias(spec.name, "candidate")
    weights, running = target.weights(spec.name), target.slots(spec.name)
    for slot, occupied in running.items():
        if occupied.version == version and not weights.get(slot):
            target.remove(spec.name, slot)
    if bento not in {occupied.tag for occupied in target.slots(spec.name).values()}:
        bentos.discard(bento)


def _of_run(ledger: Ledger, spec: ModelSpec, stage: str, run: str) -> list[Record]:
    key = f"{spec.name}:{stage}:{run}"
    return [record for record in ledger.records(model=spec.name) if record.key == key]
