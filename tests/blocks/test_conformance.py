"""The shared trial of serving targets: ours keep what they promise, and one that breaks a promise is found out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.conformance import Finding, Trial, try_target
from prefect_mlops.blocks.ecs import EcsTarget
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.core.serving import Capabilities
from tests.blocks.cloud import MODEL, Clock, Cloud
from tests.blocks.own_target import PROMISES, OwnTarget

pytestmark = pytest.mark.process

Echoes = tuple[BentoStore, dict[int, str]]


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalTarget]:
    target = LocalTarget(folder=str(tmp_path / "serving"), port=free_port())
    yield target
    target.stop()


def by_outcome(found: tuple[Finding, ...], outcome: str) -> set[str]:
    return {finding.promise for finding in found if finding.outcome == outcome}


def declared(can: Capabilities) -> set[str]:
    return {name for name, able in can.model_dump().items() if able is True}


def test_the_local_target_keeps_what_it_promises(local: LocalTarget, tmp_path: Path) -> None:
    found = try_target(Trial.over_http(local, BentoStore(home=str(tmp_path / "bentos"))))

    assert [finding for finding in found if finding.outcome == "broken"] == []
    assert by_outcome(found, "kept") >= declared(local.capabilities())
    assert by_outcome(found, "refused") == set()


def test_a_target_on_aws_keeps_what_it_declares_and_refuses_the_rest(
    on_aws: Callable[..., EcsTarget], cloud: Cloud, clock: Clock, echo_tags: Echoes
) -> None:
    store, tags = echo_tags
    target = on_aws()

    found = try_target(Trial(target, MODEL, store, tags, cloud.ask, clock.sleep))

    assert [finding for finding in found if finding.outcome == "broken"] == []
    assert by_outcome(found, "kept") >= declared(target.capabilities()) == {"requests_listed", "mirror"}
    assert by_outcome(found, "refused") == {"sticky_by_key", "failover"}


@pytest.mark.slow
def test_without_a_log_a_target_on_aws_refuses_what_needs_one(
    on_aws: Callable[..., EcsTarget], cloud: Cloud, clock: Clock, echo_tags: Echoes
) -> None:
    store, tags = echo_tags
    target = on_aws(predictions=None, tables=None)

    found = try_target(Trial(target, MODEL, store, tags, cloud.ask, clock.sleep))

    assert [finding for finding in found if finding.outcome == "broken"] == []
    assert by_outcome(found, "refused") == {"sticky_by_key", "failover", "requests_listed", "mirror"}


def test_a_target_of_ones_own_is_tried_like_ours(echo_tags: Echoes) -> None:
    store, tags = echo_tags
    target = OwnTarget()

    found = try_target(Trial(target, MODEL, store, tags, target.ask, lambda _: None))

    assert [finding for finding in found if finding.outcome == "broken"] == []
    assert by_outcome(found, "refused") == {"sticky_by_key", "failover", "requests_listed", "mirror"}


@pytest.mark.parametrize(("lie", "promise"), PROMISES.items())
def test_a_target_that_breaks_a_promise_is_found_out(echo_tags: Echoes, lie: str, promise: str) -> None:
    store, tags = echo_tags
    target = OwnTarget(lie=lie)

    found = try_target(Trial(target, MODEL, store, tags, target.ask, lambda _: None))

    broken = {finding.promise: finding.said for finding in found if finding.outcome == "broken"}
    assert promise in broken
    assert broken[promise]
