"""The numbers of an experiment as people read them, the same on the page and in Markdown."""

from __future__ import annotations

import math

from prefect_mlops.core.evidence import Comparison, Evidence, Measurement, Other, Subject
from prefect_mlops.core.experiments.records import ExperimentReport, Usage
from prefect_mlops.core.search.results import Estimate

__all__ = ["between", "metric_rows", "number", "number_rows", "usage_sentence"]

SUBJECTS: tuple[Subject, ...] = ("candidate", "champion", "anchor", "baseline", "linear")
OTHERS: tuple[Other, ...] = ("champion", "anchor", "baseline", "linear")


def number(value: Estimate | None, sign: str = "") -> str:
    """The bare value.

    Examples:
        >>> number(Estimate(value=0.5, low=0.4, high=0.6), "+"), number(None)
        ('+0.5', '')
    """
    if value is None:
        return ""
    return f"{value.value + 0.0:{sign}.4g}" if math.isfinite(value.value) else "not applicable"


def between(value: Estimate | None, sign: str = "") -> str:
    """Its interval.

    Examples:
        >>> between(Estimate(value=0.5, low=0.4, high=0.6))
        '0.4 to 0.6'
    """
    if value is None:
        return ""
    known = math.isfinite(value.low) and math.isfinite(value.high)
    # A negative zero plus zero is zero.
    return f"{value.low + 0.0:{sign}.4g} to {value.high + 0.0:{sign}.4g}" if known else "not known"


def metric_rows(evidence: Evidence) -> tuple[list[str], list[tuple[str, ...]]]:
    """Every metric of every model with its interval, and the candidate's advantage over each other model.

    Returns:
        The head and the lines of a table.
    """
    from prefect_mlops.core.experiments.intervals import interval
    from prefect_mlops.core.gates.confidence import estimate_of

    def told(found: Measurement) -> str:
        return _whole(interval(estimate_of(found)))

    def gained(found: Comparison) -> str:
        return _whole(interval(estimate_of(found)), "+")

    measured = {(found.metric, found.subject): told(found) for found in evidence.measurements}
    compared = {(found.metric, found.against): gained(found) for found in evidence.comparisons}
    subjects = [one for one in SUBJECTS if any(subject == one for _, subject in measured)]
    others = [one for one in OTHERS if any(against == one for _, against in compared)]
    names = {
        "champion": f"champion (version {evidence.champion_version})",
        "anchor": f"anchor (version {evidence.anchor_version})",
    }
    head = ["metric", *(names.get(one, one) for one in subjects), *(f"better than {one} by" for one in others)]
    rows = [
        (
            metric,
            *(measured.get((metric, one), "") for one in subjects),
            *(compared.get((metric, one), "") for one in others),
        )
        for metric in dict.fromkeys(found.metric for found in evidence.measurements)
    ]
    return head, rows


def number_rows(record: ExperimentReport) -> list[tuple[str, ...]]:
    """What sums up the curves, as lines of a table."""
    return [
        (one.curve, one.of, one.measure, number(one.value), between(one.value) if math.isfinite(one.value.low) else "")
        for one in record.curves
    ]


def usage_sentence(usage: Usage) -> str:
    """What it cost.

    Examples:
        >>> usage_sentence(Usage(seconds=12.34, cpu_seconds=20.0, peak_mib=512.4))
        'It took 12.3 s by the clock, 20.0 s of CPU, and 512 MiB at most.'
    """
    return (
        f"It took {usage.seconds:.1f} s by the clock, {usage.cpu_seconds:.1f} s of CPU, and {usage.peak_mib:,.0f} MiB "
        "at most."
    )


def _whole(value: Estimate, sign: str = "") -> str:
    if not math.isfinite(value.value):
        return "not applicable"
    return f"{number(value, sign)} ({between(value, sign)})"
