"""One rule of an Application Load Balancer, which divides a model's traffic between the target groups of its slots."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from prefect_mlops.blocks.attempts import Unreached
from prefect_mlops.blocks.aws import AwsAccess
from prefect_mlops.blocks.ecs_replays import Copying
from prefect_mlops.blocks.envoyadmin import Counters
from prefect_mlops.core.errors import MlopsError, NotFound, ServingError
from prefect_mlops.core.names import Slot
from prefect_mlops.core.rollout.shares import Shares

__all__ = ["Division", "ListenerRule"]

SHARES, TRUSTED, COPYING = "mlops-shares", "mlops-trusted", "mlops-shadow"
LIVE_SECONDS = 20.0
KEPT_DAYS = 14
"""CloudWatch keeps sums by the minute for fifteen days."""
UNREACHED = "TargetConnectionErrorCount"
"""Requests that no server of the group took: nobody but the load balancer knows of them."""


class Division(NamedTuple):
    """How a rule divides traffic now, and what its tags say of it.

    Attributes:
        weights: As they stand in the rule, by slot.
        sticky: Whether a cookie keeps a caller where it was, whatever the weights.
        shares: What we last wrote, with its times.
        trusted: The slot that last had all traffic when it was divided.
        copying: Who is sent again what the other slot answered.
    """

    weights: Mapping[Slot, int]
    sticky: bool
    shares: Shares
    trusted: Slot | None
    copying: Copying | None = None

    @property
    def percents(self) -> dict[Slot, int]:
        """The weights as percents; those set by hand are rounded."""
        whole = sum(self.weights.values())
        return {slot: round(100 * weight / whole) for slot, weight in self.weights.items()} if whole else {}

    @property
    def changed_by_hand(self) -> str:
        """What somebody else did to the rule since we last wrote it; empty where nobody did."""
        if self.sticky:
            return "its stickiness was turned on, which overrides the weights"
        if self.shares.now is None:
            return ""
        wanted = {"a": 100 - self.shares.now, "b": self.shares.now}
        if dict(self.weights) == wanted:
            return ""
        weighs, was = (", ".join(f"{slot} {each[slot]}" for slot in ("a", "b")) for each in (self.weights, wanted))
        return f"its weights are {weighs} and were last set to {was}"

    def untouched(self, model: str) -> Division:
        """Itself, unless somebody changed it by hand.

        Raises:
            ServingError: Somebody did.
        """
        if self.changed_by_hand:
            raise ServingError(
                f"The rule of {model} was changed by hand: {self.changed_by_hand}",
                f"Set it back, or give slot {self.champion or 'a'} all traffic by a rollback; nothing was changed",
            )
        return self

    @property
    def champion(self) -> Slot | None:
        """The slot that has all traffic as we left it, else the one that last had."""
        whole = [slot for slot, weight in self.weights.items() if weight and sum(self.weights.values()) == weight]
        if whole and (self.trusted is None or not self.changed_by_hand):
            return whole[0]
        return self.trusted


class ListenerRule:
    """The rule of one model.

    Args:
        aws: How AWS is asked.
        model: The model's name.
        arn: The rule's.
        groups: The ARN of each slot's target group.
    """

    def __init__(self, aws: AwsAccess, model: str, arn: str, groups: Mapping[Slot, str]) -> None:
        self._aws, self._model, self._arn, self._groups = aws, model, arn, groups

    def read(self) -> Division:
        """How it divides traffic now.

        Raises:
            NotFound: The rule is gone.
            ServingError: It does not forward to the two target groups of the model.
        """
        forward = self._forward(self._actions())
        tuples = forward["ForwardConfig"]["TargetGroups"]
        weights = {
            slot: int(each.get("Weight", 1))
            for slot, arn in self._groups.items()
            for each in tuples
            if each["TargetGroupArn"] == arn
        }
        described = self._aws.call("elbv2", "describe_tags", self._arn, ResourceArns=[self._arn])["TagDescriptions"]
        tags = {tag["Key"]: tag["Value"] for each in described for tag in each["Tags"]}
        trusted: Slot | None = {"a": "a", "b": "b"}.get(tags.get(TRUSTED, ""))  # type: ignore[assignment]
        try:
            shares = Shares.read(tags.get(SHARES, ""))
        except ValueError:
            shares = Shares()
        sticky = bool(forward["ForwardConfig"].get("TargetGroupStickinessConfig", {}).get("Enabled"))
        return Division(weights, sticky, shares, trusted, Copying.read(tags.get(COPYING, "")))

    def write(self, percent: int, before: Division) -> None:
        """Give slot b a percent of the traffic and slot a the rest, and read it back.

        The tag is written first: a run that dies before the weights follow leaves a rule that looks changed by hand,
        which is found, and never a share under which requests are judged that they did not have.

        Args:
            percent: Of slot b.
            before: What was read before.

        Raises:
            ServingError: AWS does not take it; the weights and tags are those of before.
        """
        self._tag(before.shares.then(time.time(), percent), before.champion)
        try:
            self._modify({"a": 100 - percent, "b": percent})
        except BaseException:
            with contextlib.suppress(MlopsError):  # what went wrong first is what is told
                self._tag(before.shares, before.trusted)
            raise
        deadline = time.monotonic() + LIVE_SECONDS
        while (found := self.read()).changed_by_hand:
            if time.monotonic() >= deadline:
                said = f"The rule of {self._model} does not keep what was written: {found.changed_by_hand}"
                raise ServingError(said, "Look who else writes to it; then run the flow again")
            time.sleep(0.5)

    def begin(self, before: Division) -> None:
        """Begin the record of a new rollout; the weights stay."""
        self._tag(Shares().then(time.time(), before.percents.get("b", 0)), before.champion)
        self.note_copying(None)

    def note_copying(self, copying: Copying | None) -> None:
        """Write down who is sent again what was answered, and up to when that was done."""
        tags = [{"Key": COPYING, "Value": copying.written() if copying else ""}]
        self._aws.call("elbv2", "add_tags", self._arn, ResourceArns=[self._arn], Tags=tags)

    def wait_healthy(self, slot: Slot, tasks: int, seconds: float, poll_seconds: float) -> str:
        """Wait until so many targets of a slot are healthy; why they are not where that takes longer, else nothing."""
        deadline = time.monotonic() + seconds
        while self.health(slot)[0] < tasks:
            if time.monotonic() >= deadline:
                return (self.health(slot)[1] or "no target is registered").rstrip(".")
            time.sleep(poll_seconds)
        return ""

    def addresses(self, slot: Slot) -> list[str]:
        """Where the healthy targets of a slot answer, such as `http://10.0.1.7:3000`."""
        arn = self._groups[slot]
        found = self._aws.call("elbv2", "describe_target_health", arn, TargetGroupArn=arn)["TargetHealthDescriptions"]
        healthy = (each["Target"] for each in found if each["TargetHealth"]["State"] == "healthy")
        return sorted(f"http://{target['Id']}:{target['Port']}" for target in healthy)

    def health(self, slot: Slot) -> tuple[int, str]:
        """How many targets of a slot are healthy, and what is said of those that are not.

        Raises:
            NotFound: The target group is gone.
        """
        arn = self._groups[slot]
        found = self._aws.call("elbv2", "describe_target_health", arn, TargetGroupArn=arn)["TargetHealthDescriptions"]
        states = [each["TargetHealth"] for each in found]
        ill = [each for each in states if each["State"] != "healthy"]
        said = {f"{each['State']} {each.get('Reason', '')} {each.get('Description', '')}".strip() for each in ill}
        return len(states) - len(ill), "; ".join(sorted(said))

    def counters(self, slot: Slot, since: datetime) -> Counters:
        """Requests and errors of a slot by CloudWatch's sums."""
        now = datetime.fromtimestamp(time.time(), UTC)
        since = max(since, now - timedelta(days=KEPT_DAYS)).replace(second=0, microsecond=0)
        names = ("RequestCount", "HTTPCode_Target_5XX_Count", UNREACHED)
        found = self._sums(slot, names, since, now + timedelta(minutes=1))
        requests, failed, unreached = (sum(value for _, value in found[name]) for name in names)
        return Counters(requests=requests, errors=failed + unreached)

    def unreached(self, since: float, until: float) -> list[Unreached]:
        """Requests that no server of a slot took, by the minute, between two times in seconds since 1970."""
        start, end = (datetime.fromtimestamp(moment, UTC) for moment in (since, until))
        found = (
            (slot, *each) for slot in self._groups for each in self._sums(slot, (UNREACHED,), start, end)[UNREACHED]
        )
        return [Unreached(slot, minute, count) for slot, minute, count in found if count and since <= minute < until]

    def _actions(self) -> list[dict[str, Any]]:
        rules = self._aws.call("elbv2", "describe_rules", self._arn, RuleArns=[self._arn])["Rules"]
        if not rules:
            raise NotFound("listener rule", self._arn, "Correct the name in the target block, or apply the Terraform")
        actions: list[dict[str, Any]] = rules[0]["Actions"]
        return actions

    def _forward(self, actions: list[dict[str, Any]]) -> dict[str, Any]:
        """The one action that forwards to both groups; others may ask who calls before it."""
        found = next((action for action in actions if action["Type"] == "forward"), {"Type": actions[-1]["Type"]})
        groups = found.get("ForwardConfig", {}).get("TargetGroups") or [
            {"TargetGroupArn": arn} for arn in filter(None, [found.get("TargetGroupArn")])
        ]
        listed = {group["TargetGroupArn"] for group in groups}
        if listed != set(self._groups.values()):
            lost = ", ".join(sorted(_name(arn) for arn in set(self._groups.values()) - listed)) or "none"
            other = ", ".join(sorted(_name(arn) for arn in listed - set(self._groups.values()))) or "none"
            raise ServingError(
                f"The rule of {self._model} does not forward to the target groups of both its slots "
                f"(missing: {lost}; others: {other}; its action: {found['Type']})",
                "Put them back into the rule with their weights, by Terraform or by hand; traffic is as it was",
            )
        return found

    def _modify(self, weights: Mapping[Slot, int]) -> None:
        config = {
            "TargetGroups": [
                {"TargetGroupArn": self._groups[slot], "Weight": weight} for slot, weight in weights.items()
            ],
            "TargetGroupStickinessConfig": {"Enabled": False},  # its cookie would hold callers against the weights
        }
        actions = []
        for action in self._actions():
            kept = {key: value for key, value in action.items() if key != "TargetGroupArn"}
            if action["Type"] == "forward":
                kept["ForwardConfig"] = config
            elif action["Type"] == "authenticate-oidc":  # AWS does not tell the secret, and keeps it on request
                kept["AuthenticateOidcConfig"] = {**kept["AuthenticateOidcConfig"], "UseExistingClientSecret": True}
            actions.append(kept)
        self._aws.call("elbv2", "modify_rule", self._arn, RuleArn=self._arn, Actions=actions)

    def _tag(self, shares: Shares, trusted: Slot | None) -> None:
        tags = [{"Key": SHARES, "Value": shares.written()}, {"Key": TRUSTED, "Value": trusted or ""}]
        self._aws.call("elbv2", "add_tags", self._arn, ResourceArns=[self._arn], Tags=tags)

    def _sums(
        self, slot: Slot, names: tuple[str, ...], since: datetime, until: datetime
    ) -> dict[str, list[tuple[float, int]]]:
        """Sums by the minute, as pairs of its start and the sum."""
        arn = self._groups[slot]
        groups = self._aws.call("elbv2", "describe_target_groups", arn, TargetGroupArns=[arn])["TargetGroups"]
        balancers = groups[0]["LoadBalancerArns"]
        if not balancers:
            raise NotFound("load balancer that forwards to", arn, "Put the target group back into its rule")
        dimensions = [
            {"Name": "TargetGroup", "Value": arn.rpartition(":")[2]},
            {"Name": "LoadBalancer", "Value": balancers[0].partition(":loadbalancer/")[2]},
        ]
        queries = [
            {
                "Id": f"m{number}",
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions},
                    "Period": 60,
                    "Stat": "Sum",
                },
            }
            for number, name in enumerate(names)
        ]
        sums: dict[str, list[tuple[float, int]]] = {name: [] for name in names}
        token: dict[str, str] = {}
        while True:
            page = self._aws.call(
                "cloudwatch",
                "get_metric_data",
                f"{self._model}-{slot}",
                MetricDataQueries=queries,
                StartTime=since,
                EndTime=until,
                ScanBy="TimestampAscending",
                **token,
            )
            for result in page["MetricDataResults"]:
                times = (moment.timestamp() for moment in result["Timestamps"])
                sums[names[int(result["Id"][1:])]] += zip(times, map(int, result["Values"]), strict=True)
            if not page.get("NextToken"):
                return sums
            token = {"NextToken": page["NextToken"]}


def _name(arn: str) -> str:
    """The readable part of a target group's ARN."""
    return arn.rpartition("targetgroup/")[2].partition("/")[0] or arn
