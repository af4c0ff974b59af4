"""Pictures of studies, as PNG bytes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prefect_mlops.core.drawing import ALARM, INK, SHADE, new_figure, png

if TYPE_CHECKING:
    from prefect_mlops.core.studies.records import Ablation, Staleness

__all__ = ["ablation_picture", "staleness_picture"]


def ablation_picture(ablation: Ablation) -> bytes:
    """What each group brings, with its interval, the most helpful on top."""
    shown = [one for one in ablation.contributions if math.isfinite(one.advantage)]
    figure = new_figure(height=1.2 + 0.32 * max(len(shown), 1))
    axes = figure.subplots()
    places = range(len(shown))
    axes.barh(places, [one.advantage for one in shown], color=SHADE)
    for place, one in zip(places, shown, strict=True):
        if math.isfinite(one.low):
            axes.plot([one.low, one.high], [place, place], color=INK, linewidth=2)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(list(places), [one.group for one in shown])
    axes.invert_yaxis()
    axes.set_xlabel(f"What the group brings to {ablation.metric} ({ablation.confidence:.0%} for all together)")
    return png(figure)


def staleness_picture(staleness: Staleness) -> bytes:
    """The decay curve with its bounds, the tolerance, and the rhythm that they support."""
    figure = new_figure(height=4.2)
    axes = figure.subplots()
    bounded = [one for one in staleness.curve if math.isfinite(one.high)]
    ages = [one.age for one in bounded]
    axes.fill_between(ages, [one.low for one in bounded], [one.high for one in bounded], color=SHADE, alpha=0.6)
    axes.plot([one.age for one in staleness.curve], [one.loss for one in staleness.curve], color=INK, marker="o")
    axes.axhline(staleness.tolerance, color=ALARM, linestyle="--", label=f"tolerance {staleness.tolerance:g}")
    axes.axvline(staleness.rhythm_months, color=INK, linestyle=":", label=f"rhythm {staleness.rhythm_months} months")
    axes.set_xlabel("Age of the model, months since its last training month")
    axes.set_ylabel(f"Loss of {staleness.metric} against a fresh model")
    axes.set_title(f"{staleness.model}, one-sided {staleness.confidence:.0%} bounds")
    axes.legend(loc="upper left")
    return png(figure)
