"""A scan over slices: every metric on every slice, corrected over all of them, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from prefect_mlops.core.evidence import Check
from prefect_mlops.core.scans.losses import Judging, drawn_on, loss_between, loss_from
from prefect_mlops.core.scans.maxt import Loss, detectable, half_width, power_of, step_down, tail_chance

if TYPE_CHECKING:
    from prefect_mlops.core.metrics import Metric
    from prefect_mlops.core.metrics.sampling import Drawn
    from prefect_mlops.core.scans.slicing import Slice

__all__ = ["Against", "Held", "scan"]

Against = Literal["champion", "whole", "bound"]


class Held(NamedTuple):
    """What slices are held against.

    Attributes:
        against: The champion on the slice, the candidate on all rows, or a number.
        bounds: The number of each metric: a bound, or by how much a slice may be worse.
        effects: The loss worth finding, for those metrics that have one.
        level: The chance that any slice is named where all is fine.
        seed: Of the draws.
    """

    against: Against
    bounds: Mapping[str, float]
    effects: Mapping[str, float]
    level: float
    seed: int


def scan(rows: Judging, slices: Sequence[Slice], metrics: Sequence[Metric], held: Held) -> tuple[Check, ...]:
    """One check a slice and metric, those that can be told first.

    Args:
        rows: The judging rows.
        slices: Positions among them.
        metrics: What is compared.
        held: With what.

    Returns:
        Checks whose values are advantages, negative where the slice is worse, or the metric itself where slices are
        held against a number. Their intervals hold for all of them together.
    """
    found: list[tuple[str, Metric, Loss]] = []
    untold: list[Check] = []
    whole = rows.answered(rows.said["candidate"]) if held.against == "whole" else None
    beside = {metric.name: drawn_on(metric, whole) for metric in metrics} if whole else {}
    for one in slices:
        part = rows.at(one.rows)
        candidate = part.answered(part.said["candidate"])
        champion = part.answered(part.said["champion"]) if held.against == "champion" else None
        for metric in metrics:
            own = drawn_on(metric, candidate)
            other = drawn_on(metric, champion) if champion else beside.get(metric.name)
            loss = _loss(metric, rows, one, part, own, other)
            if isinstance(loss, str):
                untold.append(Check(name=one.name, metric=metric.name, rows=len(one.rows), reason=loss))
            else:
                found.append((one.name, metric, loss._replace(rows=len(one.rows))))
    losses = [loss for _, _, loss in found]
    bounds = [_bound(metric, held) for _, metric, _ in found]
    alone = [
        tail_chance(loss.value - bound, loss.standard_error, loss.degrees_of_freedom, loss.skewness)
        for loss, bound in zip(losses, bounds, strict=True)
    ]
    corrected = step_down(alone, losses, held.level, held.seed)
    told = [
        _check(name, metric, loss, held, float(p_value), float(adjusted), corrected.critical)
        for (name, metric, loss), p_value, adjusted in zip(found, alone, corrected.adjusted, strict=True)
    ]
    return (*told, *untold)


def _bound(metric: Metric, held: Held) -> float:
    bound = held.bounds[metric.name]
    return -bound if held.against == "bound" and metric.higher_is_better else bound


def _loss(
    metric: Metric, rows: Judging, one: Slice, part: Judging, own: Drawn | str, other: Drawn | str | None
) -> Loss | str:
    """The slice beside the same rows elsewhere, or beside all rows, of which it is a part."""
    if isinstance(own, str):
        return own
    if isinstance(other, str):
        return other
    if other is None or len(other.answered) == len(own.answered):
        return loss_between(metric, part, own, other)
    # What the slice's rows add to both is counted once.
    sign = 1.0 if metric.higher_is_better else -1.0
    influence = sign * other.influence
    influence[one.rows] -= sign * len(rows.y) / len(one.rows) * own.influence
    loss = loss_from(sign * (other.value - own.value), influence, rows, other.units, metric.rests(own.answered))
    return loss if isinstance(loss, str) else loss._replace(own=own.value)


def _check(
    name: str, metric: Metric, loss: Loss, held: Held, p_value: float, adjusted: float, critical: float
) -> Check:
    half = half_width(loss, critical)
    sign = 1.0 if metric.higher_is_better else -1.0
    if held.against == "bound":
        value, bound = loss.own, held.bounds[metric.name]
    else:
        value, bound = -loss.value, -held.bounds[metric.name]
    return Check(
        name=name,
        metric=metric.name,
        value=value,
        bound=bound,
        low=value - half,
        high=value + half,
        rows=loss.rows,
        p_value=p_value,
        adjusted_p=adjusted,
        minimum_detectable=detectable(loss, critical),
        reason=_sentence(name, metric, loss, held, sign) + _figures(metric, loss, held, critical, p_value, adjusted),
    )


def _sentence(name: str, metric: Metric, loss: Loss, held: Held, sign: float) -> str:
    said = f"{metric.name} on {name} is {loss.own:.4g}"
    if held.against == "bound":
        return f"{said}, to be {'at least' if sign > 0 else 'at most'} {held.bounds[metric.name]:g}"
    other = "the champion's" if held.against == "champion" else "that on all rows,"
    beside = f"{other} {loss.own + sign * loss.value:.4g}"
    how = f"{abs(loss.value):.4g} {'worse' if loss.value > 0 else 'better'} than" if loss.value else "equal to"
    return f"{said}, {how} {beside}"


def _figures(metric: Metric, loss: Loss, held: Held, critical: float, p_value: float, adjusted: float) -> str:
    figures = f" ({loss.rows:,} rows, p = {p_value:.2g}, corrected {adjusted:.2g})"
    if loss.standard_error == 0.0:
        return f"{figures}."
    allowed = 0.0 if held.against == "bound" else held.bounds[metric.name]
    if metric.name in held.effects:
        effect = held.effects[metric.name]
        power = power_of(loss, critical, effect - allowed)
    else:
        effect, power = detectable(loss, critical) + allowed, 0.80
    return f"{figures}; a loss of {effect:.2g} would be found in {power:.0%} of cases."
