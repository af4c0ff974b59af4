"""A profile keeps what a later look needs, and nothing personal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.profile import ReferenceProfile
from prefect_mlops.core.profiling import look, profile_reference
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.trainers import FittedModel

AS_OF = datetime(2013, 5, 1, tzinfo=UTC)


def spec_of(problem: str = "binary", **parts: Any) -> ModelSpec:
    estimator = "LinearRegression" if problem == "regression" else "LogisticRegression"
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "toy",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "tests"},
            "data": {"key": ["id"], "time": "at", "personal": ["postcode"]},
            "target": {"column": "y", "problem": problem, "positive": "late" if problem == "binary" else None},
            "features": {"numeric": ["x", "postcode"], "category": ["kind"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": f"sklearn.linear_model.{estimator}"},
            "gates": [{"kind": "at-least", "metric": "rmse" if problem == "regression" else "accuracy", "bound": 0.5}],
        }
        | parts
    )


def rows_of(problem: str = "binary", count: int = 1500, seed: int = 0, noise: float = 1.0) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "id": range(count),
            "at": pd.date_range("2013-04-01", periods=count, freq="30min", tz="UTC"),
            "x": chance.normal(size=count),
            "kind": chance.choice(["a", "b", "c"], count),
            "postcode": chance.choice([10115, 20095], count),
        }
    )
    signal = rows["x"] + noise * chance.normal(size=count)
    labels = {
        "binary": lambda: np.where(signal > 0.2, "late", "punctual"),
        "multiclass": lambda: pd.cut(signal, [-99, -1, 1, 99], labels=["early", "punctual", "late"]).astype(str),
        "regression": lambda: signal,
    }
    return rows.assign(y=labels[problem]())


def fit(spec: ModelSpec) -> FittedModel:
    return spec.resolved_trainer().fit(spec, rows_of(spec.target.problem, seed=9))


def scored_by(spec: ModelSpec, model: FittedModel, rows: pd.DataFrame) -> pd.DataFrame:
    """As the prediction log holds them once labels have been joined."""
    said = model.predict(rows)
    told, positive = said.probabilities, spec.target.positive
    score = said.labels if told is None else told[:, model.classes.index(positive)] if positive else np.nan
    return pd.DataFrame(
        {
            "target": rows["y"],
            "event_time": rows["at"],
            "prediction": [str(label) for label in said.labels],
            "score": score,
            "probabilities": None if told is None else [json.dumps(list(row)) for row in told.tolist()],
        }
    )


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_a_look_at_the_reference_itself_sees_the_very_same(problem: str) -> None:
    spec, rows = spec_of(problem), rows_of(problem)
    model = fit(spec)
    profile = profile_reference(spec, model, rows)

    for measured in profile.measurements:
        seen = look(spec, profile, rows, scored_by(spec, model, rows), AS_OF, metric=measured.metric)
        assert seen.value == pytest.approx(seen.reference_value, abs=1e-12)
        assert seen.standard_error == pytest.approx(seen.reference_standard_error)
        assert seen.degrees_of_freedom == seen.reference_degrees_of_freedom == 31
        assert seen.labelled == seen.rows == 1500
        assert all(column.statistic == 0 for column in seen.columns)
        assert all(column.population_stability_index == 0 for column in seen.columns)


def test_a_profile_survives_its_own_json() -> None:
    spec = spec_of()
    profile = profile_reference(spec, fit(spec), rows_of())

    assert ReferenceProfile.model_validate_json(profile.model_dump_json()) == profile


def test_personal_columns_never_enter_a_profile_or_a_look() -> None:
    spec, rows = spec_of(), rows_of()
    model = fit(spec)
    profile = profile_reference(spec, model, rows)
    seen = look(spec, profile, rows, scored_by(spec, model, rows), AS_OF)

    for record in (profile, seen):
        assert "postcode" not in record.model_dump_json()
        assert "10115" not in record.model_dump_json()


def test_a_shifted_column_is_seen_and_the_others_are_not() -> None:
    spec, rows = spec_of(), rows_of(seed=1)
    model = fit(spec)
    profile = profile_reference(spec, model, rows_of())
    moved = rows.assign(x=rows["x"] + 1.0)

    columns = {
        column.column: column for column in look(spec, profile, moved, scored_by(spec, model, rows), AS_OF).columns
    }

    assert columns["x"].statistic == pytest.approx(0.383, abs=0.05)
    assert columns["x"].population_stability_index > 0.25
    assert columns["kind"].population_stability_index < 0.05


@pytest.mark.parametrize("column", ["x", "kind"])
def test_a_column_that_lost_its_values_has_moved(column: str) -> None:
    spec, rows = spec_of(), rows_of()
    model = fit(spec)
    seen = look(
        spec, profile_reference(spec, model, rows), rows.assign(**{column: None}), scored_by(spec, model, rows), AS_OF
    )

    found = next(drift for drift in seen.columns if drift.column == column)
    assert (found.missing_share, found.missing_share_reference, found.statistic) == (1.0, 0.0, 1.0)
    assert found.population_stability_index > 5


def test_a_category_that_never_came_before_is_seen() -> None:
    spec, rows = spec_of(), rows_of()
    model = fit(spec)
    recent = rows.assign(kind=rows["kind"].where(rows["id"] % 2 == 0, "brand new"))

    seen = look(spec, profile_reference(spec, model, rows), recent, scored_by(spec, model, rows), AS_OF)

    assert seen.columns[1].statistic == pytest.approx(0.5)


def test_numbers_with_few_distinct_values_keep_bins_that_can_be_told_apart() -> None:
    spec, rows = spec_of(), rows_of().assign(x=lambda rows: (rows["id"] % 3).astype(float))

    numbers = profile_reference(spec, fit(spec), rows).numeric["x"]

    assert numbers.edges == (0.0, 1.0)
    assert numbers.counts == (500, 500, 500)


def test_a_worse_model_is_seen_to_be_worse() -> None:
    spec = spec_of(monitors=[{"kind": "performance", "metric": "roc_auc", "max_loss": 0.03}])
    model = fit(spec)
    profile, rows = profile_reference(spec, model, rows_of()), rows_of(noise=5.0)

    seen = look(spec, profile, rows, scored_by(spec, model, rows), "2013-05-01T00:00:00+00:00")

    assert spec.resolved_monitors()[0].judge(seen).state == "degraded"


def test_rows_without_a_label_yet_are_not_counted() -> None:
    spec, rows = spec_of(), rows_of()
    model = fit(spec)
    scored = scored_by(spec, model, rows)
    scored["target"] = scored["target"].astype(object).where(rows["id"] < 200)

    assert look(spec, profile_reference(spec, model, rows), rows, scored, AS_OF).labelled == 200


@pytest.mark.parametrize("count", [0, 19])
def test_too_few_labels_have_no_value(count: int) -> None:
    spec, rows = spec_of(), rows_of()
    model = fit(spec)

    seen = look(spec, profile_reference(spec, model, rows), rows, scored_by(spec, model, rows).head(count), AS_OF)

    assert (seen.labelled, seen.value, seen.standard_error) == (count, None, None)


def test_a_score_is_enough_where_probabilities_were_not_logged() -> None:
    spec, rows = spec_of(), rows_of()
    model = fit(spec)
    profile, scored = profile_reference(spec, model, rows), scored_by(spec, model, rows)

    bare = look(spec, profile, rows, scored.assign(probabilities=None), AS_OF, metric="log_loss")

    assert bare.value == pytest.approx(look(spec, profile, rows, scored, AS_OF, metric="log_loss").value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target": "diverted"}, "never saw"),
        ({"prediction": "diverted"}, "of an unknown class"),
        ({"probabilities": "[0.5"}, "not JSON lists"),
        ({"probabilities": "[0.2, 0.2, 0.6]"}, "of 3 classes, the profile's of 2"),
    ],
)
def test_a_log_that_cannot_be_read_is_told(change: dict[str, Any], said: str) -> None:
    spec, rows = spec_of(), rows_of()
    model = fit(spec)

    with pytest.raises(DataError, match=said):
        look(spec, profile_reference(spec, model, rows), rows, scored_by(spec, model, rows).assign(**change), AS_OF)


def test_no_reference_rows_make_no_profile() -> None:
    spec = spec_of()
    with pytest.raises(DataError, match="no reference rows"):
        profile_reference(spec, fit(spec), rows_of().iloc[:0])
