"""Which version the anchor is: what keeps many small steps down, each within its margin, from adding up."""

from datetime import datetime, timedelta

from prefect_mlops.core.evidence import Decision, Evidence
from prefect_mlops.core.gates.confidence import confidence_bounds, estimate_of

__all__ = ["moves_anchor"]

OLDEST = timedelta(days=365)
CONFIDENCE = 0.95


def moves_anchor(
    evidence: Evidence, decision: Decision, *, anchor: int | None, anchored_at: datetime | None, as_of: datetime
) -> bool:
    """Whether a version that becomes champion becomes the anchor too.

    Args:
        evidence: What the version was judged on.
        decision: What the gates said of it.
        anchor: The anchor so far; None where there is none.
        anchored_at: Since when; None where it is not known.
        as_of: When the version becomes champion.

    Returns:
        Yes where there is no anchor, where it is older than a year, and where the version was proved better than it:
        by a gate `better-than-champion` while the anchor was champion, or by its paired lower bound at 95%. A version
        that is only not worse leaves the anchor where it is.
    """
    if anchor is None or (anchored_at is not None and as_of - anchored_at > OLDEST):
        return True
    if evidence.anchor_version != anchor:
        return False
    better = [one for one in decision.verdicts if one.gate == "better-than-champion" and one.outcome == "pass"]
    if evidence.champion_version == anchor:
        return bool(better)
    metrics = {verdict.metric for verdict in better}
    return any(
        _low(evidence, one.metric) > 0.0
        for one in evidence.comparisons
        if one.against == "anchor" and one.metric in metrics
    )


def _low(evidence: Evidence, metric: str) -> float:
    found = evidence.compared(metric, "anchor")
    if found.degrees_of_freedom < 1:
        return float("nan")
    return confidence_bounds(estimate_of(found), CONFIDENCE)[0]
