"""A model says the same as a file, in another process, as ONNX and to rows that travelled as JSON."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

from prefect_mlops.core.trainers import FittedModel, Predictions, content_digest
from tests.core.trainer_cases import BOOSTED, FEW, FOREST, KINDS, LOGISTIC, fitted, reloaded, rows_for, spec_with

ROOT = Path(__file__).parents[2]
NUMBERS = st.one_of(st.none(), st.integers(-9, 9), st.floats(-9, 9, width=32))
TEXTS = st.one_of(st.none(), st.sampled_from(["x", "y", "z", ""]), st.text(max_size=3))
ROWS = st.lists(st.fixed_dictionaries({"heat": NUMBERS, "count": NUMBERS, "kind": TEXTS}), min_size=1, max_size=20)
FIT_ALL = """
import json
from prefect_mlops.core.trainers import content_digest
from tests.core.trainer_cases import KINDS, fitted, spec_with
print(json.dumps({name: content_digest(fitted(spec_with(trainer, time="at"))) for name, trainer in KINDS.items()}))
"""


@functools.cache
def pair(name: str) -> tuple[FittedModel, FittedModel]:
    """A model of some kind, in memory and from its file."""
    model = fitted(spec_with(KINDS[name]))
    return model, reloaded(model)


def assert_equal(one: Predictions, other: Predictions, rounding: float = 0.0) -> None:
    labels = other.labels.tolist()
    numbers = np.issubdtype(one.labels.dtype, np.floating)
    assert one.labels.tolist() == (pytest.approx(labels, rel=rounding) if numbers else labels)
    for ours, theirs in ((one.probabilities, other.probabilities), (one.quantiles, other.quantiles)):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=rounding, atol=0)


@pytest.mark.parametrize("name", KINDS)
def test_a_model_from_its_file_is_the_same_model(name: str) -> None:
    model, loaded = pair(name)
    rows = rows_for(spec_with(KINDS[name]))

    assert content_digest(loaded) == content_digest(model)
    assert_equal(loaded.predict(rows), model.predict(rows))
    assert (loaded.threshold, loaded.quantiles) == (model.threshold, model.quantiles)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=6, deadline=None)
@given(rows=ROWS)
def test_rows_that_travelled_as_json_are_answered_as_in_memory(name: str, rows: list[dict[str, object]]) -> None:
    model, loaded = pair(name)
    typed = pd.DataFrame(
        {
            "heat": pd.array([row["heat"] for row in rows], dtype="Float64"),
            "count": np.array([np.nan if row["count"] is None else row["count"] for row in rows], dtype=np.float64),
            "kind": pd.array([row["kind"] for row in rows], dtype="string"),
        }
    )
    travelled = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in rows[0]})

    said = loaded.predict(travelled)

    assert_equal(said, model.predict(typed))
    # A row alone is multiplied by another routine of BLAS than a row among many: the last bit may differ.
    alone = loaded.predict(travelled[:1])
    assert_equal(Predictions(*(None if part is None else part[:1] for part in said)), alone, rounding=1e-12)
    assert np.isfinite(said.labels.astype(float)).all()


@pytest.mark.process
def test_two_processes_train_every_kind_to_the_same_content() -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", FIT_ALL],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]

    first, second = (run.communicate()[0].splitlines()[-1] for run in runs)

    assert first == second
    assert len(set(json.loads(first).values())) == len(KINDS)


@pytest.mark.parametrize(
    ("estimator", "parameters"), [(LOGISTIC, {}), (BOOSTED, FEW), (FOREST, FEW)], ids=["linear", "boosted", "forest"]
)
@pytest.mark.parametrize("calibration", [None, {"method": "sigmoid"}], ids=["plain", "calibrated"])
@pytest.mark.parametrize("most", [100, 2], ids=["one-hot", "by target"])
def test_the_default_pipeline_becomes_onnx_that_answers_alike(
    estimator: str, parameters: dict[str, int], calibration: dict[str, str] | None, most: int
) -> None:
    trainer = {"estimator": estimator, "parameters": parameters, "calibration": calibration, "max_categories": most}
    spec = spec_with({**trainer, "min_frequency": 2})
    rows = rows_for(spec).assign(heat=lambda rows: rows["heat"].astype(np.float32))
    model = fitted(spec, rows)
    odd = pd.DataFrame({"heat": [np.nan, 0.5], "count": [3.0, np.nan], "kind": ["never seen", None]})
    asked = pd.concat([rows.head(300), odd])
    types = [("heat", FloatTensorType([None, 1])), ("count", FloatTensorType([None, 1]))]

    made = to_onnx(
        model.pipeline, initial_types=[*types, ("kind", StringTensorType([None, 1]))], options={"zipmap": False}
    )

    session = onnxruntime.InferenceSession(made.SerializeToString())
    numbers = {name: asked[[name]].to_numpy(dtype=np.float32) for name in ("heat", "count")}
    texts = {"kind": asked[["kind"]].fillna("missing").to_numpy(dtype=object)}
    _, told = session.run(None, numbers | texts)
    np.testing.assert_allclose(told, model.predict(asked).probabilities, atol=1e-5)
