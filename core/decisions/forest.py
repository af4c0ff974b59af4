"""Forest plots: values with their intervals in rows, a panel for what shares an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from prefect_mlops.core.drawing import ALARM, INK, SHADE, new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Panel", "Row", "draw_forest"]

COLOURS = {"pass": INK, "fail": ALARM, "undecided": "#7f7f7f"}
MOST_LETTERS = 44


class Row(NamedTuple):
    """One value of a panel.

    Attributes:
        label: What it is of.
        value: Finite.
        low: Lower end; None or not finite where there is none.
        high: Upper end.
        bound: What it is held against; None where nothing is asked of it.
        outcome: What was said of it, which gives the colour; empty where nothing was.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    outcome: str = ""


class Panel(NamedTuple):
    """Rows that share an axis.

    Attributes:
        title: Above it.
        rows: From the top, at least one.
    """

    title: str
    rows: Sequence[Row]


def draw_forest(panels: Sequence[Panel], across: str) -> bytes:
    """Draw the panels below each other, each with an axis of its own, as PNG bytes.

    Args:
        panels: At least one.
        across: What the axes show, said below the last.
    """
    heights = [1.0 + 0.45 * len(panel.rows) for panel in panels]
    figure = new_figure(0.4 + 0.62 * sum(heights))
    drawn = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, panel in zip(drawn, panels, strict=True):
        _draw(axes, panel)
    drawn[-1].set_xlabel(across)
    return png(figure)


def _draw(axes: Axes, panel: Panel) -> None:
    for place, row in enumerate(panel.rows):
        colour = COLOURS.get(row.outcome, SHADE)
        low, high = _end(row.low, row.value), _end(row.high, row.value)
        axes.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([row.value], [place], color=colour, marker="s", markersize=5.5)
        if row.bound is not None and math.isfinite(row.bound):
            span = [place - 0.42, place + 0.42]
            axes.plot([row.bound, row.bound], span, color=ALARM, linewidth=1.8, linestyle=(0, (2, 1)), zorder=3)
    axes.axvline(0, color="black", linewidth=0.6, zorder=1)
    axes.set_yticks(range(len(panel.rows)), [_plain(row.label) for row in panel.rows])
    axes.set_ylim(len(panel.rows) - 0.4, -0.6)
    axes.margins(x=0.06)
    axes.set_title(_plain(panel.title), loc="left", fontsize="medium")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _end(end: float | None, value: float) -> float:
    return value if end is None or not math.isfinite(end) else end


def _plain(text: str) -> str:
    """Matplotlib would read what stands between two dollars as mathematics."""
    short = text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
    return " ".join(short.split()).replace("$", r"\$")
