"""Let versions share the traffic for a while, look at what their users' labels say, and end it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from prefect import task
from pydantic import ValidationError

from prefect_mlops.core.abtest.plan import Comparison
from prefect_mlops.core.acceptance import ACCEPTED_AT, LABELLED_AT
from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.names import Slot, artifact_key
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.rollout import Placed
from prefect_mlops.tasks.runs import run_logger

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import DeltaTables, Ledger, ServingTarget
    from prefect_mlops.core.abtest.judging import Finding
    from prefect_mlops.tasks.champions import Champion

__all__ = ["Opened", "find_comparison", "look_again", "look_at_arms", "publish_look", "start_arms"]

STARTED, ENDED = "comparison.started", "comparison.ended"
SLOTS = 2


class Asked(TypedDict, total=False):
    """What whoever begins a test says of its plan, beside its arms."""

    metric: str
    goal: str
    matters: float
    max_days: float
    outcomes: str
    look_hours: float


class Opened(NamedTuple):
    """The test that a look belongs to, or why there is none.

    Attributes:
        plan: What it asks; None where there is none.
        since: When its arms began to share the traffic; None where they have not yet.
        placed: Where the second arm serves; None likewise.
        reason: Why there is no test.
    """

    plan: Comparison | None
    since: datetime | None = None
    placed: Placed | None = None
    reason: str = ""


@task
def find_comparison(
    ledger: Ledger, spec: ModelSpec, champion: Champion | None, against: Sequence[int], percent: int, asked: Asked
) -> Opened:
    """The test that goes on for a model by the ledger, else the one that is asked for.

    Args:
        ledger: Knows what was begun and not ended.
        spec: The model's spec; `rollout.user_key` names the users.
        champion: The version that others are held against.
        against: Those others; none to go on with what there is.
        percent: Of the traffic, for each of them.
        asked: What else the plan says.

    Returns:
        A test, or a reason why there is none; a plan that cannot be followed is a finding.
    """
    kept = [record for record in ledger.records(model=spec.name) if record.stage in (STARTED, ENDED)]
    if kept and kept[-1].stage == STARTED:
        body = kept[-1].body
        plan = Comparison.model_validate(body["plan"])
        others = [arm.version for arm in plan.arms[1:]]
        if against and sorted(against) != sorted(others):
            return Opened(None, reason=f"Version {_said(others)} is compared already; {_said(against)} must wait.")
        return Opened(plan, datetime.fromisoformat(kept[-1].as_of), Placed(body["slot"], body["champion_slot"], ""))
    hindered = _hindrance(spec, champion, against)
    if hindered or champion is None:
        return Opened(None, reason=hindered)
    arms = [{"version": champion.version, "percent": 100 - percent * len(against)}]
    arms += [{"version": version, "percent": percent} for version in against]
    try:
        plan = Comparison.model_validate({"arms": arms, "user_key": spec.rollout.user_key, **asked})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))} {each['msg']}".strip() for each in error.errors()]
        return Opened(None, reason=f"This cannot be compared: {'; '.join(problems)}.")
    return Opened(plan)


@task
def start_arms(target: ServingTarget, spec: ModelSpec, plan: Comparison, placed: Placed) -> None:
    """Divide the users among the arms; each stays with the one that meets it first.

    Raises:
        NotFound: The champion does not run; traffic is as it was.
    """
    if placed.champion_slot is None:
        cure = "Release the champion again with mlops-release"
        raise NotFound("running champion of", spec.name, cure)
    weights: dict[Slot, int] = {placed.champion_slot: plan.arms[0].percent, placed.slot: plan.arms[1].percent}
    target.set_weights(spec.name, weights, plan.user_key)


@task
def look_at_arms(
    target: ServingTarget,
    tables: DeltaTables,
    spec: ModelSpec,
    opened: Opened,
    as_of: datetime,
) -> tuple[Finding | None, bytes]:
    """Say where a test stands, by the users whose first request has its outcome.

    Args:
        target: Knows who asked whom.
        tables: Hold predictions and what is known of them by now.
        spec: The model's spec.
        opened: A test that goes on.
        as_of: The time of the look.

    Returns:
        The finding, None where somebody else moved the traffic; and a picture of the effect over time.

    Raises:
        DataError: The metric cannot be read from the table, or the log of predictions does not name requests.
    """
    from prefect_mlops.core.abtest.judging import judge_arms
    from prefect_mlops.core.abtest.outcomes import first_requests, outcomes_of
    from prefect_mlops.core.abtest.report import draw_effects

    plan, placed, since = opened.plan, opened.placed, opened.since
    assert plan is not None
    assert placed is not None
    assert since is not None
    target.ensure(spec.name)
    if not _as_started(target, spec, plan, placed):
        return None, b""
    seen = target.requests(spec.name, placed.slot, 0).requests
    first = first_requests(seen, [arm.percent for arm in plan.arms])
    known = outcomes_of(spec, plan, first, _predictions(tables, spec, plan), _known(tables, spec, plan))
    days = (as_of - since).total_seconds() / 86_400
    finding = judge_arms(plan, first["arm"].to_numpy(), known, days)
    run_logger().info("%s", finding.reason)
    return finding, draw_effects(plan, known)


@task
def publish_look(spec: ModelSpec, plan: Comparison, finding: Finding, picture: bytes) -> None:
    """Show where a test stands in the Prefect UI: each arm's effect, its interval over time, and the split."""
    from prefect.artifacts import create_markdown_artifact

    from prefect_mlops.core.abtest.report import comparison_report

    key = artifact_key(spec.name, "comparison")
    create_markdown_artifact(comparison_report(plan, finding, picture), key=key, description=finding.reason)


@task
def look_again(spec: ModelSpec, plan: Comparison) -> None:
    """Have this run's deployment look again later; a run without one is on its own."""
    from datetime import UTC, timedelta

    from prefect import runtime
    from prefect.deployments import run_deployment

    if runtime.deployment.id is None:
        return
    run_deployment(
        f"mlops-compare/{spec.name}",
        scheduled_time=datetime.now(UTC) + timedelta(hours=plan.look_hours),
        timeout=0,
        as_subflow=False,
        idempotency_key=f"look-after-{runtime.flow_run.id}",
    )


def _as_started(target: ServingTarget, spec: ModelSpec, plan: Comparison, placed: Placed) -> bool:
    """Whether slots and weights are still those of the test."""
    running = {slot: occupied.version for slot, occupied in target.slots(spec.name).items()}
    arms = dict(zip((placed.champion_slot, placed.slot), plan.arms, strict=False))
    weights = target.weights(spec.name)
    return all(
        running.get(slot) == arm.version and weights.get(slot) == arm.percent for slot, arm in arms.items() if slot
    )


def _predictions(tables: DeltaTables, spec: ModelSpec, plan: Comparison) -> pd.DataFrame:
    import pandas as pd

    table, columns = f"{spec.name}-predictions", ["request_id", "version", "key", "prediction"]
    if not tables.exists(table):
        return pd.DataFrame(columns=columns)
    if "request_id" not in tables.types_of(table):
        cure = "Package the versions again; their servers then say which request each prediction answers"
        raise DataError(f"The predictions of {spec.name} name no requests", cure)
    found = tables.read(table, columns=columns)
    found = found[found["version"].isin([arm.version for arm in plan.arms]) & found["prediction"].notna()]
    return found.drop_duplicates(["request_id", "key", "version"], keep="last")


def _known(tables: DeltaTables, spec: ModelSpec, plan: Comparison) -> pd.DataFrame:
    """What is known by now, and since when."""
    import pandas as pd

    from prefect_mlops.core.abtest.outcomes import OWN_METRICS
    from prefect_mlops.core.splits import key_text

    table = plan.outcomes or f"{spec.name}-{'labels' if spec.data.labels == 'later' else 'accepted'}"
    column = spec.target.column if plan.metric in OWN_METRICS else plan.metric
    if not tables.exists(table):
        return pd.DataFrame(columns=["key", "known", "at"])
    there = tables.types_of(table)
    if column not in there:
        raise DataError(
            f"Table {table!r} has no column {column!r}", f"It has {', '.join(there)}; or name another table"
        )
    stamp = next((name for name in (LABELLED_AT, ACCEPTED_AT) if name in there), None)
    rows = tables.read(table, columns=[*dict.fromkeys([*spec.data.key, column, *([stamp] if stamp else [])])])
    found = pd.DataFrame({"key": key_text(rows, spec.data.key), "known": rows[column]})
    found["at"] = rows[stamp] if stamp else 0
    return found.sort_values("at", kind="stable").drop_duplicates("key", keep="last")


def _hindrance(spec: ModelSpec, champion: Champion | None, against: Sequence[int]) -> str:
    """Why a test cannot begin; empty where it can."""
    if not against:
        return "No versions are compared; name them with `against`."
    if champion is None:
        return f"{spec.name} has no champion to hold version {_said(against)} against."
    if not spec.rollout.user_key:
        return "Users must be told apart: name their request header as `rollout.user_key` in the spec."
    if len(against) >= SLOTS:
        return f"A target has {SLOTS} slots for a model, the champion's and one more; {len(against)} were asked for."
    return ""


def _said(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions))
