"""A target on AWS, against moto: what it does, what it refuses, and how it says what went wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from prefect_mlops.blocks import BentoStore
from prefect_mlops.blocks.ecs import EcsTarget
from prefect_mlops.blocks.ecs_services import _why_stopped
from prefect_mlops.core.errors import NotFound, ServingError
from prefect_mlops.core.names import Slot
from tests.blocks.cloud import MODEL, Clock, Cloud

pytestmark = pytest.mark.process

Echoes = tuple[BentoStore, dict[int, str]]
Make = Callable[..., EcsTarget]


@pytest.fixture
def deploy(echo_tags: Echoes) -> Callable[..., None]:
    """Puts a version into a slot of a target."""
    store, tags = echo_tags

    def put(target: EcsTarget, slot: Slot, version: int, spool: str | None = None, personal: str = "") -> None:
        target.deploy(MODEL, slot, store, tags[version], version=version, spool=spool, personal=personal)

    return put


@pytest.fixture
def pair(on_aws: Make, deploy: Callable[..., None]) -> EcsTarget:
    """Version 1 in slot a with all traffic, version 2 in slot b."""
    target = on_aws()
    deploy(target, "a", 1)
    target.set_weights(MODEL, {"a": 100})
    deploy(target, "b", 2)
    return target


def test_a_server_is_told_all_by_its_environment_and_secrets_by_their_names_alone(
    on_aws: Make, deploy: Callable[..., None], cloud: Cloud, echo_tags: Echoes
) -> None:
    told = {"token_secret_arn": "arn:token", "personal_key_secret_arn": "arn:personal", "log_group": "/mlops/serving"}
    target = on_aws(**told, task_role_arn="arn:role", port=8080)

    deploy(target, "b", 2, spool="s3://logs/spool", personal="sixteen letters!")

    assert cloud.environment("b") == {
        "MLOPS_BENTO": echo_tags[1][2],
        "MLOPS_BENTOS": "s3://bentos/all",
        "MLOPS_PREFIX": "/echo",
        "MLOPS_PORT": "8080",
        "MLOPS_VERSION": "2",
        "MLOPS_SLOT": "b",
        "MLOPS_SPOOL": "s3://logs/spool",
    }
    server = cloud.container("b")
    named = {"MLOPS_TOKEN": "arn:token", "MLOPS_PERSONAL_KEY": "arn:personal"}
    assert {each["name"]: each["valueFrom"] for each in server["secrets"]} == named
    assert [each["containerPort"] for each in server["portMappings"]] == [8080]
    assert server["logConfiguration"]["options"]["awslogs-region"] == "eu-west-1"
    assert "sixteen letters!" not in json.dumps(server)


def test_a_server_without_personal_values_is_not_told_their_key(
    on_aws: Make, deploy: Callable[..., None], cloud: Cloud
) -> None:
    deploy(on_aws(personal_key_secret_arn="arn:personal"), "a", 1)

    assert not cloud.container("a").get("secrets")


def test_what_a_task_cannot_be_given_is_refused_before_anything_is_sent(
    on_aws: Make, deploy: Callable[..., None], cloud: Cloud
) -> None:
    with pytest.raises(ServingError, match=r"cannot log predictions into /var/spool.*s3://"):
        deploy(on_aws(), "a", 1, spool="/var/spool")
    with pytest.raises(ServingError, match="personal_key_secret_arn"):
        deploy(on_aws(), "a", 1, personal="sixteen letters!")

    assert cloud.service("a").desired_count == 0


def test_another_process_reads_from_aws_what_runs_and_who_is_trusted(pair: EcsTarget, on_aws: Make) -> None:
    pair.set_weights(MODEL, {"a": 90, "b": 10})

    other = on_aws()

    assert {slot: found.version for slot, found in other.slots(MODEL).items()} == {"a": 1, "b": 2}
    assert (other.weights(MODEL), other.trusted(MODEL)) == ({"a": 90, "b": 10}, "a")
    assert other.url(MODEL) == "https://echo.example.org"


def test_a_rule_that_lost_a_target_group_is_told_with_the_name_and_traffic_stays(pair: EcsTarget, cloud: Cloud) -> None:
    cloud.by_hand({"Type": "forward", "TargetGroupArn": cloud.groups["a"]})

    for act in (lambda: pair.weights(MODEL), lambda: pair.set_weights(MODEL, {"a": 50, "b": 50})):
        with pytest.raises(ServingError, match=rf"missing: {cloud.cluster}-b;.*Put them back"):
            act()
    assert pair.ensure() == (f"{MODEL}: " + str(_told(lambda: pair.weights(MODEL))),)
    cloud.by_hand(cloud.forward({"a": 100, "b": 0}))
    pair.set_weights(MODEL, {"a": 50, "b": 50})
    assert cloud.weights() == {"a": 50, "b": 50}


def _told(act: Callable[[], object]) -> ServingError:
    with pytest.raises(ServingError) as told:
        act()
    return told.value


def test_a_target_group_that_is_gone_a_service_and_a_rule_are_named(
    pair: EcsTarget, on_aws: Make, cloud: Cloud
) -> None:
    gone = cloud.groups["b"].replace(f"{cloud.cluster}-b", "gone")
    lost = {f"{MODEL}-a": cloud.groups["a"], f"{MODEL}-b": gone}
    with pytest.raises(ServingError, match=f"missing: gone; others: {cloud.cluster}-b"):
        on_aws(target_groups=lost).weights(MODEL)
    with pytest.raises(NotFound, match="target group of slot 'echo-b'"):
        on_aws(target_groups={f"{MODEL}-a": cloud.groups["a"]}).weights(MODEL)
    with pytest.raises(NotFound, match=r"listener rule of model 'other'.*Terraform"):
        pair.weights("other")
    with pytest.raises(NotFound, match="listener rule"):
        on_aws(rules={MODEL: cloud.rule[:-1] + "x"}).set_weights(MODEL, {"a": 100})
    with pytest.raises(NotFound, match="ECS cluster"):
        on_aws(cluster="elsewhere").slots(MODEL)
    cloud.ecs.delete_service(cluster=cloud.cluster, service=f"{MODEL}-b", force=True)
    with pytest.raises(NotFound, match="ECS service 'echo-b'"):
        pair.slots(MODEL)


def test_a_rule_changed_by_hand_is_divided_no_further_but_the_champion_can_have_it_all(
    pair: EcsTarget, cloud: Cloud
) -> None:
    pair.set_weights(MODEL, {"a": 90, "b": 10})
    cloud.by_hand(cloud.forward({"a": 40, "b": 60}))

    with pytest.raises(ServingError, match=r"changed by hand: its weights are a 40, b 60 and were last set to a 90"):
        pair.set_weights(MODEL, {"a": 50, "b": 50})
    with pytest.raises(ServingError, match="changed by hand"):
        pair.requests(MODEL, "b")
    assert (cloud.weights(), pair.trusted(MODEL)) == ({"a": 40, "b": 60}, "a")
    pair.set_weights(MODEL, {"a": 100})
    assert cloud.weights() == {"a": 100, "b": 0}

    cloud.by_hand(cloud.forward({"a": 100, "b": 0}, sticky=True))
    with pytest.raises(ServingError, match="stickiness was turned on"):
        pair.set_weights(MODEL, {"a": 90, "b": 10})


@pytest.mark.parametrize(("state", "said"), [("IN_PROGRESS", "is not stable after 20 s"), ("FAILED", "gave up")])
def test_a_service_that_does_not_become_stable_is_emptied_and_traffic_stays(
    pair: EcsTarget, deploy: Callable[..., None], cloud: Cloud, state: str, said: str
) -> None:
    cloud.service("b").deployments[0]["rolloutState"] = state

    with pytest.raises(ServingError, match=rf"service echo-b {said}.*traffic is as it was"):
        deploy(pair, "b", 1)

    assert cloud.service("b").desired_count == 0
    assert (cloud.weights(), cloud.service("a").desired_count) == ({"a": 100, "b": 0}, 1)
    assert set(pair.slots(MODEL)) == {"a"}


def test_tasks_that_are_never_healthy_are_ended_with_what_the_balancer_says(
    pair: EcsTarget, deploy: Callable[..., None], cloud: Cloud
) -> None:
    cloud.deregister("b")

    with pytest.raises(ServingError, match=r"Not all tasks of echo-b are healthy \(no target is registered\)"):
        deploy(pair, "b", 1)

    assert cloud.service("b").desired_count == 0
    assert cloud.weights() == {"a": 100, "b": 0}


def test_why_tasks_stopped_is_said_in_the_words_of_ecs() -> None:
    killed = {"name": "server", "exitCode": 137, "reason": "OutOfMemoryError: Container killed"}
    task = {
        "stoppedReason": "Essential container in task exited.",
        "containers": [killed, {"name": "x", "exitCode": 0}],
    }

    said = "Essential container in task exited; server ended with 137: OutOfMemoryError: Container killed"
    assert _why_stopped(task) == said
    assert _why_stopped({"containers": [{"name": "server", "reason": "CannotPullContainerError"}]}) == (
        "server ended with no exit code: CannotPullContainerError"
    )


def test_what_was_scaled_to_nothing_runs_again_and_what_is_ill_is_said(pair: EcsTarget, cloud: Cloud) -> None:
    cloud.ecs.update_service(cluster=cloud.cluster, service=f"{MODEL}-a", desiredCount=0)
    assert pair.ensure(MODEL) == ()
    assert cloud.service("a").desired_count == 1

    cloud.deregister("a")
    assert pair.ensure() == ("echo-a: no server is healthy (none runs)",)
    pair.stop()
    assert [cloud.service(slot).desired_count for slot in ("a", "b")] == [0, 0]
    assert pair.weights(MODEL) == {}


def test_requests_that_no_server_took_are_the_slots_failures(pair: EcsTarget, cloud: Cloud, clock: Clock) -> None:
    pair.set_weights(MODEL, {"a": 50, "b": 50})
    clock.sleep(120)
    cloud.count("b", "TargetConnectionErrorCount", 3)
    for number in range(4):
        cloud.ask({"x-request-id": f"r{number}"}, "")
    clock.sleep(300)

    seen, position = pair.requests(MODEL, "b")

    lost = [request for request in seen if request.failed]
    assert (len(seen), len(lost)) == (7, 3)
    assert all(request.on_canary and request.percent == 50 for request in lost)
    assert pair.requests(MODEL, "b", position) == ((), position)


def test_a_shadow_is_sent_what_the_champion_answered_and_nobody_hears_it(
    pair: EcsTarget, cloud: Cloud, clock: Clock
) -> None:
    cloud.ask({"x-request-id": "before"}, "")
    clock.sleep(100)
    pair.mirror(MODEL, "b")
    answers = [cloud.ask({"x-request-id": f"r{number}"}, "b" * (number == 3)).version for number in range(10)]
    pair.mirror(MODEL, "b")
    early = len(cloud.heard["b"])
    clock.sleep(100)
    pair.mirror(MODEL, "b")
    pair.mirror(MODEL, "b")
    clock.sleep(100)
    pair.mirror(MODEL, None)
    pair.mirror(MODEL, None)

    copies = cloud.heard["b"]
    assert (answers, early) == ([1] * 10, 0)  # what may still be on its way into the log waits
    assert [copy["x-request-id"] for copy in copies] == [f"r{number}" for number in range(10)]
    assert {copy["x-mlops-arm"] for copy in copies} == {"shadow"}
    assert pair.predictions is not None
    assert pair.tables is not None
    pair.predictions.collect(MODEL, pair.tables)
    lines = pair.tables.read(f"{MODEL}-predictions", columns=["slot", "arm", "answered"])
    assert lines.groupby("slot")["answered"].agg(["sum", "size"]).to_dict("index") == {
        "a": {"sum": 11, "size": 11},
        "b": {"sum": 0, "size": 10},
    }


def test_a_part_of_the_requests_is_the_same_part_after_a_crash(pair: EcsTarget, cloud: Cloud, clock: Clock) -> None:
    pair.mirror(MODEL, "b", 50)
    for number in range(60):
        cloud.ask({"x-request-id": f"r{number}"}, "")
    clock.sleep(100)
    before = cloud.elbv2.describe_tags(ResourceArns=[cloud.rule])["TagDescriptions"][0]["Tags"]
    pair.mirror(MODEL, "b", 50)
    first = [copy["x-request-id"] for copy in cloud.heard["b"]]
    cloud.elbv2.add_tags(ResourceArns=[cloud.rule], Tags=before)  # it died before it had written how far it came
    pair.mirror(MODEL, "b", 50)

    assert 15 <= len(first) <= 45
    assert [copy["x-request-id"] for copy in cloud.heard["b"]] == first * 2  # a pair counts once


def test_a_shadow_is_shown_the_token_out_of_its_secret(
    on_aws: Make, deploy: Callable[..., None], cloud: Cloud, clock: Clock
) -> None:
    named = cloud.secrets.create_secret(Name=f"{cloud.cluster}-token", SecretString=json.dumps({"serving": "abcdefgh"}))
    target = on_aws(token_secret_arn=f"{named['ARN']}:serving::")
    deploy(target, "a", 1)
    target.set_weights(MODEL, {"a": 100})
    deploy(target, "b", 2)
    target.mirror(MODEL, "b")
    cloud.ask({}, "")
    clock.sleep(100)

    target.mirror(MODEL, "b")

    assert [copy["authorization"] for copy in cloud.heard["b"]] == ["Bearer abcdefgh"]
    with pytest.raises(NotFound, match="secret"):
        on_aws(token_secret_arn="arn:aws:secretsmanager:eu-west-1:123456789012:secret:none-abcdef").shown_token()


@pytest.mark.parametrize(("status", "said"), [(400, "features are personal"), (401, "another token")])
def test_a_shadow_that_refuses_what_was_answered_is_a_fault_with_a_cure(
    pair: EcsTarget, cloud: Cloud, clock: Clock, status: int, said: str
) -> None:
    pair.mirror(MODEL, "b")
    cloud.ask({}, "")
    clock.sleep(100)
    cloud.refusing["b"] = status

    with pytest.raises(ServingError, match=said):
        pair.mirror(MODEL, "b")

    del cloud.refusing["b"]
    pair.mirror(MODEL, "b")
    assert len(cloud.heard["b"]) == 2  # nothing was lost


def test_a_slot_gets_copies_or_traffic_but_never_both(pair: EcsTarget) -> None:
    with pytest.raises(ServingError, match="100% of the traffic itself"):
        pair.mirror(MODEL, "a")
    with pytest.raises(ValueError, match="1 to 100"):
        pair.mirror(MODEL, "b", 0)
    pair.remove(MODEL, "b")
    with pytest.raises(NotFound, match="echo-b"):
        pair.mirror(MODEL, "b")


def test_an_aws_that_does_not_answer_or_does_not_allow_is_said_plainly(
    on_aws: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    monkeypatch.setattr("prefect_mlops.blocks.aws.ATTEMPTS", 1)
    with pytest.raises(ServingError, match=r"AWS elbv2 does not answer.*region, endpoint and keys"):
        on_aws(endpoint="http://127.0.0.1:9").trusted(MODEL)
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ModifyRule")
    with (
        pytest.raises(ServingError, match=r"Allow `elasticloadbalancing:ModifyRule` to the role"),
        on_aws().answering("elbv2", "the rule"),
    ):
        raise denied


def test_without_boto3_the_extra_is_named(on_aws: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    target = on_aws()
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)

    with pytest.raises(NotFound, match=r"pip install 'prefect-mlops\[aws\]'"):
        target.weights(MODEL)
