"""Labels meet the answers that callers got, and no other attempt."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import SecretStr

from prefect_mlops.blocks import DeltaTables, PersonalKey, PredictionLog
from prefect_mlops.core.monitors import Seen
from prefect_mlops.core.profiling import profile_reference
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import collect_predictions, observe_model
from prefect_mlops.tasks.champions import Champion

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PERSONAL = {"key": ["row_id"], "time": "happened", "personal": ["row_id"]}
SECRET = PersonalKey(key=SecretStr("sixteen letters!"))


def line(number: int, key: str, **changes: Any) -> str:
    return json.dumps(
        {
            "prediction_id": str(number),
            "request_id": str(number),
            "row": 0,
            "model": "toy-binary",
            "version": 1,
            "slot": "a",
            "arm": "champion",
            "answered": True,
            "predicted_at": (NOW - timedelta(seconds=1000 - number)).isoformat(),
            "key": key,
            "event_time": None,
            "prediction": "True",
            "score": 0.75,
            "probabilities": "[0.25,0.75]",
            "latency_ms": 1.0,
            "features": "{}",
        }
        | changes
    )


@pytest.fixture
def look(toy_spec, toy_package, tmp_path: Path):
    """Look at a model whose rows have these keys and whose log holds these lines."""

    def seen(lines: list[str], keys: list[str], personal: PersonalKey | None = None, **parts: Any) -> Seen:
        spec: ModelSpec = toy_spec("binary", **parts)
        model, package, rows = toy_package(spec, 1)
        folder = tmp_path / "spool" / spec.name
        folder.mkdir(parents=True)
        (folder / "a-1-2-3.000000000000.jsonl").write_text("".join(f"{one}\n" for one in lines))
        tables = DeltaTables(root=str(tmp_path / "tables"))
        collect_predictions.fn(PredictionLog(spool=str(tmp_path / "spool")), tables, spec)
        recent = rows.head(len(keys)).assign(row_id=keys, happened=pd.Timestamp(NOW - timedelta(days=1)))
        champion = Champion(1, package.lineage, profile_reference(spec, model, rows.assign(happened=pd.Timestamp(NOW))))
        return observe_model.fn(tables, spec, champion, recent, NOW, personal)

    return seen


def test_a_shadow_a_failure_and_another_version_are_no_answers_of_the_champion(look) -> None:
    lines = [
        line(1, "k1"),
        line(2, "k1", answered=False, arm="shadow", prediction="False"),
        line(3, "k2", answered=False, prediction=None, score=None, probabilities=None),
        line(4, "k3", version=2),
        line(5, "k4"),
    ]

    assert look(lines, ["k1", "k2", "k3", "k4"]).labelled == 2


def test_labels_find_the_answers_of_rows_whose_key_is_personal(look) -> None:
    stand_ins = SECRET.pseudonymise(pd.Series(["k1", "k2"]))
    lines = [line(number, key) for number, key in enumerate(stand_ins)]

    assert look(lines, ["k1", "k2", "k3"], SECRET, data=PERSONAL, serving={"personal": "hashed"}).labelled == 2


def test_rows_without_a_key_in_the_log_meet_no_labels(look) -> None:
    lines = [line(number, "") for number in range(3)]

    assert look(lines, ["k1", "k2", "k3"], SECRET, data=PERSONAL).labelled == 0
