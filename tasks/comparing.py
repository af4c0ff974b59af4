"""Which A/B test goes on for a model, by its ledger, or whether the one that is asked for can begin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from prefect import task
from pydantic import ValidationError

from prefect_mlops.core.abtest.plan import Comparison
from prefect_mlops.core.names import Slot
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    from prefect_mlops.blocks import Ledger, ServingTarget
    from prefect_mlops.core.abtest.judging import Finding
    from prefect_mlops.tasks.champions import Champion

__all__ = ["Asked", "Opened", "find_comparison"]

PLANNED, STARTED, LOOKED, ENDED = (f"comparison.{done}" for done in ("planned", "started", "looked", "ended"))


class Asked(TypedDict, total=False):
    """What whoever begins a test says of its plan, beside its arms."""

    metric: str
    goal: str
    matters: float
    max_days: float
    outcomes: str
    look_hours: float


class Opened(NamedTuple):
    """The test that a run belongs to, or why there is none.

    Attributes:
        plan: What it asks; None where there is none.
        known: Whether the plan stands in the ledger already.
        begun: When its plan was written down, by the clock.
        since: When its arms began to share the traffic, by the time of that run; None where they have not yet.
        slots: Where the arms serve, the champion first; empty likewise.
        position: Where the target's list of requests stood then.
        decided: What the last look said, where its run died before it could end the test.
        reason: Why there is no test.
    """

    plan: Comparison | None
    known: bool = False
    begun: datetime | None = None
    since: datetime | None = None
    slots: tuple[Slot, ...] = ()
    position: int = 0
    decided: Finding | None = None
    reason: str = ""


@task
def find_comparison(
    ledger: Ledger,
    target: ServingTarget,
    spec: ModelSpec,
    champion: Champion | None,
    against: Sequence[int],
    percent: int,
    asked: Asked,
) -> Opened:
    """The test that goes on for a model by the ledger, else the one that is asked for.

    Args:
        ledger: Knows what was begun and not ended.
        target: Says among how many versions it can divide users.
        spec: The model's spec; `rollout.user_key` names the users.
        champion: The version that others are held against.
        against: Those others; none to go on with what there is.
        percent: Of the users, for each of them; equal parts for all arms when 0.
        asked: What else the plan says.

    Returns:
        A test, or a reason why there is none; a plan that cannot be followed is a finding.
    """
    found = _on_record(ledger, spec)
    if found is not None and not against and (found.slots or _is_held_against(found, champion)):
        return found
    wanted = _asked_for(target, spec, champion, against, percent, asked)
    if found is None or found.plan is None:
        return wanted
    if wanted.plan == found.plan:  # the run that asked for it died, and was asked again
        return found
    if not found.slots:  # it never began
        return wanted
    others = _said([arm.version for arm in found.plan.arms[1:]])
    return Opened(None, reason=f"Version {others} is compared already; {_said(against)} must wait until that ends.")


def _on_record(ledger: Ledger, spec: ModelSpec) -> Opened | None:
    """The test that the ledger knows to go on."""
    from prefect_mlops.core.abtest.judging import Finding

    found: Opened | None = None
    for record in ledger.records(model=spec.name):
        if record.stage == PLANNED:
            begun = datetime.fromisoformat(record.at)
            found = Opened(Comparison.model_validate(record.body["plan"]), known=True, begun=begun)
        elif record.stage == STARTED and found:
            slots, position = tuple(record.body["slots"]), record.body["position"]
            found = found._replace(since=datetime.fromisoformat(record.as_of), slots=slots, position=position)
        elif record.stage == LOOKED and found:
            finding = Finding.model_validate(record.body["finding"])
            found = found._replace(decided=None if finding.verdict == "ongoing" else finding)
        elif record.stage == ENDED:
            found = None
    return found


def _is_held_against(found: Opened, champion: Champion | None) -> bool:
    return found.plan is not None and champion is not None and found.plan.arms[0].version == champion.version


def _asked_for(
    target: ServingTarget,
    spec: ModelSpec,
    champion: Champion | None,
    against: Sequence[int],
    percent: int,
    asked: Asked,
) -> Opened:
    hindered = _hindrance(target, spec, champion, against)
    if hindered or champion is None:
        return Opened(None, reason=hindered)
    each = percent or 100 // (len(against) + 1)
    arms = [{"version": champion.version, "percent": 100 - each * len(against)}]
    arms += [{"version": version, "percent": each} for version in against]
    try:
        return Opened(Comparison.model_validate({"arms": arms, "user_key": spec.rollout.user_key, **asked}))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))} {each['msg']}".strip() for each in error.errors()]
        return Opened(None, reason=f"This cannot be compared: {'; '.join(problems)}.")


def _hindrance(target: ServingTarget, spec: ModelSpec, champion: Champion | None, against: Sequence[int]) -> str:
    """Why a test cannot begin; empty where it can."""
    able, kind = target.capabilities(), type(target).__name__
    hidden = _said(sorted(set(spec.data.key) & set(spec.data.personal))) if spec.serving.personal != "hashed" else ""
    checks = (
        (not against, "No versions are compared; name them with `against`."),
        (champion is None, f"{spec.name} has no champion to hold version {_said(against)} against."),
        (
            not spec.rollout.user_key,
            "Users must be told apart: name their request header as `rollout.user_key` in the spec.",
        ),
        (
            not (able.sticky_by_key and able.requests_listed),
            f"{kind} keeps no user on one version; compare on a target that is sticky by a key.",
        ),
        (
            len(against) >= able.arms,
            f"{kind} divides users among at most {able.arms} versions; {len(against) + 1} were asked for.",
        ),
        (
            bool(hidden),
            f"The log leaves out {hidden}, so no outcome finds its prediction: set `serving.personal: hashed`.",
        ),
    )
    return next((reason for hinders, reason in checks if hinders), "")


def _said(names: Sequence[object]) -> str:
    return ", ".join(map(str, names))
