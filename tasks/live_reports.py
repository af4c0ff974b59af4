"""Tell people what was seen of versions in service: their rollouts and their health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.names import artifact_key
from prefect_mlops.core.reports import drift_report, rollout_report
from prefect_mlops.tasks.runs import publish_markdown

if TYPE_CHECKING:
    from prefect_mlops.core.monitors import Finding, Seen
    from prefect_mlops.core.rollout.machine import Step
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.staging import Staged

__all__ = ["publish_health", "publish_rollout"]


@task
def publish_health(spec: ModelSpec, seen: Seen, findings: tuple[Finding, ...]) -> None:
    """Show what the monitors found, with the drift table, in the Prefect UI."""
    key = artifact_key(spec.name, "health")
    description = " ".join(finding.reason for finding in findings)
    publish_markdown(drift_report(spec, seen, findings), key=key, description=description)


@task
def publish_rollout(
    spec: ModelSpec,
    version: int,
    steps: tuple[str, ...],
    links: dict[str, str],
    staged: Staged | None = None,
    looks: Sequence[tuple[int, Step]] = (),
) -> None:
    """Show how a rollout went, step by step, and what the trial before it showed, in the Prefect UI."""
    key = artifact_key(spec.name, "rollout")
    publish_markdown(rollout_report(spec, version, steps, links, staged, looks), key=key, description=steps[-1])
