"""Whether an A/B test can begin, and which one goes on: by a real ledger, before anything is served."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from prefect_mlops.blocks import EcsTarget, Ledger, LocalTarget
from prefect_mlops.core.abtest.intervals import Outcomes
from prefect_mlops.core.abtest.judging import judge_arms
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import find_comparison, record_stage
from prefect_mlops.tasks.champions import Champion
from prefect_mlops.tasks.comparing import Asked, Opened

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ASKED = Asked(metric="wrong", goal="less", matters=0.1, max_days=14, outcomes="", look_hours=6)


class Desk:
    """A model with a champion, and the ledger that remembers its tests."""

    def __init__(self, ledger: Ledger, spec: ModelSpec, lineage: Any) -> None:
        self.ledger, self.spec, self.champion, self._lineage = ledger, spec, 1, lineage
        self.target: Any = LocalTarget()

    def find(self, *against: int, percent: int = 0, **asked: Any) -> Opened:
        champion = Champion(self.champion, self._lineage, None) if self.champion else None  # type: ignore[arg-type]
        found: Opened = find_comparison.fn(
            self.ledger, self.target, self.spec, champion, against, percent, {**ASKED, **asked}
        )
        return found

    def note(self, stage: str, key: str = "", **body: Any) -> None:
        record_stage.fn(self.ledger, self.spec, f"comparison.{stage}", "2", NOW, body, key=key or stage)


@pytest.fixture
def desk(toy_spec, toy_package, tmp_path: Path) -> Desk:
    spec = toy_spec("binary", rollout={"user_key": "x-user"})
    _, package, _ = toy_package(spec, 1)
    return Desk(Ledger(url=SecretStr(f"sqlite:///{tmp_path / 'ledger.db'}")), spec, package.lineage)


def test_arms_have_equal_parts_unless_a_percentage_is_asked_for(desk: Desk) -> None:
    two, three, small = desk.find(2), desk.find(2, 3), desk.find(2, percent=10)

    assert two.plan is not None
    assert three.plan is not None
    assert small.plan is not None
    assert (two.plan.said, three.plan.said) == ("1 (50%), 2 (50%)", "1 (34%), 2 (33%), 3 (33%)")
    assert small.plan.said == "1 (90%), 2 (10%)"
    assert not two.known


def test_what_cannot_be_compared_is_told_with_the_cure(desk: Desk, toy_spec) -> None:
    assert desk.find().reason == "No versions are compared; name them with `against`."
    assert "at most 4 versions; 5 were asked for" in desk.find(2, 3, 4, 5).reason
    assert "each needs a version of its own" in desk.find(1).reason
    assert "greater than 0" in desk.find(2, 3, percent=50).reason
    desk.spec = toy_spec("binary")
    assert "name their request header as `rollout.user_key`" in desk.find(2).reason
    hidden = {"key": ["row_id"], "time": "happened", "personal": ["row_id"]}
    desk.spec = toy_spec("binary", rollout={"user_key": "x-user"}, data=hidden)
    assert "set `serving.personal: hashed`" in desk.find(2).reason
    desk.spec = toy_spec("binary", rollout={"user_key": "x-user"}, data=hidden, serving={"personal": "hashed"})
    assert desk.find(2).plan is not None
    desk.champion = 0
    assert "has no champion to hold version 2 against" in desk.find(2).reason


def test_a_target_that_keeps_no_user_on_one_version_cannot_compare(desk: Desk) -> None:
    desk.target = EcsTarget.model_construct()

    assert desk.find(2).reason.startswith("EcsTarget keeps no user on one version")


def test_a_plan_that_was_written_down_goes_on_and_another_must_wait(desk: Desk) -> None:
    plan = desk.find(2).plan
    desk.note("planned", plan=plan)
    desk.note("started", slots=["a", "b"], position=70)

    going = desk.find()

    assert (going.plan, going.known, going.slots, going.position) == (plan, True, ("a", "b"), 70)
    assert desk.find(2) == going  # its run died and was asked again
    assert desk.find(3).reason == "Version 2 is compared already; 3 must wait until that ends."
    assert desk.find(2, metric="cost").plan is None
    desk.note("ended", reason="stopped")
    assert desk.find().plan is None


def test_a_plan_that_never_began_gives_way_to_another_and_to_another_champion(desk: Desk) -> None:
    desk.note("planned", plan=desk.find(2).plan)

    other = desk.find(3)
    assert other.plan is not None
    assert (other.plan.subject, other.known) == ("3", False)
    desk.champion = 7
    assert desk.find().plan is None
    again = desk.find(2)
    assert again.plan is not None
    assert again.plan.arms[0].version == 7


def test_a_verdict_on_record_is_not_judged_again(desk: Desk) -> None:
    plan = desk.find(2).plan
    assert plan is not None
    arm = np.arange(1000) % 2
    outcomes = Outcomes(arm, np.where(arm == 1, 0.0, 1.0))
    ongoing = judge_arms(plan, arm[:10], Outcomes(arm[:10], outcomes.value[:10]), 1)
    better = judge_arms(plan, arm, outcomes, 2)
    desk.note("planned", plan=plan)
    desk.note("started", slots=["a", "b"], position=0)

    desk.note("looked", key="one", finding=ongoing)
    assert desk.find().decided is None
    desk.note("looked", key="two", finding=better)
    assert desk.find().decided == better
