"""A decision as one document, shown in the Prefect UI and kept as a page beside the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prefect_mlops.core.decisions.sections import (
    asked,
    champions_worth,
    fresh_rows,
    gates_said,
    judging_rows,
    rates,
)
from prefect_mlops.core.documents.markdown import as_markdown
from prefect_mlops.core.documents.page import as_page
from prefect_mlops.core.documents.parts import Document, Folded, Links, Part, Picture, Section, Table

if TYPE_CHECKING:
    from prefect_mlops.core.evidence import Decision, Evidence
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["decision_page", "decision_report"]

CAPTIONS = {
    "differences": "How much better the candidate is, with the bounds that the gates judge; dashed is what they ask.",
    "checks": "What the alarms asked, the most evidence first; dashed is what each is held against.",
    "wager": "What betting on fresh rows has won; dashed is what the proof takes.",
    "calibration": "What came of the chances given.",
    "residuals": "Truth less prediction over what was predicted.",
}
MOST_BYTES = 600_000
"""Of pictures in one artifact: text a third longer in base64, beside which all the tables are small."""


def decision_report(
    spec: ModelSpec,
    evidence: Evidence,
    decision: Decision,
    links: Mapping[str, str],
    pictures: Mapping[str, bytes] | None = None,
) -> str:
    """The decision as Markdown.

    Args:
        spec: The model's spec.
        evidence: What was measured.
        decision: What the gates said.
        links: Addresses by name.
        pictures: PNG bytes by name, from `decision_pictures`, and `calibration` or `residuals` from the training's
            report; names that a decision does not show are left out.
    """
    return as_markdown(_document(spec, evidence, decision, links, pictures or {}))


def decision_page(
    spec: ModelSpec,
    evidence: Evidence,
    decision: Decision,
    links: Mapping[str, str],
    pictures: Mapping[str, bytes] | None = None,
) -> str:
    """The same as one HTML page that needs nothing else; the arguments are those of `decision_report`."""
    return as_page(_document(spec, evidence, decision, links, pictures or {}))


def _document(
    spec: ModelSpec,
    evidence: Evidence,
    decision: Decision,
    links: Mapping[str, str],
    pictures: Mapping[str, bytes],
) -> Document:
    from prefect_mlops.core.experiments.said import metric_rows

    drawn = _within(pictures)
    measured = Table(*metric_rows(evidence))
    return Document(
        f"{spec.name}: {decision.outcome}",
        [
            decision.summary,
            _judged(evidence),
            Links(links),
            f"The decision serves: {spec.purpose.decision}",
        ],
        [
            Section("What the gates say", gates_said(decision)),
            Section(
                "The candidate beside the others",
                [drawn["differences"], Folded("Every metric of every model (95%)", [measured])],
            ),
            Section("Slices and whatever else the alarms asked", [*asked(decision), drawn["checks"]]),
            Section("What fresh rows have proved", [*fresh_rows(spec, evidence), drawn["wager"]]),
            Section("What the champion is worth", champions_worth(evidence)),
            Section("How worn the judging rows are", judging_rows(spec, evidence)),
            Section("Whether the predictions hold", [drawn["calibration"], drawn["residuals"]]),
            Section("How often the gates are wrong", [Folded("Error rates, gate by gate", rates(spec))]),
        ],
    )


def _judged(evidence: Evidence) -> str:
    who = f"{evidence.candidate} was judged on {evidence.judged_on or 'rows without a description'}"
    if evidence.champion_version is None:
        return f"{who}. There is no champion yet."
    served = "" if evidence.champion_days is None else f", champion for {evidence.champion_days:.3g} days"
    anchor = ""
    if evidence.anchor_version not in (None, evidence.champion_version):
        anchor = f" Version {evidence.anchor_version} is the anchor, against which small steps down add up."
    return f"{who}, against version {evidence.champion_version}{served}.{anchor}"


def _within(pictures: Mapping[str, bytes]) -> dict[str, Part]:
    """The pictures that a decision shows, as far as one artifact can hold them; a sentence where one is left out."""
    found: dict[str, Part] = {}
    size = 0
    for name, caption in CAPTIONS.items():
        content = pictures.get(name)
        if content is None:
            found[name] = ""
        elif size + len(content) > MOST_BYTES:
            found[name] = f"The picture of {name} is too large to be shown here."
        else:
            size += len(content)
            found[name] = Picture(caption, content)
    return found
