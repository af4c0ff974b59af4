"""Point-in-time joins: what was known before an event, never what came at or after it."""

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.joins import join_as_of

START = pd.Timestamp("2026-01-01", tz="UTC")
hours = st.one_of(st.none(), st.integers(0, 8))
keys = st.one_of(st.none(), st.sampled_from(["a", "b"]))
numbers = st.one_of(st.none(), st.sampled_from([1, 2]))
rows = st.lists(st.tuples(hours, keys, numbers), max_size=12)


def frame(found: list[tuple[Any, Any, Any]], **columns: Any) -> pd.DataFrame:
    times = [pd.NaT if hour is None else START + timedelta(hours=hour) for hour, _, _ in found]
    return pd.DataFrame(
        {
            "at": pd.Series(times, dtype="datetime64[us, UTC]"),
            "who": pd.Series([who for _, who, _ in found], dtype=object),
            "site": pd.Series([site for _, _, site in found], dtype="Int64"),
            **columns,
        }
    )


def newest(event: tuple[Any, Any, Any], known: list[tuple[Any, Any, Any]], most: int | None, exact: bool) -> int | None:
    """The definition: walk through all features, and keep the last of the newest that are not too late."""
    hour, *key = event
    best = None
    for place, (stamp, *of) in enumerate(known):
        if None in (hour, stamp, *key, *of) or key != of or stamp > hour or (stamp == hour and not exact):
            continue
        if (most is None or hour - stamp <= most) and (best is None or stamp >= known[best][0]):
            best = place
    return best


@settings(max_examples=60, deadline=None)
@given(events=rows, known=rows, most=st.one_of(st.none(), st.integers(1, 4)), exact=st.booleans())
def test_each_event_has_the_newest_row_that_was_known(events: Any, known: Any, most: int | None, exact: bool) -> None:
    happened = frame(events, event=range(len(events))).set_axis([f"e{n}" for n in range(len(events))])
    features = frame(known, place=pd.Series(range(len(known)), dtype="Int64"))

    found = join_as_of(
        happened,
        features,
        by=["who", "site"],
        time="at",
        tolerance=None if most is None else timedelta(hours=most),
        exact=exact,
    )

    pd.testing.assert_frame_equal(found[list(happened)], happened)
    expected = [newest(event, known, most, exact) for event in events]
    assert [None if pd.isna(place) else place for place in found["place"]] == expected


@settings(max_examples=60, deadline=None)
@given(events=rows, known=rows, later=rows)
def test_nothing_that_is_written_later_changes_what_was_known(events: Any, known: Any, later: Any) -> None:
    cut = START + timedelta(hours=4)
    happened = frame(events)
    happened = happened[happened["at"] <= cut]
    future = [(hour, who, site) for hour, who, site in later if hour is not None and hour >= 4]
    before, after = (
        frame(found, place=pd.Series(range(len(found)), dtype="Int64")) for found in (known, known + future)
    )

    now = join_as_of(happened, before, by=["who", "site"], time="at")

    pd.testing.assert_frame_equal(join_as_of(happened, after, by=["who", "site"], time="at"), now)


def test_zones_and_units_are_moments_and_the_features_time_may_have_its_own_name() -> None:
    events = frame([(5, "a", 1)]).assign(at=lambda rows: rows["at"].dt.tz_convert("America/New_York"))
    features = frame([(4, "a", 1)], x=[7]).assign(known_at=lambda rows: rows["at"].astype("datetime64[ms, UTC]"))

    found = join_as_of(events, features.drop(columns=["at", "site"]), by=["who"], time="at", feature_time="known_at")

    assert found["x"].tolist() == [7]
    assert list(found) == ["at", "who", "site", "x"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"by": []}, "needs a key"),
        ({"by": ["whom"]}, "events have no column whom"),
        ({"feature_time": "known"}, "features have no column known"),
        ({"time": "note", "feature_time": "at"}, "'note' holds .*, not times with a zone"),
        ({"tolerance": timedelta(0)}, "lets no feature in"),
        ({"features": frame([(1, "a", 1)], note=["x"])}, "both have note"),
        (
            {"features": pd.concat([frame([(1, "a", 1)]), frame([(1, "a", 1)])], axis=1)},
            "features have at, site, who twice",
        ),
        ({"features": frame([(1, "a", 1)]).assign(who=[5])}, "'who' is string in the events and integer"),
        ({"features": frame([(1, "a", 1)]).assign(at=pd.Timestamp("2026-01-01"))}, "not times with a zone"),
    ],
)
def test_what_cannot_be_joined_is_told(change: dict[str, Any], said: str) -> None:
    events = frame([(1, "a", 1)], note=["y"])
    asked = {"events": events, "features": frame([(0, "a", 1)]), "by": ["who", "site"], "time": "at"} | change

    with pytest.raises(DataError, match=said):
        join_as_of(asked.pop("events"), asked.pop("features"), **asked)


def test_a_stamp_far_in_the_future_is_no_fault() -> None:
    far = pd.Series(pd.to_datetime(["9999-12-31T00:00Z", "2026-01-01T00:00Z"]).as_unit("us"))
    features = frame([(0, "a", 1), (0, "a", 1)], x=[1, 2]).assign(at=far)

    assert join_as_of(frame([(1, "a", 1)]), features, by=["who", "site"], time="at")["x"].tolist() == [2]
    nanoseconds = frame([(1, "a", 1)]).assign(at=lambda rows: rows["at"].dt.as_unit("ns"))
    with pytest.raises(DataError, match="beyond what nanoseconds can hold"):
        join_as_of(nanoseconds, features, by=["who", "site"], time="at")


def test_a_large_whole_number_is_not_rounded_where_an_event_has_none() -> None:
    large = 2**53 + 1
    events = frame([(1, "a", 1), (1, "b", 1)])

    found = join_as_of(events, frame([(0, "a", 1)], x=[large], y=[True])[["at", "who", "x", "y"]], by="who", time="at")

    assert (found.loc[0, "x"], found.loc[0, "y"]) == (large, True)
    assert found.loc[1, ["x", "y"]].isna().all()
