"""Score accepted rows in batches with the champion, and a candidate beside it, window by window in flat memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from prefect import task

from prefect_mlops.core.acceptance import ACCEPTED_AT
from prefect_mlops.core.errors import DataError, StorageError
from prefect_mlops.core.names import artifact_key
from prefect_mlops.core.scoring import Arm, Recorded, Window, due_windows
from prefect_mlops.core.scoring.plan import Kind, grouped, window_before, window_ends, window_name
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.runs import run_logger
from prefect_mlops.tasks.scorers import Scorer, answer_rows, load_scorer

if TYPE_CHECKING:
    import pyarrow as pa

    from prefect_mlops.blocks import DeltaTables, MlflowTracking
    from prefect_mlops.core.lineage import Lineage
    from prefect_mlops.core.scoring.beside import Beside
    from prefect_mlops.core.scoring.records import Stamp

__all__ = ["Scores", "ScoringPlan", "plan_scores", "publish_scores", "score_windows"]

ATTEMPTS = 5
MOMENT = timedelta(microseconds=1)


class ScoringPlan(NamedTuple):
    """What a run scores.

    Attributes:
        version: The registry version that answers.
        arm: Whether it is the champion, or a candidate beside it.
        data_version: The version of the accepted rows that is read.
        windows: What is due, the oldest first.
        timeless: Rows without a time, which belong to no window.
    """

    version: int
    arm: Arm
    data_version: int
    windows: tuple[Window, ...]
    timeless: int = 0


class Scores(NamedTuple):
    """What a run has scored.

    Attributes:
        version: The registry version that answered.
        arm: Whether it is the champion, or a candidate beside it.
        data_version: The version of the accepted rows that was read.
        windows: What was scored.
        rows: How many rows, in all.
        seconds: How long it took.
    """

    version: int
    arm: Arm
    data_version: int
    windows: tuple[Window, ...]
    rows: int
    seconds: float

    @property
    def record(self) -> dict[str, object]:
        """What the ledger keeps of it."""
        names = [window.name for window in self.windows]
        ends = {"first": names[0], "last": names[-1]} if names else {}
        return {"version": self.version, "arm": self.arm, "rows": self.rows, "windows": len(names), **ends}

    @property
    def said(self) -> str:
        """One sentence."""
        if not self.windows:
            return f"No accepted row waits for version {self.version}."
        span = f"{self.windows[0].name} to {self.windows[-1].name}" if len(self.windows) > 1 else self.windows[0].name
        windows = f"{len(self.windows):,} windows" if len(self.windows) > 1 else "window"
        return f"Version {self.version} scored {self.rows:,} rows of {windows} {span} in {self.seconds:.1f} s."


@task(retries=2, retry_delay_seconds=2)
def plan_scores(
    tables: DeltaTables,
    spec: ModelSpec,
    version: int,
    lineage: Lineage,
    as_of: datetime,
    data_version: int,
    start: date | None = None,
    end: date | None = None,
) -> ScoringPlan:
    """Say which windows of accepted rows are due, from the tables alone; nothing is written.

    Args:
        tables: Where the tables are.
        spec: The model's spec.
        version: The champion.
        lineage: What it learned from: by default nothing of that is scored.
        as_of: Rows up to this are read.
        data_version: The version of the accepted rows to read; -1 where there are none yet.
        start: First UTC day of a span to score again where other rows or another version were scored.
        end: The day after its last one.

    Raises:
        DataError: The span is empty or ends in the future, or a column of the spec is not in the table.
        NotFound: The table or its version is gone.
    """
    from prefect_mlops.blocks.scores import ScoreTable

    found, timeless, fresh = count_windows(tables, spec, data_version, as_of, lineage)
    learned = learned_until(spec, lineage)
    due = due_windows(
        found,
        ScoreTable(tables, spec.name).recorded("champion").windows,
        version,
        as_of,
        learned_until=window_before(learned) if fresh else learned,
        start=start,
        end=end,
    )
    return ScoringPlan(version, "champion", data_version, due, timeless)


@task(retries=2, retry_delay_seconds=5)
def score_windows(
    tables: DeltaTables, tracking: MlflowTracking, spec: ModelSpec, plan: ScoringPlan, as_of: datetime
) -> Scores:
    """Score windows into the table `<model>-scores`, each replaced as a whole in one commit.

    Rows are read, answered and written in pieces, so memory does not grow with them. A run that was killed has
    committed whole windows, and the next one does the rest; of two runs at once each window is committed by one.

    Args:
        tables: Where the tables are.
        tracking: The registry.
        spec: The model's spec.
        plan: From `plan_scores`.
        as_of: Rows up to this are read.

    Raises:
        DataError: A row has no key, or a feature is missing or unusable; windows committed before stay.
        NotFound: The version is gone.
        StorageError: The table cannot be read or written.
    """
    from prefect_mlops.blocks.scores import ScoreTable
    from prefect_mlops.core.scoring.records import Stamp

    begun, table = time.monotonic(), ScoreTable(tables, spec.name)
    if not plan.windows:
        return Scores(plan.version, plan.arm, plan.data_version, (), 0, 0.0)
    scorer = load_scorer(tracking, spec, plan.version)
    stamp = Stamp(spec.name, plan.version, plan.arm, plan.data_version, as_of, datetime.now(UTC))
    scored: list[Window] = []
    for group in grouped(plan.windows):
        for _ in range(ATTEMPTS):
            seen = table.recorded(plan.arm)
            left = _left(seen.windows, group, plan.version)
            rows, names = _score_rows(tables, spec, scorer, left, stamp), [window.name for window in left]
            if not left or table.replace(plan.arm, names, rows, seen.table_version) is not None:
                scored += left
                break
            run_logger().info("Another run scored windows of %s meanwhile; looking again", group[0].name)
        else:
            raise StorageError(table.name, f"other runs replaced window {group[0].name} {ATTEMPTS} times meanwhile")
        run_logger().info("Scored up to window %s", group[-1].name)
    counted = sum(window.rows for window in scored)
    return Scores(plan.version, plan.arm, plan.data_version, tuple(scored), counted, time.monotonic() - begun)


@task
def publish_scores(spec: ModelSpec, scores: Sequence[Scores], beside: Beside | None = None) -> None:
    """Show what was scored, window by window, in the Prefect UI."""
    from prefect.artifacts import create_markdown_artifact

    from prefect_mlops.core.scoring.report import scores_report

    written = [(each.arm, each.version, window) for each in scores for window in each.windows]
    said = " ".join([*(each.said for each in scores), *([beside.reason] if beside else [])])
    create_markdown_artifact(
        scores_report(spec, said, written, beside), key=artifact_key(spec.name, "scores"), description=said
    )


def clock_of(spec: ModelSpec) -> tuple[str, Kind]:
    """The column that windows are cut by, and their kind; rows without times are cut by when they were accepted."""
    if spec.scoring.window == "day" and spec.data.time:
        return spec.data.time, "day"
    return ACCEPTED_AT, "batch"


def learned_to(spec: ModelSpec, lineage: Lineage) -> datetime | None:
    """The moment up to which a version learned; None where nobody knows it."""
    known = lineage.cutoff if clock_of(spec)[1] == "day" else lineage.as_of
    return datetime.fromisoformat(known) if known else None


def learned_until(spec: ModelSpec, lineage: Lineage) -> str:
    """The window up to which a version learned; empty where nobody knows it."""
    moment = learned_to(spec, lineage)
    return window_name(moment, clock_of(spec)[1]) if moment else ""


def count_windows(
    tables: DeltaTables, spec: ModelSpec, data_version: int, as_of: datetime, lineage: Lineage
) -> tuple[dict[str, int], int, bool]:
    """Rows of each window up to a moment, and how many have no time at all.

    The third is whether the last window that a version learned from also has rows newer than those: a day that was
    not over when it learned.
    """
    import pyarrow.compute as pc

    from prefect_mlops.blocks.streams import stream_rows
    from prefect_mlops.core.scoring.records import window_names

    counts: dict[str, int] = {}
    timeless, fresh = 0, False
    if data_version < 0:
        return counts, timeless, fresh
    (clock, kind), learned = clock_of(spec), learned_to(spec, lineage)
    over = window_ends(window_name(learned, kind))[1] if learned else as_of
    for part in stream_rows(tables, f"{spec.name}-accepted", data_version, [clock]):
        timeless += part[clock].null_count
        moments = part.filter(_up_to(part[clock], as_of))[clock]
        for each in window_names(moments, kind).value_counts().to_pylist():
            counts[each["values"]] = counts.get(each["values"], 0) + each["counts"]
        if learned and not fresh:
            fresh = (
                len(moments.filter(pc.and_(pc.invert(_up_to(moments, learned)), _up_to(moments, over - MOMENT)))) > 0
            )
    return counts, timeless, fresh


def _left(recorded: Mapping[str, Recorded], group: Sequence[Window], version: int) -> list[Window]:
    """What is not on record as planned: a run before this one, or beside it, may have done some of it."""
    return [window for window in group if not window._replace(before=recorded.get(window.name)).held(version)]


def _score_rows(
    tables: DeltaTables, spec: ModelSpec, scorer: Scorer, windows: Sequence[Window], stamp: Stamp
) -> Iterator[pa.Table]:
    """Read the rows of some windows, answer them and give their scores, piece by piece."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from prefect_mlops.blocks.streams import stream_rows
    from prefect_mlops.core.scoring.records import score_rows, window_names

    if not windows:
        return
    clock, kind = clock_of(spec)
    names, wanted = pa.array([window.name for window in windows]), sum(window.rows for window in windows)
    columns = [*spec.data.key, *filter(None, [spec.data.time]), ACCEPTED_AT, *scorer.features]
    start, end = window_ends(windows[0].name)[0], window_ends(windows[-1].name)[1]
    parts = stream_rows(
        tables,
        f"{spec.name}-accepted",
        stamp.data_version,
        [*dict.fromkeys(columns)],
        clock=clock,
        start=start,
        end=min(end, stamp.as_of + MOMENT),
    )
    count = 0
    for part in parts:
        among = window_names(part[clock], kind)
        kept = pc.is_in(among, names)
        rows, among = part.filter(kept), among.filter(kept)
        if rows.num_rows:
            said = answer_rows(scorer, rows)
            yield score_rows(spec, rows, said, scorer.classes, among, stamp)
        count += rows.num_rows
    if count != wanted:
        raise DataError(
            f"{wanted:,} accepted rows were counted in these windows and {count:,} read; nothing was written of them",
            "Look at the table of accepted rows: a version of it must never change",
        )


def _up_to(moments: pa.ChunkedArray, as_of: datetime) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.less_equal(moments, pa.scalar(as_of, pa.timestamp("us", "UTC")))
