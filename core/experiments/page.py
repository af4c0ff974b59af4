"""The page of an experiment: all that it found, in one document."""

from __future__ import annotations

from collections.abc import Mapping

from prefect_mlops.core.documents.page import as_page
from prefect_mlops.core.documents.parts import Document, Picture, Section, Table
from prefect_mlops.core.experiments.records import ExperimentReport
from prefect_mlops.core.experiments.said import between, metric_rows, number, number_rows, usage_sentence
from prefect_mlops.core.spec import ModelSpec

__all__ = ["render_page"]


def render_page(spec: ModelSpec, record: ExperimentReport, pictures: Mapping[str, bytes]) -> str:
    """Write the page, as HTML that needs nothing else.

    Args:
        spec: The model's spec.
        record: What it shows.
        pictures: PNG bytes by name.
    """
    evidence, decision = record.evidence, record.decision
    against = "no champion" if evidence.champion_version is None else f"champion version {evidence.champion_version}"
    judged = evidence.judged_on or "the hold-out"
    gates = [(one.gate, one.metric, one.outcome, one.reason) for one in decision.verdicts]
    needed = [(one.feature, number(one.loss, "+"), between(one.loss, "+"), one.verdict) for one in record.importances]
    learned = [
        (f"{one.share:.0%}", f"{one.learned:,}", number(one.value), between(one.value), number(one.gain, "+"),
         between(one.gain, "+"), one.reason)
        for one in record.learning
    ]  # fmt: skip
    shown = {name: Picture(name, content) for name, content in pictures.items()}
    curves = [picture for name, picture in shown.items() if name not in ("importances", "learning")]
    document = Document(
        f"{evidence.model}: {decision.outcome}",
        [
            decision.summary,
            f"{evidence.candidate} was judged on {judged}, against {against}.",
            f"The decision serves: {spec.purpose.decision}",
        ],
        [
            Section("Gates", [Table(["gate", "metric", "outcome", "why"], gates)]),
            Section("Metrics (95%)", [Table(*metric_rows(evidence)), _baselines(record)]),
            Section(
                f"What the model needs, by {record.metric}",
                [
                    Table(["feature", "loss once its values are dealt out anew", "95%, all together", ""], needed),
                    shown.get("importances", ""),
                ],
            ),
            Section("Curves", [*curves, Table(["curve", "of", "measure", "value", "95%"], number_rows(record))]),
            Section(
                "What more rows bring",
                [
                    Table(["part", "rows", record.metric, "95%", "gain over the part before", "95%", ""], learned),
                    shown.get("learning", ""),
                ],
            ),
            Section("Search", [record.search.summary if record.search else ""]),
            Section("Rows on both sides of the split", [record.overlap]),
            Section("What it cost", [usage_sentence(record.usage) if record.usage else ""]),
        ],
    )
    return as_page(document)


def _baselines(record: ExperimentReport) -> str:
    if record.baselines is None:
        return ""
    named = ", ".join(f"{subject} is {path}" for subject, path in sorted(record.baselines.estimators.items()))
    return f"{named}; the linear model learned from {record.baselines.learned:,} rows."
