"""How an estimate with a standard error becomes a verdict: pass, fail, or too few rows to tell."""

import math
from typing import Literal, NamedTuple

from prefect_mlops.core.evidence import Verdict

__all__ = ["Estimate", "verdict_on"]

POWER = 0.80


class Estimate(NamedTuple):
    """A value, its standard error, that error's degrees of freedom, and the rows it rests on."""

    value: float
    standard_error: float
    degrees_of_freedom: int
    rows: int


def verdict_on(
    estimate: Estimate,
    *,
    kind: str,
    metric: str,
    subject: str,
    bound: float,
    sign: int,
    confidence: float,
    point: bool = False,
    effect: float | None = None,
) -> Verdict:
    """Hold an estimate against a bound.

    Args:
        estimate: What was measured.
        kind: The gate's kind, for the verdict.
        metric: The metric's name, for the verdict.
        subject: The start of the reason's sentence.
        bound: What the value is held against.
        sign: 1 where the value must reach the bound from below, -1 where it must keep under it.
        confidence: One-sided confidence, such as 0.95.
        point: Judge the bare value and leave the bounds as information.
        effect: The distance worth finding, for `rows_needed`.

    Returns:
        `pass` when the confidence bound on the bound's far side reaches it, `fail` when the whole interval
        misses it, `undecided` between the two; `not applicable` without a finite value or with fewer than two blocks.

    Examples:
        A standard error of 0.01 with many rows: the 95% bound lies 0.0165 below 0.83, above 0.80.

        >>> estimate = Estimate(0.83, 0.01, 1999, 2000)
        >>> keys = dict(kind="at-least", metric="roc_auc", subject="roc_auc", bound=0.8, sign=1, confidence=0.95)
        >>> verdict = verdict_on(estimate, **keys)
        >>> verdict.outcome, round(verdict.low, 4)
        ('pass', 0.8135)
    """
    from scipy import stats

    common = {"gate": kind, "metric": metric, "bound": bound, "rows": estimate.rows}
    word = "at least" if sign > 0 else "at most"
    finite = math.isfinite(estimate.value) and (point or math.isfinite(estimate.standard_error))
    if not finite or (not point and estimate.degrees_of_freedom < 1):
        reason = f"{subject} cannot be judged: {estimate.rows} rows give no finite value with a standard error."
        return Verdict(outcome="not applicable", reason=reason, **common)

    low = high = width = needed = None
    if estimate.degrees_of_freedom >= 1 and math.isfinite(estimate.standard_error):
        quantile = float(stats.t.ppf(confidence, estimate.degrees_of_freedom))
        low = estimate.value - quantile * estimate.standard_error
        high = estimate.value + quantile * estimate.standard_error
        width = (quantile + float(stats.norm.ppf(POWER))) * estimate.standard_error
        needed = math.ceil(estimate.rows * (width / effect) ** 2) if effect else None
    found = {"value": estimate.value, "low": low, "high": high, "minimum_detectable": width, "rows_needed": needed}

    outcome: Literal["pass", "fail", "undecided"]
    if point:
        outcome = "pass" if sign * (estimate.value - bound) >= 0 else "fail"
        verb = "is" if outcome == "pass" else "is not"
        reason = f"{subject} is {estimate.value:.4g}, which {verb} {word} {bound:g}."
        return Verdict(outcome=outcome, reason=reason, **common, **found)
    assert low is not None and high is not None
    near, far = (low, high) if sign > 0 else (high, low)
    if sign * (near - bound) >= 0:
        outcome, said = "pass", f"proved {word} {bound:g}"
    elif sign * (far - bound) < 0:
        outcome, said = "fail", f"proved not to be {word} {bound:g}"
    else:
        outcome, said = "undecided", f"too uncertain to call {word} {bound:g}"
    reason = (
        f"{subject} is {estimate.value:.4g} ({confidence:.0%} bounds {low:.4g} and {high:.4g}, "
        f"{estimate.rows:,} rows): {said}."
    )
    return Verdict(outcome=outcome, reason=reason, **common, **found)
