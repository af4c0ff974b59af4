"""Runs on record are held against each other through a real MLflow, and a report makes an artifact's text."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from prefect import flow
from prefect.artifacts import Artifact

from prefect_mlops.blocks import MlflowTracking
from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.experiments.comparing import compare_holdouts, holdout_table
from prefect_mlops.core.experiments.records import Usage
from prefect_mlops.core.experiments.reporting import make_report
from prefect_mlops.core.splits import RowSets
from prefect_mlops.core.trainers import FittedModel
from prefect_mlops.tasks.experiments import (
    HOLDOUT,
    _shown,
    compare_runs,
    publish_comparison,
    publish_experiment,
    report_experiment,
)
from prefect_mlops.tasks.learning import Learned
from tests.core.experiment_cases import FOREST, Case, tumours


def forest(case: Case) -> FittedModel:
    trainer = {"kind": "sklearn", "estimator": FOREST, "parameters": {"n_estimators": 20}}
    spec = type(case.spec).model_validate(case.spec.model_dump() | {"trainer": trainer})
    return spec.resolved_trainer().fit(spec, case.training)


def log(tracking: MlflowTracking, case: Case, model: FittedModel | None, folder: Path) -> str:
    """A run that keeps its hold-out as a training does."""
    tracking.activate()
    with mlflow.start_run(experiment_id=tracking.experiment_id(case.spec.name)) as run:
        if model is not None:
            path = folder / Path(HOLDOUT).name
            holdout_table(case.spec, model, case.judging).to_parquet(path)
            mlflow.log_artifact(str(path), str(Path(HOLDOUT).parent))
        return str(run.info.run_id)


@pytest.fixture
def tracking(tmp_path: Path) -> MlflowTracking:
    return MlflowTracking(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}", artifacts=str(tmp_path / "artifacts"))


def test_runs_of_mlflow_are_compared_on_the_rows_that_they_share(tracking: MlflowTracking, tmp_path: Path) -> None:
    case = tumours()
    runs = [log(tracking, case, model, tmp_path) for model in (case.model, forest(case))]
    bare = log(tracking, case, None, tmp_path)

    found = compare_runs.fn(tracking, case.spec, runs)

    assert found.runs == tuple(runs)
    assert found.rows == len(case.judging)
    assert {one.verdict for one in found.values if one.run == runs[1]} <= {"better", "worse", "not shown"}
    with pytest.raises(NotFound, match=f"hold-out of run {bare!r}.*{HOLDOUT}"):
        compare_runs.fn(tracking, case.spec, [runs[0], bare])
    with pytest.raises(NotFound, match="0123"):
        compare_runs.fn(tracking, case.spec, [runs[0], "0123"])
    with pytest.raises(DataError, match="named twice"):
        compare_runs.fn(tracking, case.spec, [runs[0], runs[0]])


def test_a_report_makes_an_artifact_with_every_picture_and_can_leave_the_learning_curve_out() -> None:
    case = tumours()

    report = make_report(
        case.spec, case.model, case.training, case.judging, case.evidence(), case.decision(), learning=False
    )
    text = _shown(report, {"MLflow": "http://mlflow.invalid/run"})

    assert report.record.learning == ()
    assert text.startswith(f"# tumours: {case.decision().outcome}")
    assert text.count("](data:image/png;base64,iVBOR") == len(report.pictures) == 4


def test_a_spec_can_switch_its_reports_off() -> None:
    case, usage = tumours(), Usage(seconds=1.0, cpu_seconds=1.0, peak_mib=1.0)
    sets = RowSets(case.training, case.judging, case.judging, "", "")
    quiet = case.spec.model_copy(update={"report": False})

    said = [
        report_experiment.fn(Learned(spec, case.model, None, usage), sets, case.evidence(), case.decision())
        for spec in (case.spec, quiet)
    ]

    assert [report is None for report in said] == [False, True]
    assert said[0] is not None
    assert said[0].record.usage == usage


@pytest.mark.process
@pytest.mark.usefixtures("prefect_api")
def test_both_documents_are_artifacts_of_the_model() -> None:
    case = tumours()
    report = make_report(
        case.spec, case.model, case.training, case.judging, case.evidence(), case.decision(), learning=False
    )
    tables = {name: holdout_table(case.spec, model, case.judging) for name, model in
              (("first", case.model), ("second", forest(case)))}  # fmt: skip

    @flow
    def publish() -> None:
        publish_experiment(case.spec, report, {"MLflow": "http://mlflow.invalid/run"})
        publish_comparison(case.spec, compare_holdouts(case.spec, tables))

    publish()

    shown, compared = (Artifact.get(f"tumours-{name}") for name in ("experiment", "runs"))
    assert str(getattr(shown, "data", "")).count("data:image/png") == 4
    assert "better than first by" in str(getattr(compared, "data", ""))
