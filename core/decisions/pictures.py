"""Pictures of a decision, as PNG bytes: differences, what the alarms asked, and the account of the bets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefect_mlops.core.decisions.rates import alpha_of
from prefect_mlops.core.decisions.sections import MOST_CHECKS, strongest
from prefect_mlops.core.decisions.told import named

if TYPE_CHECKING:
    from prefect_mlops.core.decisions.forest import Panel, Row
    from prefect_mlops.core.evidence import Comparison, Decision, Evidence, Verdict, Wager
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["decision_pictures"]

OTHERS = {
    "the champion": ("champion", "anchor"),
    "simple models": ("baseline", "linear"),
}
"""Differences of one metric that may share an axis; from a model that knows nothing they are a hundred times larger."""
CONFIDENCE = 0.95
MOST_PANELS = 8


def decision_pictures(
    spec: ModelSpec, evidence: Evidence, decision: Decision, history: Sequence[Wager] = ()
) -> dict[str, bytes]:
    """Draw what can be drawn; a name is missing where there is nothing to draw.

    Args:
        spec: The model's spec.
        evidence: What was measured.
        decision: What the gates said.
        history: The wagers of the champion's earlier challengers, oldest first, as `wagers_of` reads them.

    Returns:
        PNG bytes under `differences`, `checks` and `wager`.
    """
    from prefect_mlops.core.decisions.forest import draw_forest

    found: dict[str, bytes] = {}
    if panels := _differences(evidence, decision):
        found["differences"] = draw_forest(panels, "How much better the candidate is, in the metric's own unit")
    if panels := _checks(decision):
        found["checks"] = draw_forest(panels, "What is tested, in the metric's own unit")
    accounts = {one.metric: [*_before(history, one), one] for one in evidence.wagers if one.looks}
    if accounts:
        found["wager"] = _accounts(accounts, _needed(spec))
    return found


def _differences(evidence: Evidence, decision: Decision) -> list[Panel]:
    """A panel for each metric and kind of other model; metrics that a gate compares come first."""
    from prefect_mlops.core.decisions.forest import Panel

    judged = [verdict.metric for verdict in decision.verdicts if verdict.family == "proof"]
    metrics = dict.fromkeys([*judged, *(one.metric for one in evidence.comparisons)])
    panels = []
    for metric in metrics:
        for others, names in OTHERS.items():
            compared = [one for one in evidence.comparisons if one.metric == metric and one.against in names]
            rows = [row for one in compared for row in _rows(evidence, decision, one)]
            if rows:
                panels.append(Panel(f"{metric}, against {others}", rows))
    return panels[:MOST_PANELS]


def _rows(evidence: Evidence, decision: Decision, compared: Comparison) -> list[Row]:
    """A row for each gate that judged the difference, with its bounds; one with 95% bounds where none did."""
    from prefect_mlops.core.decisions.forest import Row

    if not math.isfinite(compared.advantage):
        return []
    label = _other(evidence, compared)
    judging = [verdict for verdict in decision.verdicts if _about(verdict, compared)]
    if not judging:
        low, high = _bounds(compared)
        return [Row(label, compared.advantage, low, high)]
    return [
        Row(f"{label}: {one.gate}", compared.advantage, one.low, one.high, one.bound, one.outcome) for one in judging
    ]


def _about(verdict: Verdict, compared: Comparison) -> bool:
    """Verdicts do not name the other model; they carry its very difference."""
    same = verdict.metric == compared.metric and verdict.value == compared.advantage
    return verdict.family == "proof" and same


def _bounds(compared: Comparison) -> tuple[float | None, float | None]:
    from prefect_mlops.core.gates.confidence import confidence_bounds, estimate_of

    if compared.degrees_of_freedom < 1 or not math.isfinite(compared.standard_error):
        return None, None
    return confidence_bounds(estimate_of(compared), CONFIDENCE)


def _other(evidence: Evidence, compared: Comparison) -> str:
    versions = {"champion": evidence.champion_version, "anchor": evidence.anchor_version}
    names = {"baseline": "no features", "linear": "linear model"}
    version = versions.get(compared.against)
    return names.get(compared.against, compared.against) + (f" (version {version})" if version else "")


def _checks(decision: Decision) -> list[Panel]:
    """The checks with the most evidence that have an interval, a panel for each gate and metric."""
    from prefect_mlops.core.decisions.forest import Panel, Row

    groups: dict[str, list[Row]] = {}
    for gate, one in strongest(decision)[:MOST_CHECKS]:
        if one.value is None or not math.isfinite(one.value) or one.low is None:
            continue
        said = "" if one.adjusted_p is None else "fail" if one.adjusted_p <= decision.alarm_level else "pass"
        row = Row(named(one.name), one.value, one.low, one.high, one.bound, said)
        groups.setdefault(f"{gate} {one.metric}".strip(), []).append(row)
    return [Panel(title, rows) for title, rows in groups.items()][:MOST_PANELS]


def _before(history: Sequence[Wager], present: Wager) -> list[Wager]:
    """The earlier states of an account; one with more looks than a later one is of another reign."""
    found: list[Wager] = []
    for one in history:
        if (one.metric, one.champion_version) == (present.metric, present.champion_version):
            found = [before for before in found if before.looks < one.looks] + [one]
    return [before for before in found if before.looks < present.looks]


def _needed(spec: ModelSpec) -> dict[str, float]:
    gates = [gate for gate in spec.resolved_gates() if gate.kind == "better-than-champion"]
    return {metric: 1.0 / alpha_of(gate) for gate in gates for metric in gate.metrics}


def _accounts(accounts: dict[str, list[Wager]], needed: dict[str, float]) -> bytes:
    """E-values after each training, and where the proof lies."""
    from prefect_mlops.core.drawing import ALARM, new_figure, png

    figure = new_figure(3.4)
    axes = figure.subplots()
    for metric, wagers in accounts.items():
        rows = [0, *(one.rows for one in wagers)]
        values = [1.0, *(max(one.e_value, 1e-3) for one in wagers)]
        axes.step(rows, values, where="post", marker="o", markersize=4, label=metric)
    for limit in sorted({needed[metric] for metric in accounts if metric in needed}):
        axes.axhline(limit, color=ALARM, linewidth=1.2, linestyle="--")
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set(yscale="log", xlabel="Rows or pairs bet on since the champion took over", ylabel="E-value")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(loc="best", fontsize="small")
    return png(figure)
