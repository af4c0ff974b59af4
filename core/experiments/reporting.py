"""The whole report of one training: numbers, pictures and page from the models and the judging rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prefect_mlops.core.experiments.curves import calibration, precision_recall_curves, roc_curves
from prefect_mlops.core.experiments.importances import permutation_importances
from prefect_mlops.core.experiments.learning import learning_curve
from prefect_mlops.core.experiments.page import render_page
from prefect_mlops.core.experiments.pictures import (
    calibration_picture,
    curve_picture,
    importance_picture,
    learning_picture,
    residual_picture,
)
from prefect_mlops.core.experiments.records import CurveNumber, ExperimentReport, Report, Searched
from prefect_mlops.core.experiments.residuals import residuals_of
from prefect_mlops.core.search.results import Estimate
from prefect_mlops.core.splits.overlap import overlap
from prefect_mlops.core.studies.baselines import baseline_measurements
from prefect_mlops.core.studies.beside import judged_rows, main_metric, said_by

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.evidence import Decision, Evidence
    from prefect_mlops.core.experiments.records import Usage
    from prefect_mlops.core.search.results import SearchResult
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.studies.beside import Judged
    from prefect_mlops.core.studies.records import Baselines
    from prefect_mlops.core.trainers.fitted import FittedModel, Predictions

__all__ = ["make_report"]

NAN = float("nan")


def make_report(
    spec: ModelSpec,
    candidate: FittedModel,
    training: pd.DataFrame,
    judging: pd.DataFrame,
    evidence: Evidence,
    decision: Decision,
    *,
    champion: FittedModel | None = None,
    search: SearchResult | None = None,
    usage: Usage | None = None,
    baselines: Baselines | None = None,
    learning: bool = True,
) -> Report:
    """Compute all that a report shows.

    Args:
        spec: The model's spec, with the parameters that were chosen.
        candidate: The model that was judged.
        training: The rows that it learned from.
        judging: The rows that judged it.
        evidence: What was measured.
        decision: What the gates said.
        champion: The model trusted now, for its curves beside the candidate's.
        search: What a search found.
        usage: What the training cost.
        baselines: A dummy and a linear model beside the candidate; fitted here where they are not given.
        learning: Whether to pay for the learning curve, two more fits or three.

    Raises:
        DataError: The rows cannot be learned from or judged on.
        TrainingError: The linear model cannot be fitted.
        PartError: A gate names a metric that there is not.
    """
    judged = judged_rows(spec, judging, candidate.classes, *([champion.classes] if champion else []))
    metric = main_metric(spec)
    said = {"candidate": said_by(candidate, judged)}
    if champion is not None:
        said["champion"] = said_by(champion, judged)
    if baselines is None:
        baselines = baseline_measurements(spec, training, judging, candidate)
    numbers, pictures = _residuals(judged, said) if spec.target.problem == "regression" else _classes(judged, said)
    importances = permutation_importances(candidate, judged, metric, seed=spec.seed)
    if any(math.isfinite(one.loss.value) for one in importances):
        pictures["importances"] = importance_picture(importances, metric.name)
    points = learning_curve(spec, training, judged, metric, candidate=candidate) if learning else ()
    if sum(point.value is not None and math.isfinite(point.value.value) for point in points) > 1:
        pictures["learning"] = learning_picture(points, metric.name)
    shared = overlap(training, judging, spec.data.key, spec.features.names, spec.target.column)
    record = ExperimentReport(
        metric=metric.name,
        evidence=baselines.within(evidence),
        decision=decision,
        importances=importances,
        learning=points,
        curves=tuple(numbers),
        baselines=baselines,
        search=None if search is None else _searched(search),
        usage=usage,
        overlap=shared.sentence,
    )
    return Report(record, pictures, render_page(spec, record, pictures))


def _classes(judged: Judged, said: dict[str, Predictions]) -> tuple[list[CurveNumber], dict[str, bytes]]:
    shown = said if len(judged.order) == 2 else {"candidate": said["candidate"]}
    rocs = [curve for of, predictions in shown.items() for curve in roc_curves(judged, predictions, of)]
    precise = [curve for of, predictions in shown.items() for curve in precision_recall_curves(judged, predictions, of)]
    held = [one for of, predictions in said.items() if (one := calibration(judged, predictions, of)) is not None]
    numbers = [CurveNumber(curve="roc", of=curve.of, measure="area", value=curve.area) for curve in rocs]
    numbers += [
        CurveNumber(curve="precision-recall", of=curve.of, measure="average precision", value=curve.area)
        for curve in precise
    ]
    for one in held:
        told = f"bins of {len(one.rows)} whose chance is shown to be wrong"
        numbers.append(CurveNumber(curve="calibration", of=one.of, measure=told, value=_bare(one.missed)))
    pictures = {}
    if rocs:
        pictures["roc"] = curve_picture(rocs, "False positive rate", "True positive rate", chance=True)
        pictures["precision-recall"] = curve_picture(precise, "Recall", "Precision", chance=False)
    if held:
        pictures["calibration"] = calibration_picture(held)
    return numbers, pictures


def _residuals(judged: Judged, said: dict[str, Predictions]) -> tuple[list[CurveNumber], dict[str, bytes]]:
    numbers = []
    for of, predictions in said.items():
        found = residuals_of(judged, predictions)
        measures = {
            "mean of truth less prediction": found.bias,
            "a twentieth lies below": _bare(found.low),
            "a twentieth lies above": _bare(found.high),
            f"bins of {len(found.means)} that are shown to be too low or high": _bare(found.missed),
        }
        numbers += [
            CurveNumber(curve="residuals", of=of, measure=name, value=value) for name, value in measures.items()
        ]
    return numbers, {"residuals": residual_picture(residuals_of(judged, said["candidate"]))}


def _bare(value: float) -> Estimate:
    return Estimate(value=float(value), low=NAN, high=NAN)


def _searched(search: SearchResult) -> Searched:
    return Searched(
        metric=search.metric,
        trials=len(search.trials),
        naive=search.naive,
        corrected=search.corrected,
        summary=search.summary,
    )
