"""The shared trial of serving targets: ours keep what they promise, and one that breaks a promise is found out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.conformance import Trial, try_target
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.blocks.targets import LocalTarget

pytestmark = pytest.mark.process


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalTarget]:
    target = LocalTarget(folder=str(tmp_path / "serving"), port=free_port())
    yield target
    target.stop()


def test_the_local_target_keeps_what_it_promises(local: LocalTarget, tmp_path: Path) -> None:
    found = try_target(Trial.over_http(local, BentoStore(home=str(tmp_path / "bentos"))))

    assert [finding for finding in found if finding.outcome == "broken"] == []
    can = local.capabilities().model_dump()
    assert {finding.promise for finding in found if finding.outcome == "kept"} >= {
        name for name in can if can[name] is True
    }
