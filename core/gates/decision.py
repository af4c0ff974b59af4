"""What a gate is, and how many verdicts become one decision."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from prefect_mlops.core.evidence import Decision, Evidence, Verdict

__all__ = ["Gate", "decide"]


@runtime_checkable
class Gate(Protocol):
    """Anything that looks at evidence and says a verdict; bring one by `kind: "package.module:Class"`."""

    @property
    def kind(self) -> str:
        """The name under which a spec asks for it."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the evidence must hold."""

    def judge(self, evidence: Evidence) -> Verdict:
        """Look at the evidence; a finding is a verdict, never an exception."""


def decide(gates: Iterable[Gate], evidence: Evidence) -> Decision:
    """Ask every gate, in order, and say what follows.

    Each gate is a proof gate: all must pass, so each is tested at its full level and none is corrected for
    the others (intersection-union test).

    Args:
        gates: The gates of a spec, at least one.
        evidence: What was measured.

    Returns:
        `rejected` if any gate fails, `accepted` if every one passes, `undecided` else.

    Raises:
        NotMeasured: A gate wants a metric that the evidence does not hold.

    References:
        Berger (1982), Technometrics 24(4), 295-300.
    """
    verdicts = tuple(gate.judge(evidence) for gate in gates)
    failed = [verdict for verdict in verdicts if verdict.outcome == "fail"]
    waiting = [verdict for verdict in verdicts if verdict.outcome in ("undecided", "not applicable")]
    if failed:
        return Decision(outcome="rejected", verdicts=verdicts, summary=_sentence("Rejected", failed))
    if waiting:
        return Decision(outcome="undecided", verdicts=verdicts, summary=_sentence("Undecided", waiting))
    if not verdicts:
        return Decision(outcome="undecided", verdicts=(), summary="Undecided: the spec names no gate.")
    return Decision(outcome="accepted", verdicts=verdicts, summary=f"Accepted: all {len(verdicts)} gates pass.")


def _sentence(outcome: str, verdicts: list[Verdict]) -> str:
    return f"{outcome}: " + " ".join(verdict.reason for verdict in verdicts)
