"""Measures a candidate beside the champion and a model that knows only the prior, all on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.evidence import Comparison, Evidence, Measurement, Subject
from prefect_mlops.core.metrics import Metric, compare, measure, metric_named, metrics_for
from prefect_mlops.core.metrics.encoding import Label, class_order, encode_predictions, encode_target
from prefect_mlops.core.metrics.measuring import days_of, rests_on_enough
from prefect_mlops.core.trainers.fitted import Predictions

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.fitted import FittedModel

__all__ = ["blocks_of", "evaluate", "holdout_digest", "measurement_of", "metrics_of"]

NAN = float("nan")


def evaluate(
    spec: ModelSpec,
    *,
    candidate: FittedModel,
    champion: FittedModel | None,
    champion_version: int | None,
    rows: pd.DataFrame,
    training_target: pd.Series,
    candidate_name: str,
    judged_on: str,
) -> Evidence:
    """Measure all that a spec's gates look at.

    Every metric is measured for the candidate, the champion and the baseline, and the candidate is compared with the
    others by paired differences. Rows of one calendar day (UTC) count as one block where rows have a time, for they
    share their weather, their news and their queue. A metric that these rows cannot give (fewer than 20 rows, or of
    the rarest class) is NaN, of which gates say `not applicable`.

    Args:
        spec: The model's spec.
        candidate: The model that asks to be trusted.
        champion: The model trusted now; None where there is none.
        champion_version: Its registry version.
        rows: The judging rows with features, key, time and target; no model learned from them.
        training_target: The target of the candidate's training rows; the baseline is its prior or mean.
        candidate_name: What the candidate is called before it has a version.
        judged_on: The judging rows in words.

    Raises:
        DataError: There are no rows, a label is missing or unknown to the candidate, a feature cannot be used, or the
            champion comes without its version (or the version without its model).
        PartError: A gate or monitor names a metric that there is not, or that does not fit the problem.
    """
    if rows.empty:
        raise DataError("There are no rows to judge on", "Wait for labels of newer rows, or raise split.judge_days")
    if (champion is None) != (champion_version is None):
        raise DataError(
            f"The champion's model and version go together; the version is {champion_version!r}", "Give both or neither"
        )
    metrics = metrics_of(spec)
    blocks = blocks_of(spec, rows)
    order = class_order(spec, candidate.classes, champion.classes if champion else ())
    known = class_order(spec, candidate.classes)
    encode_target(rows[spec.target.column], known)
    y = encode_target(rows[spec.target.column], order)
    said: dict[Subject, Predictions] = {
        "candidate": encode_predictions(candidate.predict(rows), candidate.classes, order),
        "baseline": _constant(training_target, order, len(rows)),
    }
    if champion is not None:
        said["champion"] = encode_predictions(champion.predict(rows), champion.classes, order)
    measurements = tuple(
        measurement_of(metric, y, predictions, blocks, subject)
        for metric in metrics
        for subject, predictions in said.items()
    )
    comparisons = tuple(
        _comparison(metric, y, said, against, blocks)
        for metric in metrics
        for against in ("champion", "baseline")
        if against in said
    )
    return Evidence(
        model=spec.name,
        candidate=candidate_name,
        champion_version=champion_version,
        judged_on=judged_on,
        holdout_digest=holdout_digest(spec, rows),
        measurements=measurements,
        comparisons=comparisons,
    )


def holdout_digest(spec: ModelSpec, rows: pd.DataFrame) -> str:
    """One digest for the rows that judge, whatever their order and whatever features a model looks at.

    Two candidates with one digest were judged on the same rows, and used them up together.
    """
    from prefect_mlops.core.lineage import digest_rows

    return digest_rows(rows[[*spec.data.key, spec.target.column]])


def metrics_of(spec: ModelSpec) -> tuple[Metric, ...]:
    """The metrics that fit the problem, once a spec's gates and monitors are sure to find theirs among them.

    Raises:
        PartError: A gate or monitor names another.
    """
    problem = spec.target.problem
    for name in (name for gate in spec.resolved_gates() for name in gate.metrics):
        metric_named(name, problem)
    for monitor in spec.resolved_monitors():
        watched = getattr(monitor, "metric", None)
        if isinstance(watched, str):
            metric_named(watched, problem)
    return metrics_for(problem)


def blocks_of(spec: ModelSpec, rows: pd.DataFrame) -> np.ndarray | None:
    """The calendar day of each row as a number; None where rows have no time, so that each stands by itself.

    Raises:
        DataError: The time column is not there, holds no times with a time zone, or is missing in a row.
    """
    name = spec.data.time
    if name is None:
        return None
    if name not in rows.columns or not _zoned(rows[name]):
        raise DataError(
            f"The rows have no column {name!r} of timestamps with a time zone",
            "Keep data.time among the rows that are judged",
        )
    missing = int(rows[name].isna().sum())
    if missing:
        raise DataError(f"Column {name!r} is missing in {missing:,} rows", "Let the suite block missing times")
    return days_of(rows[name])


def measurement_of(
    metric: Metric,
    y: np.ndarray,
    predictions: Predictions,
    blocks: np.ndarray | None,
    subject: Subject,
) -> Measurement:
    """One metric of one model, NaN where the rows are too few for it.

    Args:
        metric: What to measure.
        y: Encoded truth, shape `(rows,)`.
        predictions: Encoded predictions.
        blocks: As `blocks_of` gives them.
        subject: Whose metric it is.
    """
    enough = rests_on_enough(metric, y, predictions)
    value, error, freedom = measure(metric, y, predictions, blocks) if enough else (NAN, NAN, 0)
    return Measurement(
        metric=metric.name,
        subject=subject,
        value=value,
        standard_error=error,
        degrees_of_freedom=freedom,
        higher_is_better=metric.higher_is_better,
        rows=len(y),
        scale=metric.scale,
    )


def _comparison(
    metric: Metric,
    y: np.ndarray,
    said: dict[Subject, Predictions],
    against: Literal["champion", "baseline"],
    blocks: np.ndarray | None,
) -> Comparison:
    candidate, other = said["candidate"], said[against]
    enough = rests_on_enough(metric, y, candidate) and rests_on_enough(metric, y, other)
    advantage, error, freedom = compare(metric, y, candidate, other, blocks) if enough else (NAN, NAN, 0)
    return Comparison(
        metric=metric.name,
        against=against,
        advantage=advantage,
        standard_error=error,
        degrees_of_freedom=freedom,
        rows=len(y),
    )


def _constant(training_target: pd.Series, order: tuple[Label, ...], rows: int) -> Predictions:
    """What a model says that knows only how often each class came, or the mean, in training."""
    learned = encode_target(training_target, order)
    if not order:
        return Predictions(np.full(rows, learned.mean()), None)
    prior = np.bincount(learned, minlength=len(order)) / len(learned)
    return Predictions(np.full(rows, int(prior.argmax())), np.tile(prior, (rows, 1)))


def _zoned(times: pd.Series) -> bool:
    import pandas as pd

    return pd.api.types.is_datetime64_any_dtype(times.dtype) and times.dt.tz is not None
