"""What each group of columns brings: the model trained again without it, on the same rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.gates.confidence import confidence_bounds, estimate_of
from prefect_mlops.core.studies.beside import compare_on, judged_rows, main_metric, said_by
from prefect_mlops.core.studies.records import Ablation, Contribution

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.fitted import FittedModel

__all__ = ["ablate", "groups_of", "without"]

CONFIDENCE = 0.95
NAN = float("nan")
Stopwatch = Callable[[Sequence["FittedModel"], "pd.DataFrame"], list[float]]


def ablate(
    spec: ModelSpec,
    training: pd.DataFrame,
    judging: pd.DataFrame,
    stopwatch: Stopwatch,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    metric: str = "",
) -> Ablation:
    """Train the spec's model once whole and once without each group, and compare on the same judging rows.

    The intervals hold for all groups together (Bonferroni). They say what these two fits are worth on other rows of
    this kind; another seed would give other fits, which they do not count. Of two columns that say the same, neither
    is missed alone: put them into one group.

    Args:
        spec: The model's spec.
        training: Rows to learn from.
        judging: Rows to judge on, which the model never saw.
        stopwatch: Gives the CPU milliseconds that some models take for 1,000 rows.
        groups: Columns by group; every feature its own group by default.
        metric: What to compare; by default the first metric that a gate names.

    Raises:
        DataError: A group names a column that is no feature, leaves no feature over, or the rows cannot be used.
        TrainingError: A model cannot be fitted.
        PartError: The metric or the trainer cannot be used.
    """
    named = groups_of(spec, groups)
    measure = main_metric(spec, metric)
    whole = spec.resolved_trainer().fit(spec, training)
    judged = judged_rows(spec, judging, whole.classes)
    said = said_by(whole, judged)
    models, gains = [whole], []
    for columns in named.values():
        less = without(spec, columns)
        model = less.resolved_trainer().fit(less, training)
        gains.append(compare_on(judged, measure, said, said_by(model, judged), "champion"))
        models.append(model)
    milliseconds = stopwatch(models, judging)
    confidence = 1.0 - (1.0 - CONFIDENCE) / (2 * len(named))
    found = []
    for (name, columns), gain, cost in zip(named.items(), gains, milliseconds[1:], strict=True):
        estimate = estimate_of(gain)
        bounded = gain.degrees_of_freedom >= 1 and math.isfinite(gain.standard_error)
        low, high = confidence_bounds(estimate, confidence) if bounded else (NAN, NAN)
        found.append(
            Contribution(
                group=name,
                columns=tuple(columns),
                advantage=gain.advantage,
                standard_error=gain.standard_error,
                low=low,
                high=high,
                milliseconds=milliseconds[0] - cost,
                missing_share=float(judging[list(columns)].isna().to_numpy().mean()),
            )
        )
    return Ablation(
        model=spec.name,
        metric=measure.name,
        value=float(measure.value(judged.target, said, judged.weight)),
        milliseconds=milliseconds[0],
        rows=len(judging),
        confidence=CONFIDENCE,
        contributions=tuple(sorted(found, key=lambda one: -one.advantage)),
    )


def groups_of(spec: ModelSpec, groups: Mapping[str, Sequence[str]] | None = None) -> dict[str, tuple[str, ...]]:
    """The groups of a study: those given, or every feature by itself.

    Raises:
        DataError: A group is empty, names a column that is no feature, or holds all of them.
    """
    named = {
        name: tuple(columns) for name, columns in (groups or {name: (name,) for name in spec.features.names}).items()
    }
    for name, columns in named.items():
        strange = [column for column in columns if column not in spec.features.names]
        if strange or not columns:
            what = f"names {', '.join(strange)}, which the model does not look at" if strange else "names no column"
            raise DataError(f"Group {name!r} {what}", f"Name columns among {', '.join(spec.features.names)}")
        if set(columns) >= set(spec.features.names):
            raise DataError(
                f"Without group {name!r} no feature is left to learn from", "Split it into smaller groups of columns"
            )
    return named


def without(spec: ModelSpec, columns: Sequence[str]) -> ModelSpec:
    """The same spec, whose model does not look at some columns."""
    features = spec.features
    left = {
        role: tuple(name for name in getattr(features, role) if name not in columns)
        for role in type(features).model_fields
        if isinstance(getattr(features, role), tuple)
    }
    return spec.model_copy(update={"features": features.model_copy(update=left)})
