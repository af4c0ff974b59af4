"""A figure and its PNG bytes, without a window and without anything that outlives them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ALARM", "INK", "SHADE", "new_figure", "png"]

INK, SHADE, ALARM = "#1f4e79", "#9dc3e6", "#c00000"


def new_figure(height: float) -> Figure:
    """An empty figure as wide as a report.

    Args:
        height: In inches.
    """
    # Not through pyplot, which keeps every figure and is not safe in threads.
    from matplotlib.figure import Figure

    return Figure(figsize=(7.5, height), layout="constrained")


def png(figure: Figure) -> bytes:
    """The figure as PNG; equal pictures are equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    # Without the writer's version, which changes with every release.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
