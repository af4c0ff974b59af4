"""`examples/production` applied for real against a stand-in for AWS; the tests of this file follow each other."""

import shutil
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from prefect_mlops.blocks import EcsTarget, Places
from prefect_mlops.blocks.echo import build_echo
from tests.conftest import PrefectServer
from tests.terraform.conftest import Terraform
from tests.terraform.leftovers import everything
from tests.terraform.machines import Machines
from tests.terraform.platform import ROOT, Platform

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("prefect_api", "platform"),
]

MODEL = "flights-late"
VARIABLES: dict[str, object] = {
    "budget_usd": 500,
    "delete_data_on_destroy": True,
    "emails": ["team@example.org"],
    "github_repository": "acme/mlops",
    "models": {MODEL: {"priority": 1, "most_tasks": 4}},
    "plain_http": True,
    "protect": False,
}


class Applied(NamedTuple):
    """The example once it is applied.

    Attributes:
        machines: It.
        before: What the account held before.
    """

    machines: Machines
    before: set[str]


@pytest.fixture(scope="module")
def applied(terraform: Terraform, stand_in: str) -> Applied:
    machines = Machines(terraform, "production", stand_in, VARIABLES)
    before = everything(machines.client)
    machines.apply()
    machines.push("mlops/worker", "0.1.0")
    return Applied(machines, before)


@pytest.fixture(scope="module")
def platform(
    applied: Applied, prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Platform, list[str]]:
    """Prefect on these machines, and what its first bootstrap said."""
    project = tmp_path_factory.mktemp("project")
    (project / "specs").mkdir()
    shutil.copy(ROOT / "deployments" / "specs" / f"{MODEL}.yaml", project / "specs")
    platform = Platform(applied.machines, prefect_server, project, "production")
    return platform, platform.bootstrap()


@pytest.fixture
def target(applied: Applied, monkeypatch: pytest.MonkeyPatch) -> EcsTarget:
    """The target that flows load, made from the real output; the keys are those that a role would give."""
    for name, value in applied.machines.aws.items():
        monkeypatch.setenv(name, value)
    target = Places.load("production").target
    assert isinstance(target, EcsTarget)
    target.poll_seconds = 0.2
    return target


def test_bootstrap_makes_everything_of_the_output_once(platform: tuple[Platform, list[str]]) -> None:
    prefect, first = platform

    assert "block mlops-ecs-target/production made" in first
    assert not [line for line in first if line.startswith("note:")]
    assert prefect.bootstrap()[-1] == "No change."


def test_the_target_of_the_output_serves_two_versions_and_divides_traffic(applied: Applied, target: EcsTarget) -> None:
    bentos = Places.load("production").bentos
    for slot, version in (("a", 1), ("b", 2)):
        # ECS registers the tasks of a service with its target group; moto runs none, so that is done here.
        tasks = [{"Id": f"10.0.0.{10 * version + task}", "Port": 3000} for task in range(target.tasks)]
        group = target.target_groups[f"{MODEL}-{slot}"]
        applied.machines.client("elbv2").register_targets(TargetGroupArn=group, Targets=tasks)
        target.deploy(MODEL, slot, bentos, build_echo(bentos, MODEL, version), version=version, spool=None)
        if slot == "a":
            target.set_weights(MODEL, {"a": 100})
    target.set_weights(MODEL, {"a": 90, "b": 10})

    assert {slot: placed.version for slot, placed in target.slots(MODEL).items()} == {"a": 1, "b": 2}
    assert (target.weights(MODEL), target.trusted(MODEL)) == ({"a": 90, "b": 10}, "a")
    assert target.url(MODEL) == "http://flights-late.serving.mlops.internal"


def test_the_target_reads_what_the_load_balancer_counted(applied: Applied, target: EcsTarget) -> None:
    # A load balancer tells CloudWatch of its requests; moto's passes none on, so that is done here.
    group = target.target_groups[f"{MODEL}-b"].rpartition(":")[2]
    listener = target.rules[MODEL].partition(":listener-rule/")[2].rpartition("/")[0].rpartition("/")[0]
    dimensions = [{"Name": "TargetGroup", "Value": group}, {"Name": "LoadBalancer", "Value": listener}]
    for name, count in (("RequestCount", 40), ("HTTPCode_Target_5XX_Count", 3)):
        datum = {"MetricName": name, "Dimensions": dimensions, "Timestamp": datetime.now(UTC), "Value": count}
        watch = applied.machines.client("cloudwatch")
        watch.put_metric_data(Namespace="AWS/ApplicationELB", MetricData=[{**datum, "Unit": "Count"}])

    counted = target.counters(MODEL, "b")

    assert (counted.requests, counted.errors) == (40, 3)


def test_a_second_plan_changes_nothing_though_versions_were_deployed_and_traffic_divided(applied: Applied) -> None:
    applied.machines.expect_no_changes()


def test_the_state_holds_no_secret(applied: Applied) -> None:
    machines, secrets = applied.machines, applied.machines.client("secretsmanager")
    values = [
        secrets.get_secret_value(SecretId=each["Name"])["SecretString"] for each in secrets.list_secrets()["SecretList"]
    ]

    assert len(values) == 6  # three of ours, and those of three databases, which moto gives one constant
    assert [value for value in values if value in machines.state_text()] == []
    assert machines.secrets_in_state() == []
    assert machines.state_text().count('"manage_master_user_password": true') == 3


def test_a_destroy_leaves_only_what_aws_itself_remembers(applied: Applied) -> None:
    applied.machines.destroy()

    left = everything(applied.machines.client) - applied.before
    made_by_us = {f"ecs task definition ACTIVE {MODEL}-{slot}" for slot in "ab"}
    services = ("empty-slot", "server", "server-services", "tracking", "worker")
    assert left - made_by_us == {
        "ec2 NatGateway deleted",
        "ec2 VpcEndpoint deleted",
        "ecs cluster INACTIVE",
        "kms key PendingDeletion",
        *(f"ecs task definition INACTIVE mlops-{service}" for service in services),
    }
