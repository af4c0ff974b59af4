"""Where a test stands: who is better, when it ends, when nothing holds, and whose outcome counts."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from prefect_mlops.core.abtest import Arm, Comparison
from prefect_mlops.core.abtest.intervals import Outcomes, effects_over_time
from prefect_mlops.core.abtest.judging import Finding, judge_arms
from prefect_mlops.core.abtest.outcomes import first_requests, outcomes_of, value_of
from prefect_mlops.core.abtest.report import comparison_report, draw_effects
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.rollout.requests import Request
from prefect_mlops.core.spec import ModelSpec


def plan(*percents: int, **parts: Any) -> Comparison:
    arms = tuple(Arm(version=number, percent=percent) for number, percent in enumerate(percents or (50, 50), 1))
    return Comparison.model_validate({"arms": arms, "metric": "wrong", "goal": "less", "user_key": "x-user", **parts})


def users(rates: tuple[float, ...], count: int = 4000, seed: int = 0) -> Outcomes:
    random = np.random.default_rng(seed)
    arm = np.arange(count) % len(rates)
    return Outcomes(arm, (random.random(count) < np.array(rates)[arm]).astype(float))


def judged(asked: Comparison, outcomes: Outcomes, days: float = 1) -> Finding:
    return judge_arms(asked, outcomes.arm, outcomes, days)


@pytest.mark.parametrize(
    ("rates", "goal", "verdict", "winner"),
    [
        ((0.3, 0.2), "less", "better", 2),
        ((0.3, 0.2), "more", "worse", None),
        ((0.2, 0.3), "less", "worse", None),
        ((0.2, 0.3), "more", "better", 2),
        ((0.2, 0.2), "less", "ongoing", None),
        ((0.3, 0.3, 0.15), "less", "better", 3),
        ((0.2, 0.35, 0.4), "less", "worse", None),
        ((0.2, 0.2, 0.4), "less", "ongoing", None),
    ],
)
def test_a_test_says_who_is_better_by_the_goal(
    rates: tuple[float, ...], goal: str, verdict: str, winner: int | None
) -> None:
    percents = (50, 50) if len(rates) == 2 else (34, 33, 33)
    found = judged(plan(*percents, goal=goal), users(rates))

    assert (found.verdict, found.winner) == (verdict, winner)
    assert [effect.version for effect in found.effects] == list(range(2, len(rates) + 1))


def test_of_two_better_arms_the_one_with_the_larger_effect_wins() -> None:
    assert judged(plan(34, 33, 33), users((0.4, 0.25, 0.1))).winner == 3


def test_equal_versions_end_without_a_winner_once_no_difference_that_matters_is_left() -> None:
    found = judged(plan(matters=0.2), users((0.5, 0.5), 40_000))

    assert (found.verdict, found.winner) == ("no difference", None)
    assert found.reason.startswith("No difference that matters (20%) by 'wrong'")


def test_a_test_whose_time_is_up_is_undecided_and_one_that_is_told_apart_is_not() -> None:
    assert judged(plan(max_days=7), users((0.2, 0.2)), days=7).verdict == "undecided"
    assert judged(plan(max_days=7), users((0.2, 0.2)), days=6.9).verdict == "ongoing"
    assert judged(plan(max_days=7), users((0.4, 0.2)), days=8).verdict == "better"


def test_too_few_users_are_not_judged_whatever_they_say() -> None:
    found = judged(plan(least_users=100), users((1.0, 0.0), 198))

    assert found.verdict == "ongoing"
    assert found.effects[0].sentence == "version 2: nothing can be said yet from 99 users, 99 beside them"
    assert judged(plan(least_users=99), users((1.0, 0.0), 198)).verdict == "better"


def test_a_split_that_is_not_the_plans_makes_everything_void() -> None:
    outcomes = users((0.4, 0.1))
    kept = np.flatnonzero((outcomes.arm == 0) | (np.arange(4000) % 5 != 1))
    uneven = Outcomes(outcomes.arm[kept], outcomes.value[kept])

    assigned = judge_arms(plan(), uneven.arm, Outcomes(uneven.arm[:300], uneven.value[:300]), 1)
    lost = judge_arms(plan(), outcomes.arm, uneven, 1)

    assert (assigned.verdict, assigned.winner) == ("invalid", None)
    assert assigned.reason.startswith("The users are not split 50% / 50% but 2,000 / 1,600 (E ")
    assert lost.verdict == "invalid"  # all were assigned rightly, and some of one arm have no outcome
    assert lost.reason.startswith("The users with an outcome are not split 50% / 50% but 2,000 / 1,600 (E ")


def test_nobody_yet_is_no_finding() -> None:
    nobody = Outcomes(np.array([], dtype=np.intp), np.array([]))
    found = judge_arms(plan(), nobody.arm, nobody, 0)

    assert (found.verdict, found.assigned, found.split, found.needed) == ("ongoing", (0, 0), 1.0, None)
    assert draw_effects(plan(), nobody) == b""


@given(st.integers(0, 10**6), st.lists(st.sampled_from([0.0, 1.0]), min_size=0, max_size=400))
def test_a_finding_survives_the_ledger(seed: int, values: list[float]) -> None:
    arm = np.random.default_rng(seed).integers(0, 2, len(values)).astype(np.intp)
    found = judged(plan(least_users=2), Outcomes(arm, np.array(values)))

    assert Finding.model_validate_json(found.model_dump_json()) == found


def test_costs_are_means_from_the_first_user_on_though_all_be_0_or_1_so_far() -> None:
    outcomes = users((0.3, 0.2))

    assert judged(plan(metric="cost"), outcomes).effects[0].scale == "difference"
    assert judged(plan(metric="bought"), outcomes).effects[0].scale == "relative"


@pytest.mark.parametrize("metric", ["wrong", "spent"])
def test_most_tests_that_just_matter_end_before_the_users_that_are_foreseen(metric: str) -> None:
    asked, random = plan(matters=0.3, metric=metric, least_users=50), np.random.default_rng(5)

    def visits(count: int, ratio: float) -> Outcomes:
        outcomes = users((0.2, 0.2 * ratio), count, int(random.integers(10**6)))
        if metric == "spent":
            outcomes = outcomes._replace(value=random.gamma(2, 1, count) * np.where(outcomes.arm == 1, ratio, 1.0))
        return outcomes

    foreseen = judged(asked, visits(2000, 1.0)).needed
    assert foreseen is not None
    ended = 0
    for _ in range(60):
        path = effects_over_time(asked, visits(foreseen, 0.7), 1, 100)
        ended += bool((path["high"] < 0).any())
    assert stats.binomtest(ended, 60).proportion_ci(0.999, "exact").high >= 0.5
    assert ended < 60


@pytest.mark.parametrize(
    ("arms", "named"),
    [
        (((1, 50), (1, 50)), "each needs a version of its own"),
        (((1, 50), (2, 40)), "must add up to 100"),
        (((1, 50),), "at least 2 items"),
        (((1, 0), (2, 100)), "greater than 0"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(arms: tuple[tuple[int, int], ...], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Comparison(
            arms=tuple({"version": version, "percent": percent} for version, percent in arms),  # type: ignore[arg-type]
            metric="wrong",
            goal="less",
            user_key="x-user",
        )


def asked(user: str, slot: str, chain: str, percent: int = 50) -> Request:
    return Request(chain, user, slot == "b", percent, False, 1.0, slot)


def test_a_user_counts_with_the_first_request_at_the_plans_shares() -> None:
    seen = [
        asked("ann", "a", "r0", percent=10),
        asked("ann", "b", "r1"),
        asked("", "a", "r2"),
        asked("bob", "a", "r3"),
        asked("ann", "a", "r4"),
        asked("cid", "d", "r5"),
    ]

    found = first_requests(seen, 50, ("a", "b"))

    assert found.to_numpy().tolist() == [["ann", "r1", 1], ["bob", "r3", 0]]


def met(spec: ModelSpec, first: list[list[Any]], said: list[list[Any]], labels: list[list[Any]]) -> list[list[float]]:
    outcomes = outcomes_of(
        spec,
        plan(),
        pd.DataFrame(first, columns=["user", "request_id", "arm"]),
        pd.DataFrame(said, columns=["request_id", "version", "key", "prediction"]),
        pd.DataFrame(labels, columns=["key", "known", "at"]),
    )
    return [[int(arm), float(value)] for arm, value in zip(outcomes.arm, outcomes.value, strict=True)]


@pytest.fixture
def spec(toy: Any) -> ModelSpec:
    return toy("binary")


@pytest.fixture
def toy() -> Any:
    def make(problem: str, **parts: Any) -> ModelSpec:
        return ModelSpec.model_validate(
            {
                "spec_version": 1,
                "name": "toy",
                "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
                "data": {"key": ["id"]},
                "target": {"column": "y", "problem": problem, "positive": 1 if problem == "binary" else None},
                "features": {"numeric": ["x"]},
                "split": {"kind": "by-key"},
                "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LinearRegression"},
                "gates": [{"kind": "better-than-baseline", "metric": "log_loss"}],
                **parts,
            }
        )

    return make


def test_outcomes_come_in_the_order_in_which_they_became_known(spec: ModelSpec) -> None:
    first = [["ann", "r0", 0], ["bob", "r1", 1], ["cid", "r2", 1], ["dan", "r3", 0]]
    said = [["r0", 1, "k0", "1"], ["r1", 2, "k1", "0"], ["r2", 2, "k2", "1"], ["r3", 1, "k3", "1"]]
    labels = [["k0", 1, 30], ["k1", 1, 10], ["k2", 1, 20]]

    assert met(spec, first, said, labels) == [[1, 1.0], [1, 0.0], [0, 0.0]]


def test_what_the_other_version_answered_has_no_outcome(spec: ModelSpec) -> None:
    assert met(spec, [["ann", "r0", 1]], [["r0", 1, "k0", "1"]], [["k0", 1, 1]]) == []


def test_a_request_of_many_rows_is_known_when_all_of_them_are_and_counts_as_one(spec: ModelSpec) -> None:
    first, said = [["ann", "r0", 0]], [["r0", 1, "k0", "1"], ["r0", 1, "k1", "0"], ["r0", 1, "k2", "0"]]
    labels: list[list[Any]] = [["k0", 1, 1], ["k1", 1, 2]]

    assert met(spec, first, said, labels) == []
    assert met(spec, first, said, [*labels, ["k2", 1, 3]]) == [[0, pytest.approx(2 / 3)]]


def test_an_id_that_callers_share_is_nobodys(spec: ModelSpec) -> None:
    first = [["ann", "r", 0], ["bob", "r", 0], ["cid", "own", 0]]
    said = [["r", 1, "k0", "1"], ["r", 1, "k1", "1"], ["own", 1, "k2", "0"]]

    assert met(spec, first, said, [["k0", 1, 1], ["k1", 1, 1], ["k2", 1, 1]]) == [[0, 1.0]]


def test_a_class_is_the_same_as_a_text_a_number_or_a_float_that_a_table_made_of_it(spec: ModelSpec) -> None:
    said = pd.Series(["1", "0", "1"])

    for truth in ([1, 1, 0], ["1", "1", "0"], [1.0, 1.0, 0.0]):
        assert value_of(spec, "wrong", said, pd.Series(truth)).tolist() == [0, 1, 1]


def test_costs_are_the_specs_and_an_error_is_a_distance(toy: Any) -> None:
    costs = {"decision": "d", "business_metric": "m", "owner": "o", "costs": {"false_negative": 5, "false_positive": 2}}
    spec = toy("binary", purpose=costs)
    said, truth = pd.Series(["1", "0", "1"]), pd.Series([0, 1, 1])

    assert value_of(spec, "cost", said, truth).tolist() == [2, 5, 0]
    assert value_of(spec, "spent", said, pd.Series(["7.5", "0", "1"])).tolist() == [7.5, 0, 1]
    number = toy("regression")
    assert value_of(number, "error", pd.Series(["2.5"]), pd.Series([4.0])).tolist() == [1.5]


@pytest.mark.parametrize(
    ("problem", "metric"), [("regression", "wrong"), ("binary", "error"), ("multiclass", "cost"), ("binary", "colour")]
)
def test_a_metric_that_does_not_fit_is_told_with_those_that_do(toy: Any, problem: str, metric: str) -> None:
    with pytest.raises(DataError, match=r"Compare `error`|Name a numeric column"):
        value_of(toy(problem), metric, pd.Series(["1"]), pd.Series(["red"]))


def test_the_report_shows_arms_interval_picture_split_and_what_it_takes() -> None:
    outcomes = users((0.3, 0.3, 0.15))
    found = judged(plan(34, 33, 33), outcomes)
    page = comparison_report(plan(34, 33, 33), found, draw_effects(plan(34, 33, 33), outcomes))

    assert page.startswith("# Versions compared: better")
    assert "| 1 (champion) | 34% |" in page
    assert "| 3 | 33% | 1,333 | 1,333 | " in page
    assert "data:image/png;base64," in page
    assert f"About {found.needed:,} users" in page
    assert "nan" not in page.lower().split("base64")[0]


def test_a_report_without_any_outcome_says_so() -> None:
    nobody = Outcomes(np.array([], dtype=np.intp), np.array([]))
    page = comparison_report(plan(), judge_arms(plan(), np.array([0, 1, 1]), nobody, 0.5), b"")

    assert "too few users" in page
    assert "Over time" not in page


def test_pictures_of_equal_outcomes_are_equal_bytes() -> None:
    outcomes = users((0.3, 0.2))

    assert draw_effects(plan(), outcomes) == draw_effects(plan(), outcomes)
    assert draw_effects(plan(), outcomes).startswith(b"\x89PNG")
