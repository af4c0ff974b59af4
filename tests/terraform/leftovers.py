"""What is there in an account: asked of AWS itself, before an apply and after the destroy."""

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["everything"]

LISTS: tuple[tuple[str, str, str, str], ...] = (
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("ec2", "describe_addresses", "Addresses", "AllocationId"),
    ("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    ("ecr", "describe_repositories", "repositories", "repositoryName"),
    ("elasticache", "describe_cache_subnet_groups", "CacheSubnetGroups", "CacheSubnetGroupName"),
    ("elasticache", "describe_replication_groups", "ReplicationGroups", "ReplicationGroupId"),
    ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerName"),
    ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupName"),
    ("events", "list_rules", "Rules", "Name"),
    ("iam", "list_open_id_connect_providers", "OpenIDConnectProviderList", "Arn"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("kms", "list_aliases", "Aliases", "AliasName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    ("rds", "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupName"),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    ("route53", "list_hosted_zones", "HostedZones", "Name"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ("sns", "list_topics", "Topics", "TopicArn"),
)


def everything(client: Callable[[str], Any]) -> set[str]:
    """All that is there, such as `ec2 Vpcs vpc-1`; what is only remembered says so: `kms key PendingDeletion`."""
    found = {
        f"{service} {key} {each[name]}"
        for service, operation, key, name in LISTS
        for each in getattr(client(service), operation)()[key]
        if not each[name].startswith("alias/aws/")
    }
    found |= {f"ec2 NatGateway {each['State']}" for each in client("ec2").describe_nat_gateways()["NatGateways"]}
    found |= {f"ec2 VpcEndpoint {each['State']}" for each in client("ec2").describe_vpc_endpoints()["VpcEndpoints"]}
    found |= {f"sqs {url.rpartition('/')[2]}" for url in client("sqs").list_queues().get("QueueUrls", ())}
    targets = client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    found |= {f"application-autoscaling {each['ResourceId']}" for each in targets}
    found |= {f"budgets {each}" for each in _budgets(client)}
    found |= set(_keys(client("kms")))
    return found | set(_containers(client("ecs")))


def _budgets(client: Callable[[str], Any]) -> list[str]:
    account = client("sts").get_caller_identity()["Account"]
    return [each["BudgetName"] for each in client("budgets").describe_budgets(AccountId=account).get("Budgets", ())]


def _keys(kms: Any) -> Iterable[str]:
    for each in kms.list_keys()["Keys"]:
        known = kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]
        if known["KeyManager"] == "CUSTOMER":
            yield f"kms key {known['KeyState']}"


def _containers(ecs: Any) -> Iterable[str]:
    """Clusters and task definitions go on being known once they are gone."""
    clusters = ecs.list_clusters()["clusterArns"]
    for each in ecs.describe_clusters(clusters=clusters)["clusters"] if clusters else ():
        yield f"ecs cluster {each['status']}"
        for service in ecs.list_services(cluster=each["clusterArn"])["serviceArns"]:
            for known in ecs.describe_services(cluster=each["clusterArn"], services=[service])["services"]:
                if known["status"] != "INACTIVE":  # AWS lists no service that is
                    yield f"ecs service {known['serviceName']}"
    for status in ("ACTIVE", "INACTIVE"):
        for arn in ecs.list_task_definitions(status=status)["taskDefinitionArns"]:
            yield f"ecs task definition {status} {arn.rpartition('/')[2].partition(':')[0]}"
