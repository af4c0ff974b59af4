"""Times without a zone get the one that the spec names, and nothing is guessed where clocks changed."""

import pandas as pd
import pytest
from pydantic import ValidationError

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.spec import Data
from prefect_mlops.core.zones import in_zone

NOON = pd.Timestamp("2013-07-01T10:00:00Z")


@pytest.mark.parametrize(
    "times",
    [
        ["2013-07-01 12:00:00"],
        ["2013-07-01T12:00"],
        ["2013-07-01 12:00:00.000"],
        ["2013-07-01T10:00:00Z"],
        ["2013-07-01T13:00:00+03:00"],
        pd.to_datetime(["2013-07-01 12:00"]),
        pd.to_datetime(["2013-07-01 06:00"]).tz_localize("America/New_York"),
    ],
)
def test_a_time_without_a_zone_is_one_of_the_zone_named_and_others_stay(times: object) -> None:
    placed = in_zone(pd.DataFrame({"at": times}), "at", "Europe/Berlin", "rows.csv")

    assert placed["at"].tolist() == [NOON]


def test_a_date_is_its_midnight_and_a_missing_time_stays_missing() -> None:
    placed = in_zone(pd.DataFrame({"at": ["2013-01-01", None]}), "at", "Europe/Berlin", "rows.csv")

    assert placed["at"].iloc[0] == pd.Timestamp("2012-12-31T23:00:00Z")
    assert placed["at"].isna().tolist() == [False, True]


def test_the_order_and_the_index_of_the_rows_stay() -> None:
    rows = pd.DataFrame({"at": ["2013-07-03", "2013-07-01T00:00Z", "2013-07-02"]}, index=[5, 3, 9])

    placed = in_zone(rows, "at", "UTC", "rows.csv")

    assert placed.index.tolist() == [5, 3, 9]
    assert placed["at"].dt.day.tolist() == [3, 1, 2]


@pytest.mark.parametrize("time", ["2013-10-27 02:30", "2013-03-31 02:30"])
def test_a_time_that_is_there_twice_or_not_at_all_is_refused_and_its_offset_cures_it(time: str) -> None:
    with pytest.raises(DataError, match=r"1 rows .* twice or not at all in Europe/Berlin.*\+02:00"):
        in_zone(pd.DataFrame({"at": [time]}), "at", "Europe/Berlin", "rows.csv")

    placed = in_zone(pd.DataFrame({"at": [f"{time}+02:00", "2013-07-01"]}), "at", "Europe/Berlin", "rows.csv")
    assert placed["at"].iloc[0] == pd.Timestamp(f"{time}+02:00")


@pytest.mark.parametrize("times", [["soon"], ["2013-13-01"], [3], ["2013-07-01", "soon"]])
def test_what_is_no_time_is_left_to_be_refused_as_it_is(times: list[object]) -> None:
    rows = pd.DataFrame({"at": times})

    assert in_zone(rows, "at", "Europe/Berlin", "rows.csv")["at"].tolist() == times


def test_without_a_zone_named_nothing_is_touched() -> None:
    rows = pd.DataFrame({"at": ["2013-07-01"]})

    assert in_zone(rows, "at", None, "rows.csv") is rows


def test_a_misspelt_zone_is_refused_by_the_spec_with_the_near_one() -> None:
    with pytest.raises(ValidationError, match=r"no time zone 'Europe/Berln' \(did you mean Europe/Berlin\?\)"):
        Data(key=("id",), time="at", timezone="Europe/Berln")
