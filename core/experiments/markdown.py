"""Markdown of an experiment and of runs beside each other, for the Prefect UI."""

from __future__ import annotations

from collections.abc import Mapping

from prefect_mlops.core.documents.markdown import table
from prefect_mlops.core.experiments.records import ExperimentReport, RunComparison
from prefect_mlops.core.experiments.said import between, metric_rows, number, number_rows, usage_sentence

__all__ = ["comparison_report", "experiment_report"]

MARKS = {
    "needed": "✅",
    "misleads": "❌",
    "better": "✅",
    "worse": "❌",
    "not shown": "⬜",
    "": "",
}  # fmt: skip


def experiment_report(record: ExperimentReport, links: Mapping[str, str]) -> str:
    """A training in short: the decision, every metric, what the model needs, what more rows bring, what it cost."""
    evidence = record.evidence
    shown = " · ".join(f"[{name}]({url})" for name, url in links.items() if url.startswith("http"))
    parts = [f"# {evidence.model}: {record.decision.outcome}\n\n{record.decision.summary} {shown}".rstrip()]
    head, rows = metric_rows(evidence)
    parts.append(f"## Metrics on {evidence.judged_on or 'the hold-out'} (95%)\n\n{table(head, rows)}")
    if record.importances:
        needed = [
            (MARKS[one.verdict], one.feature, number(one.loss, "+"), between(one.loss, "+"))
            for one in record.importances
        ]
        head = ["", "feature", f"loss of {record.metric}", "95%, all features together"]
        parts.append(f"## What the model needs\n\n{table(head, needed)}")
    if record.learning:
        learned = [
            (f"{one.learned:,}", number(one.value), between(one.value), between(one.gain, "+"), one.reason)
            for one in record.learning
        ]
        head = ["rows learned from", record.metric, "95%", "gain over the part before, 95%", ""]
        parts.append(f"## What more rows bring\n\n{table(head, learned)}")
    if record.curves:
        parts.append(
            f"## Curves in numbers\n\n{table(['curve', 'of', 'measure', 'value', '95%'], number_rows(record))}"
        )
    if record.search:
        parts.append(f"## Search\n\n{record.search.summary}")
    if record.overlap:
        parts.append(record.overlap)
    if record.usage:
        parts.append(usage_sentence(record.usage))
    return "\n\n".join(parts) + "\n"


def comparison_report(comparison: RunComparison) -> str:
    """Runs beside each other: each with its interval, and by how much it differs from the first; no ranks."""
    first = comparison.runs[0]
    rows = [
        (MARKS[one.verdict], one.metric, one.run, number(one.value), between(one.value), number(one.advantage, "+"),
         between(one.advantage, "+"), one.verdict)
        for one in comparison.values
    ]  # fmt: skip
    left = ", ".join(f"{run} {count:,}" for run, count in comparison.left_out.items())
    changed = f" {comparison.changed:,} shared rows had another label when another run was judged." * bool(
        comparison.changed
    )
    head = ["", "metric", "run", "value", "95%", f"better than {first} by", "95%, all runs together", ""]
    return (
        f"# {comparison.model}: {len(comparison.runs)} runs beside each other\n\nOn the {comparison.rows:,} rows that "
        f"were held out of every run. Rows left out: {left}.{changed} A difference whose interval holds zero is not "
        f"shown.\n\n{table(head, rows)}\n"
    )
