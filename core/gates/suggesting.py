"""A first policy of gates, from a first evaluation: bounds and margins that lie above the noise of its rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from prefect_mlops.core.errors import NotMeasured

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.evidence import Evidence, Measurement, Subject
    from prefect_mlops.core.spec import GatePart, ModelSpec

__all__ = ["Suggestion", "suggest_gates"]

ALPHA, POWER = 0.05, 0.80
PASSES = 0.90
"""How often a candidate as good as this one must pass a bound, measured on as many other rows."""
SENSIBLE_SHARE, SENSIBLE_RELATIVE = 0.01, 0.05
"""A point of a share, a twentieth of an error: less is seldom worth a release, however many rows would show it."""
GIVEN_AWAY = 0.5
"""A margin may give away at most half of what the model is better than one without features."""
PLANNED = 20
SLICE_ROWS, FEWEST_ROWS, MOST_VALUES = 100, 1_000, 50
MAIN = {"binary": "roc_auc", "multiclass": "roc_auc_ovr_macro", "regression": "rmse"}
ROW_BY_ROW = {"binary": "log_loss", "multiclass": "log_loss", "regression": "mae"}
"""Metrics that are a mean over rows: they show more on few rows than one of ranks does."""
BASELINE = {"binary": "log_loss", "multiclass": "log_loss", "regression": "rmse"}


class Suggestion(NamedTuple):
    """A gate to review.

    Attributes:
        gate: As it would stand in the spec.
        reason: One sentence on why it is there and where its numbers come from.
    """

    gate: GatePart
    reason: str


def suggest_gates(spec: ModelSpec, evidence: Evidence, rows: pd.DataFrame | None = None) -> tuple[Suggestion, ...]:
    """Propose the gates of a spec from what one evaluation measured.

    Proofs: better than a model without features, a floor below what was measured, better than the champion, and not
    worse in a second metric. Alarms: slices of category columns, calibration. Limits: leakage. What the rows are too
    few for is left out.

    Args:
        spec: The model's spec; its gates are not looked at, but for the metric on which champions are compared.
        evidence: Of a first candidate, with or without a champion.
        rows: The judging rows, to see which categories are large enough to be slices; without them every category
            column is proposed.

    Returns:
        In the order in which they would stand in the spec; never empty.
    """
    from pydantic import TypeAdapter

    from prefect_mlops.core.spec import GatePart as Known

    parts: TypeAdapter[GatePart] = TypeAdapter(Known)
    return tuple(Suggestion(parts.validate_python(plain), reason) for plain, reason in _plain(spec, evidence, rows))


def _plain(spec: ModelSpec, evidence: Evidence, rows: pd.DataFrame | None) -> Iterator[tuple[dict[str, Any], str]]:
    problem = spec.target.problem
    main, second = _main(spec, evidence), _measured(evidence, ROW_BY_ROW[problem])
    yield _against_baseline(evidence, BASELINE[problem])
    if main is None:
        yield {"kind": "better-than-champion", "metric": MAIN[problem]}, "The rows are too few to say by how much."
        return
    if floor := _floor(evidence, main):
        yield floor
    yield _against_champion(spec, evidence, main)
    if second is not None and second.metric != main.metric and (margin := _not_worse(spec, evidence, second)):
        yield margin
    if second is not None and second.rows >= FEWEST_ROWS:
        if columns := _slices(spec, rows):
            yield (
                {"kind": "holds-on-slices", "metrics": (second.metric,), "columns": columns},
                f"Category columns with values of {SLICE_ROWS} rows and more; {second.metric} is a mean over rows, "
                "which shows more on few of them.",
            )
        if problem != "regression":
            yield {"kind": "calibrated"}, f"Whether the chances hold, on {second.rows:,} rows."
    yield {"kind": "no-leakage"}, "A column that tells the target, a row on both sides, a time after the prediction."


def _against_baseline(evidence: Evidence, metric: str) -> tuple[dict[str, Any], str]:
    plain = {"kind": "better-than-baseline", "metric": metric}
    found = next((one for one in evidence.comparisons if (one.metric, one.against) == (metric, "baseline")), None)
    if found is None or not math.isfinite(found.advantage + found.standard_error):
        return plain, "The least that a model must do; how much better this one is could not be measured."
    said = f"{found.advantage:.3g} ± {found.standard_error:.2g}"
    if found.advantage <= 0:
        return plain, f"The least that a model must do; this one did not on {evidence.judged_on}: {said}."
    return plain, f"The least that a model must do; this one is {said} better than a model without features."


def _floor(evidence: Evidence, main: Measurement) -> tuple[dict[str, Any], str] | None:
    """A bound that as good a candidate passes on as many other rows, whose chance is added to that of these."""
    from scipy import stats

    distance = float(stats.norm.ppf(1 - ALPHA) + math.sqrt(2.0) * stats.norm.ppf(PASSES))
    sign, error = (1 if main.higher_is_better else -1), main.standard_error
    bound = _rounded(main.value - sign * distance * error, error, down=sign > 0)
    baseline = _measured(evidence, main.metric, "baseline", certain=False)
    if baseline is not None and sign * (bound - baseline.value) <= 0:
        return None
    where = evidence.judged_on or f"{main.rows:,} rows"
    reason = (
        f"Measured {main.value:.4g} ± {error:.2g} on {where}; as good a candidate passes on as many other rows in "
        f"{PASSES:.0%} of cases."
    )
    return {"kind": "at-least" if sign > 0 else "at-most", "metric": main.metric, "bound": bound}, reason


def _against_champion(spec: ModelSpec, evidence: Evidence, main: Measurement) -> tuple[dict[str, Any], str]:
    from prefect_mlops.core.gates.power import wagered_detectable

    error, known = _paired_error(evidence, main)
    if spec.data.time is not None:
        reach = wagered_detectable(main.rows, main.rows * error**2, ALPHA)
        how = f"{main.rows:,} fresh rows"
    else:
        reach = _reach(error, ALPHA / PLANNED, POWER)
        how = f"each of {PLANNED} comparisons on {main.rows:,} rows"
    sensible = _sensible(main)
    effect = _rounded(max(reach, sensible), max(reach, sensible) / 10, down=False)
    said = "the least worth a release" if sensible >= reach else f"what {how} would show in {POWER:.0%} of cases"
    reason = f"The effect is {said}; {known}."
    return {"kind": "better-than-champion", "metric": main.metric, "effect": effect}, reason


def _not_worse(spec: ModelSpec, evidence: Evidence, second: Measurement) -> tuple[dict[str, Any], str] | None:
    error, known = _paired_error(evidence, second)
    level = ALPHA if spec.data.time is not None else ALPHA / PLANNED
    reach, sensible = _reach(error, level, PASSES), _sensible(second)
    margin = _rounded(max(reach, sensible), max(reach, sensible) / 10, down=False)
    against = [one.advantage for one in evidence.comparisons
               if (one.metric, one.against) == (second.metric, "baseline")]  # fmt: skip
    if not against or not margin < GIVEN_AWAY * against[0]:
        return None
    reason = (
        f"So that {second.metric} is not given up for another metric: an equal candidate passes in {PASSES:.0%} of "
        f"cases or more on {second.rows:,} rows; {known}."
    )
    return {"kind": "not-worse-than-champion", "metric": second.metric, "margin": margin}, reason


def _slices(spec: ModelSpec, rows: pd.DataFrame | None) -> tuple[str, ...]:
    hidden = {*spec.data.personal, *spec.data.key, *spec.data.later, spec.target.column}
    columns = [name for name in spec.features.category if name not in hidden]
    if rows is None:
        return tuple(columns)
    counts = {name: rows[name].value_counts() for name in columns if name in rows.columns}
    return tuple(
        name for name, held in counts.items() if int((held >= SLICE_ROWS).sum()) > 1 and len(held) <= MOST_VALUES
    )


def _paired_error(evidence: Evidence, measured: Measurement) -> tuple[float, str]:
    """The standard error that a comparison with a champion has on as many rows."""
    for other in ("champion", "linear"):
        for one in evidence.comparisons:
            if (one.metric, one.against) == (measured.metric, other) and 0 < one.standard_error < math.inf:
                return one.standard_error, f"the difference from the {other} has an error of {one.standard_error:.2g}"
    error = measured.standard_error
    return error, f"no champion is there yet, so the difference is taken to vary as the metric does ({error:.2g})"


def _reach(error: float, alpha: float, power: float) -> float:
    from scipy import stats

    return float(stats.norm.ppf(1 - alpha) + stats.norm.ppf(power)) * error


def _sensible(measured: Measurement) -> float:
    share = measured.scale != "identity" or measured.metric == "r2"
    return SENSIBLE_SHARE if share else SENSIBLE_RELATIVE * abs(measured.value)


def _main(spec: ModelSpec, evidence: Evidence) -> Measurement | None:
    asked = [
        name for gate in spec.resolved_gates() if gate.kind == "better-than-champion" for name in gate.metrics
    ]  # fmt: skip
    return next((one for name in (*asked, MAIN[spec.target.problem]) if (one := _measured(evidence, name))), None)


def _measured(
    evidence: Evidence, metric: str, subject: Subject = "candidate", *, certain: bool = True
) -> Measurement | None:
    """What was measured, where it is a number and, if asked, has an error; a model without features can have none."""
    try:
        found = evidence.measured(metric, subject)
    except NotMeasured:
        return None
    known = math.isfinite(found.value) and (0 < found.standard_error < math.inf or not certain)
    return found if known else None


def _rounded(value: float, error: float, *, down: bool) -> float:
    """To the first digit that the error touches."""
    if not 0 < error < math.inf:
        return value
    step = 10.0 ** math.floor(math.log10(error))
    ends = math.floor(value / step + 1e-9) if down else math.ceil(value / step - 1e-9)
    return float(f"{ends * step:.12g}")
