"""Surveys: problems, roles and leaks of real tables, and of tables into which leaks were planted."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.survey.problem import pose
from prefect_mlops.core.survey.records import Survey
from prefect_mlops.core.survey.surveying import survey_rows
from tests.tables import REAL_TABLES, flights_raw


def base(rows: int = 1_500) -> pd.DataFrame:
    """Visits of customers, with a target that the honest columns tell a little of."""
    chance = np.random.default_rng(5)
    spend, age = chance.normal(size=rows), chance.integers(18, 80, rows)
    return pd.DataFrame(
        {
            "visit_id": [f"v-{number:05d}" for number in chance.permutation(rows)],
            "at": pd.date_range("2025-01-01", periods=rows, freq="2h", tz="UTC"),
            "customer": chance.integers(0, rows // 10, rows).astype(str),
            "spend": spend,
            "age": age,
            "shop": chance.choice(["north", "south", "west"], rows),
            "bought": (0.7 * spend + chance.normal(size=rows) > 0.3).astype(int),
        }
    )


def surveyed(rows: pd.DataFrame, target: str = "bought") -> Survey:
    return survey_rows(rows, target, time="at", key=["visit_id"])


def amounts(rows: pd.DataFrame) -> pd.DataFrame:
    chance = np.random.default_rng(6)
    return rows.assign(amount=100 + 20 * rows["spend"] + chance.normal(scale=15, size=len(rows))).drop(columns="bought")


PLANTED: dict[str, tuple[str, Callable[[pd.DataFrame], pd.Series]]] = {
    "the target itself": ("bought", lambda rows: rows["bought"]),
    "the target in words": ("bought", lambda rows: rows["bought"].map({0: "kept", 1: "gone"})),
    "the target turned around": ("bought", lambda rows: 1 - rows["bought"]),
    "the target with a tenth of a percent wrong": (
        "bought",
        lambda rows: rows["bought"].where(np.arange(len(rows)) % 1_000 != 7, 1 - rows["bought"]),
    ),
    "the target shifted by a constant": ("amount", lambda rows: rows["amount"] + 17),
    "the target in another unit": ("amount", lambda rows: rows["amount"] * 2.54),
    "the target with a little noise": (
        "amount",
        lambda rows: rows["amount"] + np.random.default_rng(1).normal(scale=0.5, size=len(rows)),
    ),
    "its logarithm": ("amount", lambda rows: np.log(rows["amount"].clip(lower=1))),
    "the target of the next row": ("bought", lambda rows: rows["bought"].shift(-1)),
    "the target of the row after the next": ("amount", lambda rows: rows["amount"].shift(-2)),
    "the target a day later": ("bought", lambda rows: rows["bought"].shift(-12)),
    "the customer's next target": ("bought", lambda rows: rows.groupby("customer")["bought"].shift(-1)),
    "an id that ends with it": (
        "bought",
        lambda rows: [f"A{number:06d}-{y}" for number, y in enumerate(rows["bought"])],
    ),
    "an id that begins with it": (
        "bought",
        lambda rows: [f"{'Y' if y else 'N'}{number:06d}" for number, y in enumerate(rows["bought"])],
    ),
    "an id whose parity is it": ("bought", lambda rows: np.arange(len(rows)) * 2 + 100_000 + rows["bought"]),
    "an id with it in the middle": (
        "bought",
        lambda rows: [f"eu-{y}-{number:06d}" for number, y in enumerate(rows["bought"])],
    ),
    "the mean of the customer's targets": (
        "bought",
        lambda rows: rows.groupby("customer")["bought"].transform("mean"),
    ),
    "the mean of the customer's other targets": (
        "amount",
        lambda rows: (
            (rows.groupby("customer")["amount"].transform("sum") - rows["amount"])
            / (rows.groupby("customer")["amount"].transform("count") - 1)
        ),
    ),
    "the mean of the next seven rows": ("amount", lambda rows: rows["amount"][::-1].rolling(7).mean()[::-1].shift(-1)),
    "the total of its day": (
        "amount",
        lambda rows: rows.groupby(rows["at"].dt.date)["amount"].transform("sum"),
    ),
    "the running total with itself": ("amount", lambda rows: rows["amount"].cumsum()),
    "what is still to come": ("bought", lambda rows: rows["bought"][::-1].cumsum()[::-1]),
}


@pytest.mark.parametrize("leak", PLANTED)
def test_a_planted_leak_is_found_and_named(leak: str) -> None:
    target, plant = PLANTED[leak]
    rows = base() if target == "bought" else amounts(base())
    rows["planted"] = plant(rows)

    findings = [found for found in surveyed(rows, target).leaks if found.certain]

    assert [found.columns for found in findings] == [("planted",)]
    assert findings[0].left_out


@pytest.mark.parametrize("target", ["bought", "amount"])
def test_what_is_known_by_then_is_no_leak(target: str) -> None:
    rows = base() if target == "bought" else amounts(base())
    past = rows.groupby("customer")[target]
    rows = rows.assign(
        before=rows[target].shift(1),
        last_of_customer=past.shift(1),
        so_far=rows[target].cumsum() - rows[target],
        mean_so_far=rows[target].shift(1).rolling(7).mean(),
        of_customer_so_far=past.cumsum() - rows[target],
    )

    assert surveyed(rows, target).leaks == ()


@pytest.mark.parametrize("name", REAL_TABLES)
def test_problem_and_roles_of_a_real_table_are_right_without_an_edit(name: str) -> None:
    table = REAL_TABLES[name]
    found = survey_rows(table.rows(), table.target, time=table.time)

    assert found.problem == table.problem
    assert set(found.named("category")) == set(table.category)
    assert set(found.named("identifier")) == set(table.identifier)
    assert {name for leak in found.leaks if leak.certain for name in leak.columns} == set(table.leaks)
    assert not set(table.leaks) & set(found.features)


def test_the_scan_of_flights_knows_when_a_prediction_is_made() -> None:
    rows = flights_raw().sample(20_000, random_state=0)
    found = survey_rows(rows, "late", time="time_hour")
    labelled = survey_rows(rows.dropna(subset=["late"]), "late", time="time_hour")

    assert [leak.columns for leak in found.leaks if leak.certain] == [("arr_delay",)]
    for survey in (found, labelled):
        assert ("arr_time",) in [leak.columns for leak in survey.leaks if not leak.certain]
        assert "arr_time" not in survey.features
        assert {"sched_dep_time", "sched_arr_time", "carrier"} <= set(survey.features)


def test_columns_are_told_apart_by_value_and_name() -> None:
    chance = np.random.default_rng(0)
    rows = base(400).assign(
        email=[f"someone{number}@example.org" for number in range(400)],
        contact=[f"+49 30 {number:07d}" for number in range(400)],
        note=[" ".join(chance.choice(["very", "good", "bad", "slow", "kind"], 8)) for _ in range(400)],
        constant=1,
        nothing=None,
        twin=lambda frame: frame["age"],
        ticket_number=chance.permutation(400) + 7_000,
        member=chance.random(400) > 0.5,
        parts=[[1]] * 400,
        born=pd.Timestamp("1990-01-01", tz="UTC") + pd.to_timedelta(chance.integers(0, 9_000, 400), unit="D"),
    )
    found = surveyed(rows)

    assert found.named("personal") == ("email", "contact")
    assert found.named("text") == ("note",)
    assert set(found.named("useless")) == {"constant", "nothing", "twin", "parts", "born"}
    assert found.named("identifier") == ("ticket_number",)
    assert found.features == ("spend", "age", "customer", "shop", "member")


@pytest.mark.parametrize(
    ("values", "problem", "positive"),
    [
        ([True, False, False], "binary", True),
        (["bad", "good", "good"], "binary", "bad"),
        ([3, 4, 4], "binary", 3),
        (["a", "b", "c"], "multiclass", None),
        ([1, 2, 3], "multiclass", None),
        ([1.5, 2.5, 3.5], "regression", None),
        (list(range(60)), "regression", None),
    ],
)
def test_the_values_of_a_target_tell_the_problem(values: list[object], problem: str, positive: object) -> None:
    posed = pose(pd.Series(values * 40, name="y"))

    assert (posed.problem, posed.positive) == (problem, positive)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (["yes"] * 60, "same target"),
        ([f"text {number}" for number in range(60)], "60 different texts"),
        (["a"] * 58 + ["b"] * 2, "has 2 rows"),
        (["a", "b"] * 10, "There are 20 rows"),
        ([None] * 60, "There are 0 rows"),
        (list(pd.date_range("2025-01-01", periods=60)), "holds times"),
        ([0.5, 1.5, float("inf")] * 20, "infinite"),
    ],
)
def test_a_target_that_poses_no_problem_is_refused(target: list[object], said: str) -> None:
    rows = pd.DataFrame({"size": np.arange(len(target)) % 7, "y": target})

    with pytest.raises(DataError, match=said):
        survey_rows(rows, "y")


def test_a_wrong_name_is_told_with_the_near_one() -> None:
    with pytest.raises(DataError, match="Did you mean 'bought'"):
        survey_rows(base(), "bougt")


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (lambda at: at.dt.tz_localize(None), "no times with a time zone"),
        (lambda at: at.astype(str), "no times with a time zone.*--timezone Europe/Berlin"),
        (lambda at: at.where(at.index != 3), "is missing in 1 rows"),
    ],
)
def test_a_time_column_without_a_zone_or_a_value_is_refused(times: Callable[[pd.Series], pd.Series], said: str) -> None:
    rows = base()

    with pytest.raises(DataError, match=said):
        surveyed(rows.assign(at=times(rows["at"])))


def test_the_order_of_rows_changes_nothing() -> None:
    rows = base().assign(planted=lambda frame: frame["bought"].shift(-1))

    assert surveyed(rows.sample(frac=1, random_state=1)).named("leak") == ("planted",)


def test_a_hundred_thousand_categories_are_told_and_do_no_harm() -> None:
    rows = pd.DataFrame({"who": [f"c{n % 100_000}" for n in range(200_000)], "x": np.arange(200_000) % 13})
    found = survey_rows(rows.assign(y=rows["x"] % 2 == 0), "y")

    assert found.named("category") == ("who",)
    assert any("100,000 categories" in note for note in found.notes)


def test_a_column_of_names_is_the_key_before_a_time_that_is_unique_by_chance() -> None:
    rows = base().drop(columns="visit_id")
    rows["who"] = [f"C{number:05d}" for number in range(len(rows))]
    rows["at"] = pd.date_range("2026-01-01", periods=len(rows), freq="min", tz="UTC")

    assert survey_rows(rows, "bought", time="at").key == ("who",)
    assert survey_rows(rows.drop(columns="who"), "bought", time="at").key == ("at",)
