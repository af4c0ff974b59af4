"""Prefect on machines that were applied: bootstrap, deployments, a worker, and runs as their containers run them."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from prefect_mlops.deployments.demo.servers import Process
from tests.asking import ask
from tests.conftest import PrefectServer
from tests.terraform.machines import Machines
from tests.waiting import until

__all__ = ["ROOT", "Platform", "Started"]

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


class Started(NamedTuple):
    """A task that the worker asked ECS for.

    Attributes:
        task: As ECS describes it.
        definition: Its task definition.
    """

    task: Mapping[str, Any]
    definition: Mapping[str, Any]

    @property
    def container(self) -> Mapping[str, Any]:
        """The one container of its definition."""
        (found,) = self.definition["containerDefinitions"]
        return dict(found)

    @property
    def command(self) -> list[str]:
        """What the container runs."""
        (override,) = self.task["overrides"]["containerOverrides"]
        return list(override.get("command") or self.container["command"])

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the container: those of the definition and, over them, those of the task."""
        (override,) = self.task["overrides"]["containerOverrides"]
        both = (*self.container.get("environment", ()), *override.get("environment", ()))
        return {each["name"]: each["value"] for each in both}


class Platform:
    """A Prefect server, and the machines that Terraform made for it.

    Args:
        machines: An example that is applied.
        server: The Prefect server.
        project: A folder with `specs/`.
        environment: Name of the blocks.
    """

    def __init__(self, machines: Machines, server: PrefectServer, project: Path, environment: str) -> None:
        self._machines, self._server, self._project, self._environment = machines, server, project, environment

    def bootstrap(self) -> list[str]:
        """The lines of `terraform output -json | prefect-mlops bootstrap -`."""
        words = ["bootstrap", "-", "--project", str(self._project), "--environment", self._environment]
        return self._said([str(BIN / "prefect-mlops"), *words], self._machines.output()).splitlines()

    def deploy(self, pool: str, image: str) -> list[dict[str, Any]]:
        """`sync` and `prefect deploy` as the docs say; gives the deployments of the pool."""
        output = str(self._project / "prefect-aws.yaml")
        where = ["--pool", pool, "--image", image, "--environment", self._environment]
        self._said([str(BIN / "prefect-mlops"), "sync", "--project", str(self._project), "--output", output, *where])
        self._said([str(BIN / "prefect"), "--no-prompt", "deploy", "--prefect-file", output, "--all"])
        return self.deployments(pool)

    def deployments(self, pool: str) -> list[dict[str, Any]]:
        asked = {"work_pools": {"name": {"any_": [pool]}}}
        return list(httpx.post(f"{self._server.url}/deployments/filter", json=asked, timeout=60).json())

    def delete_deployments(self, pool: str) -> None:
        for each in self.deployments(pool):
            httpx.delete(f"{self._server.url}/deployments/{each['id']}", timeout=60)

    def start_worker(self, cluster: str, service: str, python: Path, port: int) -> Process:
        """Start the worker as its ECS service would: by the command and the variables of its task definition.

        Args:
            cluster: Name of the cluster.
            service: Name of the service.
            python: That of the worker's image.
            port: Where the worker says that it is well.
        """
        ecs = self._machines.client("ecs")
        (known,) = ecs.describe_services(cluster=cluster, services=[service])["services"]
        definition = ecs.describe_task_definition(taskDefinition=known["taskDefinition"])["taskDefinition"]
        container = definition["containerDefinitions"][0]
        given = {each["name"]: each["value"] for each in container["environment"]}
        faster = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_WORKER_WEBSERVER_PORT": str(port)}
        environment = self._clean() | given | faster | {"HOME": str(self._project)}
        command = [str(python), "-m", *container["command"]]
        worker = Process("ECS worker", command, environment, self._project / "worker.log")
        worker.wait_for(f"http://127.0.0.1:{port}/health", seconds=120)
        return worker

    def run(self, deployment: str) -> str:
        """Ask for a run of a deployment; gives the run's id."""
        known = ask("GET", f"{self._server.url}/deployments/name/{deployment}").json()
        made = ask("POST", f"{self._server.url}/deployments/{known['id']}/create_flow_run", json={})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def flow_run(self, run: str) -> dict[str, Any]:
        return dict(ask("GET", f"{self._server.url}/flow_runs/{run}").json())

    def started(self, run: str, cluster: str) -> Started:
        """The task that the worker starts for a run."""
        ecs = self._machines.client("ecs")

        def look() -> Started | None:
            arns = ecs.list_tasks(cluster=cluster)["taskArns"]
            tasks = ecs.describe_tasks(cluster=cluster, tasks=arns, include=["TAGS"])["tasks"] if arns else []
            for task in tasks:
                if {"key": "prefect.io/flow-run-id", "value": run} in task["tags"]:
                    arn = task["taskDefinitionArn"]
                    return Started(task, ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"])
            return None

        found = until(look, 90, f"a task on ECS for the run {run}")
        until(lambda: self.flow_run(run)["infrastructure_pid"], 90, "the name of the task at the run")
        return found

    def execute(self, started: Started, python: Path) -> None:
        """Run what a task's container would run, with the variables that it would have, by the image's Python."""
        environment = self._clean() | started.environment | {"HOME": str(self._project), "AWS_ALLOW_HTTP": "true"}
        self._said([str(python), "-m", *started.command], environment=environment)

    def stop_task(self, started: Started, code: int) -> None:
        """A task's container ends: moto tells nobody, so what AWS sends to EventBridge then is sent here."""
        task = started.task
        ecs, moment = self._machines.client("ecs"), datetime.now(UTC)
        ecs.stop_task(cluster=task["clusterArn"], task=task["taskArn"], reason="Essential container in task exited")
        detail = {
            "clusterArn": task["clusterArn"],
            "containers": [{"name": started.container["name"], "exitCode": code, "lastStatus": "STOPPED"}],
            "desiredStatus": "STOPPED",
            "eventId": str(uuid.uuid4()),
            "lastStatus": "STOPPED",
            "stopCode": "EssentialContainerExited",
            "stoppedReason": "Essential container in task exited",
            "taskArn": task["taskArn"],
            "taskDefinitionArn": task["taskDefinitionArn"],
        }
        entry = {"Source": "aws.ecs", "DetailType": "ECS Task State Change", "Detail": json.dumps(detail)}
        said = self._machines.client("events").put_events(Entries=[{**entry, "Time": moment}])
        assert said["FailedEntryCount"] == 0, said

    def _clean(self) -> dict[str, str]:
        """What a container on ECS has by itself: a path, its role's keys, and here the address of AWS."""
        return {"PATH": os.environ["PATH"], **self._machines.aws}

    def _said(self, words: list[str], text: str = "", environment: Mapping[str, str] | None = None) -> str:
        env = dict(environment or self._server.env)
        done = subprocess.run(
            words, cwd=self._project, env=env, input=text, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
