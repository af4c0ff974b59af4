"""What a decision shows of its gates, its slices, its bets and its worn rows, as parts of a document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefect_mlops.core.decisions.rates import alpha_of, error_rate, planned_of
from prefect_mlops.core.decisions.told import chance, count, interval, named, number
from prefect_mlops.core.documents.parts import Folded, Part, Points, Table

if TYPE_CHECKING:
    from prefect_mlops.core.evidence import Check, Decision, Evidence, Measurement, Verdict
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["asked", "champions_worth", "fresh_rows", "gates_said", "judging_rows", "rates", "strongest"]

MARKS = {"pass": "✅", "fail": "❌", "undecided": "❔", "not applicable": "⬜"}
MOST_CHECKS = 20
"""A table of hundreds is read by nobody; the rest is counted."""


def gates_said(decision: Decision) -> list[Part]:
    """The verdicts, a table a family, and their sentences."""
    parts: list[Part] = []
    if proofs := [verdict for verdict in decision.verdicts if verdict.family == "proof"]:
        parts += ["Each proof has to show that the candidate is good; all of them must.", _proofs(proofs)]
    if alarms := [verdict for verdict in decision.verdicts if verdict.family == "alarm"]:
        level = number(decision.alarm_level)
        parts += [f"An alarm has to show that something is wrong, with a p of at most {level}.", _alarms(alarms)]
    if limits := [verdict for verdict in decision.verdicts if verdict.family == "limit"]:
        parts += ["A limit is held against its number, without a test.", _limits(limits)]
    told = [(f"{_name(verdict)}, {verdict.outcome}:", verdict.reason) for verdict in decision.verdicts]
    return [*parts, Points(told)]


def asked(decision: Decision) -> list[Part]:
    """What alarm gates asked of slices and the like: the twenty with the most evidence, gate by gate."""
    found = strongest(decision)
    told = [(gate, one) for gate, one in found if one.value is not None or one.p_value is not None]
    aside = [(gate, one) for gate, one in found if one.value is None and one.p_value is None]
    by_gate: dict[str, list[Check]] = {}
    for gate, one in told[:MOST_CHECKS]:
        by_gate.setdefault(gate, []).append(one)
    parts: list[Part] = []
    for gate, checks in by_gate.items():
        parts += [f"{gate}:", _checks(checks)]
    if len(told) > MOST_CHECKS:
        parts.append(f"{len(told) - MOST_CHECKS:,} more with less evidence are not shown.")
    if aside:
        rows = [(gate, named(one.name), one.metric, count(one.rows), one.reason) for gate, one in aside[:MOST_CHECKS]]
        summary = f"{len(aside):,} could not be asked" + (f", {MOST_CHECKS} of them here" * (len(aside) > MOST_CHECKS))
        parts.append(Folded(summary, [_filled(["gate", "about", "metric", "rows", "why"], rows)]))
    return parts


def strongest(decision: Decision) -> list[tuple[str, Check]]:
    """All checks with their gate, those with the most evidence first."""
    found = [(verdict.gate, one) for verdict in decision.verdicts for one in verdict.checks]
    return sorted(found, key=lambda pair: (_known(pair[1].adjusted_p), _known(pair[1].p_value), not pair[1].reason))


def fresh_rows(spec: ModelSpec, evidence: Evidence) -> list[Part]:
    """What candidates have won by bets on rows newer than both trainings, a line a metric."""
    if not evidence.wagers:
        return []
    needed = {
        gate.metrics[0]: 1.0 / alpha_of(gate)
        for gate in spec.resolved_gates()
        if gate.kind == "better-than-champion" and gate.metrics
    }
    rows = [
        (one.metric, number(one.e_value), number(needed.get(one.metric)), count(one.looks), count(one.rows),
         number(one.wins), number(one.losses), one.until[:10], one.scored, "always" if one.exact else "for many rows",
         one.reason)
        for one in evidence.wagers
    ]  # fmt: skip
    head = [
        "metric",
        "e-value",
        "needed",
        "trainings",
        "rows bet on",
        "won",
        "lost",
        "until",
        "bet on",
        "bound holds",
        "",
    ]
    version = evidence.wagers[0].champion_version
    return [
        f"The e-value is what one unit has become, bet against “no candidate is better than version {version}”. "
        "Every row is bet on once; another champion begins anew.",
        _filled(head, rows),
    ]


def judging_rows(spec: ModelSpec, evidence: Evidence) -> list[Part]:
    """How often the judging rows were compared on, and how often the spec's gates let them."""
    use = evidence.holdout_use
    if use is None:
        return []
    planned = [number for gate in spec.resolved_gates() if (number := planned_of(gate)) is not None]
    said = f"These rows, or rows among them, have served {use.comparisons:,} "
    said += "comparison" if use.comparisons == 1 else "comparisons"
    if not planned:
        return [f"{said}, this one included (digest {use.digest[:16]})."]
    left = max(min(planned) - use.comparisons, 0)
    return [f"{said} of {min(planned):,} planned, this one included; {left:,} are left (digest {use.digest[:16]})."]


def champions_worth(evidence: Evidence) -> list[Part]:
    """The champion's metrics on rows that did not choose it, beside those on all judging rows."""
    if evidence.champion_version is None or not evidence.champion_reported:
        return []
    whole = {one.metric: one for one in evidence.measurements if one.subject == "champion"}
    rows = [
        (one.metric, _with_error(one), count(one.rows), _with_error(whole.get(one.metric)))
        for one in evidence.champion_reported
    ]
    return [
        "A model that was chosen for its score looks better than it is on the rows that chose it. Rows that came "
        f"after version {evidence.champion_version} was chosen had no part in that.",
        Table(["metric", "on rows that did not choose it", "rows", "on all judging rows"], rows),
    ]


def rates(spec: ModelSpec) -> list[Part]:
    """How often each gate of the spec is wrong."""
    return [Points([(f"{gate.kind} {' '.join(gate.metrics)}".strip(), error_rate(spec, gate)) for gate in
                    spec.resolved_gates()])]  # fmt: skip


def _proofs(verdicts: Sequence[Verdict]) -> Table:
    head = ["", "proof", "metric", "value", "bound", "bounds of confidence", "rows", "shows from", "needed", "e-value"]
    rows = [(*_asked(one), *_numbers(one), count(one.rows), *_reach(one), number(one.e_value)) for one in verdicts]
    return _filled(head, rows)


def _alarms(verdicts: Sequence[Verdict]) -> Table:
    head = ["", "alarm", "metric", "p", "p, all alarms", "value", "bound", "bounds of confidence", "rows"]
    rows = [
        (*_asked(one), chance(one.p_value), chance(one.adjusted_p), *_numbers(one), count(one.rows)) for one in verdicts
    ]
    return _filled(head, rows)


def _checks(checks: Sequence[Check]) -> Table:
    head = ["about", "metric", "value", "held against", "interval", "rows", "p", "p, all of the gate", "shows from", ""]
    rows = [
        (named(one.name), one.metric, number(one.value), number(one.bound), interval(one.low, one.high),
         count(one.rows), chance(one.p_value), chance(one.adjusted_p), number(one.minimum_detectable),
         "" if one.p_value is not None else one.reason)
        for one in checks
    ]  # fmt: skip
    return _filled(head, rows)


def _limits(verdicts: Sequence[Verdict]) -> Table:
    rows = [(*_asked(one), number(one.value), number(one.bound), count(one.rows)) for one in verdicts]
    return _filled(["", "limit", "metric", "value", "held against", "rows"], rows)


def _filled(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table without the columns in which nothing stands."""
    kept = [place for place in range(len(head)) if any(row[place] for row in rows)]
    return Table([head[place] for place in kept], [[row[place] for place in kept] for row in rows])


def _name(verdict: Verdict) -> str:
    return f"{verdict.gate} {verdict.metric}".strip()


def _asked(verdict: Verdict) -> tuple[str, str, str]:
    return MARKS[verdict.outcome], verdict.gate, verdict.metric


def _numbers(verdict: Verdict) -> tuple[str, str, str]:
    return number(verdict.value), number(verdict.bound), interval(verdict.low, verdict.high)


def _reach(verdict: Verdict) -> tuple[str, str]:
    return number(verdict.minimum_detectable), count(verdict.rows_needed)


def _with_error(found: Measurement | None) -> str:
    if found is None or not math.isfinite(found.value):
        return "not known"
    return f"{number(found.value)} ± {number(found.standard_error)}"


def _known(p_value: float | None) -> float:
    """Checks without a p-value come last."""
    return 2.0 if p_value is None or math.isnan(p_value) else p_value
