"""How often each gate of a spec is wrong, in words: what it lets through, or stops, that it should not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_mlops.core.gates import Gate
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["alpha_of", "error_rate", "planned_of"]


def error_rate(spec: ModelSpec, gate: Gate) -> str:
    """One sentence on a gate's error rate.

    Args:
        spec: The spec that it stands in: rows with a time are bet on, others are a hold-out that wears out.
        gate: One of its gates.

    Examples:
        >>> from types import SimpleNamespace
        >>> from prefect_mlops.core.gates import AtLeast
        >>> error_rate(SimpleNamespace(alarm_level=0.05), AtLeast(metric="roc_auc", bound=0.8))
        'Passes a candidate that does not reach the bound in at most 5% of cases.'
    """
    if ":" in gate.kind:
        return "Not known here: it is a gate of your own."
    family = getattr(gate, "family", "proof")
    if family == "limit":
        return "No test: a number is held against a number."
    if family == "alarm":
        level = _percent(spec.alarm_level)
        return f"All alarm gates together stop a candidate with which all is fine in at most {level} of cases."
    return _proof(spec, gate, _percent(alpha_of(gate)))


def alpha_of(gate: Any) -> float:
    """One less the gate's confidence; 0.05 where it names none.

    Examples:
        >>> from prefect_mlops.core.gates import AtMost
        >>> alpha_of(AtMost(metric="rmse", bound=3.0, confidence=0.99))
        0.01
    """
    return round(1.0 - float(getattr(gate, "confidence", 0.95)), 10)


def planned_of(gate: Any) -> int | None:
    """How many comparisons a hold-out serves; None where the gate does not count them."""
    planned = getattr(gate, "planned", None)
    return planned if isinstance(planned, int) else None


def _proof(spec: ModelSpec, gate: Gate, often: str) -> str:
    if getattr(gate, "on", "") == "point":
        return "It judges the bare value, and passes one that lies on the bound every second time."
    if gate.kind == "better-than-champion":
        return _replacing(spec, gate, often)
    if gate.kind == "not-worse-than-champion":
        return f"Passes a candidate that is worse by the margin in at most {often} of cases{_shared(gate)}."
    what = "is not better by more than the margin" if gate.kind.startswith("better") else "does not reach the bound"
    return f"Passes a candidate that {what} in at most {often} of cases."


def _replacing(spec: ModelSpec, gate: Any, often: str) -> str:
    if (getattr(gate, "rows", None) or ("fresh" if spec.data.time else "holdout")) == "fresh":
        return (
            f"Candidates that are never better replace a champion in at most {often} of reigns, however often one "
            "trains: every row is bet on once."
        )
    return f"A candidate that is not better replaces the champion in at most {often} of cases{_shared(gate)}."


def _shared(gate: Any) -> str:
    planned = planned_of(gate)
    if planned is None or planned == 1:
        return ""
    each = _percent(alpha_of(gate) / planned)
    return f", all {planned} comparisons that a hold-out serves together ({each} each)"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
