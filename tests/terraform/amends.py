"""What moto does otherwise than AWS and the modules would notice, each amended with what AWS does.

No module is bent for moto: where a plan would differ or an apply fail, it is amended here, one fault a function.
"""

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from threading import RLock
from types import SimpleNamespace
from typing import Any

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.budgets.responses import BudgetsResponse
from moto.core.responses import EmptyResult
from moto.ec2.exceptions import InvalidPermissionNotFoundError, InvalidSecurityGroupRuleIdNotFoundError
from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule
from moto.ec2.responses import EC2Response
from moto.ecs.models import EC2ContainerServiceBackend, TaskDefinition
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.elasticache.models import ElastiCacheBackend
from moto.elasticache.responses import ElastiCacheResponse
from moto.moto_api._internal import mock_random
from moto.rds.models import DBInstance, DBParameterGroup
from moto.route53.responses import Route53
from moto.s3.models import FakeBucket, S3Backend
from moto.s3.responses import S3Response
from moto.secretsmanager.models import SecretsManagerBackend
from moto.sqs.models import Queue

__all__ = ["amend"]

Method = Callable[..., Any]

KEPT_OF_A_SERVICE = (
    "availabilityZoneRebalancing",
    "capacityProviderStrategy",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
)


def amend() -> None:
    """Make moto, in this process, do what AWS does."""
    for amendment in AMENDMENTS:
        amendment()


def _around(kind: type, name: str, wrapper: Callable[..., Any]) -> None:
    """Put a function around a method; it is handed the method before the method's own arguments."""
    method = getattr(kind, name)
    setattr(kind, name, lambda self, *args, **kwargs: wrapper(method, self, *args, **kwargs))


def _storage() -> None:
    def permission(method: Method, bucket: FakeBucket, action: str, resource: str) -> Any:
        # AWS applies a statement only where its condition holds; what is asked here counts as asked by TLS.
        whole = bucket.policy
        if not whole:
            return method(bucket, action, resource)
        policy = json.loads(whole)
        policy["Statement"] = [
            each
            for each in policy["Statement"]
            if each.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") != "false"
        ]
        try:
            bucket.policy = json.dumps(policy).encode()
            return method(bucket, action, resource)
        finally:
            bucket.policy = whole

    def may_log(target_bucket: FakeBucket, target_prefix: str | None) -> bool:
        # AWS takes the resource of a statement for a pattern, and any that covers the logs will do.
        wanted = f"arn:{target_bucket.partition}:s3:::{target_bucket.name}/{target_prefix or ''}log"
        return any(
            each["Principal"].get("Service") == "logging.s3.amazonaws.com" and fnmatchcase(wanted, each["Resource"])
            for each in json.loads(target_bucket.policy or '{"Statement": []}')["Statement"]
            if isinstance(each["Principal"], dict)
        )

    def notification(method: Method, response: S3Response) -> Any:
        # AWS says that a bucket tells EventBridge.
        known = response.backend.get_bucket_notification_configuration(response.bucket_name)
        if known is None or known.event_bridge is None:
            return method(response)
        status, headers, body = method(response)
        start, _, rest = body.partition("<NotificationConfiguration")
        attributes, _, inner = rest.partition(">")
        told = f"{start}<NotificationConfiguration{attributes.rstrip('/ ')}><EventBridgeConfiguration/>"
        return status, headers, told + (inner or "</NotificationConfiguration>")

    _around(FakeBucket, "get_permission", permission)
    FakeBucket._log_permissions_enabled_policy = staticmethod(may_log)
    _around(S3Response, "get_bucket_notification", notification)
    # AWS delivers access logs in its own time, and not one object for each request at once.
    S3Backend.log_incoming_request = lambda *_: None


def _queues() -> None:
    def attributes(method: Method, queue: Queue, given: dict[str, Any], now: float | None = None) -> None:
        # AWS leaves as they are the attributes that a request does not name.
        kept = {"Policy": queue.policy} if "Policy" not in given else {}
        method(queue, kept | given, now)

    def read(queue: Queue) -> dict[str, Any]:
        # AWS gives the redrive policy back without blanks.
        found = known.fget(queue)
        if "RedrivePolicy" in found:
            found["RedrivePolicy"] = json.dumps(queue.redrive_policy, separators=(",", ":"))
        return found

    known = Queue.attributes
    _around(Queue, "_set_attributes", attributes)
    Queue.attributes = property(read)


def _security_groups() -> None:
    # AWS keeps the description of a rule about another security group, too.
    SecurityGroupRule.description = property(
        lambda rule: rule.ip_range.get("Description") or rule.source_group.get("Description")
    )

    def revoked(method: Method, backend: SecurityGroupBackend, **asked: Any) -> None:
        # AWS has a code of its own for a rule that is gone, by which whoever asks a second time knows that it is done.
        try:
            method(backend, **asked)
        except InvalidPermissionNotFoundError:
            if not asked.get("security_rule_ids"):
                raise
            raise InvalidSecurityGroupRuleIdNotFoundError(asked["security_rule_ids"][0]) from None

    def one_at_a_time(method: Method, response: EC2Response, *args: Any, **kwargs: Any) -> Any:
        # moto's threads share tables; an answer that fails over a change of another is asked for, and done, again.
        with lock:
            return method(response, *args, **kwargs)

    lock = RLock()
    _around(EC2Response, "_dispatch", one_at_a_time)
    for direction in ("ingress", "egress"):
        _around(SecurityGroupBackend, f"revoke_security_group_{direction}", revoked)


def _databases() -> None:
    def made(method: Method, database: DBInstance, *args: Any, **kwargs: Any) -> None:
        # AWS gives every database an id of its own, and says that Performance Insights are on.
        method(database, *args, **kwargs)
        database.dbi_resource_id = f"db-{mock_random.get_random_string(26).upper()}"
        database.performance_insights_enabled = kwargs.get("enable_performance_insights", False)
        database.performance_insights_kms_key_id = kwargs.get("performance_insights_kms_key_id")
        database.performance_insights_retention_period = kwargs.get("performance_insights_retention_period", 7)

    def update(method: Method, group: DBParameterGroup, new_parameters: Any) -> None:
        # AWS says of a parameter that somebody set it.
        method(group, [{"Source": "user", **each} for each in new_parameters])

    _around(DBInstance, "__init__", made)
    _around(DBParameterGroup, "update_parameters", update)


def _secrets() -> None:
    def cancel(method: Method, backend: SecretsManagerBackend, secret_id: str) -> str:
        # AWS stops the rotation of a secret of RDS, which no function of ours rotates.
        secret = backend.secrets[secret_id]
        if not secret.name.startswith("rds!"):
            return str(method(backend, secret_id))
        secret.rotation_enabled = False
        return str(secret.to_short_dict())

    _around(SecretsManagerBackend, "cancel_rotate_secret", cancel)


def _caches() -> None:
    def made(method: Method, backend: ElastiCacheBackend, **kwargs: Any) -> Any:
        # AWS makes as many nodes as it is told to.
        kwargs["replicas_per_node_group"] = kwargs["replicas_per_node_group"] or (kwargs["num_cache_clusters"] or 1) - 1
        return method(backend, **kwargs)

    def clusters(method: Method, backend: ElastiCacheBackend, cache_cluster_id: str | None = None) -> Any:
        # AWS describes the nodes of a replication group as clusters.
        for group in backend.replication_groups.values():
            if cache_cluster_id in group.member_clusters:
                known = {name.title().replace("_", ""): value for name, value in vars(group).items()}
                groups = [{"SecurityGroupId": each, "Status": "active"} for each in group.security_group_ids]
                own = {"CacheClusterId": cache_cluster_id, "CacheClusterStatus": "available", "SecurityGroups": groups}
                return [known | own]
        return method(backend, cache_cluster_id)

    def gone(method: Method, backend: ElastiCacheBackend, *args: Any, **kwargs: Any) -> Any:
        # AWS deletes a replication group in the end.
        group = method(backend, *args, **kwargs)
        return backend.replication_groups.pop(group.replication_group_id)

    def without(response: ElastiCacheResponse) -> EmptyResult:
        # AWS deletes a subnet group.
        del response.elasticache_backend.cache_subnet_groups[response._get_param("CacheSubnetGroupName")]
        return EmptyResult()

    ElastiCacheResponse.delete_cache_subnet_group = without
    _around(ElastiCacheBackend, "create_replication_group", made)
    _around(ElastiCacheBackend, "describe_cache_clusters", clusters)
    _around(ElastiCacheBackend, "delete_replication_group", gone)


def _names() -> None:
    def made(method: Method, response: Route53) -> Any:
        # AWS takes a zone for private when a VPC is named.
        if response._get_param("VPC.VPCId"):
            response._get_bool_param = lambda *_: True
        return method(response)

    _around(Route53, "create_hosted_zone", made)


def _services() -> None:
    def made(method: Method, response: EC2ContainerServiceResponse) -> Any:
        # AWS gives back what a service was made with.
        said = method(response)
        given = {name: response._get_param(name) for name in KEPT_OF_A_SERVICE}
        vars(said._result["service"]).update({name: value for name, value in given.items() if value is not None})
        return said

    def updated(method: Method, backend: EC2ContainerServiceBackend, properties: dict[str, Any]) -> Any:
        # AWS fills in what a deployment configuration leaves out.
        if given := properties.get("deployment_configuration"):
            properties["deployment_configuration"] = {"maximumPercent": 200, "minimumHealthyPercent": 100} | given
        return method(backend, properties)

    _around(EC2ContainerServiceResponse, "create_service", made)
    _around(EC2ContainerServiceBackend, "update_service", updated)


def _tasks() -> None:
    counted = EC2ContainerServiceBackend._calculate_task_resource_requirements

    def needs(definition: TaskDefinition) -> Any:
        # On Fargate the task has memory, and its containers need none of their own.
        share = {"memory": int(definition.memory or 0) // len(definition.container_definitions)}
        return counted(
            SimpleNamespace(container_definitions=[share | each for each in definition.container_definitions])
        )

    EC2ContainerServiceBackend._calculate_task_resource_requirements = staticmethod(needs)


def _scaling() -> None:
    tags: dict[str, dict[str, str]] = {}

    def register(method: Method, response: ApplicationAutoScalingResponse) -> str:
        # AWS keeps the tags of a scalable target.
        said = str(method(response))
        tags[json.loads(said)["ScalableTargetARN"]] = response._get_param("Tags") or {}
        return said

    def listed(response: ApplicationAutoScalingResponse) -> str:
        return json.dumps({"Tags": tags.get(response._get_param("ResourceARN"), {})})

    _around(ApplicationAutoScalingResponse, "register_scalable_target", register)
    ApplicationAutoScalingResponse.list_tags_for_resource = listed


def _budgets() -> None:
    tags: dict[str, list[dict[str, str]]] = {}

    def made(method: Method, response: BudgetsResponse) -> Any:
        # AWS keeps the tags of a budget, and knows who hears of it.
        tags[response._get_param("Budget")["BudgetName"]] = response._get_param("ResourceTags", [])
        return method(response)

    def listed(response: BudgetsResponse) -> str:
        return json.dumps({"ResourceTags": tags.get(response._get_param("ResourceARN").rpartition("/")[2], [])})

    def subscribers(response: BudgetsResponse) -> str:
        budget = response.backend.budgets[response._get_param("AccountId")][response._get_param("BudgetName")]
        wanted = response._get_param("Notification")
        found = [each.subscribers for each in budget.notifications if each.details == wanted]
        return json.dumps({"Subscribers": found[0] if found else []})

    _around(BudgetsResponse, "create_budget", made)
    BudgetsResponse.list_tags_for_resource = listed
    BudgetsResponse.describe_subscribers_for_notification = subscribers


AMENDMENTS = (
    _storage,
    _queues,
    _security_groups,
    _databases,
    _secrets,
    _caches,
    _names,
    _services,
    _tasks,
    _scaling,
    _budgets,
)
