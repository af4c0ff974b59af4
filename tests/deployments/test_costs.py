"""The estimate of a plan adds list prices that a reader can add by hand."""

from pathlib import Path
from typing import Any

import pytest

from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.deployments.costs import Charge, PriceTable, charges_of, read_prices

PRICES = Path(__file__).parents[2] / "terraform" / "prices.yaml"
TABLE = PriceTable(
    region="r",
    currency="USD",
    checked="2025-06-01",
    source="by hand",
    prices={
        "fargate-vcpu-hour": 0.04,
        "fargate-gib-hour": 0.004,
        "db.t4g.small-hour": 0.03,
        "db-gp3-gib-month": 0.1,
        "valkey-cache.t4g.micro-hour": 0.01,
        "load-balancer-hour": 0.02,
        "load-balancer-lcu-hour": 0.01,
        "interface-endpoint-zone-hour": 0.01,
        "secret-month": 0.4,
    },
    idle={"load-balancer-lcus": 0.5, "nat-gateway-gb": 0},
)


def plan(*resources: dict[str, Any], **modules: list[dict[str, Any]]) -> dict[str, Any]:
    children = [{"address": f"module.{name}", "resources": inside} for name, inside in modules.items()]
    return {"planned_values": {"root_module": {"resources": list(resources), "child_modules": children}}}


def resource(kind: str, **values: Any) -> dict[str, Any]:
    return {"type": kind, "mode": "managed", "values": values}


@pytest.mark.parametrize(
    ("planned", "charge"),
    [
        # 20 GiB at 0.10 and 730 hours at 0.03, both twice.
        (
            resource("aws_db_instance", instance_class="db.t4g.small", multi_az=True, allocated_storage=20),
            Charge("databases", 1, 47.8),
        ),
        # Two nodes, 730 hours at 0.01.
        (
            resource(
                "aws_elasticache_replication_group", engine="valkey", node_type="cache.t4g.micro", num_cache_clusters=2
            ),
            Charge("cache nodes", 2, 14.6),
        ),
        # 730 hours at 0.02 and half a unit at 0.01.
        (resource("aws_lb"), Charge("load balancers", 1, 18.25)),
        # 730 hours at 0.01 in three zones.
        (
            resource("aws_vpc_endpoint", vpc_endpoint_type="Interface", subnet_ids=["a", "b", "c"]),
            Charge("VPC endpoints", 1, 21.9),
        ),
    ],
)
def test_a_resource_costs_what_its_hours_and_sizes_do(planned: dict[str, Any], charge: Charge) -> None:
    assert charges_of(plan(planned), TABLE) == (charge,)


def test_an_empty_slot_costs_nothing_and_a_service_what_its_own_definition_takes() -> None:
    definition = resource("aws_ecs_task_definition", cpu="512", memory="1024")
    slot = [
        resource("aws_ecs_service", desired_count=0),
        resource("aws_ecs_task_definition", cpu="4096", memory="8192"),
    ]

    # Two tasks of half a core at 0.04 and of one GiB at 0.004: 730 x (0.04 + 0.008).
    charges = charges_of(plan(worker=[resource("aws_ecs_service", desired_count=2), definition], serving=slot), TABLE)

    assert charges == (Charge("tasks on Fargate", 2, 35.04),)


def test_what_costs_nothing_by_itself_and_data_sources_are_left_out() -> None:
    read = {"type": "aws_secretsmanager_secret", "mode": "data", "values": {}}

    assert charges_of(plan(read, resource("aws_iam_role"), resource("aws_vpc_endpoint")), TABLE) == ()


def test_a_size_without_a_price_is_told_by_its_name() -> None:
    with pytest.raises(NotFound, match=r"db.x99.huge-hour.*Add it to terraform/prices.yaml"):
        charges_of(plan(resource("aws_db_instance", instance_class="db.x99.huge")), TABLE)


def test_what_is_no_plan_is_refused() -> None:
    with pytest.raises(DataError, match="terraform show -json"):
        charges_of({"mlops": 1}, TABLE)


def test_our_table_says_its_date_region_and_source_and_has_no_free_price() -> None:
    table = read_prices(PRICES)

    assert (table.region, table.currency) == ("us-east-1", "USD")
    assert table.checked.year >= 2025
    assert table.source
    assert min(table.prices.values()) > 0


def test_a_table_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("prices: {}")

    with pytest.raises(DataError, match="is no table of prices"):
        read_prices(tmp_path / "prices.yaml")
