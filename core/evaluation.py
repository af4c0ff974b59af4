"""Measures a candidate beside the champion, the anchor and simple models, all on the same rows, for gates to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.betting.wagering import reported, wagers_on
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.evidence import Evidence, Measurement, Subject
from prefect_mlops.core.gates.scored import Examining, Scored
from prefect_mlops.core.metrics import Metric, metric_named, metrics_for
from prefect_mlops.core.metrics.encoding import Label, class_order, encode_predictions, encode_target
from prefect_mlops.core.metrics.measuring import days_of
from prefect_mlops.core.metrics.recorded import record_all, record_measurement
from prefect_mlops.core.splits import ByGroup
from prefect_mlops.core.splits.checks import newest
from prefect_mlops.core.splits.keys import column_text
from prefect_mlops.core.trainers.fitted import Predictions
from prefect_mlops.core.trainers.linear import linear_model

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.evidence import Other
    from prefect_mlops.core.gates.scored import Timings
    from prefect_mlops.core.reign import Reign
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.fitted import FittedModel

__all__ = ["blocks_of", "evaluate", "holdout_digest", "measurement_of", "metrics_of", "weights_of"]

OTHERS: tuple[Other, ...] = ("champion", "anchor", "baseline", "linear")


def evaluate(
    spec: ModelSpec,
    *,
    candidate: FittedModel,
    rows: pd.DataFrame,
    training: pd.DataFrame,
    candidate_name: str,
    judged_on: str,
    champion: FittedModel | None = None,
    champion_version: int | None = None,
    anchor: FittedModel | None = None,
    anchor_version: int | None = None,
    reign: Reign | None = None,
    timings: Timings | None = None,
) -> Evidence:
    """Measure all that a spec's gates look at.

    Every metric is measured for the candidate, the champion, the anchor and the baseline, and the candidate is
    compared with the others by paired differences. Rows of one calendar day (UTC), or of one group where the split is
    by group, count as one block, for they share their weather, their news and their queue. A metric that these rows
    cannot give (fewer than 20 rows, or of the rarest class) is NaN, of which gates say `not applicable`.

    Args:
        spec: The model's spec.
        candidate: The model that asks to be trusted.
        rows: The judging rows with features, key, time and target; no model learned from them.
        training: The candidate's training rows; the baseline is the prior or mean of their target.
        candidate_name: What the candidate is called before it has a version.
        judged_on: The judging rows in words.
        champion: The model trusted now, reloaded from the registry; None where there is none.
        champion_version: Its registry version.
        anchor: The version that stands still while champions come and go; None where it is the champion or none.
        anchor_version: Its registry version, which may be the champion's.
        reign: What has happened since the champion took over; wagers go on from there.
        timings: What the fitted pipeline costs, where a gate asks for it.

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
    gates, metrics = spec.resolved_gates(), metrics_of(spec)
    models: dict[Subject, FittedModel | None] = {"candidate": candidate, "champion": champion, "anchor": anchor}
    if any(getattr(gate, "wants_linear", False) for gate in gates):
        models["linear"] = linear_model(spec, training)[0]
    order = class_order(spec, *(model.classes for model in models.values() if model is not None))
    encode_target(rows[spec.target.column], class_order(spec, candidate.classes))
    said: dict[Subject, Predictions] = {
        subject: encode_predictions(_answers(model, rows, subject), model.classes, order)
        for subject, model in models.items()
        if model is not None
    }
    said["baseline"] = _constant(training[spec.target.column], order, len(rows))
    scored = Scored(
        spec=spec,
        rows=rows,
        training=training,
        y=encode_target(rows[spec.target.column], order),
        order=order,
        said=said,
        blocks=blocks_of(spec, rows),
        weight=weights_of(spec, rows),
        candidate=candidate,
        timings=timings,
        seed=spec.seed,
    )
    others: tuple[Other, ...] = tuple(subject for subject in OTHERS if subject in said)
    measurements, comparisons = record_all(metrics, scored.y, said, others, scored.blocks, scored.weight)
    return Evidence(
        model=spec.name,
        candidate=candidate_name,
        champion_version=champion_version,
        anchor_version=anchor_version,
        judged_on=judged_on,
        judged_until=newest(rows, spec.data.time),
        holdout_digest=holdout_digest(spec, rows),
        measurements=measurements,
        comparisons=comparisons,
        examinations=tuple(gate.examine(scored) for gate in gates if isinstance(gate, Examining)),
        wagers=() if reign is None else wagers_on(scored, gates, reign),
        holdout_use=None if reign is None else reign.holdout_use,
        champion_days=None if reign is None else reign.days,
        champion_reported=() if reign is None else reported(scored, metrics, reign),
    )


def weights_of(spec: ModelSpec, rows: pd.DataFrame) -> np.ndarray | None:
    """What each row counts when it is judged; None where the spec names no column for it.

    Raises:
        DataError: The column is not there or holds no numbers.
    """
    name = spec.data.weight
    if name is None:
        return None
    if name not in rows.columns:
        raise DataError(
            f"The rows have no column {name!r}, which data.weight names", "Correct data.weight, or the rows"
        )
    try:
        return np.asarray(rows[name].to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(f"Column {name!r} holds weights that are not numbers", "Correct the rows") from error


def holdout_digest(spec: ModelSpec, rows: pd.DataFrame) -> str:
    """One digest for the rows that judge, whatever their order and whatever features a model looks at.

    Two candidates with one digest were judged on the same rows, and used them up together.
    """
    from prefect_mlops.core.lineage import digest_rows

    return digest_rows(rows[[*spec.data.key, spec.target.column]])


def metrics_of(spec: ModelSpec) -> tuple[Metric, ...]:
    """The usual metrics of the problem, and those that a spec's gates and monitors name beside them.

    Raises:
        PartError: A gate or monitor names a metric that there is not, or that does not fit the problem.
    """
    problem, costs = spec.target.problem, spec.purpose.costs
    named = [name for gate in spec.resolved_gates() for name in gate.metrics]
    watched = [getattr(monitor, "metric", None) for monitor in spec.resolved_monitors()]
    wanted = (metric_named(name, problem, costs) for name in (*named, *watched) if isinstance(name, str))
    return tuple({metric.name: metric for metric in (*metrics_for(problem), *wanted)}.values())


def blocks_of(spec: ModelSpec, rows: pd.DataFrame) -> np.ndarray | None:
    """The group of each row where the split is by group, else its calendar day; None where each stands by itself.

    Raises:
        DataError: The group or time column is not there or missing in a row, or holds no times with a time zone.
    """
    if isinstance(spec.split, ByGroup):
        groups = column_text(rows, spec.split.group, "split.group")
        return np.asarray(np.unique(groups.to_numpy(dtype=str), return_inverse=True)[1])
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
    weight: np.ndarray | None = None,
) -> Measurement:
    """One metric of one model, NaN where the rows are too few for it.

    Args:
        metric: What to measure.
        y: Encoded truth, shape `(rows,)`.
        predictions: Encoded predictions.
        blocks: As `blocks_of` gives them.
        subject: Whose metric it is.
        weight: What each row counts.
    """
    return record_measurement(metric, y, predictions, subject, blocks, weight)


def _answers(model: FittedModel, rows: pd.DataFrame, subject: Subject) -> Predictions:
    """What a model says; one that learned from other columns than the rows have is named."""
    try:
        return model.predict(rows)
    except DataError as error:
        if subject == "candidate":
            raise
        cure = f"{error.cure}, or release a {subject} that takes these rows (`mlops-rollback`, `prefect-mlops adopt`)"
        raise DataError(f"The {subject} cannot answer the judging rows. {error.what}", cure) from error


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
