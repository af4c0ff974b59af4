"""`examples/minimal` applied for real against a stand-in for AWS; the tests of this file follow each other."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from prefect_mlops.deployments.demo.servers import Process
from tests.conftest import PrefectServer
from tests.terraform.conftest import Terraform
from tests.terraform.leftovers import everything
from tests.terraform.machines import Machines
from tests.terraform.platform import ROOT, Platform
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(900)]

TWICE = (
    "aws_ecs_cluster",
    "aws_ecs_cluster_capacity_providers",
    "aws_s3_bucket_lifecycle_configuration",
    "aws_sqs_queue",
)
"""What AWS makes a second time without a word, so that nothing is lost where terraform dies over it."""
DATA, BATCH = "mlops-data-123456789012", "landing/flights.parquet"


class Applied(NamedTuple):
    """The example once it is applied.

    Attributes:
        machines: It.
        before: What the account held before.
        made: Addresses of what was made when terraform was killed.
        kept: The ids of that.
        said: What the second apply said.
    """

    machines: Machines
    before: set[str]
    made: set[str]
    kept: dict[str, str]
    said: str


@pytest.fixture(scope="module")
def applied(terraform: Terraform, stand_in: str, prefect_server: PrefectServer) -> Iterator[Applied]:
    machines = Machines(
        terraform,
        "minimal",
        stand_in,
        {"prefect_api_url": prefect_server.url, "mlflow_tracking_uri": "https://mlflow.example.org"},
    )
    before = everything(machines.client)
    made = machines.apply_and_kill(only=TWICE, after=40)
    kept = machines.ids()
    machines.client("s3").put_object(Bucket=DATA, Key=BATCH, Body=b"rows")
    machines.apply()
    said = machines.said
    machines.push("mlops/worker", "0.1.0")
    return Applied(machines, before, made, kept, said)


@pytest.fixture(scope="module")
def platform(
    applied: Applied, prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    project = tmp_path_factory.mktemp("project")
    (project / "specs").mkdir()
    shutil.copy(ROOT / "deployments" / "specs" / "bike-demand.yaml", project / "specs")
    platform = Platform(applied.machines, prefect_server, project, "minimal")
    yield platform
    platform.delete_deployments("ecs")


@pytest.fixture(scope="module")
def worker(platform: Platform, worker_python: Path, free_port: Callable[[], int]) -> Iterator[Process]:
    worker = platform.start_worker("mlops", "mlops-worker", worker_python, free_port())
    yield worker
    worker.stop()


def test_an_apply_that_was_killed_is_gone_on_with_and_nothing_is_lost(applied: Applied) -> None:
    now = applied.machines.ids()

    assert 40 <= len(applied.made) < len(now)
    assert applied.kept.items() <= now.items()
    assert applied.machines.client("s3").get_object(Bucket=DATA, Key=BATCH)["Body"].read() == b"rows"


def test_a_tag_that_no_image_has_is_told_with_the_variable_and_what_to_do(applied: Applied) -> None:
    assert "`image_tag` is 0.1.0, and the newest image of mlops/worker has no such tag" in " ".join(
        applied.said.split()
    )
    assert "push it under that tag, or set `image_tag`" in " ".join(applied.said.split())


def test_a_second_plan_changes_nothing(applied: Applied) -> None:
    applied.machines.expect_no_changes()


def test_the_state_holds_no_secret(applied: Applied) -> None:
    machines = applied.machines
    value = machines.client("secretsmanager").get_secret_value(SecretId="mlops/personal-key")["SecretString"]

    assert len(value) >= 32
    assert value not in machines.state_text()
    assert machines.secrets_in_state() == []


def test_bootstrap_makes_everything_of_the_output_once(platform: Platform) -> None:
    first = platform.bootstrap()
    second = platform.bootstrap()

    assert "work pool ecs made" in first
    assert second[-1] == "No change."


def test_what_sync_writes_is_deployed_right_after(applied: Applied, platform: Platform) -> None:
    image = applied.machines.value()["image"]

    found = platform.deploy("ecs", image)

    assert image == "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops/worker:0.1.0"
    assert {each["job_variables"]["image"] for each in found} == {image}
    assert len(found) > 5


@pytest.mark.usefixtures("worker")
def test_the_worker_of_the_service_starts_a_task_for_a_run_and_its_container_completes_it(
    applied: Applied, platform: Platform, worker_python: Path
) -> None:
    run = platform.run("mlops-ingest/bike-demand")

    started = platform.started(run, "mlops")

    told = applied.machines.value()["work_pool"]["base_job_template"]
    assert started.definition["family"] == "mlops-flow"
    assert started.task["overrides"]["taskRoleArn"].endswith(":role/mlops-flow-task")
    assert started.definition["executionRoleArn"].endswith(":role/mlops-flow-execution")
    assert started.container["image"] == applied.machines.value()["image"]
    assert started.container["logConfiguration"]["options"]["awslogs-group"] == "/mlops/flow"
    assert started.definition["executionRoleArn"] in told
    assert platform.flow_run(run)["infrastructure_pid"].endswith(started.task["taskArn"])

    platform.execute(started, worker_python)

    assert platform.flow_run(run)["state"]["name"] == "NothingNew"


@pytest.mark.usefixtures("worker")
def test_a_task_that_stopped_marks_its_run_crashed(platform: Platform) -> None:
    run = platform.run("mlops-ingest/bike-demand")

    platform.stop_task(platform.started(run, "mlops"), code=137)

    until(lambda: platform.flow_run(run)["state"]["type"] == "CRASHED", 90, "the state Crashed")
    assert "non-zero exit code: ['prefect']" in platform.flow_run(run)["state"]["message"]


def test_a_destroy_refuses_buckets_that_hold_data_and_leaves_nothing_once_it_is_asked(applied: Applied) -> None:
    machines = applied.machines

    machines.destroy(code=1)
    assert f"deleting S3 Bucket ({DATA})" in machines.said
    assert "BucketNotEmpty" in machines.said
    assert machines.client("s3").get_object(Bucket=DATA, Key=BATCH)["Body"].read() == b"rows"

    machines.give(delete_data_on_destroy=True)
    machines.apply("-target=module.storage.aws_s3_bucket.this", "-target=module.registry.aws_ecr_repository.this")
    machines.destroy()

    left = everything(machines.client) - applied.before
    assert left == {
        "ec2 NatGateway deleted",
        "ec2 VpcEndpoint deleted",
        "ecs cluster INACTIVE",
        "ecs task definition ACTIVE mlops-flow",  # Prefect's worker registered it, not Terraform
        "ecs task definition INACTIVE mlops-worker",
        "kms key PendingDeletion",
    }
