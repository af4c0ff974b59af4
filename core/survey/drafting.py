"""A first spec from a survey, and the rows that it is about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.survey.choosing import main_metric_of

if TYPE_CHECKING:
    from prefect_mlops.core.parts import Frozen
    from prefect_mlops.core.spec import ModelSpec, Suite
    from prefect_mlops.core.survey.records import Survey

__all__ = ["ROW_ID", "draft_spec", "named_rows"]

ROW_ID = "row_id"
FEWEST_DAYS = 5
JUDGING = 0.15
FEWEST_TO_STRATIFY = 30
EFFECT_ON_CURVE, EFFECT_IN_DEVIATIONS = 0.02, 0.05


def named_rows(rows: pd.DataFrame, survey: Survey) -> pd.DataFrame:
    """The rows with a known target, each with a key.

    Where no columns name a row, `row_id` does: a digest of all its values, and a number where another row has the
    same ones. So it stays the row's own when more rows come, whatever their order.

    Args:
        rows: The table that was surveyed.
        survey: What was found.

    Raises:
        DataError: A column is called `row_id` and does not name a row.
    """
    known = rows[rows[survey.target].notna()].reset_index(drop=True)
    if survey.key:
        return known
    from prefect_mlops.core.digests import hash_rows

    if ROW_ID in known.columns:
        what = f"No columns name a row, and {ROW_ID} is taken by a column that does not either"
        raise DataError(what, "Name the columns that do with --key, or rename that one")
    hashes = hash_rows(known)[1]
    again = pd.Series(hashes).groupby(hashes).cumcount().to_numpy()
    names = [f"{value:016x}" + (f"-{count}" if count else "") for value, count in zip(hashes, again, strict=True)]
    return known.assign(**{ROW_ID: names})


def draft_spec(
    survey: Survey,
    rows: pd.DataFrame,
    name: str,
    trainer: Frozen,
    suite: Suite | None = None,
    timezone: str | None = None,
) -> ModelSpec:
    """The spec of a model on surveyed rows; what people must decide holds a sentence that says so.

    Args:
        survey: What the table is.
        rows: As `named_rows` gives them.
        name: The model's name.
        trainer: The spec's trainer.
        suite: What rows must look like; nothing is asked of them when absent.
        timezone: Of times that come without one.

    Raises:
        ValidationError: A name or column is not allowed.
    """
    from prefect_mlops.core.spec import ModelSpec

    metric, effect = main_metric_of(survey.problem), _effect(survey, rows)
    baseline = "rmse" if survey.problem == "regression" else "log_loss"
    late = [name for leak in survey.leaks if leak.left_out for name in leak.columns if name not in survey.key]
    plain: dict[str, Any] = {
        "spec_version": 1,
        "name": name,
        "purpose": {
            "decision": f"Write here which decision the prediction of {survey.target} serves.",
            "business_metric": "Write here what improves when the model is right.",
            "owner": "team@example.com",
        },
        "data": {
            "key": survey.key or (ROW_ID,),
            "time": survey.time,
            "timezone": timezone,
            "personal": survey.named("personal"),
            "later": tuple(dict.fromkeys(late)),
        },
        "target": {"column": survey.target, "problem": survey.problem, "positive": survey.positive},
        "features": {"numeric": survey.named("numeric"), "category": survey.named("category")},
        "split": _split(survey, rows),
        "trainer": trainer.model_dump(),
        "gates": [
            {"kind": "better-than-baseline", "metric": baseline},
            {"kind": "better-than-champion", "metric": metric, "effect": effect},
        ],
        "monitors": [{"kind": "performance", "metric": metric, "max_loss": effect}, {"kind": "drift"}],
        **({"suite": suite.model_dump()} if suite else {}),
    }
    return ModelSpec.model_validate(plain)


def _split(survey: Survey, rows: pd.DataFrame) -> dict[str, Any]:
    if survey.time is not None:
        days = (rows[survey.time].max() - rows[survey.time].min()).days
        if days >= FEWEST_DAYS:
            return {"kind": "by-time", "judge_days": max(1, round(JUDGING * days))}
    classes = survey.problem != "regression"
    stratified = classes and int(rows[survey.target].value_counts().min()) >= FEWEST_TO_STRATIFY
    return {"kind": "by-key", "stratify": survey.target if stratified else None}


def _effect(survey: Survey, rows: pd.DataFrame) -> float:
    """A difference worth knowing: two points of the curve, or a twentieth of the target's deviation."""
    if survey.problem != "regression":
        return EFFECT_ON_CURVE
    deviation = float(np.std(rows[survey.target].to_numpy(dtype=np.float64)))
    wanted = EFFECT_IN_DEVIATIONS * deviation
    return float(f"{wanted:.2g}") if math.isfinite(wanted) and wanted > 0 else 1.0
