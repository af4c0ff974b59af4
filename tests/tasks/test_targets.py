"""A rollout plan that asks more than a target declares is refused before anything is sent."""

from collections.abc import Callable

import pytest

from prefect_mlops.blocks.ecs import EcsTarget
from prefect_mlops.blocks.serving_target import ServingTarget
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.core.errors import SpecError
from prefect_mlops.core.serving import Capabilities
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks import require_target

MakeSpec = Callable[..., ModelSpec]
MOST = {"steps": [1, 50], "shadow": {}, "user_key": "x-user", "hold_back": 1}


@pytest.fixture
def balancer() -> EcsTarget:
    """One that knows no users, copies nothing and lists no requests."""
    names = {"cluster": "serving", "rules": {}, "target_groups": {}, "address": "https://{model}.example.org"}
    return EcsTarget.model_validate({**names, "image": "serving", "bentos": "s3://bentos/all"})


def test_a_plan_that_asks_for_everything_can_be_followed_on_this_machine(toy_spec: MakeSpec) -> None:
    assert require_target.fn(toy_spec("binary", rollout=MOST), LocalTarget()) is None


def test_each_thing_that_a_load_balancer_cannot_do_is_named_with_its_cure(
    toy_spec: MakeSpec, balancer: EcsTarget
) -> None:
    with pytest.raises(SpecError) as refused:
        require_target.fn(toy_spec("binary", rollout=MOST), balancer)

    told = str(refused.value)
    for said in ("plan for EcsTarget", "judged by its requests", "cannot copy any", "divides request by request"):
        assert said in told
    assert "Let its servers log predictions" in told


def test_a_test_of_arms_asks_for_users_alone(toy_spec: MakeSpec, balancer: EcsTarget) -> None:
    keys = ("rollout.user_key",)
    require_target.fn(toy_spec("binary", rollout={**MOST, "user_key": ""}), balancer, keys)

    with pytest.raises(SpecError) as refused:
        require_target.fn(toy_spec("binary", rollout=MOST), balancer, keys)
    assert tuple(problem.key for problem in refused.value.problems) == keys


def test_a_target_of_ones_own_is_asked_like_ours(toy_spec: MakeSpec) -> None:
    class Modest(LocalTarget):
        _block_type_name = "Modest Target"
        _block_type_slug = "modest-target"

        def capabilities(self) -> Capabilities:
            return Capabilities(requests_listed=True, smallest_share=10)

    own: ServingTarget = Modest()
    require_target.fn(toy_spec("binary", rollout={"steps": [10]}), own)
    with pytest.raises(SpecError, match="cannot give less than 10%"):
        require_target.fn(toy_spec("binary", rollout={"steps": [1]}), own)
