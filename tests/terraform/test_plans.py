"""Both examples, planned by the real provider against a stand-in for AWS, and what Python would read of them."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from prefect_mlops.deployments.infrastructure import Infrastructure, Serving, WorkPool
from tests.terraform.conftest import Terraform

PROVIDER = """
provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "nobody"
  secret_key                  = "nothing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  max_retries                 = 2
}
"""
ELSEWHERE = {"prefect_api_url": "https://prefect.example.org/api", "mlflow_tracking_uri": "https://mlflow.example.org"}
FULL = {
    "plain_http": True,
    "github_repository": "acme/mlops",
    "emails": ["team@example.org"],
    "budget_usd": 500,
    "models": {"flights-late": {"priority": 1, "most_tasks": 4}},
}
pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def stand_in() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    while True:
        try:
            httpx.get(f"{address}/moto-api/data.json", timeout=5)
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline, "moto did not start"
            time.sleep(0.5)
    yield address
    server.terminate()
    server.wait(30)


@pytest.mark.parametrize(("example", "variables", "least"), [("minimal", ELSEWHERE, 60), ("production", FULL, 200)])
def test_an_example_plans_and_its_output_has_the_keys_that_python_reads(
    terraform: Terraform, stand_in: str, example: str, variables: dict[str, object], least: int
) -> None:
    within = f"examples/{example}"
    folder = terraform.folder / within
    (folder / "provider_override.tf").write_text(PROVIDER)
    (folder / "given.auto.tfvars.json").write_text(json.dumps(variables))
    asking = Terraform(terraform.folder, terraform.environment | {"AWS_ENDPOINT_URL": stand_in})
    asking.init(within)

    planned = asking("plan", "-no-color", "-input=false", "-parallelism=2", "-out=plan.bin", within=within)
    assert planned.returncode == 0, planned.stdout
    plan = json.loads(asking("show", "-json", "plan.bin", within=within).stdout)

    made = [each for each in plan["resource_changes"] if each["change"]["actions"] == ["create"]]
    assert len(made) >= least
    output = plan["output_changes"]["mlops"]
    told = _keys(output["after"]) | _keys(output["after_unknown"])
    parts = {"": Infrastructure, "work_pool": WorkPool, **({"serving": Serving} if example == "production" else {})}
    for part, kind in parts.items():
        given = {key.removeprefix(f"{part}.") if part else key for key in told if key.startswith(part and f"{part}.")}
        given = {key.partition(".")[0] for key in given}
        needed = {name for name, field in kind.model_fields.items() if field.is_required()}
        assert needed <= given <= set(kind.model_fields), part


def _keys(value: object, before: str = "") -> set[str]:
    """All keys of nested objects, joined by dots."""
    if not isinstance(value, dict):
        return set()
    return {found for key, inner in value.items() for found in {f"{before}{key}", *_keys(inner, f"{before}{key}.")}}


def test_no_plan_holds_a_password(terraform: Terraform) -> None:
    plan = terraform.folder / "examples" / "production" / "plan.bin"
    if not plan.exists():
        pytest.skip("production was not planned")
    shown = json.loads(terraform("show", "-json", "plan.bin", within="examples/production").stdout)
    after = [each["change"]["after"] for each in shown["resource_changes"] if each["change"]["after"]]

    secret = [
        key
        for values in after
        for key in ("password", "password_wo", "secret_string", "secret_string_wo", "auth_token")
        if values.get(key)
    ]

    assert not secret
    assert sum(bool(values.get("manage_master_user_password")) for values in after) == 3
