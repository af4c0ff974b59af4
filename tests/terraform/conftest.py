"""A copy of `terraform/` that is initialised once, and how terraform is called in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
CURE = (
    "terraform does not get hashicorp/aws: set TF_PLUGIN_DIR to a folder that holds it, "
    "or let this machine reach the registry of Terraform"
)


class Terraform(NamedTuple):
    """Terraform in a copy of `terraform/`.

    Attributes:
        folder: The copy.
        environment: Of its processes.
    """

    folder: Path
    environment: dict[str, str]

    def __call__(self, *words: str, within: str = ".") -> subprocess.CompletedProcess[str]:
        """Run a command to its end; what it said is in `stdout`, errors too."""
        return subprocess.run(
            ["terraform", *words],
            cwd=self.folder / within,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def init(self, within: str = ".") -> None:
        """Initialise a folder, or skip the test where its provider is nowhere to be had."""
        local = self.environment.get("TF_PLUGIN_DIR")
        done = self("init", "-no-color", *([f"-plugin-dir={local}"] if local else []), within=within)
        if done.returncode:
            (pytest.skip if "query available provider" in done.stdout else pytest.fail)(f"{CURE}\n{done.stdout}")


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    if not shutil.which("terraform"):
        pytest.skip("terraform is not on the PATH; install 1.11 or newer to test the modules")
    folder = tmp_path_factory.mktemp("terraform") / "terraform"
    shutil.copytree(ROOT / "terraform", folder, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
    # Nobody's account, settings or profile have a part in this.
    foreign = ("AWS_", "TF_VAR_", "TF_CLI_", "TF_DATA_DIR", "TF_WORKSPACE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    ready = Terraform(folder, environment | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"})
    ready.init()
    yield ready
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[str]:
    """The address of a stand-in for AWS that knows nothing yet."""
    from prefect_mlops.deployments.demo.servers import start_server

    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.terraform.stand_in", str(port)]
    environment = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true", "PYTHONPATH": str(ROOT)}
    log = tmp_path_factory.mktemp("stand-in") / "log"
    server = start_server("stand-in for AWS", command, environment, log, f"{address}/moto-api/data.json")
    yield address
    server.stop()
