"""Let the spec's gates and monitors judge what was measured."""

from __future__ import annotations

from prefect import task

from prefect_mlops.core.evidence import Decision, Evidence
from prefect_mlops.core.gates import decide
from prefect_mlops.core.monitors import Finding, Seen
from prefect_mlops.core.spec import ModelSpec

__all__ = ["judge_candidate", "judge_health"]


@task
def judge_candidate(spec: ModelSpec, evidence: Evidence) -> Decision:
    """Ask every gate of the spec and say what follows.

    Raises:
        NotMeasured: A gate wants a metric that the evidence does not hold.
        PartError: A gate's class cannot be used.
    """
    return decide(spec.resolved_gates(), evidence, spec.alarm_level)


@task
def judge_health(spec: ModelSpec, seen: Seen) -> tuple[Finding, ...]:
    """Ask every monitor of the spec what the sight means.

    Raises:
        PartError: A monitor's class cannot be used.
    """
    return tuple(monitor.judge(seen) for monitor in spec.resolved_monitors())
