"""A scan over slices: every metric on every slice, corrected over all of them, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy import special

from prefect_mlops.core.evidence import Check
from prefect_mlops.core.gates.losses import Judging, loss_from, loss_of
from prefect_mlops.core.gates.maxt import Loss, step_down, tail_chance

if TYPE_CHECKING:
    from prefect_mlops.core.gates.slicing import Slice
    from prefect_mlops.core.metrics import Metric

__all__ = ["Against", "Held", "detectable", "scan"]

Against = Literal["champion", "whole", "bound"]
POWER = 0.80


class Held(NamedTuple):
    """What slices are held against.

    Attributes:
        against: The champion on the slice, the candidate on all rows, or a number.
        bound: The number; where there is none, by how much a slice may be worse.
        effect: The loss worth finding.
        level: The chance that any slice is named where all is fine.
        seed: Of the draws.
    """

    against: Against
    bound: float
    effect: float | None
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
    whole = {metric.name: _whole(metric, rows) for metric in metrics} if held.against == "whole" else {}
    for one in slices:
        part = rows.at(one.rows)
        for metric in metrics:
            if held.against == "whole":
                loss = _beside_whole(metric, rows, part, one.rows, whole[metric.name])
            else:
                other = part.said["champion"] if held.against == "champion" else None
                loss = loss_of(metric, part, part.said["candidate"], other)
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


def detectable(loss: Loss, critical: float, power: float = POWER) -> tuple[float, float]:
    """How many units of the loss its bound and chance lie apart, and the distance that these rows would show.

    Args:
        loss: With its error.
        critical: Normal deviates by which some loss of the family strays by chance.
        power: How surely.

    Returns:
        Half the width of the interval that holds for the whole family, and the distance from the bound found in so
        large a share of cases.
    """
    half = float(special.stdtrit(loss.degrees_of_freedom, special.ndtr(critical))) * loss.standard_error
    return half, half + float(special.ndtri(power)) * loss.standard_error


def _bound(metric: Metric, held: Held) -> float:
    if held.against != "bound":
        return held.bound
    return -held.bound if metric.higher_is_better else held.bound


def _whole(metric: Metric, rows: Judging) -> tuple[float, np.ndarray] | str:
    loss = loss_of(metric, rows, rows.said["candidate"], None)
    if isinstance(loss, str):
        return loss
    weight = () if rows.weight is None else (rows.weight,)
    return loss.own, metric.influence(rows.y, rows.said["candidate"], *weight)


def _beside_whole(
    metric: Metric, rows: Judging, part: Judging, at: np.ndarray, whole: tuple[float, np.ndarray] | str
) -> Loss | str:
    """The slice beside all rows, of which it is a part: what its rows add to both is counted once."""
    if isinstance(whole, str):
        return whole
    loss = loss_of(metric, part, part.said["candidate"], None)
    if isinstance(loss, str):
        return loss
    sign = 1.0 if metric.higher_is_better else -1.0
    weight = () if part.weight is None else (part.weight,)
    influence = sign * whole[1]
    influence[at] -= sign * len(rows.y) / len(at) * metric.influence(part.y, part.said["candidate"], *weight)
    found = loss_from(sign * (whole[0] - loss.own), influence, rows)
    return found if isinstance(found, str) else found._replace(own=loss.own)


def _check(
    name: str, metric: Metric, loss: Loss, held: Held, p_value: float, adjusted: float, critical: float
) -> Check:
    half, shown = detectable(loss, critical)
    sign = 1.0 if metric.higher_is_better else -1.0
    if held.against == "bound":
        value, bound = loss.own, held.bound
    else:
        value, bound = -loss.value, -held.bound
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
        minimum_detectable=shown,
        reason=_sentence(name, metric, loss, held, sign) + _figures(loss, held, half, shown, p_value, adjusted),
    )


def _sentence(name: str, metric: Metric, loss: Loss, held: Held, sign: float) -> str:
    said = f"{metric.name} on {name} is {loss.own:.4g}"
    if held.against == "bound":
        return f"{said}, to be {'at least' if sign > 0 else 'at most'} {held.bound:g}"
    other = "the champion's" if held.against == "champion" else "that on all rows,"
    beside = f"{other} {loss.own + sign * loss.value:.4g}"
    how = f"{abs(loss.value):.4g} {'worse' if loss.value > 0 else 'better'} than" if loss.value else "equal to"
    return f"{said}, {how} {beside}"


def _figures(loss: Loss, held: Held, half: float, shown: float, p_value: float, adjusted: float) -> str:
    figures = f" ({loss.rows:,} rows, p = {p_value:.2g}, corrected {adjusted:.2g})"
    if loss.standard_error == 0.0:
        return f"{figures}."
    if held.effect is None:
        return f"{figures}; {shown:.2g} would be found in {POWER:.0%} of cases."
    allowed = 0.0 if held.against == "bound" else held.bound
    power = float(special.ndtr((held.effect - allowed - half) / loss.standard_error))
    return f"{figures}; a loss of {held.effect:g} would be found in {power:.0%} of cases."
