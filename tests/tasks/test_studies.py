"""The tasks of studies run without a server, time what they promise, and make a page with a picture."""

from __future__ import annotations

import pandas as pd
import pytest

from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.deployments.demo.datasets import wine
from prefect_mlops.tasks.studies import _shown, ablate_features, measure_baselines, replay_staleness


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "wines",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "tests"},
            "data": {"key": ["sample_id"]},
            "target": {"column": "cultivar", "problem": "multiclass"},
            "features": {"numeric": ["alcohol", "ash", "hue", "proline"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": [{"kind": "at-least", "metric": "accuracy", "bound": 0.5}],
        }
    )


@pytest.fixture(scope="module")
def sides() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = wine()
    return rows.iloc[::2], rows.iloc[1::2]


def test_ablation_times_its_models_and_makes_a_page_with_a_picture(
    spec: ModelSpec, sides: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    found = ablate_features.fn(spec, *sides)

    document, text, picture = _shown(spec, found)
    assert found.milliseconds > 0
    assert all(abs(one.milliseconds) < found.milliseconds for one in found.contributions)
    assert document == "ablation"
    assert "| hue |" in text
    assert picture.startswith("![ablation](data:image/png;base64,iVBOR")


def test_baselines_make_a_page(spec: ModelSpec, sides: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    found = measure_baselines.fn(spec, *sides, spec.resolved_trainer().fit(spec, sides[0]))

    assert _shown(spec, found)[0] == "baselines"
    # The candidate is itself the linear model.
    assert {one.advantage for one in found.comparisons if one.against == "linear" and one.metric == "accuracy"} == {0.0}


def test_a_replay_makes_a_page_with_a_picture(spec: ModelSpec) -> None:
    rows = wine()
    rows = rows.sample(frac=1.0, random_state=0).assign(at=pd.date_range("2013-01-15", periods=178, freq="D", tz="UTC"))
    timed = spec.model_copy(update={"data": spec.data.model_copy(update={"time": "at"})})

    found = replay_staleness.fn(timed, rows, tolerance=0.1, metric="accuracy")

    assert _shown(timed, found)[2].startswith("![staleness](data:image/png;base64,iVBOR")
    assert {score.age for score in found.scores} == {1, 2, 3, 4, 5}
