"""A search's space is checked when the spec is read, and its parameters reach the estimator they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_mlops.core.errors import PartError, SpecError, TrainingError
from prefect_mlops.core.search.choosing import choose
from prefect_mlops.core.search.parameters import refuse_unknown, with_parameters
from prefect_mlops.core.search.scoring import Judge, folds_of
from prefect_mlops.core.search.space import Dimension, Search
from prefect_mlops.core.search.suggesting import read_parameters, suggest
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec, parse_spec
from prefect_mlops.core.trainers import SklearnTrainer

WINE = Path(__file__).parents[2] / "deployments" / "specs" / "wine-cultivar.yaml"
PIPELINE = {
    "estimator": "sklearn.pipeline.Pipeline",
    "parameters": {
        "steps": [
            ["scale", {"estimator": "sklearn.preprocessing.StandardScaler"}],
            [
                "vote",
                {
                    "estimator": "sklearn.ensemble.BaggingClassifier",
                    "parameters": {"estimator": {"estimator": "sklearn.tree.DecisionTreeClassifier"}},
                },
            ],
        ]
    },
}


def wine(search: dict[str, Any], trainer: dict[str, Any] | None = None) -> ModelSpec:
    parts: dict[str, Any] = {"search": {"metric": "log_loss", "trials": 9, **search}}
    if trainer:
        parts["trainer"] = {"kind": "sklearn", **trainer}
    return ModelSpec.model_validate(load_spec(WINE).model_dump() | parts)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            "space: {C: {low: 0.1, high: 9, lgo: true}}, metric: accuracy, trials: 5",
            "Did you mean low? Allowed: choices",
        ),
        (
            "space: {C: {low: 0.1}}, metric: accuracy, trials: 5",
            "search.space.C (line {line}): give `low` and `high`, or",
        ),
        ("space: {C: {low: 3, high: 3}}, metric: accuracy, trials: 5", "`low` must be below `high`, found 3 and 3"),
        (
            "space: {C: {low: 0, high: 3, log: true}}, metric: accuracy, trials: 5",
            "`log` needs a `low` above 0, found 0",
        ),
        ("space: {C: {low: 1, high: 3, step: 0.5}}, metric: accuracy, trials: 5", "`step` must be whole"),
        ("space: {C: {low: 1.0, high: 3, step: 1, log: true}}, metric: accuracy, trials: 5", "not both"),
        ("space: {C: {choices: [1], low: 3}}, metric: accuracy, trials: 5", "give `choices` alone"),
        ("space: {C: {choices: [a, a]}}, metric: accuracy, trials: 5", "at least two values, each once"),
        ("space: {C: {low: 1, high: 3}}, metric: accuracy", "give a budget: `trials`, `seconds` or both"),
        ("space: {C: {low: 1, high: 3}}, metric: accuracy, trials: 5, pruner: medain", "Did you mean median?"),
        ("space: {depth: {low: 1, high: 3}}, metric: accuracy, trials: 5, simplest: [dpeth]", "did you mean 'depth'?"),
        ("space: {}, metric: accuracy, trials: 5", "search.space (line {line}): must have at least 1 entry"),
    ],
)
def test_a_wrong_search_is_told_with_key_line_and_near_word(written: str, told: str) -> None:
    text = f"{WINE.read_text()}\nsearch: {{{written}}}\n"
    line = text.rstrip().count("\n") + 1

    with pytest.raises(SpecError) as caught:
        parse_spec(text)

    assert told.format(line=line) in str(caught.value)


def test_a_search_comes_back_from_json_as_it_was() -> None:
    space = {"C": {"low": 1.0, "high": 9}, "penalty": {"choices": ["l2", None, {"estimator": "a.B"}]}}

    spec = wine({"space": space, "simplest": ["high C"]})

    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(("ends", "whole"), [((2, 8), True), ((2.0, 8), False), ((2, 8.0), False), ((0.1, 0.2), False)])
def test_whole_numbers_are_meant_where_both_ends_are_written_so(ends: tuple[float, float], whole: bool) -> None:
    assert Dimension(low=ends[0], high=ends[1]).whole is whole


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("deepness", "search.space.deepness: is not a parameter of sklearn.linear_model.LogisticRegression. It has"),
        ("max_itr", "Did you mean max_iter?"),
        ("C__x", "search.space.C__x: is not a parameter of"),
    ],
)
def test_a_parameter_that_the_estimator_does_not_have_is_refused_with_the_near_name(name: str, told: str) -> None:
    spec = wine({"space": {name: {"low": 1, "high": 3}}}, {"estimator": "sklearn.linear_model.LogisticRegression"})

    with pytest.raises(SpecError) as caught:
        refuse_unknown(spec)

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("vote__n_estimators", True),
        ("vote__estimator__max_depth", True),
        ("memory", True),
        ("vote__estimator__max_dept", False),
        ("scale__with_means", False),
        ("voet__n_estimators", False),
    ],
)
def test_parameters_of_steps_and_of_estimators_inside_are_found(name: str, known: bool) -> None:
    spec = wine({"space": {name: {"low": 1, "high": 3}}}, PIPELINE)

    if known:
        refuse_unknown(spec)
    else:
        with pytest.raises(SpecError, match=name):
            refuse_unknown(spec)


def test_a_parameter_deep_inside_is_changed_and_nothing_else() -> None:
    trainer = SklearnTrainer.model_validate(PIPELINE)

    changed = with_parameters(trainer, {"vote__estimator__max_depth": 3, "vote__n_estimators": 7})

    (scale, (name, vote)) = changed.parameters["steps"]
    assert scale == PIPELINE["parameters"]["steps"][0]  # type: ignore[index]
    assert (name, vote["parameters"]["n_estimators"]) == ("vote", 7)
    assert vote["parameters"]["estimator"]["parameters"] == {"max_depth": 3}
    assert trainer == SklearnTrainer.model_validate(PIPELINE)


def test_an_estimator_that_does_not_import_is_told() -> None:
    with pytest.raises(PartError, match=r"sklearn\.nothing"):
        refuse_unknown(wine({"space": {"C": {"low": 1, "high": 3}}}, {"estimator": "sklearn.nothing.Model"}))


def test_a_metric_of_another_problem_is_refused() -> None:
    spec = wine({"space": {"C": {"low": 1, "high": 3}}, "metric": "rmse"}, PIPELINE)

    with pytest.raises(PartError, match="it is a metric of regression problems"):
        refuse_unknown(spec)


class Middle:
    """Suggests the middle, and of choices the last."""

    def suggest_float(self, _: str, low: float, high: float, *, log: bool, **__: object) -> float:
        return (low * high) ** 0.5 if log else (low + high) / 2

    def suggest_int(self, _: str, low: int, high: int, **__: object) -> int:
        return (low + high) // 2

    def suggest_categorical(self, _: str, choices: Any) -> str:
        return str(choices[-1])


def test_choices_of_any_kind_come_back_from_what_the_storage_holds() -> None:
    layers = {"low": 1, "high": 3}
    search = Search.model_validate(
        {
            "space": {
                "n": layers,
                "rate": {"low": 0.01, "high": 1.0, "log": True},
                "sizes": {"choices": [None, [10, 10]]},
            },
            "metric": "rmse",
            "trials": 1,
        }
    )

    found = suggest(Middle(), search.space)  # type: ignore[arg-type]

    assert found == {"n": 2, "rate": 0.1, "sizes": [10, 10]}
    assert read_parameters({"n": 2, "rate": 0.1, "sizes": "[10, 10]"}, search.space) == found


@given(st.lists(st.integers(0, 20), min_size=2, max_size=9), st.integers(0, 5), st.data())
def test_the_simplest_is_within_one_standard_error_of_the_best_and_none_simpler_is(
    values: list[int], error: int, data: st.DataObject
) -> None:
    ranks = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values))))
    worth = np.array(values, dtype=float)

    (taken,) = choose(worth[None], np.full(len(values), float(error)), ranks)

    near = worth >= worth.max() - error
    assert near[taken]
    assert ranks[taken] == ranks[near].min()
    assert worth[taken] == worth[near & (ranks == ranks[taken])].max()


def rows_of(count: int) -> pd.DataFrame:
    from prefect_mlops.deployments.demo.datasets import wine as wines

    return wines().head(count)


def test_a_configuration_is_judged_on_rows_that_it_did_not_see() -> None:
    spec = wine(
        {"space": {"C": {"low": 0.1, "high": 3.0}}, "metric": "accuracy", "folds": 4},
        {"estimator": "sklearn.linear_model.LogisticRegression"},
    )
    rows = rows_of(178).sample(frac=1.0, random_state=1)
    folds = folds_of(spec, rows)

    scores = list(Judge(spec, rows, folds).scores({"C": 1.0}))

    seen = [set(fold.training) & set(fold.judging) for fold in folds]
    assert seen == [set()] * 4
    assert sum(len(score.worths) for score in scores) == 178
    for fold, score in zip(folds, scores, strict=True):
        model = spec.resolved_trainer().fit(
            spec.model_copy(update={"trainer": with_parameters(spec.trainer, {"C": 1.0})}), rows.iloc[fold.training]
        )
        hits = model.predict(rows.iloc[fold.judging]).labels == rows.iloc[fold.judging]["cultivar"].to_numpy()
        assert score.value == pytest.approx(hits.mean())
        assert score.worths == pytest.approx(hits.astype(float))


def test_a_metric_that_is_no_number_fails_the_configuration() -> None:
    spec = wine(
        {"space": {"C": {"low": 0.1, "high": 3.0}}, "metric": "r2"}, {"estimator": "sklearn.linear_model.Ridge"}
    )
    regression = spec.model_copy(
        update={
            "target": spec.target.model_copy(update={"column": "hue", "problem": "regression"}),
            "features": spec.features.model_copy(update={"numeric": ("ash",)}),
        }
    )
    rows = rows_of(60)
    flat = rows.assign(hue=[1.0] * 30 + rows["hue"].tolist()[30:])
    halves = folds_of(regression, rows)[:1]
    folds = (halves[0].__class__(np.arange(30, 60), np.arange(30)),)  # type: ignore[call-arg]

    with pytest.raises(TrainingError, match="r2 is no number on the 30 judging rows of fold 1"):
        list(Judge(regression, flat, folds).scores({}))


def test_the_search_in_the_guide_is_valid() -> None:
    guide = (WINE.parents[2] / "docs" / "search.md").read_text()
    written = guide.partition("```yaml\n")[2].partition("```")[0]
    forest = {"estimator": "sklearn.ensemble.GradientBoostingClassifier"}

    spec = parse_spec(f"{WINE.read_text()}\n{written}")

    refuse_unknown(spec.model_copy(update={"trainer": SklearnTrainer.model_validate(forest)}))
