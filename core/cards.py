"""The model card: what a model is for, what it was made from and how it came to be trusted, from the ledger alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect_mlops.core.decisions.history import decision_in, evidence_in
from prefect_mlops.core.decisions.sections import asked, champions_worth, rates
from prefect_mlops.core.documents.markdown import paragraphs, plain, table
from prefect_mlops.core.errors import PartError
from prefect_mlops.core.ledger import Record
from prefect_mlops.core.reign import ADOPTED, TAKES_OVER
from prefect_mlops.core.spec import ModelSpec

__all__ = ["render_card"]

SHOWN = 12


def render_card(records: Sequence[Record], spec: ModelSpec) -> str:
    """Write the model card.

    Args:
        records: The model's records, oldest first.
        spec: Its spec as it is now.

    Returns:
        Markdown. A fact that no record holds is said to be missing, never guessed.
    """
    changes = [record for record in records if record.stage in TAKES_OVER]
    sections = (
        f"# Model card: {spec.name}",
        _purpose(spec),
        _champion(records, changes[-1] if changes else None),
        _last_judgement(records),
        _gates(spec),
        _history(changes),
        _data(records),
        _log(records),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _purpose(spec: ModelSpec) -> str:
    costs = spec.purpose.costs
    facts = (
        ("Decision it serves", spec.purpose.decision),
        ("Business metric", spec.purpose.business_metric),
        ("Owner", spec.purpose.owner),
        ("Predicts", f"`{spec.target.column}` ({spec.target.problem}) from {len(spec.features.names)} features"),
        ("Cost of errors", f"false positive {costs.false_positive:g}, false negative {costs.false_negative:g}"),
    )
    return "  \n".join(f"**{name}:** {fact}" for name, fact in facts)


def _champion(records: Sequence[Record], champion: Record | None) -> str:
    if champion is None:
        return "## Champion\n\nNo version is trusted yet."
    slot = champion.body.get("slot")
    head = f"## Champion: version {champion.subject}" + (f", slot {slot}" if slot else "")
    since = f"Since {_day(champion.as_of)}, record {champion.sequence} of the ledger."
    trained = [r for r in records if r.stage in ("candidate.accepted", ADOPTED) and r.subject == champion.subject]
    if not trained:
        return f"{head}\n\n{since} Its training is not on record."
    body = trained[-1].body
    lineage, evidence = _part(body, "lineage"), _part(body, "evidence")
    reported = _reported(records, champion)
    made = _origin(body, lineage) if trained[-1].stage == ADOPTED else _lineage(lineage)
    parts = [f"{head}\n\n{since} {_said(body)}", made]
    if evidence:
        how = "Measured" if trained[-1].stage == ADOPTED else "Judged"
        parts.append(f"### {how} on {evidence.get('judged_on', 'rows not on record')}\n\n{_measured(evidence)}")
    if (decision := decision_in(trained[-1])) is not None and (slices := paragraphs(asked(decision))):
        parts.append(f"### Slices and the like, the most evidence of a loss first\n\n{slices}")
    if reported:
        parts.append(f"### On rows that did not choose it\n\n{reported}")
    return "\n\n".join(parts)


def _reported(records: Sequence[Record], champion: Record) -> str:
    """What the newest look at the champion found on rows that had no part in choosing it."""
    since = [record for record in records if record.sequence > champion.sequence]
    for record in reversed(since):
        evidence = evidence_in(record) if record.stage.startswith("candidate.") else None
        if evidence is not None and str(evidence.champion_version) == champion.subject and evidence.champion_reported:
            looked = f"As of {_day(record.as_of)}, among {evidence.judged_on or 'the judging rows'}."
            return f"{plain(looked)}\n\n{paragraphs(champions_worth(evidence))}"
    return ""


def _gates(spec: ModelSpec) -> str:
    """What a candidate must pass now, and how often each gate is wrong."""
    try:
        return f"## Gates of the spec as it is now\n\n{paragraphs(rates(spec))}"
    except PartError as error:
        return f"## Gates of the spec as it is now\n\n{plain(str(error))}"


def _last_judgement(records: Sequence[Record]) -> str:
    """The newest candidate, where it did not make it: the reader of a card asks what came after the champion."""
    judged = [record for record in records if record.stage.startswith("candidate.")]
    if not judged or judged[-1].stage == "candidate.accepted":
        return ""
    last = judged[-1]
    outcome = last.stage.removeprefix("candidate.")
    return f"## Newest candidate: {outcome} on {_day(last.as_of)}\n\n{_said(last.body)}"


def _lineage(lineage: Mapping[str, Any]) -> str:
    data, parameters = _part(lineage, "data"), _part(lineage, "parameters")
    facts = (
        ("rows", f"{_number(data.get('rows'))} of `{data.get('table', '?')}` version {data.get('version', '?')}"),
        ("time", f"{_day(data.get('first'))} to {_day(data.get('last'))}"),
        ("data digest", _short(data.get("digest"))),
        ("judging rows' digest", _short(lineage.get("holdout_digest"))),
        ("spec digest", _short(lineage.get("spec_digest"))),
        ("suite digest", _short(lineage.get("suite_digest"))),
        ("environment digest", _short(lineage.get("lock_digest"))),
        ("commit", _short(lineage.get("commit"))),
        ("seed", lineage.get("seed", "not on record")),
        ("trainer", f"`{parameters.get('estimator') or parameters.get('kind') or 'not on record'}`"),
    )
    return "### Made from\n\n" + table(["", ""], facts)


def _origin(body: Mapping[str, Any], lineage: Mapping[str, Any]) -> str:
    """Of a model that was adopted, of which only the rows that came with it are known."""
    data = _part(lineage, "data")
    facts = (
        ("origin", "unknown: somebody else trained it"),
        ("adopted from", f"`{body.get('source', 'not on record')}`"),
        ("rows, code, environment, seed", "unknown"),
        ("rows given with it", f"{_day(data.get('first'))} to {_day(data.get('last'))}"),
        ("next candidate is judged on rows after", lineage.get("cutoff") or "no time is known"),
    )
    return "### Made from\n\n" + table(["", ""], facts)


def _measured(evidence: Mapping[str, Any]) -> str:
    rows = [
        (m["metric"], m["subject"], _number(m["value"]), _number(m["standard_error"]), _number(m["rows"]))
        for m in evidence.get("measurements", ())
    ]
    return table(["metric", "of", "value", "standard error", "rows"], rows)


def _said(body: Mapping[str, Any]) -> str:
    """The decision's sentence and each gate's."""
    decision = _part(body, "decision")
    verdicts = decision.get("verdicts", ())
    reasons = "\n".join(f"- **{plain(v['gate'])}** ({v['outcome']}): {plain(v['reason'])}" for v in verdicts)
    return plain(decision.get("summary", "Its decision is not on record.")) + (f"\n\n{reasons}" if reasons else "")


def _history(changes: Sequence[Record]) -> str:
    if not changes:
        return ""
    rows = [
        (_day(r.as_of), r.subject, r.stage.removeprefix("champion."), r.body.get("previous") or "none", r.actor)
        for r in changes
    ]
    return "## Champions so far\n\n" + table(["as of", "version", "how", "instead of", "by"], rows)


def _data(records: Sequence[Record]) -> str:
    accepted = sum(record.stage == "data.accepted" for record in records)
    quarantined = [record.subject for record in records if record.stage == "data.quarantined"]
    if not accepted and not quarantined:
        return ""
    aside = f"; set aside: {', '.join(f'`{batch}`' for batch in quarantined[-5:])}" if quarantined else ""
    return f"## Data\n\n{accepted} batches were accepted, {len(quarantined)} quarantined{aside}."


def _log(records: Sequence[Record]) -> str:
    last = records[-SHOWN:]
    rows = [(r.sequence, _day(r.as_of), r.stage, r.subject, _short(r.digest)) for r in last]
    head = ["record", "as of", "stage", "subject", "digest"]
    return f"## Last {len(last)} of {len(records)} ledger records\n\n" + table(head, rows)


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = body.get(name)
    return part if isinstance(part, Mapping) else {}


def _day(moment: object) -> str:
    return str(moment)[:10] if moment else "not on record"


def _short(digest: object) -> str:
    return f"`{str(digest)[:16]}`" if digest else "not on record"


def _number(value: object) -> str:
    """A number as people read it; what the ledger holds as a word stays one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "not measured" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
