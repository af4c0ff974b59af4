"""Describe the reference rows of a model, and say what a later look sees beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from prefect_mlops.core.drift import kolmogorov_smirnov, population_stability_index, total_variation
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.evaluation import blocks_of, measurement_of, metrics_of
from prefect_mlops.core.evidence import Measurement
from prefect_mlops.core.metrics import metric_named, metrics_for
from prefect_mlops.core.metrics.encoding import class_order, encode_predictions, encode_target
from prefect_mlops.core.metrics.measuring import days_of
from prefect_mlops.core.monitors import ColumnDrift, PerformanceMonitor, Seen
from prefect_mlops.core.profile import CategoryProfile, NumericProfile, ReferenceProfile
from prefect_mlops.core.trainers.fitted import MISSING, Predictions, prepare

if TYPE_CHECKING:
    from datetime import datetime

    from prefect_mlops.core.metrics import Metric
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.fitted import FittedModel

__all__ = ["look", "profile_reference"]

BINS = 20
MOST_CATEGORIES = 50


def profile_reference(spec: ModelSpec, model: FittedModel, reference_rows: pd.DataFrame) -> ReferenceProfile:
    """Describe the rows of a model's own time that it did not learn from.

    Args:
        spec: The model's spec.
        model: The model they are the reference of.
        reference_rows: Labelled rows, at least one.

    Raises:
        DataError: There are no rows, or they cannot be predicted or judged.
    """
    if reference_rows.empty:
        raise DataError("There are no reference rows", "Load more history, or raise the split's share")
    order = class_order(spec, model.classes)
    y = encode_target(reference_rows[spec.target.column], order)
    said = encode_predictions(model.predict(reference_rows), model.classes, order)
    blocks = blocks_of(spec, reference_rows)
    frame = _shown(spec, reference_rows)
    return ReferenceProfile(
        model=spec.name,
        rows=len(reference_rows),
        classes=model.classes,
        numeric={name: _numeric(frame[name].to_numpy()) for name in spec.features.numeric if name in frame},
        category={name: _category(frame[name]) for name in spec.features.category if name in frame},
        measurements=tuple(measurement_of(metric, y, said, blocks, "candidate") for metric in metrics_of(spec)),
    )


def look(
    spec: ModelSpec,
    profile: ReferenceProfile,
    recent_rows: pd.DataFrame,
    scored: pd.DataFrame,
    as_of: datetime | str,
    *,
    metric: str | None = None,
) -> Seen:
    """Compare the recent window with the reference, and its predictions with the labels known by now.

    Args:
        spec: The model's spec.
        profile: The reference of the version in service.
        recent_rows: The recent window with all features; rows are needed, labels are not.
        scored: Predictions joined with labels, one row each: `target`, `prediction` (text), `score`, `probabilities`
            (a JSON list in the profile's order of classes, or missing), and `event_time` where rows have a time. Rows
            without a target are not counted.
        as_of: End of the recent window.
        metric: What to measure; by default the metric of the spec's first performance monitor.

    Returns:
        What was seen; its value is None where there are too few labelled rows, in all or of a class.

    Raises:
        DataError: A feature is missing or unusable, or a prediction or label cannot be read.
    """
    chosen = metric_named(metric or _watched(spec), spec.target.problem, spec.purpose.costs)
    labelled = scored[scored["target"].notna()]
    found = _measured(spec, profile, labelled, chosen)
    before = profile.measured(chosen.name)
    return Seen(
        as_of=as_of if isinstance(as_of, str) else as_of.isoformat(),
        rows=len(recent_rows),
        labelled=len(labelled),
        metric=chosen.name,
        value=_finite(found.value if found else None),
        standard_error=_finite(found.standard_error if found else None),
        degrees_of_freedom=found.degrees_of_freedom if found else None,
        reference_value=_finite(before.value if before else None),
        reference_standard_error=_finite(before.standard_error if before else None),
        reference_degrees_of_freedom=before.degrees_of_freedom if before else None,
        higher_is_better=chosen.higher_is_better,
        columns=_moved(spec, profile, recent_rows) if len(recent_rows) else (),
    )


def _watched(spec: ModelSpec) -> str:
    for monitor in spec.resolved_monitors():
        if isinstance(monitor, PerformanceMonitor):
            return monitor.metric
    return metrics_for(spec.target.problem)[0].name


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _measured(spec: ModelSpec, profile: ReferenceProfile, labelled: pd.DataFrame, metric: Metric) -> Measurement | None:
    if labelled.empty:
        return None
    order = class_order(spec, profile.classes)
    y = encode_target(labelled["target"], order)
    said = encode_predictions(_answers(spec, profile, labelled), profile.classes, order)
    timed = "event_time" in labelled and labelled["event_time"].notna().all()
    blocks = days_of(pd.to_datetime(labelled["event_time"], utc=True)) if timed else None
    return measurement_of(metric, y, said, blocks, "champion")


def _answers(spec: ModelSpec, profile: ReferenceProfile, labelled: pd.DataFrame) -> Predictions:
    """The logged predictions as the model said them."""
    if not profile.classes:
        return Predictions(labelled["score"].to_numpy(dtype=np.float64, na_value=np.nan), None)
    labels = labelled["prediction"].to_numpy(dtype=object)
    told = labelled["probabilities"]
    if told.notna().all():
        try:
            wide = np.array([json.loads(text) for text in told], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"The logged probabilities of {spec.name} are not JSON lists of one length ({error})",
                "Look at the prediction log; a server of another make may have written it",
            ) from error
        if wide.shape != (len(labelled), len(profile.classes)):
            raise DataError(
                f"The logged probabilities are of {wide.shape[-1]} classes, the profile's of {len(profile.classes)}",
                "Join the predictions of the version that the profile belongs to",
            )
        return Predictions(labels, wide)
    score = labelled["score"].to_numpy(dtype=np.float64, na_value=np.nan)
    if spec.target.problem == "binary" and np.isfinite(score).all():
        positive = [label == spec.target.positive for label in profile.classes]
        return Predictions(labels, np.where(positive, score[:, None], 1.0 - score[:, None]))
    return Predictions(labels, None)


def _shown(spec: ModelSpec, rows: pd.DataFrame) -> pd.DataFrame:
    """The features as pipelines take them, without personal columns."""
    names = tuple(name for name in spec.features.names if name not in spec.data.personal)
    return prepare(rows, names, spec.features.category)


def _numeric(values: np.ndarray) -> NumericProfile:
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return NumericProfile(edges=(), counts=(0,), missing=len(values), mean=0.0, deviation=0.0)
    cuts = np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1], method="inverted_cdf")
    edges = np.unique(cuts)
    edges = edges[edges < known.max()]
    return NumericProfile(
        edges=tuple(edges.tolist()),
        counts=tuple(_binned(known, edges).tolist()),
        missing=len(values) - len(known),
        mean=float(known.mean()),
        deviation=float(known.std(ddof=1)) if len(known) > 1 else 0.0,
    )


def _binned(known: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)


def _category(texts: pd.Series) -> CategoryProfile:
    counts = texts.value_counts()
    missing = int(counts.get(MISSING, 0))
    named = counts.drop(labels=MISSING, errors="ignore").head(MOST_CATEGORIES)
    return CategoryProfile(
        counts={str(name): int(count) for name, count in named.items()},
        other=int(len(texts) - missing - named.sum()),
        missing=missing,
    )


def _moved(spec: ModelSpec, profile: ReferenceProfile, recent_rows: pd.DataFrame) -> tuple[ColumnDrift, ...]:
    frame = _shown(spec, recent_rows)
    moved = []
    for name, numbers in profile.numeric.items():
        values = frame[name].to_numpy()
        known = values[~np.isnan(values)]
        was, now = np.array(numbers.counts), _binned(known, np.array(numbers.edges))
        moved.append(
            _drift(name, (was, numbers.missing), (now, len(values) - len(known)), kolmogorov_smirnov(was, now))
        )
    for name, texts in profile.category.items():
        recent = frame[name].value_counts()
        missing = int(recent.get(MISSING, 0))
        seen = [int(recent.get(category, 0)) for category in texts.counts]
        was = np.array([*texts.counts.values(), texts.other])
        now = np.array([*seen, len(frame) - missing - sum(seen)])
        moved.append(_drift(name, (was, texts.missing), (now, missing), total_variation(was, now)))
    return tuple(moved)


def _drift(name: str, was: tuple[np.ndarray, int], now: tuple[np.ndarray, int], statistic: float) -> ColumnDrift:
    """From counts per bin and of missing values; a column without any recent value has moved as far as it can."""
    before, after = np.append(*was), np.append(*now)
    return ColumnDrift(
        column=name,
        population_stability_index=population_stability_index(before, after),
        statistic=1.0 if np.isnan(statistic) else statistic,
        missing_share=float(after[-1] / after.sum()),
        missing_share_reference=float(before[-1] / before.sum()),
    )
