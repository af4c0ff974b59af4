"""Put an experiment on record for people, and hold runs against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.names import artifact_key
from prefect_mlops.tasks.runs import publish_markdown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from prefect_mlops.blocks import MlflowTracking
    from prefect_mlops.core.evidence import Decision, Evidence
    from prefect_mlops.core.experiments.records import Report, RunComparison
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.splits import RowSets
    from prefect_mlops.core.trainers import FittedModel
    from prefect_mlops.tasks.learning import Learned

__all__ = ["HOLDOUT", "compare_runs", "publish_comparison", "publish_experiment", "report_experiment"]

HOLDOUT = "mlops/holdout.parquet"
"""Where a run keeps its hold-out, as `core.experiments.comparing.holdout_table` writes it."""


@task
def report_experiment(
    learned: Learned, sets: RowSets, evidence: Evidence, decision: Decision, champion: FittedModel | None = None
) -> Report | None:
    """Draw the curves, measure what the model needs, and write the page of one training.

    Args:
        learned: The candidate, and what its search and fit took.
        sets: The rows that taught and judged it.
        evidence: What was measured.
        decision: What the gates said.
        champion: The model trusted now.

    Returns:
        The report; None where the spec switches it off.

    Raises:
        DataError: The rows cannot be learned from or judged on.
        TrainingError: The linear model beside it cannot be fitted.
    """
    if not learned.spec.report:
        return None
    from prefect_mlops.core.experiments.reporting import make_report

    return make_report(
        learned.spec,
        learned.model,
        sets.training,
        sets.judging,
        evidence,
        decision,
        champion=champion,
        search=learned.search,
        usage=learned.usage,
    )


@task
def compare_runs(tracking: MlflowTracking, spec: ModelSpec, runs: Sequence[str]) -> RunComparison:
    """Hold MLflow runs against the first of them, on the rows that were held out of all.

    Args:
        tracking: Where the runs are.
        spec: The model's spec.
        runs: Two run ids or more.

    Raises:
        DataError: Fewer than two different runs, or too few shared rows.
        NotFound: A run is not there, or kept no hold-out.
        TrackingUnavailable: MLflow does not answer.
    """
    from prefect_mlops.core.experiments.comparing import compare_holdouts

    if len(set(runs)) < len(runs):
        raise DataError("A run is named twice", "Name each run once")
    return compare_holdouts(spec, {run: _holdout(tracking, run) for run in runs})


@task
def publish_experiment(spec: ModelSpec, report: Report | None, links: Mapping[str, str]) -> None:
    """Show the report with its pictures in the Prefect UI; nothing where there is none."""
    if report is None:
        return
    key, summary = artifact_key(spec.name, "experiment"), report.record.decision.summary
    publish_markdown(_shown(report, links), key=key, description=summary)


@task
def publish_comparison(spec: ModelSpec, comparison: RunComparison) -> None:
    """Show runs beside each other in the Prefect UI."""
    from prefect_mlops.core.experiments.markdown import comparison_report

    publish_markdown(comparison_report(comparison), key=artifact_key(spec.name, "runs"))


def _shown(report: Report, links: Mapping[str, str]) -> str:
    import base64

    from prefect_mlops.core.experiments.markdown import experiment_report

    drawn = (
        f"![{name}](data:image/png;base64,{base64.b64encode(picture).decode()})"
        for name, picture in report.pictures.items()
    )
    return "\n".join([experiment_report(report.record, links), *drawn]) + "\n"


def _holdout(tracking: MlflowTracking, run: str) -> pd.DataFrame:
    import tempfile

    import pandas as pd
    from mlflow.exceptions import MlflowException

    client = tracking.client()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return pd.read_parquet(client.download_artifacts(run, HOLDOUT, folder))
    except (MlflowException, OSError) as error:
        cure = f"Name runs of mlops-train, which keep {HOLDOUT} among their artifacts"
        raise NotFound("hold-out of run", run, f"{cure} ({type(error).__name__})") from error
