"""A model that somebody else logged with plain MLflow becomes champion, and answers as it always did."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from prefect_mlops.blocks import MlflowTracking, Places
from prefect_mlops.core.cards import render_card
from prefect_mlops.core.errors import DataError, NotFound, TrackingUnavailable
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import (
    adopt_version,
    build_bento,
    choose_rollback,
    evaluate_candidate,
    fetch_package,
    fetch_source,
    load_champion,
    promote_version,
    read_champion,
    split_rows,
    stage_bento,
    train_candidate,
)

NOON = datetime(2026, 3, 1, tzinfo=UTC)
CATEGORIES = ["shop", "day", "known"]


_numbers = itertools.count()


def make_spec(**parts: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": f"parcels-{next(_numbers)}",
            "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
            "data": {"key": ["parcel"], "time": "at"},
            "target": {"column": "late", "problem": "binary", "positive": True},
            "features": {"numeric": ["weight", "stops"], "category": CATEGORIES},
            "split": {"kind": "by-time", "judge_days": 10},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": [{"kind": "not-worse-than-champion", "metric": "log_loss", "margin": 0.1}],
            **parts,
        }
    )


def make_rows(days: int = 30, start: str = "2026-01-01") -> pd.DataFrame:
    random = np.random.default_rng(days)
    count = days * 24
    weight = random.normal(5, 2, count)
    frame = pd.DataFrame(
        {
            "parcel": [f"{start}-{place}" for place in range(count)],
            "at": pd.date_range(start, periods=count, freq="h", tz="UTC"),
            "weight": weight,
            "stops": random.integers(0, 9, count),
            "shop": pd.Series(random.choice(["north", "south", "west"], count), dtype="str"),
            "day": random.integers(1, 8, count),
            "known": random.random(count) < 0.5,
        }
    )
    frame.loc[::9, "shop"] = np.nan
    chance = weight / 2 - 2.5 + (frame["day"] > 5) + frame["known"] + (frame["shop"] == "west")
    return frame.assign(late=chance + random.logistic(size=count) > 0)


def pipeline_of_theirs() -> Pipeline:
    """It encodes raw numbers, booleans and texts with gaps, in an order of its own."""
    encode = ColumnTransformer(
        [("those", OneHotEncoder(handle_unknown="ignore"), ["known", "day", "shop"])], remainder=StandardScaler()
    )
    return Pipeline([("encode", encode), ("model", LogisticRegression(max_iter=1000))])


THEIRS = ["shop", "known", "weight", "day", "stops"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """One registry for all, since its tables take seconds to make; each test has a model of its own."""
    return Places.local(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def register(places: Places) -> Callable[..., str]:
    """A function that logs a model as anybody would, and names its version."""

    def log(model: Any, how: str = "skops", name: str = "elsewhere", flavor: Any = None) -> str:
        places.tracking.activate()
        with mlflow.start_run(experiment_id=places.tracking.experiment_id("theirs")):
            keys = {"registered_model_name": name, "pip_requirements": ["scikit-learn"]}
            if flavor is not None:
                info = flavor.log_model(python_model=model, name="m", **keys)
            else:
                info = mlflow.sklearn.log_model(
                    model, name="m", serialization_format=how, skops_trusted_types=["numpy.dtype"], **keys
                )
        return f"models:/{name}/{info.registered_model_version}"

    return log


def take(places: Places, spec: ModelSpec, uri: str, rows: pd.DataFrame, **keys: Any) -> Any:
    source = fetch_source.fn(places.tracking, spec, uri, keys.pop("trust_pickle", False))
    return adopt_version.fn(places.tracking, places.ledger, spec, source, rows, NOON, **keys)


def test_their_pipeline_answers_as_before_whatever_its_columns_were_trained_as(
    places: Places, register: Callable[..., str]
) -> None:
    spec, rows = make_spec(), make_rows()
    theirs = pipeline_of_theirs().fit(rows[THEIRS], rows["late"])

    adopted = take(places, spec, register(theirs), rows)

    later = make_rows(20, "2026-02-01")
    ours = load_champion.fn(places.tracking, spec, adopted.version)
    assert ours.features == spec.features.names
    assert np.allclose(ours.predict(later).probabilities, theirs.predict_proba(later[THEIRS]), atol=1e-12)
    as_text = later.assign(
        day=later["day"].astype(str), known=later["known"].astype(str), shop=later["shop"].fillna("missing")
    )
    assert np.allclose(ours.predict(as_text).probabilities, theirs.predict_proba(later[THEIRS]), atol=1e-12)
    gaps = later.head(3).assign(weight=np.nan, stops=np.nan, shop=None, day=None, known=None)
    assert np.isfinite(ours.predict(gaps).probabilities).all()


def test_it_is_champion_with_an_unknown_origin_and_the_next_candidate_is_judged_against_it(
    places: Places, register: Callable[..., str]
) -> None:
    spec, rows = make_spec(), make_rows()
    theirs = LogisticRegression(max_iter=1000).fit(rows[["weight", "stops"]], rows["late"])
    uri = register(theirs)

    adopted = take(places, spec, uri, rows)

    champion = read_champion.fn(places.tracking, spec)
    assert champion is not None
    assert (adopted.version, champion.version) == (1, 1)
    data = champion.lineage.data
    assert (data.table, data.version, data.rows, data.digest, champion.lineage.commit) == ("unknown", -1, -1, "", "")
    assert champion.lineage.cutoff == rows["at"].max().isoformat()
    assert champion.profile.rows == len(rows)
    client = places.tracking.client()
    run = client.get_run(client.get_model_version(spec.name, "1").run_id)
    assert (run.data.tags["mlops.adopted"], run.data.tags["mlops.decision"]) == (uri, "adopted")
    card = render_card(places.ledger.records(model=spec.name), spec)
    assert "origin | unknown" in card
    assert uri in card

    history = pd.concat([rows, make_rows(20, "2026-01-31")], ignore_index=True)
    sets = split_rows.fn(spec, history, datetime(2026, 2, 20, tzinfo=UTC), champion.lineage.cutoff)
    evidence = evaluate_candidate.fn(
        spec,
        train_candidate.fn(spec, sets.training),
        sets,
        champion=load_champion.fn(places.tracking, spec, 1),
        champion_version=1,
        candidate_name="next",
    )
    assert sets.judging["at"].min() > rows["at"].max()
    assert np.isfinite(evidence.compared("log_loss", "champion").advantage)


def test_the_same_source_is_one_version_and_one_record_however_often_it_is_adopted(
    places: Places, register: Callable[..., str]
) -> None:
    spec, rows = make_spec(), make_rows()
    uri = register(LogisticRegression().fit(rows[["weight", "stops"]], rows["late"]))

    said = [take(places, spec, uri, given) for given in (rows, rows.head(300))]

    assert [one.version for one in said] == [1, 1]
    assert "already" in said[1].reason
    assert len(places.ledger.records(model=spec.name)) == 1
    with pytest.raises(DataError, match="was registered by mlops-train or adopted before"):
        fetch_source.fn(places.tracking, spec, f"models:/{spec.name}/1")


def test_a_champion_gives_way_only_when_told_and_comes_back_by_rollback(
    places: Places, register: Callable[..., str]
) -> None:
    spec, rows = make_spec(), make_rows()
    model = LogisticRegression().fit(rows[["weight", "stops"]], rows["late"])
    first, second = register(model), register(model)
    take(places, spec, first, rows)

    with pytest.raises(DataError, match="has a champion already, version 1"):
        take(places, spec, second, rows)
    assert places.tracking.champion(spec.name) == 1
    assert take(places, spec, second, rows, replace=True)[:2] == (2, 1)

    assert choose_rollback.fn(places.ledger, places.tracking, spec).version == 1
    promote_version.fn(places.tracking, spec, 1)
    assert take(places, spec, second, rows, replace=True)[:2] == (2, 1)
    assert [record.subject for record in places.ledger.records(model=spec.name)] == ["1", "2", "2"]


@pytest.mark.process
def test_an_adopted_version_is_packaged(places: Places, register: Callable[..., str]) -> None:
    spec, rows = make_spec(), make_rows()
    adopted = take(places, spec, register(pipeline_of_theirs().fit(rows[THEIRS], rows["late"])), rows)

    bento = build_bento.fn(spec, fetch_package.fn(places.tracking, spec, adopted.version), places.bentos)
    staged = stage_bento.fn(spec, bento, places.bentos)

    assert staged.fit, staged.reason


def test_a_pickle_is_loaded_only_when_told(places: Places, register: Callable[..., str]) -> None:
    spec, rows = make_spec(), make_rows()
    uri = register(LogisticRegression().fit(rows[["weight", "stops"]], rows["late"]), "cloudpickle")

    with pytest.raises(DataError, match=r"stored as a pickle.*--trust-pickle"):
        take(places, spec, uri, rows)
    assert take(places, spec, uri, rows, trust_pickle=True).version == 1


class Constant(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow has no types
    """A model of no library."""

    def predict(self, model_input: list[str]) -> list[str]:
        return model_input


def test_what_is_no_scikit_learn_model_is_refused(places: Places, register: Callable[..., str]) -> None:
    uri = register(Constant(), flavor=mlflow.pyfunc)

    with pytest.raises(DataError, match=r"no scikit-learn model.*mlflow.sklearn.log_model"):
        fetch_source.fn(places.tracking, make_spec(), uri, True)


@pytest.mark.parametrize(
    ("uri", "error", "said"),
    [
        ("runs:/abc/model", DataError, "names no registered version"),
        ("models:/elsewhere", DataError, "names no registered version"),
        ("models:/elsewhere/7777", NotFound, "elsewhere/7777"),
        ("models:/nobody/1", NotFound, "nobody/1"),
        ("models:/elsewhere@nobody", NotFound, "elsewhere@nobody"),
    ],
)
def test_what_is_not_there_is_told(
    places: Places, register: Callable[..., str], uri: str, error: type[Exception], said: str
) -> None:
    rows = make_rows(5)
    register(LogisticRegression().fit(rows[["weight"]], rows["late"]))

    with pytest.raises(error, match=said):
        fetch_source.fn(places.tracking, make_spec(), uri)


ALL = ["weight", "stops"]


@pytest.mark.parametrize(
    ("model", "columns", "spec", "change", "said"),
    [
        (LogisticRegression(), ["weight", "price"], {}, {"price": 1.0}, "'price', which the spec does not name"),
        (LogisticRegression(), ALL, {}, {"day": None}, "no column 'day'"),
        (LogisticRegression(), ALL, {}, {"late": None}, "no column 'late'"),
        (LogisticRegression(), ALL, {}, {"at": None}, "no column 'at'"),
        (LogisticRegression(), ALL, {}, {"stops": "many"}, "cannot answer the rows as they are"),
        (LinearRegression(), ALL, {}, {}, "is a regressor"),
        (
            LogisticRegression(),
            ALL,
            {"target": {"column": "late", "problem": "binary", "positive": "yes"}},
            {},
            "A binary model says 'yes'",
        ),
        (
            make_pipeline(OneHotEncoder(), DummyClassifier()),
            ["shop", "day"],
            {},
            {},
            "a category that it has not seen",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_registered(
    places: Places,
    register: Callable[..., str],
    model: Any,
    columns: list[str],
    spec: dict[str, Any],
    change: dict[str, Any],
    said: str,
) -> None:
    asked, rows = make_spec(**spec), make_rows(10).assign(price=1.0)
    uri = register(model.fit(rows[columns], rows["late"]))
    gone = [name for name, value in change.items() if value is None]
    given = rows.drop(columns=gone).assign(**{name: value for name, value in change.items() if value is not None})

    with pytest.raises(DataError, match=said):
        take(places, asked, uri, given)
    assert places.tracking.champion(asked.name) is None
    assert not places.tracking.client().search_model_versions(f"name = '{asked.name}'")


def test_labels_that_it_cannot_say_are_refused(places: Places, register: Callable[..., str]) -> None:
    rows = make_rows(10)
    rows["shop"] = rows["shop"].fillna("east")
    target = {"column": "shop", "problem": "multiclass"}
    features = {"numeric": ["weight"]}
    spec = make_spec(target=target, features=features, gates=[{"kind": "at-least", "metric": "accuracy", "bound": 0.1}])
    taught = rows[rows["shop"] != "east"]
    uri = register(LogisticRegression().fit(taught[["weight"]], taught["shop"]))

    with pytest.raises(DataError, match="that the model never saw: \\['east'\\]"):
        take(places, spec, uri, rows)


def test_values_of_a_personal_column_are_in_no_record(places: Places, register: Callable[..., str]) -> None:
    rows = make_rows()
    spec = make_spec(data={"key": ["parcel"], "time": "at", "personal": ["weight"]})
    adopted = take(places, spec, register(LogisticRegression().fit(rows[ALL], rows["late"])), rows)

    package = fetch_package.fn(places.tracking, spec, adopted.version)
    champion = read_champion.fn(places.tracking, spec)

    assert champion is not None
    assert "weight" not in champion.profile.numeric
    assert str(rows["weight"].iloc[0])[:10] not in package.golden


def test_missing_numbers_stay_missing_for_those_who_learn_from_them(
    places: Places, register: Callable[..., str]
) -> None:
    spec, rows = make_spec(), make_rows()
    rows.loc[::3, "weight"] = np.nan
    theirs = HistGradientBoostingClassifier(max_iter=5).fit(rows[ALL], rows["late"])
    adopted = take(places, spec, register(theirs, "cloudpickle"), rows, trust_pickle=True)

    ours = load_champion.fn(places.tracking, spec, adopted.version)

    assert np.allclose(ours.predict(rows).probabilities, theirs.predict_proba(rows[ALL]))


def test_a_registry_that_does_not_answer_is_told() -> None:
    nowhere = MlflowTracking(tracking_uri="http://127.0.0.1:9")

    with pytest.raises(TrackingUnavailable):
        fetch_source.fn(nowhere, make_spec(), "models:/elsewhere/1")
