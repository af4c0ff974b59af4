"""Pictures of an experiment, as PNG bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.drawing import ALARM, INK, SHADE, new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from prefect_mlops.core.experiments.curves import Calibration, Curve
    from prefect_mlops.core.experiments.records import Importance, LearningPoint
    from prefect_mlops.core.experiments.residuals import Residuals
    from prefect_mlops.core.search.results import Estimate

__all__ = ["calibration_picture", "curve_picture", "importance_picture", "learning_picture", "residual_picture"]

MOST_POINTS, MOST_FEATURES = 2_000, 30
"""More points than these change no pixel, and more features nobody reads."""


def curve_picture(curves: Sequence[Curve], across: str, up: str, *, chance: bool) -> bytes:
    """Curves over each other.

    Args:
        curves: One or more.
        across: Name of the horizontal axis.
        up: Name of the vertical axis.
        chance: Draw the diagonal that guessing gives.
    """
    figure = new_figure(4.6)
    axes = figure.subplots()
    for curve in curves:
        points = _thinned(len(curve.across))
        axes.step(
            curve.across[points], curve.up[points], where="post", label=f"{_plain(curve.of)}: {_said(curve.area)}"
        )
    if chance:
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=across, ylabel=up)
    title = "area under the curve" if chance else "average precision"
    axes.legend(loc="lower right" if chance else "lower left", fontsize="small", title=title)
    return png(figure)


def calibration_picture(found: Sequence[Calibration]) -> bytes:
    """What came of the chances given; a model whose chances hold lies on the diagonal."""
    figure = new_figure(4.6)
    axes = figure.subplots()
    for one, colour in zip(found, (INK, "#7f7f7f"), strict=False):
        _with_intervals(axes, one.said, one.seen, colour, one.of)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="Chance given", ylabel="Share that came true")
    axes.legend(loc="upper left", title="95% for all bins together")
    return png(figure)


def residual_picture(found: Residuals) -> bytes:
    """What is left unexplained over what was predicted, with the mean of each bin."""
    figure = new_figure(4.6)
    axes = figure.subplots()
    points = _thinned(len(found.left))
    axes.scatter(found.predicted[points], found.left[points], s=5, alpha=0.7, color=SHADE, linewidths=0)
    _with_intervals(axes, found.binned, found.means, INK, "mean of a bin, 95% together")
    axes.axhline(0, color="black", linewidth=0.8)
    for edge in (found.low, found.high):
        axes.axhline(edge, color=ALARM, linewidth=0.8, linestyle="--")
    axes.set(xlabel="Predicted", ylabel="Truth less prediction (dashed: nine rows in ten)")
    axes.legend(loc="upper left")
    return png(figure)


def importance_picture(importances: Sequence[Importance], metric: str) -> bytes:
    """What the model loses without each feature, with its interval, the most needed on top."""
    shown = [one for one in importances if math.isfinite(one.loss.value)][:MOST_FEATURES]
    figure = new_figure(1.2 + 0.3 * max(len(shown), 1))
    axes = figure.subplots()
    places = range(len(shown))
    axes.barh(places, [one.loss.value for one in shown], color=SHADE)
    for place, one in zip(places, shown, strict=True):
        axes.plot([one.loss.low, one.loss.high], [place, place], color=INK, linewidth=2)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(list(places), [_plain(one.feature) for one in shown])
    axes.invert_yaxis()
    axes.set_xlabel(f"What dealing the feature's values out anew costs, {metric} (95% for all together)")
    return png(figure)


def learning_picture(points: Sequence[LearningPoint], metric: str) -> bytes:
    """The metric over the number of rows learned from."""
    found = [(one.learned, one.value) for one in points if one.value is not None]
    figure = new_figure(4.2)
    axes = figure.subplots()
    _with_intervals(axes, np.array([learned for learned, _ in found]), [value for _, value in found], INK, metric)
    axes.set(xscale="log", xlabel="Rows learned from", ylabel=f"{metric} on the hold-out (95%)")
    axes.set_xticks([learned for learned, _ in found], [f"{learned:,}" for learned, _ in found])
    axes.set_xticks([], minor=True)
    return png(figure)


def _with_intervals(axes: Axes, across: np.ndarray, values: Sequence[Estimate], colour: str, label: str) -> None:
    axes.plot(across, [one.value for one in values], color=colour, marker="o", markersize=4, label=label)
    for at, one in zip(across, values, strict=True):
        axes.plot([at, at], [one.low, one.high], color=colour, linewidth=1.2)


def _said(area: Estimate) -> str:
    between = f" ({area.low:.3f} to {area.high:.3f})" if math.isfinite(area.low) else ""
    return f"{area.value:.3f}{between}"


def _plain(text: str) -> str:
    """Matplotlib would read what stands between two dollars as mathematics."""
    return text.replace("$", r"\$")[:60]


def _thinned(points: int) -> np.ndarray:
    return np.unique(np.linspace(0, points - 1, min(points, MOST_POINTS)).astype(int))
