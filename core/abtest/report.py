"""What people read of an A/B test: the effect of each arm, its interval over time, and whether the split was right."""

from __future__ import annotations

import numpy as np

from prefect_mlops.core.abtest.intervals import Outcomes, effects_over_time
from prefect_mlops.core.abtest.judging import Effect, Finding
from prefect_mlops.core.abtest.plan import Comparison
from prefect_mlops.core.documents.markdown import as_markdown
from prefect_mlops.core.documents.parts import Document, Picture, Section, Table
from prefect_mlops.core.drawing import INK, SHADE, new_figure, png

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
        axes = figure.add_subplot(len(known), 1, number)
        users, estimate, low, high = (path[name] for name in ("users", "estimate", "low", "high"))
        axes.fill_between(users, low, np.where(np.isfinite(high), high, np.nan), color=SHADE, alpha=0.6, linewidth=0)
        axes.plot(users, estimate, color=INK, linewidth=1.5)
        axes.axhline(0.0, color="black", linewidth=0.8)
        axes.set_title(
            f"version {version} against version {plan.arms[0].version}: {plan.metric}", loc="left", fontsize=9
        )
        axes.set_xlabel("users with an outcome")
        last = np.array([low[-1], high[-1], 0.0])
        reach = 2.5 * max(float(np.abs(last[np.isfinite(last)]).max()), 1e-9)
        axes.set_ylim(-reach, reach)
    return png(figure)


def comparison_report(plan: Comparison, finding: Finding, picture: bytes) -> str:
    """The page of a test, as Markdown.

    Args:
        plan: The plan.
        finding: What the newest look says.
        picture: From `draw_effects`; left out where empty.
    """
    champion = plan.arms[0]
    rows = [(f"{champion.version} (champion)", f"{champion.percent}%", f"{finding.assigned[0]:,}", "", "", "", "")]
    for place, effect in enumerate(finding.effects, 1):
        arm = plan.arms[place]
        interval = " to ".join("open" if end is None else _shown(effect, end) for end in (effect.low, effect.high))
        estimate = "" if effect.estimate is None else _shown(effect, effect.estimate)
        means = f"{_number(effect.mean)} / {_number(effect.champion_mean)}"
        assigned, counted = f"{finding.assigned[place]:,}", f"{effect.users:,}"
        known = interval if effect.low is not None or effect.high is not None else "too few users"
        rows.append((str(arm.version), f"{arm.percent}%", assigned, counted, means, estimate, known))
    head = ["version", "traffic", "users", "with an outcome", f"{plan.metric}, and the champion's", "effect"]
    confidence = f"{1 - plan.level:.4g} of such intervals hold the truth at every look"
    asked = [f"`{plan.metric}` is to be {plan.goal}; a change of {plan.matters:.0%} matters.".replace("`", "")]
    asked += [f"About {finding.needed:,} users with an outcome tell such a change."] if finding.needed else []
    asked.append(f"The split has E {finding.split:.3g}; it is called wrong at {2 / plan.alpha_split:,.0f}.")
    drawn = [Picture(f"The effect and its interval, user by user; {confidence}", picture)] if picture else []
    sections = [
        Section("Arms", [Table([*head, "interval"], rows)]),
        Section("Over time", drawn),
        Section("What is asked", [" ".join(asked)]),
    ]
    return as_markdown(Document(f"Versions compared: {finding.verdict}", [finding.reason], sections))


def _shown(effect: Effect, value: float) -> str:
    return f"{value:+.1%}" if effect.scale == "relative" else f"{value:+.4g}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
