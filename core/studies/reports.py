"""Markdown of studies, for people: ablation, baselines and staleness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prefect_mlops.core.documents.markdown import table

if TYPE_CHECKING:
    from prefect_mlops.core.studies.records import Ablation, Baselines, Staleness

__all__ = ["ablation_report", "baselines_report", "staleness_report"]

MARKS = {"helps": "✅", "harms": "❌", "not shown": "⬜"}


def ablation_report(ablation: Ablation) -> str:
    """What each group of columns brings and costs, the most helpful first."""
    rows = [
        (
            MARKS[one.verdict],
            one.group,
            one.verdict,
            _signed(one.advantage),
            _between(one.low, one.high),
            f"{one.milliseconds:+.2f}",
            f"{one.missing_share:.1%}",
        )
        for one in ablation.contributions
    ]
    brings = f"brings to {ablation.metric}"
    head = ["", "group", "", brings, f"{ablation.confidence:.0%}, all groups together", "ms a 1,000 rows", "missing"]
    return (
        f"# {ablation.model}: what each feature brings\n\nThe whole model reaches {ablation.metric} "
        f"{ablation.value:.4f} on {ablation.rows:,} rows and takes {ablation.milliseconds:.2f} ms CPU for 1,000 of "
        f"them. Each line is a model trained without the group.\n\n{table(head, rows)}\n"
    )


def baselines_report(model: str, baselines: Baselines) -> str:
    """What a dummy and a linear model reach, and how much better the candidate is (± one standard error)."""
    gains = {(found.metric, str(found.against)): found for found in baselines.comparisons}
    rows = []
    for found in baselines.measurements:
        gain = gains.get((found.metric, found.subject))
        gained = f"{_signed(gain.advantage)} ± {gain.standard_error:.4f}" if gain else ""
        rows.append((found.metric, found.subject, f"{found.value:.4f} ± {found.standard_error:.4f}", gained))
    names = ", ".join(f"{subject} is {path.rpartition('.')[2]}" for subject, path in baselines.estimators.items())
    head = ["metric", "model", "value", "the candidate is better by"]
    return (
        f"# {model}: beside simple models\n\n{names}; the linear model learned from {baselines.learned:,} rows.\n\n"
        f"{table(head, rows)}\n"
    )


def staleness_report(staleness: Staleness) -> str:
    """How fast a model ages, which rhythm that supports, and every model on every later month."""
    curve = table(
        ["age, months", "months compared", f"loss of {staleness.metric}", f"{staleness.confidence:.0%} bounds"],
        [(one.age, one.months, _signed(one.loss), _between(one.low, one.high)) for one in staleness.curve],
    )
    trained = sorted({score.trained for score in staleness.scores})
    scored = sorted({score.scored for score in staleness.scores})
    values = {(score.trained, score.scored): score.value for score in staleness.scores}
    cells = [
        [f"up to {last}", *(f"{values[last, month]:.3f}" if (last, month) in values else "" for month in scored)]
        for last in trained
    ]
    window = "all months before" if staleness.window_months is None else f"{staleness.window_months} month(s)"
    skipped = "".join(f"\n- Left out: {reason}" for reason in staleness.skipped)
    return (
        f"# {staleness.model}: how fast it ages\n\n{staleness.sentence} Each model learned from {window}; the loss is "
        f"that against the model of the month before, on the same rows.\n\n{curve}\n\n"
        f"## {staleness.metric} of every model on every later month\n\n{table(['learned', *scored], cells)}\n{skipped}"
    )


def _signed(value: float) -> str:
    return f"{value:+.4f}" if math.isfinite(value) else "not known"


def _between(low: float, high: float) -> str:
    return f"{low:+.4f} to {high:+.4f}" if math.isfinite(low) and math.isfinite(high) else "not known"
