"""Markdown that people read in the Prefect UI: validation, health and rollout."""

from collections.abc import Sequence

from prefect_mlops.core.documents.markdown import plain, table
from prefect_mlops.core.intake import Intake, end_of
from prefect_mlops.core.monitors import Finding, Seen
from prefect_mlops.core.rollout.machine import Step, bet
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.staging import Staged

__all__ = ["drift_report", "intake_report", "rollout_report"]

OUTCOMES = {"accepted": "✅", "known": "✅", "rejected": "❌"}
DETAILED = 10
"""Batches whose every expectation is shown; a page of hundreds is read by nobody."""
TRIED = {"pass": "✅", "fail": "❌", "told": ""}
STATES = {"healthy": "✅", "drifted": "🌊", "degraded": "❌", "breached": "🔥", "unknown": "❔"}


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


def rollout_report(
    spec: ModelSpec,
    version: int,
    steps: tuple[str, ...],
    links: dict[str, str],
    staged: Staged | None = None,
    looks: Sequence[tuple[int, Step]] = (),
) -> str:
    """How a rollout went, one line a step, the last look of each step, and what the trial before it showed."""
    shorter = {f"{share}%: {step.reason}": f"{share}%: {step.short}" for share, step in looks}
    lines = "\n".join(f"{number}. {shorter.get(step, step)}" for number, step in enumerate(steps, 1))
    tried = _evidence(looks)
    if staged is not None and staged.findings:
        rows = [
            (TRIED[found.outcome], found.name, plain(found.reason.removeprefix(f"{found.name}: ")))
            for found in staged.findings
        ]
        tried += f"\n## The trial of the bento\n\n{table(('', 'what', 'seen'), rows)}\n"
    return f"# {spec.name}: rollout of version {version}\n\n{_links(links)}\n\n{lines}\n{tried}"


def _evidence(looks: Sequence[tuple[int, Step]]) -> str:
    """What the tests knew when each step ended, a row for each kind of event."""
    rows = [
        (
            f"{share}%",
            one.kind,
            f"{one.canary:,}",
            f"{one.champion:,}",
            bet(one.worse),
            bet(one.below_double),
            bet(one.below_limit),
            one.note,
        )
        for share, step in looks
        if step.look is not None
        for one in step.look.standings
    ]
    if not rows:
        return ""
    head = ["step", "event", "canary", "champion", "E worse", "E below double", "E below the limit", "note"]
    return f"\n## What the tests knew when each step ended\n\n{table(head, rows)}\n"


def _links(links: dict[str, str]) -> str:
    return " · ".join(
        f"[{name}]({url})" if url.startswith("http") else f"{name}: `{url}`" for name, url in links.items()
    )
