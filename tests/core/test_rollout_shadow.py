"""Before a canary gets traffic its answers are compared; after it a part may be held back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prefect_mlops.core.rollout import Quality, RolloutPlan, Shadow, requests_needed
from prefect_mlops.core.rollout.answers import LINE, Pairs, Sides, pair_answers, wrong_answers
from prefect_mlops.core.rollout.judging import Requests, judge_requests
from prefect_mlops.core.rollout.machine import Look, Position, Standing, advance
from prefect_mlops.core.rollout.requests import Request
from prefect_mlops.core.rollout.shadow import judge_shadow, labelled_pairs_needed

SHADOW = Shadow(pairs=100, disagreement_limit=0.05, max_seconds=600)
PLAN = RolloutPlan(shadow=SHADOW, steps=(1, 10, 50), hold_back=1, min_seconds_per_step=0, max_seconds_per_step=60)
LABELLED = PLAN.model_copy(update={"quality": Quality(wrong_rate_limit=0.3)})
SIDES = Sides(champion=1, candidate=2)
NO_TRUTHS = pd.DataFrame({"key": [], "truth": [], "known_at": []}, dtype=object)

looks = st.builds(
    Look,
    requests=st.integers(0, 900),
    seconds=st.floats(0, 900),
    standings=st.tuples(
        st.builds(
            Standing,
            kind=st.just("errors"),
            worse=st.floats(0, 600),
            below_double=st.floats(0, 40),
            below_limit=st.floats(0, 40),
            holds=st.booleans(),
        )
    ),
)


def lines(*said: tuple[Any, ...]) -> pd.DataFrame:
    """Lines of the log in the order of time: request, row, version, arm, key, prediction."""
    return pd.DataFrame([(*line, at) for at, line in enumerate(said)], columns=list(LINE))


def truths(**known: Any) -> pd.DataFrame:
    return pd.DataFrame({"key": list(known), "truth": list(known.values()), "known_at": range(len(known))})


def compared(disagree: int, of: int) -> Pairs:
    none = np.zeros(0, dtype=bool)
    return Pairs(
        np.arange(of) % max(1, of // max(1, disagree)) == 0 if disagree else np.zeros(of, dtype=bool), none, none
    )


@given(st.lists(looks, max_size=14))
def test_shares_rise_from_nothing_to_all_but_what_is_held_back_or_fall_to_nothing_for_good(seen: list[Look]) -> None:
    position, shares = Position(), [Position().share(LABELLED)]
    for each in seen:
        position, _ = advance(LABELLED, position, each)
        shares.append(position.share(LABELLED))

    while shares and position.ended in ("roll back", "undecided") and shares[-1] == 0:
        shares.pop()
    assert set(shares) <= {0, 1, 10, 50, 99}
    assert shares == sorted(shares)
    assert (99 in shares) == (position.ended == "whole")


@given(looks)
def test_a_shadow_that_goes_on_brings_the_first_share_of_traffic_and_no_more(seen: Look) -> None:
    moved, step = advance(PLAN, Position(), seen)

    assert moved.share(PLAN) == (1 if step.outcome == "go on" else 0)


@given(looks)
def test_what_holds_nothing_never_holds_a_step(seen: Look) -> None:
    alone = seen.model_copy(
        update={
            "requests": 900,
            "standings": tuple(s.model_copy(update={"holds": False, "worse": 1.0}) for s in seen.standings),
        }
    )

    assert advance(PLAN, Position(step=1), alone)[1].outcome == "go on"


def test_all_kinds_of_the_plan_share_its_alpha_also_where_a_step_looks_at_one() -> None:
    assert LABELLED.kinds == ("disagreement", "paired loss", "errors", "latency", "wrong")
    for worse, outcome in ((499.0, "hold"), (500.0, "roll back")):
        seen = Look(requests=5, seconds=1, standings=(Standing(kind="disagreement", worse=worse),))
        assert advance(LABELLED, Position(), seen)[1].outcome == outcome


@pytest.mark.parametrize(
    ("disagree", "of", "outcome"), [(0, 200, "go on"), (0, 99, "hold"), (40, 200, "roll back"), (10, 200, "hold")]
)
def test_a_shadow_is_judged_by_how_often_it_disagrees(disagree: int, of: int, outcome: str) -> None:
    step = advance(PLAN, Position(), judge_shadow(PLAN, compared(disagree, of), 10.0))[1]

    assert step.outcome == outcome, step.reason


def test_a_shadow_that_nothing_decides_is_undone_by_its_own_time() -> None:
    seen = judge_shadow(PLAN, compared(10, 200), 600.0)

    assert advance(PLAN, Position(), seen)[1].outcome == "undecided"


def test_a_loss_on_labelled_pairs_undoes_a_shadow_and_its_report_says_how_many_rows_it_takes() -> None:
    right = np.ones(400, dtype=bool)
    pairs = compared(0, 400)._replace(champion_right=right, candidate_right=np.arange(400) % 16 > 0)

    step = advance(LABELLED, Position(), judge_shadow(LABELLED, pairs, 10.0))[1]

    assert step.outcome == "roll back"
    assert step.reason.startswith("The canary is worse in paired loss")
    assert "400 labelled pairs, 6.2% discordant; about" in step.reason


def test_rows_needed_are_infinite_without_discordance_and_finite_with_all_of_it() -> None:
    assert labelled_pairs_needed(0.0, 0.02, 0.05) == float("inf")
    assert labelled_pairs_needed(0.01, 0.02, 0.05) == pytest.approx(np.log(20) / (0.01 * np.log(2)))


def test_only_answers_to_the_same_row_of_the_same_request_are_paired() -> None:
    log = lines(
        ("r1", 0, 1, "champion", "k1", "True"),
        ("r1", 0, 2, "shadow", "k1", "False"),
        ("r2", 0, 1, "champion", "k2", "True"),  # the shadow has not answered yet
        ("r3", 0, 2, "shadow", "k3", "False"),  # nor the champion here
        ("r4", 0, 1, "champion", "k4", "True"),
        ("r4", 1, 1, "champion", "k5", "True"),
        ("r4", 0, 2, "shadow", "k4", "True"),
        ("r4", 1, 2, "shadow", "k5", "False"),  # rows of one request lean together: the first one counts
        ("r1", 0, 1, "champion", "k1", "False"),  # asked again
        ("", 0, 1, "champion", "k6", "True"),
        ("", 0, 2, "shadow", "k6", "False"),
    )

    assert pair_answers(log, NO_TRUTHS, SIDES).disagrees.tolist() == [True, False]


def test_a_request_that_the_shadow_failed_is_answered_otherwise() -> None:
    log = lines(("r1", 0, 1, "champion", "k1", "True"), ("r1", 0, 2, "shadow", "k1", None))

    assert pair_answers(log, NO_TRUTHS, SIDES).disagrees.tolist() == [True]


@pytest.mark.parametrize(
    ("first", "second", "same"), [("1", "1.0", True), ("True", "true", True), ("low", "mid", False)]
)
def test_classes_are_the_same_whatever_they_were_written_as(first: str, second: str, same: bool) -> None:
    log = lines(("r", 0, 1, "champion", "k", first), ("r", 0, 2, "shadow", "k", second))

    assert pair_answers(log, NO_TRUTHS, SIDES).disagrees.tolist() == [not same]


def test_numbers_agree_within_the_tolerance() -> None:
    log = lines(
        *(("r1", 0, 1, "champion", "k1", "10.0"), ("r1", 0, 2, "shadow", "k1", "10.5")),
        *(("r2", 0, 1, "champion", "k2", "10.0"), ("r2", 0, 2, "shadow", "k2", "10.6")),
    )

    pairs = pair_answers(log, truths(k1=10.4, k2=10.4), Sides(1, 2, regression=True, tolerance=0.5))

    assert pairs.disagrees.tolist() == [False, True]
    assert (pairs.champion_right.tolist(), pairs.candidate_right.tolist()) == ([True, True], [True, True])


def test_each_key_counts_once_by_the_answer_of_the_version_that_its_request_was_assigned_to() -> None:
    seen = [Request(f"r{n}", "", canary, 10, False, 5.0) for n, canary in enumerate((True, False, True, True))]
    log = lines(
        ("r0", 0, 2, "canary", "k0", None),  # failed, and the champion answered in its stead
        ("r0", 0, 1, "champion", "k0", "no"),
        ("r1", 0, 1, "champion", "k1", "no"),
        ("r2", 0, 2, "canary", "k2", "yes"),
        ("r3", 0, 2, "canary", "k1", "no"),  # a key that the champion had answered before
        ("r3", 1, 2, "canary", "k3", "no"),
    )

    labelled, wrong = wrong_answers(Requests.of(seen), log, truths(k3="yes", k2="yes", k1="yes", k0="yes"), SIDES)

    assert labelled.chains.tolist() == ["r3", "r2", "r1"]
    assert (labelled.on_canary.tolist(), wrong.tolist()) == ([True, True, False], [True, False, True])


@pytest.mark.parametrize(
    ("asked", "holds", "note"), [(0, False, "0 labelled"), (50, True, "0 labelled canary answers in this step of 50")]
)
def test_labels_that_do_not_come_hold_a_step_only_where_the_plan_waits_for_them(
    asked: int, holds: bool, note: str
) -> None:
    quality = Quality(wrong_rate_limit=0.3, labelled_per_step=asked)
    plan = PLAN.model_copy(update={"shadow": None, "quality": quality, "latency_budget_ms": 100.0})
    seen = Requests.of(Request(f"r{n}", "", n % 10 == 0, 10, False, 5.0) for n in range(4000))

    look = judge_requests(plan, seen, 10, 30.0)

    assert look.standings[2].kind == "wrong"
    assert note in look.standings[2].note
    assert advance(plan, Position(step=1), look)[1].outcome == ("hold" if holds else "go on")


def test_wrong_answers_undo_a_canary_that_fails_no_request() -> None:
    plan = PLAN.model_copy(update={"shadow": None, "quality": Quality(wrong_rate_limit=0.3)})
    seen = Requests.of(Request(f"r{n}", "", n % 10 == 0, 10, False, 5.0) for n in range(4000))
    wrong = seen.on_canary & (np.arange(4000) % 20 == 0)

    step = advance(plan, Position(step=1), judge_requests(plan, seen, 10, 30.0, (seen, wrong)))[1]

    assert step.outcome == "roll back"
    assert step.reason.startswith("The canary is worse in wrong")


def test_a_plan_says_how_many_copied_requests_its_shadow_needs() -> None:
    first, *rest = requests_needed(PLAN)

    assert (first.share, first.canary) == (0, 100)
    assert len(rest) == 3


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"steps": [10, 60], "hold_back": 40}, "hold_back must leave more than the last step's 60%"),
        ({"hold_back": 50}, "less than 50"),
        ({"shadow": {"disagreement_limit": 0}}, "disagreement_limit"),
        ({"quality": {}}, "wrong_rate_limit"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RolloutPlan.model_validate(keys)
