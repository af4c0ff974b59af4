"""What an MLflow run keeps beside its model: report, trials, and the hold-out by which runs are compared."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_mlops.core.names import logged_name

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

    from prefect_mlops.core.experiments.records import Report
    from prefect_mlops.core.search.results import SearchResult, TrialRow
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers import FittedModel

__all__ = ["log_search", "write_holdout", "write_report"]

BEST = 3
"""Trials that have a run of their own, below the training's."""
MOST_IN_A_BATCH = 1_000


def write_report(folder: Path, report: Report) -> None:
    """Write `report.json`, `report.html` and one PNG a curve into a folder."""
    (folder / "report.json").write_text(report.record.model_dump_json(indent=1))
    (folder / "report.html").write_text(report.page, encoding="utf-8")
    for name, picture in report.pictures.items():
        (folder / f"{name}.png").write_bytes(picture)


def write_holdout(folder: Path, spec: ModelSpec, candidate: FittedModel, judging: pd.DataFrame) -> None:
    """Write what `compare_runs` reads: of each judging row a hash of its key, its label and what the model said.

    Nothing is written where a key is personal: whoever can list all keys could find out whose row it is.
    """
    if set(spec.data.key) & set(spec.data.personal):
        return
    from prefect_mlops.core.experiments.comparing import holdout_table

    holdout_table(spec, candidate, judging).to_parquet(folder / "holdout.parquet", index=False)


def log_search(client: MlflowClient, run: str, experiment: str, spec: ModelSpec, search: SearchResult) -> None:
    """Log a search into a run: every trial as a step and a row of one table, and the best few as runs below it."""
    from mlflow.entities import Metric, Param, RunTag

    now, metric = int(time.time() * 1000), logged_name(search.metric)
    complete = [trial for trial in search.trials if trial.value is not None]
    steps = [Metric(f"trial_{metric}", float(trial.value or 0.0), now, trial.number) for trial in complete]
    ends = {"naive": search.naive.value, "corrected": search.corrected.value}
    ends |= {"corrected_low": search.corrected.low, "corrected_high": search.corrected.high}
    steps += [Metric(f"search_{name}_{metric}", value, now, 0) for name, value in ends.items()]
    for start in range(0, len(steps), MOST_IN_A_BATCH):
        client.log_batch(run, metrics=steps[start : start + MOST_IN_A_BATCH])
    client.log_dict(run, json.loads(search.table().to_json(orient="split", index=False)), "mlops/trials.json")
    client.log_dict(run, search.model_dump(mode="json", exclude={"trials"}), "mlops/search.json")
    for trial in _best(spec, search, complete):
        below = client.create_run(
            experiment, tags={"mlflow.parentRunId": run}, run_name=f"trial {trial.number}", start_time=now
        )
        client.log_batch(
            below.info.run_id,
            metrics=[Metric(metric, float(trial.value or 0.0), now, 0)],
            params=[Param(name, str(value)) for name, value in trial.parameters.items()],
            tags=[RunTag("mlops.chosen", str(trial.number == search.chosen).lower())],
        )
        client.set_terminated(below.info.run_id)


def _best(spec: ModelSpec, search: SearchResult, complete: list[TrialRow]) -> list[TrialRow]:
    """The chosen trial, and the best of the others."""
    from prefect_mlops.core.metrics import metric_named

    sign = -1.0 if metric_named(search.metric, spec.target.problem, spec.purpose.costs).higher_is_better else 1.0
    ordered = sorted(complete, key=lambda trial: (trial.number != search.chosen, sign * float(trial.value or 0.0)))
    return ordered[:BEST]
