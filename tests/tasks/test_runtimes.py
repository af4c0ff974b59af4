"""What a draft trains reaches ONNX Runtime, and the file is the same bytes in every process."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prefect_mlops.core.runtimes import convert
from prefect_mlops.core.survey.choosing import trainers_for
from tests.tasks.conftest import make_rows, make_spec

ROOT = Path(__file__).parents[2]
ONCE = """
from tests.tasks.test_runtimes import digest
print(digest())
"""


def digest() -> str:
    """The SHA-256 of the ONNX file of a small model."""
    spec, rows = make_spec("multiclass"), make_rows("multiclass")
    model = spec.resolved_trainer().fit(spec, rows)
    return hashlib.sha256(convert(model, spec.features.category, rows, spec.serving.tolerance).content).hexdigest()


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_every_trainer_that_a_draft_may_name_reaches_onnx_also_with_crowded_categories(problem: str) -> None:
    rows = make_rows(problem)
    rows["day"] = np.random.default_rng(1).integers(1, 40, len(rows))

    for trainer in trainers_for(problem, len(rows)):
        few = {"n_estimators": 10} if "n_estimators" in trainer.parameters else {}
        parts = {"parameters": {**trainer.parameters, **few}, "min_frequency": 2, "max_categories": 3}
        spec = make_spec(problem, trainer={"kind": "sklearn", "estimator": trainer.estimator, **parts})
        converted = convert(spec.resolved_trainer().fit(spec, rows), spec.features.category, rows, 1e-5)
        assert converted.content, f"{trainer.estimator}: {converted.reason}"


@pytest.mark.process
def test_two_processes_with_other_hash_seeds_write_the_same_onnx_file() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", ONCE],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "4242")
    ]

    assert told[0] == told[1] == digest()
