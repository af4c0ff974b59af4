"""A rollout goes on, waits or is undone by what its tests say, and never otherwise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prefect_mlops.core.rollout import RolloutPlan, requests_needed
from prefect_mlops.core.rollout.machine import Look, Position, Standing, advance

PLAN = RolloutPlan(steps=(1, 10, 50), requests_per_step=100, min_seconds_per_step=10, max_seconds_per_step=60)
FINE = {"below_limit": 25.0}

standings = st.builds(
    Standing,
    kind=st.just("errors"),
    worse=st.floats(0, 500),
    below_double=st.floats(0, 40),
    below_limit=st.floats(0, 40),
)
looks = st.builds(
    Look,
    requests=st.integers(0, 300),
    seconds=st.floats(0, 90),
    standings=st.tuples(standings, standings),
)


def look(requests: int = 100, seconds: float = 10, **errors: float) -> Look:
    latency = Standing(kind="latency", below_limit=25.0)
    return Look(requests=requests, seconds=seconds, standings=(Standing(kind="errors", **errors), latency))


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (look(below_limit=20.0), "go on"),
        (look(below_double=20.0), "go on"),
        (look(below_limit=19.9, below_double=19.9), "hold"),
        (look(99, **FINE), "hold"),
        (look(seconds=9.9, **FINE), "hold"),
        (look(seconds=60), "undecided"),
        (look(99, seconds=60, **FINE), "undecided"),
        (look(seconds=60, **FINE), "go on"),
        (look(3, seconds=0, worse=200.0), "roll back"),
        (look(worse=200.0, **FINE), "roll back"),
        (look(seconds=61, worse=200.0), "roll back"),
        (look(worse=199.9), "hold"),
    ],
)
def test_a_look_means_what_the_plan_says(seen: Look, outcome: str) -> None:
    """Two kinds share an alpha of 1%, so that E against the canary must reach 200."""
    assert advance(PLAN, Position(), seen)[1].outcome == outcome


@given(st.lists(looks, max_size=12))
def test_a_rollout_never_rises_again_once_it_is_undone(seen: list[Look]) -> None:
    position, shares, outcomes = Position(), [PLAN.steps[0]], []
    for each in seen:
        position, step = advance(PLAN, position, each)
        shares.append(position.share(PLAN))
        outcomes.append(step.outcome)

    undone = next((place for place, outcome in enumerate(outcomes) if outcome in ("roll back", "undecided")), None)
    if undone is None:
        assert shares == sorted(shares)
    else:
        assert shares[: undone + 1] == sorted(shares[: undone + 1])
        assert set(shares[undone + 1 :]) == {0}
        assert len(set(outcomes[undone:])) == 1


@given(looks)
def test_what_is_worse_is_rolled_back_whatever_else_speaks_for_it(seen: Look) -> None:
    proved = max(standing.worse for standing in seen.standings) >= 200

    assert (advance(PLAN, Position(), seen)[1].outcome == "roll back") == proved


@given(looks, st.integers(0, 2))
def test_a_look_moves_a_rollout_by_one_step_at_most(seen: Look, step: int) -> None:
    moved, _ = advance(PLAN, Position(step=step), seen)

    assert moved.step in (step, step + 1)


@given(looks)
def test_no_step_lasts_longer_than_its_time(seen: Look) -> None:
    over = seen.model_copy(update={"seconds": 60.0})

    assert advance(PLAN, Position(), over)[1].outcome != "hold"


def test_the_reason_counts_events_and_names_the_evidence() -> None:
    _, step = advance(PLAN, Position(), look(40, worse=250.0, canary=9, champion=11, wrong=9))

    assert step.reason.startswith("The canary is worse in errors: E reached 250 of 200. errors: 9 on the canary, 11 on")


@pytest.mark.parametrize(("limit", "most"), [(0.02, 202), (0.01, 406), (0.005, 814)])
def test_a_plan_says_beforehand_how_many_requests_a_step_needs(limit: float, most: int) -> None:
    (need, half) = requests_needed(RolloutPlan(error_rate_limit=limit, requests_per_step=1))

    assert math.log(20) / -math.log1p(-limit) <= need.canary <= most
    assert (need.requests, half.requests) == (10 * need.canary, 2 * need.canary)


def test_the_tests_decide_at_the_very_request_that_was_said() -> None:
    from prefect_mlops.core.rollout.sequential import below_limit

    (need, _) = requests_needed(RolloutPlan(error_rate_limit=0.005, requests_per_step=1))

    path = below_limit(np.zeros(need.canary, dtype=bool), 0.005)

    assert path[-2] < math.log(20) <= path[-1]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"steps": [50, 10]}, "steps must rise"),
        ({"steps": [10, 10]}, "steps must rise"),
        ({"steps": []}, "at least 1 item"),
        ({"steps": [100]}, "less than 100"),
        ({"min_seconds_per_step": 60, "max_seconds_per_step": 60}, "must be more than min_seconds_per_step"),
        ({"user_key": "X User"}, "user_key"),
        ({"max_seconds_per_step": 5 * 86_400}, "all steps together may last 604,800 seconds, a week; found 864,000"),
        ({"alpha": 0.01}, "alpha"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RolloutPlan.model_validate(keys)


def test_the_plan_in_the_guide_is_one_and_five_kinds_share_its_alpha() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "rollouts.md").read_text()
    written = yaml.safe_load(guide.partition("```yaml\n")[2].partition("```")[0])

    plan = RolloutPlan.model_validate(written["rollout"])

    assert plan.shares == (0, 1, 10, 50)
    assert len(plan.kinds) / plan.alpha_rollback == pytest.approx(500)


def test_a_report_says_each_step_in_a_sentence_and_its_evidence_in_a_table() -> None:
    from prefect_mlops.core.reports import rollout_report
    from prefect_mlops.core.specfile import load_spec

    spec = load_spec(Path(__file__).parents[2] / "deployments" / "specs" / "wine-cultivar.yaml")
    _, step = advance(PLAN, Position(), look(40, worse=12_345.6, canary=9, champion=11, wrong=9))

    told = rollout_report(spec, 2, ("staged", f"1%: {step.reason}"), {}, looks=((1, step),))

    assert step.short == "The canary is worse in errors: E reached 12,346 of 200."
    assert f"2. 1%: {step.short}\n" in told
    assert "| 1% | errors | 9 | 11 | 12,346 | 1 | 1 |" in told
    assert "| 1% | latency | 0 | 0 | 1 | 1 | 25 |" in told
