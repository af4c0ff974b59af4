"""What a spec asks of a training is done: weights, directions, stages, calibration, thresholds, quantiles."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from prefect_mlops.core.errors import DataError, TrainingError
from prefect_mlops.core.spec import Costs
from prefect_mlops.core.trainers import SklearnTrainer
from prefect_mlops.core.trainers.chances import cheapest_threshold
from prefect_mlops.core.trainers.lessons import inner_split
from tests.core.trainer_cases import (
    BOOSTED,
    BOOSTED_VALUE,
    FEW,
    HISTOGRAM,
    LIGHT,
    LOGISTIC,
    OWN_PIPELINE,
    SGD,
    fitted,
    rows_for,
    spec_with,
)


def test_a_row_that_weighs_nothing_teaches_nothing() -> None:
    spec = spec_with({"estimator": LOGISTIC, "weight": "size", "min_frequency": 1})
    rows = rows_for(spec).assign(size=lambda rows: (rows["id"] % 2).astype(float), kind="x")
    numbers = ["heat", "count"]
    rows[numbers] = rows[numbers].fillna(0.0)

    found = fitted(spec, rows).pipeline[-1].coef_
    turned = fitted(spec, rows.assign(y=rows["y"] ^ (rows["size"] == 0))).pipeline[-1].coef_

    np.testing.assert_array_equal(found, turned)


def test_balanced_classes_count_the_same_whatever_their_rows() -> None:
    plain, balanced = ({"estimator": LOGISTIC, "class_weight": weight} for weight in (None, "balanced"))
    rows = rows_for(spec_with(plain))
    rows = rows[rows["y"] & (rows["id"] % 5 == 0) | ~rows["y"]]

    shares = [(fitted(spec_with(trainer), rows).predict(rows).labels).mean() for trainer in (plain, balanced)]

    assert shares[0] < rows["y"].mean() < shares[1]
    named = {"estimator": LOGISTIC, "parameters": {"class_weight": "balanced"}}
    np.testing.assert_allclose(
        fitted(spec_with(balanced), rows).pipeline[-1].coef_,
        fitted(spec_with(named), rows).pipeline[-1].coef_,
        atol=1e-3,
    )


def test_weights_by_label_mean_the_same_before_and_after_json() -> None:
    spec = spec_with({"estimator": LOGISTIC, "class_weight": {True: 4.0}})

    again = type(spec).model_validate_json(spec.model_dump_json())

    assert isinstance(again.trainer, SklearnTrainer)
    assert again.trainer.class_weight == {"true": 4.0}
    np.testing.assert_array_equal(fitted(again).pipeline[-1].coef_, fitted(spec).pipeline[-1].coef_)


@pytest.mark.parametrize("estimator", [HISTOGRAM, LIGHT, "sklearn.tree.DecisionTreeClassifier"])
def test_a_prediction_only_rises_with_a_rising_column(estimator: str) -> None:
    parameters = {"n_jobs": 1} if estimator == LIGHT else {}
    monotone = {"count": "falling", "heat": "rising"}
    spec = spec_with({"estimator": estimator, "parameters": parameters, "monotone": monotone})
    grid = pd.DataFrame({"heat": np.linspace(-3, 3, 60), "count": 3.0, "kind": "x"})

    told = fitted(spec, rows_for(spec, 300)).predict(grid).probabilities

    assert told is not None
    assert (np.diff(told[:, 1]) >= 0).all()
    assert told[-1, 1] > told[0, 1]


@pytest.mark.parametrize("time", ["at", None])
@pytest.mark.parametrize(
    ("estimator", "parameters", "stages"),
    [
        (BOOSTED, {"n_estimators": 60, "learning_rate": 0.5}, "n_estimators"),
        (HISTOGRAM, {"max_iter": 40, "learning_rate": 0.5}, "max_iter"),
        (LIGHT, {"n_estimators": 60, "learning_rate": 0.5, "n_jobs": 1}, "n_estimators"),
        (SGD, {"loss": "log_loss", "max_iter": 9}, "max_iter"),
    ],
)
def test_stages_end_where_newer_rows_lose_by_more(
    estimator: str, parameters: dict[str, Any], stages: str, time: str | None
) -> None:
    spec = spec_with({"estimator": estimator, "parameters": parameters, "early_stopping": {"share": 0.3}}, time=time)

    found = getattr(fitted(spec).pipeline[-1], stages)

    assert 1 <= found <= parameters[stages]
    if estimator != SGD:
        assert found < parameters[stages] / 2


def test_the_inner_split_is_newest_by_time_and_keeps_moments_and_groups_whole() -> None:
    timed, grouped = (
        spec_with({"estimator": LOGISTIC}, time="at"),
        spec_with({"estimator": LOGISTIC}, split={"kind": "by-group", "group": "count"}),
    )
    rows = rows_for(timed).assign(at=lambda rows: rows["at"].dt.floor("D"))
    target = rows["y"].to_numpy()

    by_time = inner_split(timed, rows, target, 0.2, "calibration")
    by_group = inner_split(grouped, rows, target, 0.3, "calibration")

    times = rows["at"].to_numpy()
    assert times[by_time.older].max() < times[by_time.newer].min()
    assert len(by_time.newer) == pytest.approx(0.2 * len(rows), abs=24)
    assert not set(rows["count"].iloc[by_group.older]) & set(rows["count"].iloc[by_group.newer])


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibrated_chances_come_true_more_often(method: str) -> None:
    trainer = {"estimator": "sklearn.naive_bayes.GaussianNB", "min_frequency": 1}
    plain, asked = spec_with(trainer), spec_with({**trainer, "calibration": {"method": method}})
    rows = rows_for(plain, 3000).assign(count=lambda rows: rows["heat"] + 0.01 * rows["id"] / 3000)  # told twice

    losses = []
    for spec in (plain, asked):
        told = fitted(spec, rows[:2000]).predict(rows[2000:]).probabilities
        assert told is not None
        losses.append(float(((told[:, 1] - rows["y"][2000:]) ** 2).mean()))

    assert losses[1] < losses[0]


@given(
    chances=st.lists(st.floats(0, 1), min_size=1, max_size=12),
    truth=st.lists(st.booleans(), min_size=12, max_size=12),
    costs=st.builds(Costs, false_positive=st.integers(1, 5), false_negative=st.integers(0, 5)),
)
@settings(deadline=None)
def test_no_threshold_costs_less_than_the_cheapest(chances: list[float], truth: list[bool], costs: Costs) -> None:
    told, positive = np.array(chances), np.array(truth[: len(chances)])

    def cost(threshold: float) -> float:
        said = told >= threshold
        return costs.false_positive * (said & ~positive).sum() + costs.false_negative * (~said & positive).sum()

    found = cost(cheapest_threshold(told, positive, costs))

    assert found == min(cost(threshold) for threshold in (*chances, 0.0, 2.0))


def test_the_threshold_of_the_costs_decides_every_label() -> None:
    rows = rows_for(spec_with({"estimator": LOGISTIC}))
    asked = fitted(spec_with({"estimator": LOGISTIC, "threshold": "costs", "calibration": {}}), rows)
    tried = fitted(spec_with({"estimator": LOGISTIC, "threshold": "costs"}), rows)

    assert asked.threshold == 0.2
    assert tried.threshold == pytest.approx(0.2, abs=0.12)
    for model in (asked, tried):
        said = model.predict(rows)
        assert said.probabilities is not None
        np.testing.assert_array_equal(said.labels.astype(bool), said.probabilities[:, 1] >= model.threshold)
        np.testing.assert_array_equal(model.pipeline.predict(_prepared(rows)), said.labels.astype(bool))


def _prepared(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["heat", "count", "kind"]].assign(kind=rows["kind"].fillna("missing"))


@pytest.mark.parametrize(
    "estimator",
    [
        BOOSTED_VALUE,
        "sklearn.ensemble.HistGradientBoostingRegressor",
        "sklearn.linear_model.QuantileRegressor",
        "lightgbm.LGBMRegressor",
    ],
)
def test_quantiles_hold_their_share_and_never_cross(estimator: str) -> None:
    parameters = {"alpha": 0.0} if "Quantile" in estimator else {"n_jobs": 1} if "LGBM" in estimator else {}
    spec = spec_with({"estimator": estimator, "parameters": parameters, "quantiles": [0.9, 0.5, 0.1]})
    rows = rows_for(spec, 500)

    said = fitted(spec, rows).predict(rows)

    assert said.quantiles is not None
    assert (np.diff(said.quantiles, axis=1) >= 0).all()
    np.testing.assert_array_equal(said.quantiles[:, 1], said.labels)
    below = (rows["y"].to_numpy()[:, None] <= said.quantiles).mean(axis=0)
    np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.06)


def test_a_column_of_a_hundred_thousand_categories_becomes_one() -> None:
    spec = spec_with({"estimator": LOGISTIC, "min_frequency": 1})
    rows = pd.concat([rows_for(spec)] * 170, ignore_index=True)
    rows = rows.assign(id=range(len(rows)), kind=[f"kind-{place % 100_000}" for place in range(len(rows))])

    model = fitted(spec, rows)

    assert list(model.pipeline[0].get_feature_names_out()) == ["heat", "count", "kind"]
    assert model.predict(rows.head(9)).probabilities is not None


def test_constant_and_duplicated_columns_are_learned_from() -> None:
    spec = spec_with({"estimator": LOGISTIC})
    rows = rows_for(spec).assign(heat=1.0, kind="x")

    assert np.isfinite(fitted(spec, rows.assign(count=rows["heat"])).pipeline[-1].coef_).all()


@pytest.mark.parametrize("category", ["never seen", None])
def test_a_pipeline_of_its_own_answers_rows_without_a_number_though_it_cannot(category: str | None) -> None:
    own = OWN_PIPELINE["parameters"]["steps"]
    trainer = {"estimator": "sklearn.pipeline.Pipeline", "parameters": {"steps": [own[0], own[2]]}}
    spec = spec_with(trainer)
    rows = rows_for(spec).dropna()
    model = fitted(spec, rows)

    said = model.predict(pd.DataFrame({"heat": [None], "count": [2], "kind": [category]}))
    same = model.predict(pd.DataFrame({"heat": [rows["heat"].median()], "count": [2], "kind": [category]}))

    np.testing.assert_array_equal(said.probabilities, same.probabilities)


@pytest.fixture
def acme() -> Any:
    """A module of somebody's, with functions that make pipelines."""
    module = sys.modules["acme_models"] = ModuleType("acme_models")

    def made(c: float = 1.0) -> Any:
        return make_pipeline(StandardScaler(), LogisticRegression(C=c))

    def with_a_lambda() -> Any:
        return make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression())

    def strict() -> Any:
        return make_pipeline(OneHotEncoder(), LogisticRegression())

    for function in (made, with_a_lambda, strict):
        setattr(module, function.__name__, function)
    yield module
    del sys.modules["acme_models"]


@pytest.mark.usefixtures("acme")
def test_a_function_of_a_module_may_make_the_pipeline() -> None:
    trainer = {"estimator": "acme_models:made", "parameters": {"c": 0.5}}
    spec = spec_with(trainer, features={"numeric": ["heat", "count"]})

    model = fitted(spec, rows_for(spec).dropna())

    assert model.pipeline[-1][-1].C == 0.5
    assert model.pipeline[-1][-1].random_state == 0


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        ({"estimator": "acme_models:with_a_lambda"}, "<lambda>' is a lambda.*put it into a module"),
        ({"estimator": "acme_models:strict"}, "a category that it has not seen.*handle_unknown='ignore'"),
        ({"estimator": "acme_models:made", "parameters": {"d": 1}}, "no parameter 'd'"),
        ({"estimator": "sklearn.metrics.roc_auc_score"}, "not an estimator class.*y_true"),
        ({"estimator": LIGHT, "parameters": {"bagging_fractoin": 1}}, "did you mean 'bagging_fraction'"),
        ({"estimator": LOGISTIC, "monotone": {"heat": "rising"}}, "no monotone constraints"),
        ({"estimator": HISTOGRAM, "monotone": {"haet": "rising"}}, "monotone names 'haet'.*heat, count"),
        ({"estimator": LOGISTIC, "early_stopping": {}}, "does not learn in stages"),
        ({"estimator": LOGISTIC, "quantiles": [0.5]}, "quantiles belong to a regression"),
        ({"estimator": BOOSTED_VALUE, "quantiles": [0.1]}, "must hold 0.5"),
        ({"estimator": "sklearn.ensemble.RandomForestRegressor", "quantiles": [0.5]}, "learns no quantiles"),
        ({"estimator": BOOSTED_VALUE, "calibration": {}}, "a regression has none"),
        ({"estimator": BOOSTED_VALUE, "threshold": 0.5}, "belongs to a binary problem"),
        ({"estimator": "sklearn.neighbors.KNeighborsClassifier", "weight": "size"}, "takes no weights"),
        ({**OWN_PIPELINE, "early_stopping": {}}, "prepares its own columns"),
        (
            {
                "estimator": "sklearn.model_selection.FixedThresholdClassifier",
                "parameters": {"estimator": {"estimator": LOGISTIC}},
            },
            "a threshold of its own",
        ),
    ],
)
@pytest.mark.usefixtures("acme")
def test_what_an_estimator_cannot_do_is_refused(trainer: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        fitted(spec_with(trainer))


@pytest.mark.parametrize(
    ("trainer", "change", "said"),
    [
        ({"weight": "wight"}, {}, "no column 'wight' of weights"),
        ({"weight": "size"}, {"size": -1.0}, "missing, infinite or negative in 600 of 600"),
        ({"weight": "size"}, {"size": 0.0}, "zero in all rows"),
        ({"weight": "size"}, {"size": "heavy"}, "not numbers"),
        ({"class_weight": {"late": 2}}, {}, "names 'late', and 'y' is false, true"),
        ({"calibration": {}}, {"y": [True] * 2 + [False] * 598}, "Class True of 'y' has 2 training rows"),
        ({"threshold": "costs"}, {"y": [False] * 598 + [True] * 2}, "leave threshold out"),
    ],
)
def test_rows_that_do_not_give_what_is_asked_are_refused(
    trainer: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    spec = spec_with({"estimator": LOGISTIC, **trainer}, time="at")

    with pytest.raises(DataError, match=said):
        fitted(spec, rows_for(spec).assign(**change))


def test_a_feature_that_stands_there_twice_is_refused() -> None:
    spec = spec_with({"estimator": BOOSTED, "parameters": FEW})
    rows = rows_for(spec)

    with pytest.raises(DataError, match="column 'heat' twice"):
        fitted(spec, pd.concat([rows, rows[["heat"]]], axis=1))
