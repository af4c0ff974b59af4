"""One HTML page of an experiment that needs nothing else: no script, no outside address, pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from prefect_mlops.core.experiments.records import ExperimentReport
from prefect_mlops.core.experiments.said import between, metric_rows, number, number_rows, usage_sentence
from prefect_mlops.core.spec import ModelSpec

__all__ = ["render_page"]

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0;display:block;overflow-x:auto}"
    "th,td{border:1px solid #ccc;padding:.25rem .6rem;text-align:left}th{background:#f2f5f9}"
    "img{max-width:100%}figure{margin:1rem 0}figcaption{color:#555}"
)
# A browser that honours this fetches nothing, whatever a name or a label holds.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render_page(spec: ModelSpec, record: ExperimentReport, pictures: Mapping[str, bytes]) -> str:
    """Write the page.

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
    body = [
        _paragraph(decision.summary),
        _paragraph(f"{evidence.candidate} was judged on {judged}, against {against}."),
        _paragraph(f"The decision serves: {spec.purpose.decision}"),
        _section("Gates", _table(["gate", "metric", "outcome", "why"], gates)),
        _section("Metrics (95%)", _table(*metric_rows(evidence)), _baselines(record)),
        _section(
            f"What the model needs, by {record.metric}",
            _table(["feature", "loss once its values are dealt out anew", "95%, all together", ""], needed),
            _picture(pictures, "importances"),
        ),
        _section("Curves", *(_picture(pictures, name) for name in pictures if name not in ("importances", "learning")),
                 _table(["curve", "of", "measure", "value", "95%"], number_rows(record)) if record.curves else ""),
        _section(
            "What more rows bring",
            _table(["part", "rows", record.metric, "95%", "gain over the part before", "95%", ""], learned)
            if learned
            else "",
            _picture(pictures, "learning"),
        ),
        _section("Search", _paragraph(record.search.summary) if record.search else ""),
        _section("Rows on both sides of the split", _paragraph(record.overlap) if record.overlap else ""),
        _section("What it cost", _paragraph(usage_sentence(record.usage)) if record.usage else ""),
    ]  # fmt: skip
    title = escape(f"{evidence.model}: {decision.outcome}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _baselines(record: ExperimentReport) -> str:
    if record.baselines is None:
        return ""
    named = ", ".join(f"{subject} is {path}" for subject, path in sorted(record.baselines.estimators.items()))
    return _paragraph(f"{named}; the linear model learned from {record.baselines.learned:,} rows.")


def _section(title: str, *parts: str) -> str:
    told = "\n".join(part for part in parts if part)
    return f"<h2>{escape(title)}</h2>\n{told}" if told else ""


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _picture(pictures: Mapping[str, bytes], name: str) -> str:
    if name not in pictures:
        return ""
    drawn, shown = base64.b64encode(pictures[name]).decode(), escape(name)
    source = f"data:image/png;base64,{drawn}"
    return f'<figure><img alt="{shown}" src="{source}"><figcaption>{shown}</figcaption></figure>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>\n<tr>{top}</tr>\n{lines}\n</table>"
