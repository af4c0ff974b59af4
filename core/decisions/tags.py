"""A decision in short words, by which MLflow can be searched."""

from __future__ import annotations

import re

from prefect_mlops.core.decisions.told import number
from prefect_mlops.core.evidence import Decision, Evidence, Outcome

__all__ = ["decision_tags"]

WORST: tuple[Outcome, ...] = ("fail", "undecided", "not applicable", "pass")


def decision_tags(evidence: Evidence, decision: Decision) -> dict[str, str]:
    """Tags by key; of several gates of a kind the worst outcome counts.

    Args:
        evidence: What was measured.
        decision: What the gates said.

    Returns:
        `mlops.decision`, `mlops.gates.<kind>` (in an import path a dot for the colon), `mlops.champion`,
        `mlops.anchor`, `mlops.holdout_uses`, and `mlops.e_value`, the least over the metrics, where there is one.

    Examples:
        >>> from prefect_mlops.core.evidence import Measurement, Verdict
        >>> value = Measurement(metric="rmse", subject="candidate", value=1.0, standard_error=0.1,
        ...                     degrees_of_freedom=99, higher_is_better=False, rows=100)
        >>> evidence = Evidence(model="m", candidate="c", judged_on="", holdout_digest="", measurements=(value,))
        >>> verdict = Verdict(gate="acme.gates:Cheap", metric="rmse", outcome="pass", reason="It is.")
        >>> decision_tags(evidence, Decision(outcome="accepted", verdicts=(verdict,), summary="Accepted."))
        {'mlops.decision': 'accepted', 'mlops.gates.acme.gates.Cheap': 'pass'}
    """
    tags: dict[str, str] = {"mlops.decision": decision.outcome}
    for verdict in sorted(decision.verdicts, key=lambda one: WORST.index(one.outcome)):
        tags.setdefault(f"mlops.gates.{re.sub(r'[^A-Za-z0-9_./ -]', '.', verdict.gate)}", verdict.outcome)
    facts = {
        "mlops.champion": evidence.champion_version,
        "mlops.anchor": evidence.anchor_version,
        "mlops.holdout_uses": evidence.holdout_use.comparisons if evidence.holdout_use else None,
    }
    tags |= {key: str(value) for key, value in facts.items() if value is not None}
    if evidence.wagers:
        tags["mlops.e_value"] = number(min(one.e_value for one in evidence.wagers))
    return tags
