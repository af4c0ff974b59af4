"""What the machines of a Terraform plan cost in an idle month, by a table of list prices with its date."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from prefect_mlops.core.errors import DataError, MlopsError, NotFound
from prefect_mlops.core.parts import Frozen

__all__ = ["Charge", "PriceTable", "charges_of", "read_prices"]

HOURS = 730.0
"""In a month."""
MIB = 1024.0


class PriceTable(Frozen):
    """List prices and what an idle month uses.

    Attributes:
        region: Whose prices they are.
        currency: Of all prices.
        checked: When somebody last compared them with what AWS says.
        source: Where they come from.
        prices: By name, each for the unit in its name.
        idle: What an idle month uses of what is paid by use.
    """

    region: str
    currency: str
    checked: date
    source: str
    prices: Mapping[str, float]
    idle: Mapping[str, float]

    def month(self, price: str, quantity: float) -> float:
        """What a quantity costs in a month; a price by the hour counts for all hours.

        Raises:
            NotFound: The table does not have the price.
        """
        if price not in self.prices:
            raise NotFound("price", price, "Add it to terraform/prices.yaml from AWS's price page, and mend the date")
        return self.prices[price] * quantity * (HOURS if price.endswith("-hour") else 1.0)


class Charge(NamedTuple):
    """What one kind of thing costs.

    Attributes:
        what: The kind, in words.
        number: How many resources there are of it.
        monthly: In the table's currency.
    """

    what: str
    number: int
    monthly: float


class _Use(NamedTuple):
    what: str
    number: int
    parts: tuple[tuple[str, float], ...]


class _Planned(NamedTuple):
    kind: str
    module: str
    values: Mapping[str, Any]


def read_prices(path: Path) -> PriceTable:
    """Read a price table.

    Raises:
        DataError: It cannot be read, or is none.
    """
    try:
        return PriceTable.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise DataError(f"{path} is no table of prices ({str(error).splitlines()[0]})", "Mend it") from error


def charges_of(plan: Mapping[str, Any], table: PriceTable) -> tuple[Charge, ...]:
    """What the resources of a plan cost in an idle month, the dearest first; what costs nothing is left out.

    Args:
        plan: What `terraform show -json` prints of a plan or a state.
        table: The prices.

    Raises:
        DataError: It is no plan.
        NotFound: The table lacks a price.

    Examples:
        One gateway for all 730 hours at 0.045 is 32.85, and no data goes through it.

        >>> table = PriceTable(region="r", currency="USD", checked="2025-06-01", source="", idle={"nat-gateway-gb": 0},
        ...                    prices={"nat-gateway-hour": 0.045, "nat-gateway-gb": 0.045})
        >>> gateway = {"type": "aws_nat_gateway", "mode": "managed", "values": {}}
        >>> charges_of({"planned_values": {"root_module": {"resources": [gateway]}}}, table)
        (Charge(what='NAT gateways', number=1, monthly=32.85),)
    """
    root = (plan.get("planned_values") or plan.get("values") or {}).get("root_module")
    if root is None:
        cure = "Pass what `terraform show -json PLANFILE` prints"
        raise DataError("What came in is no plan of Terraform", cure)
    planned = tuple(_resources(root))
    sums: dict[str, Charge] = {}
    for use in (_used(resource, planned, table.idle) for resource in planned):
        before = sums.get(use.what, Charge(use.what, 0, 0.0))
        monthly = sum(table.month(price, quantity) for price, quantity in use.parts)
        sums[use.what] = Charge(use.what, before.number + use.number, before.monthly + monthly)
    dear = (charge._replace(monthly=round(charge.monthly, 2)) for charge in sums.values() if charge.monthly)
    return tuple(sorted(dear, key=lambda charge: (-charge.monthly, charge.what)))


def _resources(module: Mapping[str, Any]) -> Iterator[_Planned]:
    for resource in module.get("resources", ()):
        if resource.get("mode") == "managed":
            yield _Planned(resource["type"], module.get("address", ""), resource.get("values") or {})
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _used(resource: _Planned, planned: Sequence[_Planned], idle: Mapping[str, float]) -> _Use:  # noqa: PLR0911
    """What a resource uses in an idle month; no parts where it costs nothing by itself."""
    values = resource.values
    match resource.kind:
        case "aws_ecs_service":
            return _tasks(resource, planned)
        case "aws_nat_gateway":
            return _Use("NAT gateways", 1, (("nat-gateway-hour", 1), ("nat-gateway-gb", idle["nat-gateway-gb"])))
        case "aws_vpc_endpoint" if values.get("vpc_endpoint_type") == "Interface":
            return _Use("VPC endpoints", 1, (("interface-endpoint-zone-hour", len(values.get("subnet_ids") or "1")),))
        case "aws_lb":
            by_use = ("load-balancer-lcu-hour", idle["load-balancer-lcus"])
            return _Use("load balancers", 1, (("load-balancer-hour", 1), by_use))
        case "aws_db_instance":
            copies = 2 if values.get("multi_az") else 1
            disk = ("db-gp3-gib-month", copies * float(values.get("allocated_storage") or 0))
            return _Use("databases", 1, ((f"{values['instance_class']}-hour", copies), disk))
        case "aws_elasticache_replication_group":
            nodes = int(values.get("num_cache_clusters") or 1)
            return _Use("cache nodes", nodes, ((f"{values['engine']}-{values['node_type']}-hour", nodes),))
    what, price, used = SIMPLE.get(resource.kind, ("", "", ""))
    return _Use(what, 1, ((price, idle.get(used, 1)),) if price else ())


SIMPLE = {
    "aws_kms_key": ("keys", "kms-key-month", ""),
    "aws_secretsmanager_secret": ("secrets", "secret-month", ""),
    "aws_cloudwatch_log_group": ("log groups", "log-gb", "log-group-gb"),
    "aws_cloudwatch_metric_alarm": ("alarms", "alarm-month", ""),
    "aws_s3_bucket": ("buckets", "s3-gb-month", "bucket-gb"),
    "aws_ecr_repository": ("image repositories", "ecr-gb-month", "repository-gb"),
    "aws_eip": ("public addresses", "public-ipv4-hour", ""),
    "aws_route53_zone": ("DNS zones", "hosted-zone-month", ""),
}
"""Resources that cost the same each: the kind in words, the price, and what an idle month uses of it (1 by default)."""


def _tasks(service: _Planned, planned: Sequence[_Planned]) -> _Use:
    """The tasks of an ECS service; its definition stands in the same module, for a plan does not know its ARN yet."""
    tasks = int(service.values.get("desired_count") or 0)
    beside = [one for one in planned if one.kind == "aws_ecs_task_definition" and one.module == service.module]
    if not tasks or not beside:
        return _Use("tasks on Fargate", 0, ())
    cores, gib = (tasks * float(beside[0].values[name]) / MIB for name in ("cpu", "memory"))
    return _Use("tasks on Fargate", tasks, (("fargate-vcpu-hour", cores), ("fargate-gib-hour", gib)))


def main() -> None:
    """Print the estimate of a plan, read from a file or from a pipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path, help="what `terraform show -json PLANFILE` prints; - for a pipe")
    parser.add_argument("--prices", type=Path, default=Path("terraform/prices.yaml"))
    parser.add_argument("--name", default="this plan")
    asked = parser.parse_args()
    try:
        table = read_prices(asked.prices)
        text = sys.stdin.read() if str(asked.plan) == "-" else asked.plan.read_text(encoding="utf-8")
        charges = charges_of(json.loads(text), table)
    except (MlopsError, OSError, ValueError) as error:
        sys.exit(f"cost: {error}")
    print(f"{asked.name}: an idle month in {table.region}, list prices of {table.checked}, {table.currency}")
    for charge in charges:
        print(f"  {charge.monthly:9.2f}  {charge.what} ({charge.number})")
    print(f"  {sum(charge.monthly for charge in charges):9.2f}  in all; runs, requests and traffic come on top")


if __name__ == "__main__":
    main()
