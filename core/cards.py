"""The model card: what a model is for, what it was made from and how it came to be trusted, from the ledger alone."""

from collections.abc import Sequence

from prefect_mlops.core.ledger import Record
from prefect_mlops.core.reports import table
from prefect_mlops.core.spec import ModelSpec

__all__ = ["render_card"]

SHOWN = 12


def render_card(records: Sequence[Record], spec: ModelSpec) -> str:
    """Write the model card.

    Args:
        records: The model's records, oldest first.
        spec: Its spec as it is now.

    Returns:
        Markdown.
    """
    promoted = [record for record in records if record.stage in ("champion.promoted", "champion.rolled-back")]
    champion = promoted[-1] if promoted else None
    sections = [f"# Model card: {spec.name}", _purpose(spec), _champion(records, champion), _history(promoted), _log(records)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _purpose(spec: ModelSpec) -> str:
    costs = spec.purpose.costs
    return (
        f"**Decision it serves:** {spec.purpose.decision}  \n**Business metric:** {spec.purpose.business_metric}  \n"
        f"**Owner:** {spec.purpose.owner}  \n**Predicts:** `{spec.target.column}` ({spec.target.problem}) from "
        f"{len(spec.features.names)} features  \n**Cost of errors:** false positive {costs.false_positive:g}, "
        f"false negative {costs.false_negative:g}"
    )


def _champion(records: Sequence[Record], champion: Record | None) -> str:
    if champion is None:
        return "## Champion\n\nNo version is trusted yet."
    accepted = [r for r in records if r.stage == "candidate.accepted" and r.subject == champion.subject]
    if not accepted:
        return f"## Champion: version {champion.subject}\n\nIts training is not on record."
    body = accepted[-1].body
    lineage, decision, evidence = body["lineage"], body["decision"], body["evidence"]
    made = table(
        ["made from", ""],
        [
            ("rows", f"{lineage['data']['rows']:,} of `{lineage['data']['table']}` version {lineage['data']['version']}"),
            ("time", f"{lineage['data']['first']} to {lineage['data']['last']}"),
            ("data digest", f"`{lineage['data']['digest'][:16]}`"),
            ("spec digest", f"`{lineage['spec_digest'][:16]}`"),
            ("environment digest", f"`{lineage['lock_digest'][:16]}`"),
            ("commit", f"`{lineage['commit'][:12] or 'unknown'}`"),
            ("seed", lineage["seed"]),
            ("trainer", f"`{lineage['parameters'].get('estimator', lineage['parameters'].get('kind', ''))}`"),
        ],
    )
    measured = table(
        ["metric", "value", "± one standard error", "rows"],
        [
            (m["metric"], f"{m['value']:.4f}", f"{m['standard_error']:.4f}", f"{m['rows']:,}")
            for m in evidence["measurements"]
            if m["subject"] == "candidate" and m["value"] is not None
        ],
    )
    reasons = "\n".join(f"- {verdict['gate']}: {verdict['reason']}" for verdict in decision["verdicts"])
    return (
        f"## Champion: version {champion.subject}, slot {champion.body.get('slot', '?')}\n\n{decision['summary']}\n\n"
        f"{reasons}\n\n{made}\n\n### Judged on {evidence['judged_on']}\n\n{measured}"
    )


def _history(promoted: Sequence[Record]) -> str:
    if not promoted:
        return ""
    rows = [(r.as_of[:10], r.subject, r.stage.removeprefix("champion."), r.body.get("previous") or "none") for r in promoted]
    return "## Champions so far\n\n" + table(["as of", "version", "how", "instead of"], rows)


def _log(records: Sequence[Record]) -> str:
    last = records[-SHOWN:]
    rows = [(r.sequence, r.as_of[:10], r.stage, r.subject, f"`{r.digest[:12]}`") for r in last]
    head = ["record", "as of", "stage", "subject", "digest"]
    return f"## Last {len(last)} of {len(records)} ledger records\n\n" + table(head, rows)
