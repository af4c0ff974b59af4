"""A trainer fits, refuses what cannot be learned, and gives a model that says the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline

from prefect_mlops.core.errors import DataError, TrainingError
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers import FittedModel, SklearnTrainer, content_digest, trusted_types

CLASSIFIERS = [
    "sklearn.linear_model.LogisticRegression",
    "sklearn.ensemble.GradientBoostingClassifier",
    "sklearn.ensemble.HistGradientBoostingClassifier",
    "sklearn.ensemble.RandomForestClassifier",
]


def spec_of(
    problem: str = "binary", estimator: str = CLASSIFIERS[0], positive: object = True, **parameters: object
) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "toy",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "tests"},
            "data": {"key": ["id"]},
            "target": {
                "column": "y",
                "problem": problem,
                "positive": positive if problem == "binary" else None,
            },
            "features": {"numeric": ["heat", "count"], "category": ["kind"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": estimator, "parameters": parameters},
            "gates": [{"kind": "at-least", "metric": "accuracy", "bound": 0.5}],
        }
    )


def rows_of(count: int = 400) -> pd.DataFrame:
    chance = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "id": range(count),
            "heat": chance.normal(size=count),
            "count": chance.integers(0, 9, count),
            "kind": chance.choice(["x", "y", "z"], count, p=[0.5, 0.48, 0.02]),
        }
    )
    rows["y"] = rows["heat"] + 0.2 * rows["count"] + chance.normal(size=count) > 1
    rows.loc[5, "heat"], rows.loc[6, "kind"] = np.nan, None
    return rows


def fitted(spec: ModelSpec, rows: pd.DataFrame | None = None) -> FittedModel:
    return spec.resolved_trainer().fit(spec, rows_of() if rows is None else rows)


def reloaded(model: FittedModel) -> FittedModel:
    return model._replace(pipeline=skops.io.loads(skops.io.dumps(model.pipeline), trusted=trusted_types(model)))


class Thrower(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, _: Any, __: Any) -> Thrower:
        raise ZeroDivisionError("the data centre is on fire")

    def predict(self, features: Any) -> Any: ...

    def predict_proba(self, features: Any) -> Any: ...


class Forgetful(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, _: Any, target: Any) -> Forgetful:
        self.classes_ = np.unique(target)
        return self

    def predict(self, features: Any) -> Any:
        return np.full(len(features), self.classes_[0])

    def predict_proba(self, features: Any) -> Any:
        return np.full((len(features), 2), np.nan)


@pytest.mark.parametrize(
    ("target", "positive", "classes"),
    [
        (lambda y: y, True, (False, True)),
        (lambda y: y.astype("boolean"), True, (False, True)),
        (lambda y: y.astype(int), 1, (0, 1)),
        (lambda y: y.astype(float), 1, (0, 1)),
        (lambda y: y.map({True: "late", False: "punctual"}), "late", ("late", "punctual")),
        (lambda y: y.map({True: "late", False: "punctual"}).astype(object), "late", ("late", "punctual")),
    ],
)
def test_labels_may_be_booleans_numbers_or_texts(target: Any, positive: object, classes: tuple[object, ...]) -> None:
    rows = rows_of()
    rows["y"] = target(rows["y"])

    model = fitted(spec_of(positive=positive), rows)
    said = model.predict(rows)

    assert model.classes == classes
    assert [type(label) for label in model.classes] == [type(label) for label in classes]
    assert set(said.labels) == set(classes)
    assert said.probabilities is not None
    assert said.probabilities.sum(axis=1) == pytest.approx(1.0)
    assert (said.labels == rows["y"].to_numpy()).mean() > 0.6
    assert reloaded(model).predict(rows).labels.tolist() == said.labels.tolist()


def test_a_regression_says_numbers_without_probabilities() -> None:
    rows = rows_of().assign(y=lambda rows: 2.0 * rows["count"])

    model = fitted(spec_of("regression", "sklearn.linear_model.LinearRegression"), rows)
    said = model.predict(rows)

    assert (model.classes, said.probabilities) == ((), None)
    assert said.labels == pytest.approx(rows["y"], abs=1e-6)


@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_a_model_says_the_same_after_a_way_through_skops(estimator: str) -> None:
    model, rows = fitted(spec_of(estimator=estimator)), rows_of()

    trusted = trusted_types(model)
    loaded = reloaded(model)

    assert all(name.startswith(("sklearn.", "numpy.", "scipy.")) for name in trusted)
    np.testing.assert_array_equal(loaded.predict(rows).probabilities, model.predict(rows).probabilities)
    assert content_digest(loaded) == content_digest(model)


def test_a_type_from_elsewhere_is_not_trusted() -> None:
    model = FittedModel(make_pipeline(Forgetful().fit(None, np.array([0, 1]))), ("heat",), (0, 1))

    with pytest.raises(TrainingError, match="only types of scikit-learn, numpy and scipy"):
        trusted_types(model)


@pytest.mark.process
@pytest.mark.parametrize("estimator", CLASSIFIERS[1:3])
def test_two_processes_fit_the_same_model(estimator: str) -> None:
    code = (
        "import pathlib, sys; sys.path.insert(0, str(pathlib.Path(sys.argv[1]).parent));"
        "import test_trainers as t; from prefect_mlops.core.trainers import content_digest;"
        "m = t.fitted(t.spec_of(estimator=sys.argv[2], n_estimators=5) if 'Hist' not in sys.argv[2] "
        "else t.spec_of(estimator=sys.argv[2], max_iter=5));"
        "print(content_digest(m), m.predict(t.rows_of()).probabilities.tobytes().hex())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code, __file__, estimator],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }

    assert len(said) == 1


def test_one_changed_number_changes_the_digest() -> None:
    model = fitted(spec_of())
    before = content_digest(model)

    model.pipeline[-1].coef_[0, 0] = np.nextafter(model.pipeline[-1].coef_[0, 0], np.inf)

    assert content_digest(model) != before


def test_the_seed_of_the_spec_reaches_the_estimator() -> None:
    spec = spec_of(estimator=CLASSIFIERS[3], n_estimators=3)

    assert fitted(spec).pipeline[-1].random_state == 0
    assert fitted(spec.model_copy(update={"seed": 7})).pipeline[-1].random_state == 7
    assert fitted(spec_of(estimator=CLASSIFIERS[3], n_estimators=3, random_state=5)).pipeline[-1].random_state == 5


def test_a_value_means_the_same_whatever_type_it_travelled_as() -> None:
    rows = rows_of().assign(kind=lambda rows: rows["count"] % 3)
    model = fitted(spec_of(), rows)

    told = [
        model.predict(rows.assign(kind=kind)).probabilities
        for kind in (rows["kind"], rows["kind"].astype(float), rows["kind"].astype(str), rows["kind"].astype("Int64"))
    ]

    for other in told[1:]:
        np.testing.assert_array_equal(other, told[0])


def test_missing_and_unknown_values_are_answered() -> None:
    odd = pd.DataFrame({"heat": [None, 1.0], "count": pd.array([3, None], dtype="Int64"), "kind": [None, "never seen"]})

    assert np.isfinite(fitted(spec_of()).predict(odd).probabilities).all()  # type: ignore[call-overload]


def test_no_rows_get_no_answers() -> None:
    said = fitted(spec_of()).predict(rows_of().iloc[:0])

    assert len(said.labels) == 0
    assert said.probabilities is not None
    assert said.probabilities.shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.iloc[:0], "no rows to learn from"),
        (lambda rows: rows.drop(columns="y"), "no target column 'y'"),
        (lambda rows: rows.drop(columns="heat"), "no column 'heat'"),
        (lambda rows: rows.assign(y=rows["y"].astype("boolean").where(rows["id"] > 1)), "missing in 2 of 400"),
        (lambda rows: rows.assign(y=True), "one class only"),
        (lambda rows: rows.assign(y=rows["id"] % 3), "3 classes, and a binary problem has two"),
        (lambda rows: rows.assign(y=rows["y"].map({True: "true", False: "false"})), "minding its type"),
        (lambda rows: rows.assign(y=rows["heat"].fillna(0)), "fractions"),
        (lambda rows: rows.assign(y=[True, "x"] * 200), "mixes bool, str"),
        (lambda rows: rows.assign(heat=rows["heat"].where(rows["id"] > 2, np.inf)), "'heat' is infinite in 3 of 400"),
        (lambda rows: rows.assign(heat=np.nan), "'heat' has no value"),
        (lambda rows: rows.assign(kind=None), "'kind' has no value"),
        (lambda rows: rows.assign(heat="warm"), "'heat' holds values that are not numbers"),
        (lambda rows: rows.assign(heat=pd.Timestamp("2013-01-01", tz="UTC")), "'heat' holds times"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(change: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        fitted(spec_of(), change(rows_of()))


@pytest.mark.parametrize(
    ("target", "said"),
    [(np.inf, "infinite"), (3.0, "one value"), ("x", "not numbers"), (None, "missing in 400")],
)
def test_a_regression_target_that_cannot_be_learned_is_refused(target: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        fitted(spec_of("regression", "sklearn.linear_model.LinearRegression"), rows_of().assign(y=target))


@pytest.mark.parametrize(
    ("estimator", "parameters", "said"),
    [
        ("sklearn.linear_model.LogisticRegresion", {}, "near it .*LogisticRegression"),
        ("sklearn.linear_modell.LogisticRegression", {}, "does not import"),
        ("sklearn.metrics.roc_auc_score", {}, "not an estimator class"),
        (
            "sklearn.linear_model.LogisticRegression",
            {"max_iters": 5},
            "no parameter 'max_iters'; did you mean 'max_iter'",
        ),
        ("sklearn.linear_model.LogisticRegression", {"C": -1.0}, "InvalidParameterError: The 'C' parameter"),
        ("sklearn.linear_model.LinearRegression", {}, "a regressor, and the spec's problem is binary"),
        ("sklearn.svm.LinearSVC", {}, "no probabilities"),
        (f"{__name__}.Thrower", {}, "ZeroDivisionError: the data centre is on fire"),
        (f"{__name__}.Forgetful", {}, "400 of 400 of its own training rows"),
    ],
)
def test_an_estimator_that_cannot_be_used_is_refused(estimator: str, parameters: dict[str, object], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        fitted(spec_of(estimator=estimator, **parameters))


def test_a_classifier_cannot_learn_a_regression() -> None:
    with pytest.raises(TrainingError, match="a classifier, and the spec's problem is regression"):
        fitted(spec_of("regression"), rows_of().assign(y=lambda rows: rows["count"] * 1.5))


def test_infinite_features_are_refused_when_a_model_answers_too() -> None:
    with pytest.raises(DataError, match="'heat' is infinite in 1 of 1"):
        fitted(spec_of()).predict(pd.DataFrame({"heat": [np.inf], "count": [1], "kind": ["x"]}))


def test_a_pipeline_of_somebody_elses_answers_through_the_same_door() -> None:
    rows = rows_of()[["heat", "y"]].fillna(0.0)
    model = FittedModel(DummyClassifier().fit(rows[["heat"]], rows["y"]), ("heat",), (False, True))

    assert set(model.predict(rows).labels) <= {False, True}


def test_importing_the_trainers_imports_no_computing_library() -> None:
    code = "import sys, prefect_mlops.core.spec; print({'numpy', 'pandas', 'sklearn', 'scipy'} & set(sys.modules))"

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "set()"


def test_trees_are_fed_unscaled_numbers_and_others_scaled_ones() -> None:
    def steps(estimator: str) -> list[str]:
        pipeline = fitted(spec_of(estimator=estimator)).pipeline
        return list(pipeline[0].named_transformers_["numeric"].named_steps)

    assert steps(CLASSIFIERS[1]) == ["fill"]
    assert steps(CLASSIFIERS[0]) == ["fill", "scale"]


def test_a_trainer_is_a_frozen_part_of_a_spec() -> None:
    assert SklearnTrainer(estimator="a.b").parameters == {}
