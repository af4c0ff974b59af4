"""Terraform's output makes everything on a real Prefect server, once; what it names can be deployed right after."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_mlops.blocks import Ledger, Places
from tests.deployments.outputs import output_of, printed

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TOLD = ["bootstrap", "-", "--project", "deployments", "--environment", "aws"]


def command(words: list[str], env: dict[str, str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, env=env, cwd=ROOT, input=text, capture_output=True, text=True, timeout=300, check=False
    )


def bootstrapped(env: dict[str, str], text: str) -> list[str]:
    done = command([str(BIN / "prefect-mlops"), *TOLD], env, text)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.usefixtures("prefect_api")
def test_the_first_time_makes_everything_the_second_nothing_and_a_new_image_what_it_touches(
    prefect_server: Any,
) -> None:
    first = bootstrapped(prefect_server.env, printed())

    assert [line for line in first if line.startswith(("block", "work pool", "variable")) and " made" not in line] == []

    assert bootstrapped(prefect_server.env, printed())[-1] == "No change."

    new = output_of()["serving"] | {"image": "serving:2"}
    changed = bootstrapped(prefect_server.env, printed(serving=new, image="worker:2"))
    assert {line for line in changed if line.endswith((" made", " updated"))} == {
        "block mlops-ecs-target/aws updated",
        "variable mlops_aws updated",
    }

    places = Places.load("aws")
    assert places.target.image == "serving:2"
    assert places.target.rules.keys() == new["rules"].keys()
    assert places.bentos.bucket == "s3://mlops-artifacts-1/bentos"
    assert places.tables.root == "s3://mlops-data-1/tables"
    assert places.ledger.secret_arn.endswith("secret:rds")
    assert places.target.personal_key_secret_arn == places.personal.secret_arn


@pytest.mark.usefixtures("prefect_api")
def test_what_stopped_half_way_is_gone_on_with_and_what_was_set_by_hand_stays(
    prefect_server: Any,
) -> None:
    bootstrapped(prefect_server.env, printed())
    places = Places.load("aws")
    places.target.boot_seconds = 1200
    places.target.save("aws", overwrite=True)
    Ledger.delete("aws")

    lines = bootstrapped(prefect_server.env, printed())

    assert [line for line in lines if line.endswith((" made", " updated"))] == ["block mlops-ledger/aws made"]
    assert Places.load("aws").target.boot_seconds == 1200


def test_prefect_deploys_what_sync_writes_for_the_pool(prefect_server: Any, tmp_path: Path) -> None:
    bootstrapped(prefect_server.env, printed())
    output = str(tmp_path / "prefect-aws.yaml")
    sync = ["sync", "--project", "deployments", "--pool", "mlops-ecs", "--image", "worker:7", "--environment", "aws"]
    done = command([str(BIN / "prefect-mlops"), *sync, "--output", output], prefect_server.env)
    assert done.returncode == 0, done.stderr
    done = command(
        [str(BIN / "prefect"), "--no-prompt", "deploy", "--prefect-file", output, "--all"], prefect_server.env
    )
    assert done.returncode == 0, done.stdout + done.stderr

    asked = {"work_pools": {"name": {"any_": ["mlops-ecs"]}}}
    found = httpx.post(f"{prefect_server.url}/deployments/filter", json=asked, timeout=60).json()

    assert len(found) > 20
    assert {deployment["job_variables"]["image"] for deployment in found} == {"worker:7"}
    assert {deployment["parameters"].get("environment", "aws") for deployment in found} == {"aws"}
    for deployment in found:
        httpx.delete(f"{prefect_server.url}/deployments/{deployment['id']}")


def test_a_pool_of_another_kind_is_left_alone(prefect_server: Any) -> None:
    name = {"name": "process-pool", "type": "process"}
    httpx.post(f"{prefect_server.url}/work_pools/", json=name, timeout=60)
    pool = output_of()["work_pool"] | {"name": "process-pool"}

    done = command([str(BIN / "prefect-mlops"), *TOLD], prefect_server.env, printed(work_pool=pool))

    assert done.returncode == 1
    assert "of type process and not ecs" in done.stderr


def test_without_serving_it_says_that_nothing_can_be_released(prefect_server: Any) -> None:
    lines = bootstrapped(prefect_server.env, printed(serving=None, landing_queue_url=None))

    assert lines[-1].startswith("note: nothing serves models here") or "note: nothing serves models here" in " ".join(
        lines
    )


def test_a_server_that_does_not_answer_is_told_with_what_to_do(free_port: Any) -> None:
    where = {"api_url": f"http://127.0.0.1:{free_port()}/api", "ui_url": "http://127.0.0.1"}

    done = command([str(BIN / "prefect-mlops"), *TOLD], dict(os.environ), printed(prefect=where))

    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "VPN or a port forward" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_output_of_another_state_is_refused_before_the_server_is_asked() -> None:
    done = command([str(BIN / "prefect-mlops"), *TOLD], dict(os.environ), json.dumps({"vpc": {"value": 1}}))

    assert (done.returncode, "no output `mlops`" in done.stderr) == (1, True)
