"""How the checks of one alarm gate or limit become its verdict."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prefect_mlops.core.evidence import Check, Examination, Family, Verdict

if TYPE_CHECKING:
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["alarm_verdict", "level_of_one", "limit_verdict", "sorted_checks"]


def alarm_verdict(gate_kind: str, metric: str, examination: Examination, level: float = 0.05) -> Verdict:
    """The verdict of a gate that must prove something wrong.

    Its p-value is the smallest of its checks, corrected over the gate, so that it is right for the gate as a whole and
    can be corrected over other gates. Checks without a p-value are listed and have no say.

    Args:
        gate_kind: The gate's kind.
        metric: What it looked at, where its worst check names no metric.
        examination: What it found.
        level: The chance that it fails where all is fine.

    Examples:
        >>> check = Check(name="carrier = AA", rows=500, p_value=0.001, adjusted_p=0.02, reason="AA is worse.")
        >>> verdict = alarm_verdict("holds-on-slices", "accuracy", Examination(gate="", checks=(check,)))
        >>> verdict.outcome, verdict.p_value, verdict.reason
        ('fail', 0.02, 'AA is worse. 1 of 1 check has a corrected p of at most 0.05.')
        >>> alarm_verdict("holds-on-slices", "accuracy", Examination(gate="", checks=(check,)), level=0.01).outcome
        'pass'
    """
    checks = sorted_checks(examination.checks)
    tested = [check for check in checks if check.p_value is not None]
    aside = [check for check in checks if check.p_value is None]
    if not tested:
        return _not_applicable(gate_kind, metric, "alarm", examination, checks)
    worst = tested[0]
    p_value = _corrected(worst)
    failed = sum(_corrected(check) <= level for check in tested)
    # True whatever the correction over other gates makes of it.
    count = f"{failed or 'None'} of {_counted(len(tested))}"
    said = f"{worst.reason} {count} {'have' if failed > 1 else 'has'} a corrected p of at most {level:g}."
    return Verdict(
        gate=gate_kind,
        metric=worst.metric or metric,
        family="alarm",
        outcome="fail" if failed else "pass",
        reason=" ".join(part for part in (said, examination.reason, _set_aside(aside)) if part),
        value=worst.value,
        bound=worst.bound,
        low=worst.low,
        high=worst.high,
        rows=worst.rows,
        minimum_detectable=worst.minimum_detectable,
        p_value=p_value,
        adjusted_p=p_value,
        checks=checks,
    )


def limit_verdict(
    gate_kind: str, metric: str, examination: Examination, breaks: Callable[[Check], bool] | None = None
) -> Verdict:
    """The verdict of a gate that holds facts against limits, without a test and without a correction.

    Args:
        gate_kind: The gate's kind.
        metric: What it looked at, where its worst check names no metric.
        examination: What it found.
        breaks: Whether a check with value and bound breaks its limit; a value above the bound does by default.
    """
    broken_by = breaks or _above
    judged = [check for check in examination.checks if check.value is not None and check.bound is not None]
    if not judged:
        return _not_applicable(gate_kind, metric, "limit", examination, examination.checks)
    broken = [check for check in judged if broken_by(check)]
    told = broken or judged
    aside = [check for check in examination.checks if check not in judged]
    ordered = (*broken, *(check for check in judged if check not in broken), *aside)
    said = " ".join(check.reason for check in told[:3])
    more = f" {len(told) - 3:,} more limits {'are broken' if broken else 'hold'}." if len(told) > 3 else ""
    return Verdict(
        gate=gate_kind,
        metric=told[0].metric or metric,
        family="limit",
        outcome="fail" if broken else "pass",
        reason=" ".join(part for part in (said + more, examination.reason, _set_aside(aside)) if part),
        value=told[0].value,
        bound=told[0].bound,
        rows=told[0].rows,
        checks=ordered,
    )


def level_of_one(spec: "ModelSpec") -> float:
    """The level at which any alarm gate of a spec fails for sure, however the others do: Holm's first step."""
    alarms = sum(getattr(gate, "family", "proof") == "alarm" for gate in spec.resolved_gates())
    return float(spec.alarm_level / max(1, alarms))


def sorted_checks(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Those with the most evidence first, those that were not tested last."""
    return tuple(
        sorted(
            checks,
            key=lambda one: (one.p_value is None, _corrected(one), 1.0 if one.p_value is None else one.p_value),
        )
    )


def _corrected(check: Check) -> float:
    if check.adjusted_p is not None:
        return check.adjusted_p
    return 1.0 if check.p_value is None else check.p_value


def _above(check: Check) -> bool:
    return check.value is not None and check.bound is not None and check.value > check.bound


def _not_applicable(
    kind: str, metric: str, family: Family, examination: Examination, checks: tuple[Check, ...]
) -> Verdict:
    told = "; ".join(f"{check.name}: {check.reason}" for check in checks[:3] if check.reason)
    more = f"; and {len(checks) - 3} more" if len(checks) > 3 else ""
    reason = examination.reason or (
        f"There is nothing to judge: {told}{more}." if told else "There is nothing to judge."
    )
    return Verdict(gate=kind, metric=metric, family=family, outcome="not applicable", reason=reason, checks=checks)


def _counted(count: int) -> str:
    return f"{count:,} check" if count == 1 else f"{count:,} checks"


def _set_aside(aside: list[Check]) -> str:
    if not aside:
        return ""
    names = ", ".join(dict.fromkeys(check.name for check in aside[:3]))
    more = f" and {len(aside) - 3:,} more" if len(aside) > 3 else ""
    return f"Not looked at, with the reason beside each: {names}{more}."
