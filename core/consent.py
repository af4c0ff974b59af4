"""What a person is shown before a version sees traffic, and what their answer means for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from prefect_mlops.core.documents.markdown import as_markdown
from prefect_mlops.core.documents.parts import Document, Links, Part, Section, Table
from prefect_mlops.core.ledger import Record, canonical
from prefect_mlops.core.parts import Frozen

__all__ = ["Consent", "Shown", "consent_on_record", "judge_answer", "newer_accepted"]

ASKED, GIVEN, REFUSED = "approval.asked", "approval.given", "approval.refused"
OVER = ("champion.promoted", "champion.rolled-back", REFUSED)
"""Stages after which a version that wants traffic again is asked about again."""


class Consent(Frozen):
    """Whether a version may go on to traffic.

    Attributes:
        ended: How its release ends where it may not; empty where it may.
        reason: One sentence.
        who: Whoever decided, as they wrote it; empty where nobody was asked.
    """

    ended: Literal["", "Rejected", "Outdated"] = ""
    reason: str
    who: str = ""


class Shown(Frozen):
    """All that a decision rests on; its digest binds the answer to it.

    Attributes:
        model: The model's name.
        version: The version that asks for traffic.
        bento: Its package, named by its contents.
        champion: The version that it would replace; None for the first.
        spec_digest: The spec by which it was built, tried and will be rolled out.
        steps: Percent of the traffic that it gets, step by step.
        staged: What the trial of the package showed, by name.
        decision: What the gates said of it, one sentence.
        verdicts: A row for each gate: its outcome, its name, why.
        links: Addresses by name; how a process writes them is no part of what is decided.
    """

    model: str
    version: int
    bento: str
    champion: int | None
    spec_digest: str
    steps: tuple[int, ...] = ()
    staged: dict[str, str] = Field(default_factory=dict)
    decision: str = ""
    verdicts: tuple[tuple[str, str, str], ...] = ()
    links: dict[str, str] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over all of it but the links, in canonical JSON.

        Examples:
            >>> asked = Shown(model="m", version=2, bento="m:5e", champion=1, spec_digest="0")
            >>> asked.digest == asked.model_copy(update={"champion": 3}).digest
            False
        """
        return hashlib.sha256(canonical(self.model_dump(mode="json", exclude={"links"})).encode()).hexdigest()

    def markdown(self) -> str:
        """What stands above the form."""
        instead = f"version {self.champion}, the champion" if self.champion else "nobody: it would be the first"
        steps = f"{', '.join(f'{step}%' for step in self.steps)}, then all" if self.champion else "all at once"
        facts = {"would replace": instead, "traffic": steps, "bento": self.bento, "spec": self.spec_digest[:16]}
        told = {name: said for name, said in self.staged.items() if name != "reason"}
        tried: list[Part] = (
            [self.staged["reason"]] if self.staged.get("reason") else [Table(["", ""], list(told.items()))]
        )
        gates: list[Part] = [self.decision, Table(["", "gate", "why"], self.verdicts), Links(self.links)]
        sections = [
            Section("What the gates said", gates),
            Section("What its trial showed", tried),
        ]
        title = f"May version {self.version} of {self.model} see traffic?"
        how = (
            "The form is below. It says reject until you choose; without an answer in time the version is rejected. "
            "Its last field binds your answer to all that is shown here: should that change, the answer does not count."
        )
        return as_markdown(Document(title, [how, Table(["", ""], list(facts.items()))], sections))


def judge_answer(shown: Shown, answer: Mapping[str, Any] | None) -> Consent:
    """Say what an answer means.

    Args:
        shown: What the answer must be about, as it is now.
        answer: `decision`, `reason`, `who` and `shown`, the digest; None where somebody let the run go on without any.

    Returns:
        A finding: an answer to something else, or none at all, is a rejection.

    Examples:
        >>> asked = Shown(model="m", version=2, bento="m:5e", champion=1, spec_digest="0")
        >>> said = {"decision": "approve", "reason": "", "who": "ann", "shown": asked.digest}
        >>> judge_answer(asked, said).ended, judge_answer(asked, {**said, "shown": "5e"}).ended
        ('', 'Rejected')
    """
    if answer is None:
        return Consent(ended="Rejected", reason="The run was resumed without an answer that can be read.")
    who, reason = str(answer["who"]), str(answer["reason"]).strip()
    said = f"{who}: {reason}" if reason else f"{who}, without a reason"
    if answer["shown"] != shown.digest:
        other = (
            f"The answer of {who} is about {str(answer['shown'])[:16]!r}, and {shown.digest[:16]!r} was to be decided."
        )
        return Consent(ended="Rejected", reason=f"{other} What was shown has changed, or the digest was.", who=who)
    if answer["decision"] != "approve":
        return Consent(ended="Rejected", reason=f"A person rejected it ({said}).", who=who)
    return Consent(reason=f"A person approved it ({said}).", who=who)


def consent_on_record(records: Sequence[Record], shown: Shown, run: str) -> Consent | None:
    """The answer that stands already: this run's own, or that of a run which died on its way to full traffic.

    Args:
        records: The model's records, oldest first.
        shown: What is to be decided.
        run: This run.

    Returns:
        None where somebody must be asked.
    """
    mine = [record for record in records if record.subject == str(shown.version)]
    for record in mine:
        if record.stage in (GIVEN, REFUSED) and record.body["run"] == run:
            return Consent.model_validate(record.body["consent"])
    standing: Consent | None = None
    for record in mine:
        same = (record.body.get("bento"), record.body.get("champion")) == (shown.bento, shown.champion)
        if record.stage == GIVEN and same:
            given = Consent.model_validate(record.body["consent"])
            standing = given.model_copy(update={"reason": f"{given.reason} A run before this one had asked."})
        elif record.stage in OVER or _undone(record):
            standing = None
    return standing


def newer_accepted(records: Sequence[Record], version: int) -> int | None:
    """The newest version that the gates accepted after another one and that nobody has refused; None without any.

    Args:
        records: The model's records, oldest first.
        version: The version that waits.
    """
    waiting: set[int] = set()
    for record in records:
        if record.stage == "candidate.accepted":
            waiting.add(int(record.subject))
        elif record.stage == REFUSED or _undone(record):
            waiting.discard(int(record.subject))
    return max((newer for newer in waiting if newer > version), default=None)


def _undone(record: Record) -> bool:
    step = record.body.get("step") if record.stage == "canary.step" else None
    return isinstance(step, dict) and step.get("outcome") in ("roll back", "undecided")
