"""A model of shop visits with its tables and registry: what batch scoring reads, made quickly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from prefect_mlops.blocks import Places
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import (
    accept_rows,
    evaluate_candidate,
    judge_candidate,
    log_candidate,
    pin_versions,
    plan_scores,
    profile_candidate,
    promote_version,
    read_champion,
    score_windows,
    split_rows,
    trace_lineage,
    train_candidate,
)
from prefect_mlops.tasks.data import Versions
from prefect_mlops.tasks.scoring import Scores

START = datetime(2026, 1, 1, tzinfo=UTC)
A_DAY = 200
BINARY = {"column": "buys", "problem": "binary", "positive": True}


def spec_of(**parts: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "visits",
            "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
            "data": {"key": ["visit"], "time": "at"},
            "target": BINARY,
            "features": {"numeric": ["pages", "minutes"], "category": ["shop"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": [{"kind": "at-least", "metric": "roc_auc", "bound": 0.1}],
            **parts,
        }
    )


def visits(first_day: int, days: int, a_day: int = A_DAY, seed: int = 3) -> pd.DataFrame:
    """Rows of some days from 2026-01-01 on; each day's are the same whatever days come with it."""
    return pd.concat([_a_day(day, a_day, seed) for day in range(first_day, first_day + days)], ignore_index=True)


def _a_day(day: int, count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng([seed, day])
    frame = pd.DataFrame(
        {
            "visit": day * 1_000_000 + np.arange(count),
            "at": pd.date_range(
                START + timedelta(days=day), periods=count, freq=timedelta(days=1) / count, tz="UTC", unit="us"
            ),
            "pages": random.normal(size=count),
            "minutes": random.normal(size=count),
            "shop": random.choice(["north", "south", None], count),
        }
    )
    return frame.assign(buys=frame["pages"] + frame["minutes"] + random.normal(size=count) > 0)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def accept(places: Places, spec: ModelSpec, rows: pd.DataFrame, batch: str, moment: datetime) -> None:
    accept_rows.fn(places.tables, spec, rows, batch, moment)


def train_version(places: Places, spec: ModelSpec, rows: pd.DataFrame, moment: datetime, promoted: bool = True) -> int:
    """A version in the registry, champion where it is promoted, without any server."""
    sets = split_rows.fn(spec, rows, moment)
    model = train_candidate.fn(spec, sets.training)
    evidence = evaluate_candidate.fn(spec, model, sets, candidate_name=f"run-{moment:%m%d}")
    decision = judge_candidate.fn(spec, evidence)
    profile = profile_candidate.fn(spec, model, sets.reference)
    lineage = trace_lineage.fn(spec, sets, moment, Versions(0, 0))
    logged = log_candidate.fn(places.tracking, spec, model, evidence, decision, lineage, profile, sets.reference)
    assert logged.version, decision.summary
    if promoted:
        promote_version.fn(places.tracking, spec, logged.version, moment)
    return logged.version


def score(places: Places, spec: ModelSpec, moment: datetime, **span: Any) -> Scores:
    """What mlops-score does with the champion."""
    champion = read_champion.fn(places.tracking, spec)
    assert champion is not None
    data_version = span.pop("data_version", pin_versions.fn(places.tables, spec).data_version)
    plan = plan_scores.fn(places.tables, spec, champion.version, champion.lineage, moment, data_version, **span)
    return score_windows.fn(places.tables, places.tracking, spec, plan, moment)
