"""Training on a table in parts sees the rows that training on it as a whole would see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefect_mlops.blocks import DeltaTables
from prefect_mlops.core.errors import DataError, NotFound, PartError
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers.lessons import teaching_rows
from prefect_mlops.tasks import split_rows, train_in_parts

START = datetime(2026, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=20)
SGD = {"kind": "partial", "estimator": "sklearn.linear_model.SGDClassifier", "parameters": {"loss": "log_loss"}}
SPLITS: dict[str, dict[str, Any]] = {
    "by key": {"kind": "by-key"},
    "by strata": {"kind": "by-key", "stratify": "y"},
    "by group": {"kind": "by-group", "group": "store"},
    "by time": {"kind": "by-time", "judge_days": 5},
    "by time with an embargo": {"kind": "by-time", "judge_days": 5, "embargo_days": 2},
}


def spec_with(split: dict[str, Any], trainer: dict[str, Any] = SGD) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "toy",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "tests"},
            "data": {"key": ["id"], "time": "at"},
            "target": {"column": "y", "problem": "binary", "positive": True},
            "features": {"numeric": ["heat"], "category": ["kind"]},
            "split": split,
            "trainer": trainer,
            "gates": [{"kind": "at-least", "metric": "accuracy", "bound": 0.5}],
        }
    )


def rows_of(count: int = 2000) -> pd.DataFrame:
    chance = np.random.default_rng(3)
    rows = pd.DataFrame({"id": range(count), "heat": chance.normal(size=count)})
    rows["at"] = pd.Timestamp(START) + pd.to_timedelta(chance.integers(0, 25 * 24, count), unit="h")
    rows["kind"] = chance.choice(["x", "y"], count)
    rows["store"] = chance.integers(0, 40, count)
    rows["y"] = rows["heat"] + chance.logistic(size=count) > 0
    return rows


@pytest.mark.parametrize("champion", [None, START + timedelta(days=9)], ids=["first", "after a champion"])
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_the_parts_teach_what_the_whole_teaches(split: dict[str, Any], champion: datetime | None) -> None:
    spec, rows = spec_with(split), rows_of()
    whole = split_rows.fn(spec, rows, AS_OF, champion.isoformat() if champion else "").training

    parts = [teaching_rows(spec, rows[start : start + 300], AS_OF, champion) for start in range(0, 2000, 300)]

    assert set(pd.concat(parts)["id"]) == set(whole["id"])


def test_a_table_is_learned_from_in_parts_at_one_version(tmp_path: Path) -> None:
    tables, rows, spec = DeltaTables(root=str(tmp_path)), rows_of(), spec_with(SPLITS["by group"])
    tables.append("rows", rows[:1000], "one")
    tables.append("rows", rows[1000:], "two")
    pinned = tables.version("rows")
    tables.append("rows", rows_of().assign(id=lambda new: new["id"] + 9000, heat=99.0), "three")

    model = train_in_parts.fn(spec, tables, "rows", AS_OF, version=pinned)
    again = train_in_parts.fn(spec, tables, "rows", AS_OF, version=pinned)
    newest = train_in_parts.fn(spec, tables, "rows", AS_OF)

    said, other = model.predict(rows).probabilities, newest.predict(rows).probabilities
    assert np.array_equal(said, again.predict(rows).probabilities)
    assert not np.array_equal(said, other)
    assert float((model.predict(rows).labels == rows["y"].to_numpy()).mean()) > 0.6


def test_what_cannot_be_learned_in_parts_is_told_with_a_cure(tmp_path: Path) -> None:
    tables = DeltaTables(root=str(tmp_path))
    tables.append("rows", rows_of().drop(columns="heat"), "one")
    whole = {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"}

    with pytest.raises(PartError, match="kind: partial"):
        train_in_parts.fn(spec_with(SPLITS["by key"], whole), tables, "rows", AS_OF)
    with pytest.raises(DataError, match="no column heat"):
        train_in_parts.fn(spec_with(SPLITS["by key"]), tables, "rows", AS_OF)
    with pytest.raises(NotFound, match="gone"):
        train_in_parts.fn(spec_with(SPLITS["by key"]), tables, "gone", AS_OF)
