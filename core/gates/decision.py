"""What a gate is, and how many verdicts become one decision."""

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, runtime_checkable

from prefect_mlops.core.evidence import Decision, Evidence, Verdict

__all__ = ["Gate", "decide", "holm"]


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


def decide(gates: Iterable[Gate], evidence: Evidence, alarm_level: float = 0.05) -> Decision:
    """Ask every gate, in order, and say what follows.

    A proof gate has to show that the candidate is good. All of them must pass, so each is tested at its full level and
    none is corrected for the others (intersection-union test). An alarm gate has to show that something is wrong;
    the more of them look, the likelier one is wrong by chance, so their p-values are corrected over the family (Holm),
    and each fails where its corrected p-value is at most the level. A limit is held against its number as it is.

    Args:
        gates: The gates of a spec, at least one. One of somebody else's is a proof gate unless its verdict says else.
        evidence: What was measured.
        alarm_level: The chance that any alarm gate fails where all is fine.

    Returns:
        `rejected` if any gate fails; `accepted` if none does and every proof gate passes; `undecided` else. An alarm
        gate or a limit that is not applicable is listed and does not block.

    Raises:
        NotMeasured: A gate wants a metric that the evidence does not hold.

    References:
        Berger (1982), Technometrics 24(4), 295-300; Holm (1979), Scandinavian Journal of Statistics 6(2), 65-70.
    """
    verdicts = _corrected(tuple(gate.judge(evidence) for gate in gates), alarm_level)
    failed = [verdict for verdict in verdicts if verdict.outcome == "fail"]
    proofs = [verdict for verdict in verdicts if verdict.family == "proof"]
    waiting = [verdict for verdict in proofs if verdict.outcome != "pass"]
    outcome: Literal["accepted", "rejected", "undecided"]
    if failed:
        outcome, summary = "rejected", _sentence("Rejected", failed)
    elif waiting:
        outcome, summary = "undecided", _sentence("Undecided", waiting) + _needed(waiting)
    elif not proofs:
        outcome, summary = "undecided", "Undecided: the spec names no gate that could prove the candidate good."
    else:
        outcome, summary = "accepted", f"Accepted: {_passed(verdicts)}."
    return Decision(outcome=outcome, verdicts=verdicts, summary=summary, alarm_level=alarm_level)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values corrected over a family, in the order given.

    The smallest is multiplied by how many there are, the next by one fewer, and none falls below the one before it.

    Examples:
        Three tests: 3 * 0.01, then 2 * 0.02, which is more, then 0.9 as it is.

        >>> holm([0.02, 0.01, 0.9])
        (0.04, 0.03, 0.9)
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)


def _corrected(verdicts: tuple[Verdict, ...], level: float) -> tuple[Verdict, ...]:
    """The verdicts, with those of tested alarm gates as they are at a level for the whole family."""
    tested = [index for index, one in enumerate(verdicts) if one.family == "alarm" and one.p_value is not None]
    adjusted = dict(zip(tested, holm([verdicts[index].p_value or 0.0 for index in tested]), strict=True))
    found = []
    for index, verdict in enumerate(verdicts):
        if index not in adjusted:
            found.append(verdict)
            continue
        outcome = "not applicable" if verdict.outcome == "not applicable" else "pass"
        if adjusted[index] <= level and verdict.outcome != "not applicable":
            outcome = "fail"
        reason = verdict.reason
        if len(tested) > 1:
            reason += f" Over {len(tested)} alarm gates p = {adjusted[index]:.2g}."
        found.append(verdict.model_copy(update={"outcome": outcome, "adjusted_p": adjusted[index], "reason": reason}))
    return tuple(found)


def _passed(verdicts: tuple[Verdict, ...]) -> str:
    aside = [verdict.gate for verdict in verdicts if verdict.outcome == "not applicable"]
    count = len(verdicts) - len(aside)
    passed = "the gate passes" if count == 1 else f"all {count} gates pass"
    return f"{passed}; not applicable: {', '.join(aside)}" if aside else passed


def _needed(waiting: list[Verdict]) -> str:
    needed = [verdict.rows_needed for verdict in waiting if verdict.rows_needed is not None]
    return f" About {max(needed):,} rows would decide it." if needed else ""


def _sentence(outcome: str, verdicts: list[Verdict]) -> str:
    return f"{outcome}: " + " ".join(verdict.reason for verdict in verdicts)
