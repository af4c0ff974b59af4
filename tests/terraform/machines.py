"""An example of `terraform/` on the stand-in for AWS: applied, cut off, read, destroyed."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Collection
from typing import Any

import boto3

from tests.terraform.conftest import Terraform

__all__ = ["REGION", "Machines"]

REGION = "eu-west-1"
PROVIDER = f"""
provider "aws" {{
  region                      = "{REGION}"
  access_key                  = "nobody"
  secret_key                  = "nothing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  max_retries                 = 2
}}
"""
READING = re.compile(r": (Reading|Read complete|Refreshing|Opening|Closing)")
SECRET = re.compile(r"password(_wo)?|secret_string(_wo)?|secret_binary|auth_token")
QUIET_SECONDS = 3.0


class Machines:
    """One example, its state and the AWS that it is made on.

    Args:
        terraform: Terraform in a copy of `terraform/`.
        example: Which folder of `examples`.
        address: Where the stand-in for AWS answers.
        variables: Of the example.
    """

    def __init__(self, terraform: Terraform, example: str, address: str, variables: dict[str, object]) -> None:
        keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": REGION}
        self.aws = {"AWS_ENDPOINT_URL": address, **keys}
        self.said = ""
        self._within = f"examples/{example}"
        self._folder = terraform.folder / self._within
        self._terraform = Terraform(terraform.folder, terraform.environment | {"AWS_ENDPOINT_URL": address})
        (self._folder / "provider_override.tf").write_text(PROVIDER)
        self.give(**variables)
        self._terraform.init(self._within)

    def give(self, **variables: object) -> None:
        """Set variables, beside those that were given before."""
        path = self._folder / "given.auto.tfvars.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | variables))

    def run(self, command: str, *words: str) -> int:
        """Run terraform to its end and give its exit code; what it said is in `said`."""
        done = self._terraform(command, "-no-color", *words, within=self._within)
        # Of some hundred lines about what was read, nobody sees the few that matter.
        self.said = "".join(line for line in done.stdout.splitlines(keepends=True) if not READING.search(line))
        return done.returncode

    def apply(self, *words: str) -> None:
        assert self.run("apply", "-auto-approve", "-input=false", *words) == 0, self.said

    def destroy(self, code: int = 0) -> None:
        assert self.run("destroy", "-auto-approve", "-input=false") == code, self.said

    def expect_no_changes(self) -> None:
        """Plan, and find nothing to change."""
        assert self.run("plan", "-input=false", "-detailed-exitcode") == 0, self.said

    def apply_and_kill(self, only: Collection[str], after: int) -> set[str]:
        """Apply, and kill terraform as a machine that loses its power would.

        Args:
            only: Types of resources; the kill comes once nothing else is being made, and for a while nothing happened.
            after: So many resources are made before.

        Returns:
            The addresses of what was made.
        """
        words = ["terraform", "apply", "-json", "-auto-approve", "-input=false"]
        output = self._folder / "apply.jsonl"
        with output.open("wb") as lines:
            child = subprocess.Popen(
                words, cwd=self._folder, env=self._terraform.environment, stdout=lines, start_new_session=True
            )
        try:
            deadline, seen, since = time.monotonic() + 300, (0, 0), time.monotonic()
            while True:
                assert child.poll() is None, output.read_text()[-2000:]
                assert time.monotonic() < deadline, output.read_text()[-2000:]
                making, made = _progress(output.read_text())
                if seen != (len(making), len(made)):
                    seen, since = (len(making), len(made)), time.monotonic()
                kinds = {address.split("[")[0].split(".")[-2] for address in making}
                quiet = time.monotonic() - since >= QUIET_SECONDS
                if quiet and making and len(made) >= after and kinds <= set(only):
                    return made
                time.sleep(0.2)
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def output(self) -> str:
        """What `terraform output -json` prints."""
        assert self.run("output", "-json") == 0, self.said
        return self.said

    def value(self) -> dict[str, Any]:
        """The value of the output `mlops`."""
        found: dict[str, Any] = json.loads(self.output())["mlops"]["value"]
        return found

    def ids(self) -> dict[str, str]:
        """The id of each resource in the state, by its address."""
        return {
            f"{each.get('module', '')}.{each['type']}.{each['name']}[{one.get('index_key', '')}]": one["attributes"][
                "id"
            ]
            for each in self._state()["resources"]
            if each["mode"] == "managed"
            for one in each["instances"]
        }

    def secrets_in_state(self) -> list[str]:
        """Attributes that could hold a secret and are neither null nor empty, anywhere in the state."""
        return list(_secrets(self._state()["resources"], ""))

    def state_text(self) -> str:
        return (self._folder / "terraform.tfstate").read_text()

    def push(self, repository: str, tag: str) -> None:
        """Put an image into a repository; nobody looks into it."""
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": {"digest": "sha256:0", "size": 1}, "layers": []}
        self.client("ecr").put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag)

    def client(self, service: str) -> Any:
        """A boto3 client of the stand-in."""
        return boto3.client(
            service,
            endpoint_url=self.aws["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
        )

    def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.state_text())
        return found


def _progress(text: str) -> tuple[set[str], set[str]]:
    """The addresses of what is being made and what is made, by terraform's own lines of JSON."""
    lines = [
        json.loads(line) for line in text.splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")
    ]
    told = {
        kind: {
            line["hook"]["resource"]["addr"]
            for line in lines
            if line["type"] == kind and line["hook"]["action"] == "create"
        }
        for kind in ("apply_start", "apply_complete")
    }
    return told["apply_start"] - told["apply_complete"], told["apply_complete"]


def _secrets(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _secrets(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets(inner, key)
    elif SECRET.fullmatch(key) and value:
        yield key
