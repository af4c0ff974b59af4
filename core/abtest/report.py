"""What people read of an A/B test: the effect of each arm, its interval over time, and whether the split was right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.abtest.intervals import Outcomes, counts_events, effects_over_time
from prefect_mlops.core.abtest.judging import Effect, Finding
from prefect_mlops.core.abtest.plan import Comparison
from prefect_mlops.core.documents.markdown import as_markdown
from prefect_mlops.core.documents.parts import Document, Picture, Section, Table
from prefect_mlops.core.drawing import INK, SHADE, new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["comparison_report", "draw_effects"]

MOST_POINTS = 500


def draw_effects(plan: Comparison, outcomes: Outcomes) -> bytes:
    """The effect of each arm with its interval, after each user with an outcome, as PNG; empty without any.

    Args:
        plan: The plan.
        outcomes: In the order in which they became known.
    """
    paths = [
        (arm.version, effects_over_time(plan, outcomes, place, MOST_POINTS))
        for place, arm in enumerate(plan.arms)
        if place
    ]
    known = [(version, path) for version, path in paths if np.isfinite(path["estimate"]).any()]
    if not known:
        return b""
    figure = new_figure(2.6 * len(known))
    for number, (version, path) in enumerate(known, 1):
        _draw(figure.add_subplot(len(known), 1, number), plan, version, path, counts_events(plan, outcomes))
    return png(figure)


def _draw(axes: Axes, plan: Comparison, version: int, path: dict[str, NDArray[np.float64]], relative: bool) -> None:
    """One arm's effect; what is open ends at the edge of the picture, and a change that matters is dotted."""
    users, estimate, low, high = (path[name] for name in ("users", "estimate", "low", "high"))
    last = np.array([low[-1], high[-1], 1.2 * plan.matters if relative else 0.0])
    reach = 2.5 * max(float(np.abs(last[np.isfinite(last)]).max()), 1e-9)
    axes.fill_between(users, low, np.minimum(high, reach), color=SHADE, alpha=0.6, linewidth=0)
    axes.plot(users, estimate, color=INK, linewidth=1.5)
    axes.axhline(0.0, color="black", linewidth=0.8)
    for change in (-plan.matters, plan.matters) if relative else ():
        axes.axhline(change, color="black", linewidth=0.8, linestyle=":")
    side = "below" if plan.goal == "less" else "above"
    title = f"version {version} against version {plan.arms[0].version}, {plan.metric}: {side} 0 is better"
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel("users of both with an outcome", fontsize=8)
    axes.set_ylabel("change" if relative else "difference", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if relative:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:+.0%}")
    axes.set_ylim(-reach, reach)
    axes.set_xlim(0, float(users[-1]) * 1.01)


def comparison_report(plan: Comparison, finding: Finding, picture: bytes) -> str:
    """The page of a test, as Markdown.

    Args:
        plan: The plan.
        finding: What the newest look says.
        picture: From `draw_effects`; left out where empty.
    """
    champion, seen = plan.arms[0], finding.effects[0]
    assigned = f"{finding.assigned[0]:,}"
    mean = "" if seen.champion_mean is None else _number(seen.champion_mean)
    rows = [(f"{champion.version} (champion)", f"{champion.percent}%", assigned, f"{seen.against:,}", mean, *[""] * 3)]
    for place, effect in enumerate(finding.effects, 1):
        arm = plan.arms[place]
        interval = " to ".join("open" if end is None else _shown(effect, end) for end in (effect.low, effect.high))
        estimate = "" if effect.estimate is None else _shown(effect, effect.estimate)
        met, counted = f"{finding.assigned[place]:,}", f"{effect.users:,}"
        known = interval if effect.low is not None or effect.high is not None else "too few users"
        shown = (met, counted, _number(effect.mean), estimate, known, effect.verdict)
        rows.append((str(arm.version), f"{arm.percent}%", *shown))
    head = ["version", "traffic", "users", "with an outcome", plan.metric, "effect", "interval", "so far"]
    drawn = [Picture("The effect and its interval after each user; dotted: what matters", picture)] if picture else []
    sections = [
        Section("Arms", [Table(head, rows)]),
        Section("Over time", drawn),
        Section("What is asked", [" ".join(_asked(plan, finding))]),
    ]
    return as_markdown(Document(f"Versions compared: {finding.verdict}", [finding.reason], sections))


def _asked(plan: Comparison, finding: Finding) -> list[str]:
    asked = [f"Of {plan.metric}, {plan.goal} is better; a change of {plan.matters:.0%} matters."]
    asked += [f"About {finding.needed:,} users with an outcome tell such a change."] if finding.needed else []
    asked.append(
        f"The intervals may be looked at as often as one likes: {1 - plan.level:.1%} of them never leave the truth "
        f"out, and equal versions are told apart in at most {plan.alpha:.0%} of all tests."
    )
    wrong = f"{2 / plan.alpha_split:,.0f}"
    asked.append(f"The evidence against the split is {finding.split:.3g}; from {wrong} on the split is wrong.")
    return asked


def _shown(effect: Effect, value: float) -> str:
    return f"{value:+.1%}" if effect.scale == "relative" else f"{value:+.4g}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
