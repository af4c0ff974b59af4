"""Markdown that people read in the Prefect UI: validation, decision, health and rollout."""

import math
from collections.abc import Iterable, Sequence

from prefect_mlops.core.evidence import Decision, Evidence, Subject, Verdict
from prefect_mlops.core.intake import Intake, end_of
from prefect_mlops.core.monitors import Finding, Seen
from prefect_mlops.core.spec import ModelSpec

__all__ = ["decision_report", "drift_report", "intake_report", "rollout_report", "table"]

SUBJECTS: tuple[Subject, ...] = ("candidate", "champion", "baseline")
MARKS = {"pass": "✅", "fail": "❌", "undecided": "❔", "not applicable": "⬜"}
OUTCOMES = {"accepted": "✅", "known": "✅", "rejected": "❌"}
DETAILED = 10
"""Batches whose every expectation is shown; a page of hundreds is read by nobody."""
STATES = {"healthy": "✅", "drifted": "🌊", "degraded": "❌", "unknown": "❔"}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""A Markdown table; bars and line breaks in cells are made harmless.

    Examples:
        >>> print(table(["a", "b"], [[1, "x|y"]]))
        | a | b |
        |---|---|
        | 1 | x\|y |
    """
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def intake_report(spec: ModelSpec, taken: Sequence[Intake]) -> str:
    """What became of the batches that one run took in, the rejected ones first, and why."""
    ordered = sorted(taken, key=lambda intake: (intake.outcome != "rejected", not intake.aside))
    rows = [
        (
            OUTCOMES[intake.outcome],
            intake.batch,
            intake.outcome,
            f"{intake.version.version}" if intake.version else "",
            f"{intake.version.rows:,}" if intake.version else "",
            f"{intake.aside:,}" if intake.aside else "",
            "" if intake.report else intake.reason,
        )
        for intake in ordered
    ]
    overview = table(["", "batch", "outcome", "version", "rows", "in quarantine", "why"], rows)
    told = [intake for intake in ordered if intake.report is not None][:DETAILED]
    details = "\n".join(_validation_report(intake) for intake in told)
    return f"# {spec.name}: {end_of(taken)[1]}\n\n{overview}\n\n{details}"


def _validation_report(intake: Intake) -> str:
    """What Great Expectations found in a batch, failures first."""
    report = intake.report
    assert report is not None
    ordered = sorted(report.results, key=lambda result: result.success)
    rows = [
        (
            "✅" if result.success else "❌" if result.blocks else "⚠️",
            result.subject,
            result.expectation.removeprefix("expect_").replace("_", " "),
            result.action,
            f"{result.unexpected_count:,}" if result.unexpected_count else result.observed or "",
            f"{result.unexpected_share:.2%}" if result.unexpected_count else "",
            result.error or ", ".join(result.examples),
        )
        for result in ordered
    ]
    head = ["", "column", "expectation", "a failure", "unexpected / observed", "share", "examples"]
    return f"## {intake.batch}\n\n{report.summary}\n\n{table(head, rows)}\n"


def decision_report(spec: ModelSpec, evidence: Evidence, decision: Decision, links: dict[str, str]) -> str:
    """The decision with its reasons, the verdict of every gate, and every metric of every model."""
    gates = table(
        ["", "gate", "metric", "value", "bound", "low", "high", "rows", "shows from"],
        [_verdict_row(verdict) for verdict in decision.verdicts],
    )
    reasons = "\n".join(f"- **{verdict.gate}** ({verdict.outcome}): {verdict.reason}" for verdict in decision.verdicts)
    metrics = dict.fromkeys(measurement.metric for measurement in evidence.measurements)
    found = {(m.metric, m.subject): m for m in evidence.measurements}
    advantages = {(c.metric, c.against): c for c in evidence.comparisons}
    rows = []
    for metric in metrics:
        cells = [metric]
        for subject in SUBJECTS:
            value = found.get((metric, subject))
            cells.append(_with_error(value.value, value.standard_error) if value else "")
        gain = advantages.get((metric, "champion"))
        cells.append(_with_error(gain.advantage, gain.standard_error, "+") if gain else "")
        rows.append(cells)
    measured = table(["metric", "candidate", "champion", "baseline", "advantage over champion"], rows)
    against = f"champion version {evidence.champion_version}" if evidence.champion_version else "no champion"
    return (
        f"# {spec.name}: {decision.outcome}\n\n{decision.summary}\n\n"
        f"Judged on {evidence.judged_on}, against {against}. {_links(links)}\n\n"
        f"## Gates\n\n{gates}\n\n{reasons}\n\n## Metrics (± one standard error)\n\n{measured}\n\n"
        f"The decision serves: {spec.purpose.decision}\n"
    )


def drift_report(spec: ModelSpec, seen: Seen, findings: tuple[Finding, ...]) -> str:
    """What the monitors say, and how far each column has moved."""
    said = table(["", "monitor", "state", "why"], [(STATES[f.state], f.monitor, f.state, f.reason) for f in findings])
    moved = sorted(seen.columns, key=lambda column: -column.population_stability_index)
    columns = table(
        ["column", "PSI", "KS or largest change", "missing", "missing in reference"],
        [
            (c.column, f"{c.population_stability_index:.3f}", f"{c.statistic:.3f}", f"{c.missing_share:.2%}",
             f"{c.missing_share_reference:.2%}")
            for c in moved
        ],
    )  # fmt: skip
    return (
        f"# {spec.name}: health as of {seen.as_of}\n\n{seen.rows:,} recent rows, {seen.labelled:,} of them predicted "
        f"and labelled.\n\n{said}\n\n## Columns against the reference\n\n{columns}\n"
    )


def rollout_report(spec: ModelSpec, version: int, steps: tuple[str, ...], links: dict[str, str]) -> str:
    """How a rollout went, one line a step."""
    lines = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    return f"# {spec.name}: rollout of version {version}\n\n{_links(links)}\n\n{lines}\n"


def _verdict_row(verdict: Verdict) -> tuple[object, ...]:
    numbers = (verdict.value, verdict.bound, verdict.low, verdict.high)
    shown = ["" if number is None else f"{number:.4g}" for number in numbers]
    detectable = "" if verdict.minimum_detectable is None else f"{verdict.minimum_detectable:.3g}"
    mark = MARKS[verdict.outcome]
    return (mark, verdict.gate, verdict.metric, *shown, f"{verdict.rows:,}", detectable)


def _with_error(value: float, standard_error: float, sign: str = "") -> str:
    return f"{value:{sign}.4f} ± {standard_error:.4f}" if math.isfinite(value) else "not applicable"


def _links(links: dict[str, str]) -> str:
    return " · ".join(
        f"[{name}]({url})" if url.startswith("http") else f"{name}: `{url}`" for name, url in links.items()
    )


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
