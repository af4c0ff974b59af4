"""Study a model: what simple models reach, what each feature brings, and how fast it ages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.names import artifact_key
from prefect_mlops.tasks.runs import publish_markdown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.studies.records import Ablation, Baselines, Staleness
    from prefect_mlops.core.trainers import FittedModel

__all__ = ["ablate_features", "measure_baselines", "publish_study", "replay_staleness"]

TIMED_ROWS, REPETITIONS = 1_000, 7


@task
def measure_baselines(
    spec: ModelSpec, training: pd.DataFrame, judging: pd.DataFrame, candidate: FittedModel | None = None
) -> Baselines:
    """Measure a dummy and a linear model beside the candidate.

    Args:
        spec: The model's spec.
        training: The candidate's training rows.
        judging: The judging rows.
        candidate: The model to compare with.

    Raises:
        DataError: The rows cannot be learned from or judged on.
        TrainingError: The linear model cannot be fitted.
    """
    from prefect_mlops.core.studies.baselines import baseline_measurements

    return baseline_measurements(spec, training, judging, candidate)


@task
def ablate_features(
    spec: ModelSpec,
    training: pd.DataFrame,
    judging: pd.DataFrame,
    groups: Mapping[str, Sequence[str]] | None = None,
    metric: str = "",
) -> Ablation:
    """Train the model again without each group of columns, and say what the group brings and costs.

    Args:
        spec: The model's spec.
        training: Rows to learn from.
        judging: Rows to judge on.
        groups: Columns by group; every feature by itself when absent.
        metric: What to compare; the first metric that a gate names when empty.

    Raises:
        DataError: A group or the rows cannot be used.
        TrainingError: A model cannot be fitted.
    """
    from prefect_mlops.core.studies.ablation import ablate

    return ablate(spec, training, judging, _milliseconds, groups=groups, metric=metric)


@task
def replay_staleness(
    spec: ModelSpec,
    rows: pd.DataFrame,
    tolerance: float = 0.01,
    metric: str = "",
    window_months: int | None = None,
) -> Staleness:
    """Score the model of each past month on every later month, and say how often to train again.

    Args:
        spec: The model's spec.
        rows: Labelled rows of at least three months.
        tolerance: The loss of the metric that one can live with.
        metric: What to measure; the first metric that a gate names when empty.
        window_months: How many months a model learns from; all before when absent.

    Raises:
        DataError: The rows cannot be replayed.
        TrainingError: No month could be learned from.
    """
    from prefect_mlops.core.studies.staleness import replay

    return replay(spec, rows, tolerance=tolerance, metric=metric, window_months=window_months)


@task
def publish_study(spec: ModelSpec, study: Ablation | Staleness | Baselines) -> None:
    """Show a study with its picture in the Prefect UI."""
    document, text, picture = _shown(spec, study)
    publish_markdown(f"{text}\n{picture}", key=artifact_key(spec.name, document))


def _shown(spec: ModelSpec, study: Ablation | Staleness | Baselines) -> tuple[str, str, str]:
    import base64

    from prefect_mlops.core.studies import pictures, records, reports

    if isinstance(study, records.Baselines):
        return "baselines", reports.baselines_report(spec.name, study), ""
    if isinstance(study, records.Ablation):
        document, text, drawn = "ablation", reports.ablation_report(study), pictures.ablation_picture(study)
    else:
        document, text, drawn = "staleness", reports.staleness_report(study), pictures.staleness_picture(study)
    return document, text, f"![{document}](data:image/png;base64,{base64.b64encode(drawn).decode()})\n"


def _milliseconds(models: Sequence[FittedModel], rows: pd.DataFrame) -> list[float]:
    """CPU milliseconds that each model takes for 1,000 rows, the median of several turns.

    The models take turns, so that a busy moment of the machine weighs on all of them.
    """
    import math
    import time
    from statistics import median

    timed = rows.iloc[[place % len(rows) for place in range(TIMED_ROWS)]].reset_index(drop=True)
    taken: list[list[float]] = [[] for _ in models]
    for turn in range(REPETITIONS + 1):
        for place, model in enumerate(models):
            began = time.process_time()
            model.predict(timed)
            taken[place].append(time.process_time() - began if turn else math.nan)
    return [1_000 * median(turns[1:]) for turns in taken]
