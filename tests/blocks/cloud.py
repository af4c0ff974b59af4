"""What moto leaves out of AWS: tasks that run in ECS services, and a load balancer that divides what callers send.

Cluster, services, target groups, rule, tags, secrets, metrics and buckets are moto's own. A slot's tasks are one small
HTTP server that is whatever version the service's task definition names; it logs as a real one does.
"""

from __future__ import annotations

import json
import random
import threading
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.ecs.models import ecs_backends
from moto.elbv2.models import elbv2_backends

from prefect_mlops.blocks.echo import Answer
from prefect_mlops.core.names import Slot

MODEL = "echo"
SLOTS: tuple[Slot, ...] = ("a", "b")


class Clock:
    """The time of a test, which goes on by itself and can be put forward."""

    def __init__(self) -> None:
        import time

        self._time, self.ahead = time, 0.0

    def time(self) -> float:
        return self._time.time() + self.ahead

    def monotonic(self) -> float:
        return self._time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds


class Cloud:
    """One model on AWS as Terraform leaves it: two services without tasks, and a rule with all weight on slot a."""

    def __init__(self, aws: dict[str, str], clock: Clock, spool: Path) -> None:
        self.clock, self.spool, self._region = clock, spool, aws["region_name"]
        self.ecs, self.elbv2, self.ec2, self.watch, self.secrets = (
            boto3.client(name, **aws) for name in ("ecs", "elbv2", "ec2", "cloudwatch", "secretsmanager")
        )
        self.cluster = f"serving-{uuid.uuid4().hex[:6]}"
        self.ecs.create_cluster(clusterName=self.cluster)
        network = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            self.ec2.create_subnet(VpcId=network, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"eu-west-1{zone}")[
                "Subnet"
            ]["SubnetId"]
            for n, zone in enumerate("ab")
        ]
        balancer = self.elbv2.create_load_balancer(Name=self.cluster, Subnets=self.subnets)["LoadBalancers"][0]
        self.groups = {slot: self._group(slot, network) for slot in SLOTS}
        listener = self.elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )["Listeners"][0]["ListenerArn"]
        self.rule = self.elbv2.create_rule(
            ListenerArn=listener,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": [f"/{MODEL}/*"]}],
            Actions=[self.forward({"a": 100, "b": 0})],
        )["Rules"][0]["RuleArn"]
        self._balancer = balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]
        self.heard: dict[Slot, list[dict[str, str]]] = {slot: [] for slot in SLOTS}
        self.refusing: dict[Slot, int] = {}
        self._random, self._tasks = random.Random(5), {slot: _Tasks(self, slot) for slot in SLOTS}
        for slot in SLOTS:
            self._service(slot)
            self.register(slot)

    def end(self) -> None:
        for tasks in self._tasks.values():
            tasks.end()

    def forward(self, weights: dict[Slot, int], sticky: bool = False) -> dict[str, Any]:
        """The action of the rule."""
        groups = [{"TargetGroupArn": self.groups[slot], "Weight": weight} for slot, weight in weights.items()]
        stickiness = {"Enabled": True, "DurationSeconds": 60} if sticky else {"Enabled": False}
        return {
            "Type": "forward",
            "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness},
        }

    def by_hand(self, *actions: dict[str, Any]) -> None:
        """Somebody changes the rule in the console."""
        self.elbv2.modify_rule(RuleArn=self.rule, Actions=list(actions))

    def register(self, slot: Slot) -> None:
        """The tasks of a slot become healthy targets."""
        targets = [{"Id": "127.0.0.1", "Port": self._tasks[slot].port}]
        self.elbv2.register_targets(TargetGroupArn=self.groups[slot], Targets=targets)

    def deregister(self, slot: Slot) -> None:
        targets = [{"Id": "127.0.0.1", "Port": self._tasks[slot].port}]
        self.elbv2.deregister_targets(TargetGroupArn=self.groups[slot], Targets=targets)

    def service(self, slot: Slot) -> Any:
        """A slot's service, as moto keeps it; asking by HTTP would take as long as all that the target does."""
        return ecs_backends[ACCOUNT][self._region].services[f"{self.cluster}:{MODEL}-{slot}"]

    def definition(self, slot: Slot) -> Any:
        """The task definition that a slot runs."""
        family, _, revision = self.service(slot).task_definition.rpartition("/")[2].partition(":")
        return ecs_backends[ACCOUNT][self._region].task_definitions[family][int(revision)]

    def container(self, slot: Slot) -> dict[str, Any]:
        """The container of the task definition that a slot runs."""
        return dict(self.definition(slot).container_definitions[0])

    def environment(self, slot: Slot) -> dict[str, str]:
        return {each["name"]: each["value"] for each in self.container(slot)["environment"]}

    def weights(self) -> dict[Slot, int]:
        rule = elbv2_backends[ACCOUNT][self._region].describe_rules(None, [self.rule])[0]
        found = {
            each["TargetGroupArn"]: each["Weight"] for each in rule.actions[-1].data["ForwardConfig"]["TargetGroups"]
        }
        return {slot: int(found[self.groups[slot]]) for slot in SLOTS}

    def ask(self, headers: dict[str, str], fail_in: str) -> Answer:
        """A caller's request, sent where the weights say."""
        weights = self.weights()
        slot: Slot = "b" if self._random.random() * 100 < weights["b"] else "a"
        said = httpx.post(
            f"http://127.0.0.1:{self._tasks[slot].port}/predict",
            json={"rows": [{"fail_in": fail_in}]},
            headers=headers,
            trust_env=False,
        )
        self.count(slot, "RequestCount")
        if said.status_code >= 500:
            self.count(slot, "HTTPCode_Target_5XX_Count")
            return Answer(said.status_code)
        found = said.json()
        return Answer(said.status_code, found["version"], slot, found["seen"])

    def count(self, slot: Slot, name: str, number: int = 1) -> None:
        """What the load balancer tells CloudWatch."""
        group = self.groups[slot].rpartition(":")[2]
        dimensions = [{"Name": "TargetGroup", "Value": group}, {"Name": "LoadBalancer", "Value": self._balancer}]
        moment = datetime.fromtimestamp(self.clock.time(), UTC)
        datum = {"MetricName": name, "Dimensions": dimensions, "Timestamp": moment, "Value": number, "Unit": "Count"}
        self.watch.put_metric_data(Namespace="AWS/ApplicationELB", MetricData=[datum])

    def _group(self, slot: Slot, network: str) -> str:
        made = self.elbv2.create_target_group(
            Name=f"{self.cluster}-{slot}", Protocol="HTTP", Port=3000, VpcId=network, TargetType="ip"
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def _service(self, slot: Slot) -> None:
        waiting = [{"name": "server", "image": "none", "memory": 128}]
        made = self.ecs.register_task_definition(family=f"{MODEL}-{slot}", containerDefinitions=waiting)
        self.ecs.create_service(
            cluster=self.cluster,
            serviceName=f"{MODEL}-{slot}",
            taskDefinition=made["taskDefinition"]["taskDefinitionArn"],
            desiredCount=0,
        )


class _Tasks:
    """What runs in a slot."""

    def __init__(self, cloud: Cloud, slot: Slot) -> None:
        seen: dict[str, int] = {}
        stream = cloud.spool / MODEL / f"{slot}-1-1.jsonl"
        stream.parent.mkdir(parents=True, exist_ok=True)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                cloud.heard[slot].append({name.lower(): value for name, value in self.headers.items()})
                if slot in cloud.refusing:
                    self.send_error(cloud.refusing[slot])
                    return
                known = cloud.environment(slot)
                version = int(known["MLOPS_VERSION"])
                seen[known["MLOPS_BENTO"]] = seen.get(known["MLOPS_BENTO"], 0) + 1
                failed = any(slot in row["fail_in"] for row in body["rows"])
                arm = self.headers.get("x-mlops-arm", "")
                answered = not failed and arm != "shadow"
                with stream.open("a") as lines:
                    for place, row in enumerate(body["rows"]):
                        said = {"prediction_id": uuid.uuid4().hex, "request_id": self._name(), "row": place}
                        said |= {"model": MODEL, "version": version, "slot": slot, "arm": arm, "answered": answered}
                        said |= {"predicted_at": datetime.fromtimestamp(cloud.clock.time(), UTC).isoformat()}
                        said |= {"key": "", "event_time": None, "prediction": None if failed else "yes", "score": 0.5}
                        said |= {"probabilities": None, "latency_ms": 2.5, "features": json.dumps(row)}
                        print(json.dumps(said), file=lines)
                told = json.dumps({"version": version, "seen": seen[known["MLOPS_BENTO"]]}).encode()
                self.send_response(500 if failed else 200)
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def _name(self) -> str:
                return self.headers.get("x-request-id") or uuid.uuid4().hex

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()
