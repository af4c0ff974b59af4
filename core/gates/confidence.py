"""How an estimate with a standard error becomes a verdict: pass, fail, or too few rows to tell."""

import math
from typing import Literal, NamedTuple

from prefect_mlops.core.evidence import Comparison, Measurement, Scale, Verdict

__all__ = ["Estimate", "confidence_bounds", "estimate_of", "verdict_on"]

POWER = 0.80
EXACT_BELOW = 10.0
"""With fewer hits or misses a share takes exact bounds."""


class Estimate(NamedTuple):
    """A number measured on rows, with all that its bounds need.

    Attributes:
        value: The number.
        standard_error: Of the value.
        degrees_of_freedom: Of that error: blocks or rows less one.
        rows: How many rows it rests on.
        scale: How its bounds are found.
        skewness: How they lean: the skewness of its sampling distribution on that scale, with three times its curvature
            (the acceleration and `c_q` of a BCa interval); 0 where they do not.
        effective_rows: Of a share: how many equal and independent trials it is as sure as.
    """

    value: float
    standard_error: float
    degrees_of_freedom: int
    rows: int
    scale: Scale = "identity"
    skewness: float = 0.0
    effective_rows: float | None = None


def estimate_of(found: Measurement | Comparison) -> Estimate:
    """What evidence holds of one metric, as bounds want it."""
    if isinstance(found, Comparison):
        return Estimate(
            found.advantage, found.standard_error, found.degrees_of_freedom, found.rows, skewness=found.skewness
        )
    return Estimate(
        found.value,
        found.standard_error,
        found.degrees_of_freedom,
        found.rows,
        found.scale,
        found.skewness,
        found.effective_rows,
    )


def confidence_bounds(estimate: Estimate, confidence: float) -> tuple[float, float]:
    """Two one-sided bounds, each with the given confidence, in closed form.

    On the scale `identity` they are the value and Student's t times the error, and lean with the skewness, which makes
    each side right to the second order where the sum of many rows is skewed. On the scale `logit` the same holds of
    `ln(v / (1 - v))`, so that they stay within 0 and 1; a value of exactly 0 or 1 has no error of its own, and takes
    the exact bound of as many equal trials as it has independent blocks. On the scale `wilson` they are Wilson's, and
    the exact ones of Clopper and Pearson where hits or misses are fewer than ten; with few blocks their trials count
    less, as Student's t says.

    Args:
        estimate: A finite value and error with at least one degree of freedom.
        confidence: One-sided, such as 0.95.

    References:
        Hall (1992), Journal of the Royal Statistical Society B 54(1), 221-228, for skewness; Qin and Hotilovac
        (2008), Statistical Methods in Medical Research 17(2), 207-221, for the area under the curve; Wilson (1927),
        Journal of the American Statistical Association 22(158), 209-212; Clopper and Pearson (1934), Biometrika
        26(4), 404-413; Korn and Graubard (1998), Survey Methodology 24, 193-201, for shares in blocks.

    Examples:
        20 rows of 20 right: the rate that gives 20 of 20 in one case of twenty is 0.05 ** (1 / 20).

        >>> low, high = confidence_bounds(Estimate(1.0, 0.0, 19, 20, "logit"), 0.95)
        >>> round(low, 4), high
        (0.8609, 1.0)

        Half of 100 trials: z is 1.96, so Wilson's ends lie z / 2 / sqrt(100 + z * z) from the middle.

        >>> low, high = confidence_bounds(Estimate(0.5, 0.0503, 99, 100, "wilson", effective_rows=100), 0.975)
        >>> round(low, 4), round(high, 4)
        (0.4038, 0.5962)
    """
    from scipy import special

    value, error, freedom = estimate.value, estimate.standard_error, estimate.degrees_of_freedom
    quantile = float(special.stdtrit(freedom, confidence))
    if estimate.scale == "wilson":
        return _share_bounds(estimate, confidence, quantile)
    down, up = _leaning(quantile, estimate.skewness), -_leaning(-quantile, estimate.skewness)
    if estimate.scale == "identity":
        return value - down * error, value + up * error
    edge = (1.0 - confidence) ** (1.0 / (freedom + 1))
    if value <= 0.0:
        return 0.0, 1.0 - edge
    if value >= 1.0:
        return edge, 1.0
    middle, width = math.log(value / (1.0 - value)), error / (value * (1.0 - value))
    return _from_logit(middle - down * width), _from_logit(middle + up * width)


def verdict_on(
    estimate: Estimate,
    *,
    kind: str,
    metric: str,
    subject: str,
    bound: float,
    sign: int,
    confidence: float,
    strict: bool = False,
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
        strict: The bound itself is not enough, so that a model equal to another is never better than it.
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
    common = {"gate": kind, "metric": metric, "bound": bound, "rows": estimate.rows}
    bounded = estimate.degrees_of_freedom >= 1 and math.isfinite(estimate.standard_error)
    if not math.isfinite(estimate.value) or not (point or bounded):
        reason = (
            f"{subject} cannot be judged: {estimate.rows:,} rows hold too few of a class for a value, "
            "or too few days or rows for its standard error."
        )
        return Verdict(outcome="not applicable", reason=reason, **common)

    low = high = width = needed = None
    if bounded:
        low, high = confidence_bounds(estimate, confidence)
        width = _detectable(estimate, confidence)
        needed = math.ceil(estimate.rows * (width / effect) ** 2) if effect else None
    found = {"value": estimate.value, "low": low, "high": high, "minimum_detectable": width, "rows_needed": needed}

    word = ("more than" if sign > 0 else "less than") if strict else ("at least" if sign > 0 else "at most")
    outcome: Literal["pass", "fail", "undecided"]
    if point:
        outcome = "pass" if _reaches(sign * (estimate.value - bound), strict) else "fail"
        verb = "is" if outcome == "pass" else "is not"
        reason = f"{subject} is {estimate.value:.4g}, which {verb} {word} {bound:g}."
        return Verdict(outcome=outcome, reason=reason, **common, **found)
    assert low is not None
    assert high is not None
    near, far = (low, high) if sign > 0 else (high, low)
    if _reaches(sign * (near - bound), strict):
        outcome, said = "pass", f"proved {word} {bound:g}"
    elif not _reaches(sign * (far - bound), strict):
        outcome, said = "fail", f"proved not to be {word} {bound:g}"
    else:
        outcome, said = "undecided", f"too uncertain to call {word} {bound:g}"
    reason = (
        f"{subject} is {estimate.value:.4g} ({confidence:.0%} bounds {low:.4g} and {high:.4g}, "
        f"{estimate.rows:,} rows): {said}."
    )
    return Verdict(outcome=outcome, reason=reason, **common, **found)


def _leaning(quantile: float, skewness: float) -> float:
    """The quantile of a studentised skewed mean, by the inverse of Hall's cubic."""
    if abs(skewness) < 1e-6:
        return quantile
    return 3.0 / skewness * (math.cbrt(1.0 + skewness * (quantile - skewness / 6.0)) - 1.0)


def _share_bounds(estimate: Estimate, confidence: float, quantile: float) -> tuple[float, float]:
    from scipy import special

    share, trials = estimate.value, estimate.effective_rows
    z = float(special.ndtri(confidence))
    if trials is None:
        trials = float(estimate.degrees_of_freedom + 1)
    if estimate.degrees_of_freedom + 1 < estimate.rows and 0.0 < share < 1.0:
        trials *= (z / quantile) ** 2
    hits, misses = share * trials, (1.0 - share) * trials
    if min(hits, misses) < EXACT_BELOW:
        low = float(special.betaincinv(hits, misses + 1.0, 1.0 - confidence)) if hits > 0 else 0.0
        high = float(special.betaincinv(hits + 1.0, misses, confidence)) if misses > 0 else 1.0
        return low, high
    middle = (share + z * z / (2.0 * trials)) / (1.0 + z * z / trials)
    half = z * math.sqrt(share * (1.0 - share) / trials + (z / (2.0 * trials)) ** 2) / (1.0 + z * z / trials)
    return middle - half, middle + half


def _reaches(distance: float, strict: bool) -> bool:
    return distance > 0 if strict else distance >= 0


def _detectable(estimate: Estimate, confidence: float) -> float:
    from scipy import stats

    quantile = float(stats.t.ppf(confidence, estimate.degrees_of_freedom))
    return (quantile + float(stats.norm.ppf(POWER))) * estimate.standard_error


def _from_logit(number: float) -> float:
    return 1.0 / (1.0 + math.exp(-number)) if number > -700 else 0.0
