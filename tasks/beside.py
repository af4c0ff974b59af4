"""Score a candidate beside the champion on the very rows that the champion scored, and hold the two against labels."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from prefect import task

from prefect_mlops.core.acceptance import ACCEPTED_AT, LABELLED_AT
from prefect_mlops.core.errors import DataError
from prefect_mlops.core.scoring import Window, due_windows
from prefect_mlops.core.scoring.plan import grouped, window_ends
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.champions import read_champion
from prefect_mlops.tasks.data import pin_versions
from prefect_mlops.tasks.registry import fetch_package
from prefect_mlops.tasks.scoring import Scores, ScoringPlan, clock_of, learned_until, score_windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from prefect_mlops.blocks import DeltaTables, MlflowTracking, Places
    from prefect_mlops.core.scoring.beside import Beside, Pairs
    from prefect_mlops.tasks.champions import Champion
    from prefect_mlops.tasks.data import Versions

__all__ = ["Tried", "compare_beside", "plan_beside", "try_beside"]

ANSWERS = ("window", "key", "accepted_at", "prediction", "score")
ROWS_AT_ONCE = 200_000
"""Rows that are held against each other in one piece."""
ENDS = {"roll back": "RolledBack", "hold": "Undecided"}


class Tried(NamedTuple):
    """What came of a candidate's scores in its release.

    Attributes:
        ended: The end state of the release, such as `RolledBack`; empty where it goes on.
        scores: What was scored; none where the spec has no candidate score.
        found: The candidate beside the champion; None likewise.
        decides: Whether that takes the place of a canary.
    """

    ended: str = ""
    scores: tuple[Scores, ...] = ()
    found: Beside | None = None
    decides: bool = False

    @property
    def steps(self) -> tuple[str, ...]:
        """What was found, in a sentence."""
        return (f"Scored beside: {self.found.reason}",) if self.found else ()


@task(retries=2, retry_delay_seconds=2)
def plan_beside(
    tables: DeltaTables,
    tracking: MlflowTracking,
    spec: ModelSpec,
    version: int,
    champion: Champion,
    as_of: datetime,
    data_version: int,
    start: date | None = None,
    end: date | None = None,
) -> ScoringPlan:
    """Say which of the windows that the champion has scored a candidate has not scored yet.

    Args:
        tables: Where the tables are.
        tracking: The registry.
        spec: The model's spec.
        version: The candidate.
        champion: The version in service.
        as_of: Rows up to this are read.
        data_version: The version of the accepted rows to read.
        start: First UTC day of a span; by default all windows after those that either version learned from.
        end: The day after its last one.

    Raises:
        DataError: The candidate is the champion, or the span is empty or ends in the future.
        NotFound: The registry has no such version.
    """
    from prefect_mlops.blocks.scores import ScoreTable

    if version == champion.version:
        raise DataError(f"Version {version} of {spec.name} is the champion itself", "Name a candidate in `beside`")
    lineage, table = fetch_package.fn(tracking, spec, version).lineage, ScoreTable(tables, spec.name)
    learned = max(learned_until(spec, lineage), learned_until(spec, champion.lineage))
    found = {
        name: window.rows
        for name, window in table.recorded("champion").windows.items()
        if window.version == champion.version and name > learned
    }
    first = start or date.min
    due = due_windows(found, table.recorded("shadow").windows, version, as_of, start=first, end=end)
    return ScoringPlan(version, "shadow", data_version, due)


@task
def try_beside(places: Places, spec: ModelSpec, version: int, as_of: datetime) -> Tried:
    """Have a candidate score what the champion has scored, before it takes over anything.

    Args:
        places: Where things are.
        spec: `scoring.candidates` says whether, and whether that alone decides.
        version: The candidate.
        as_of: Rows up to this are read.

    Returns:
        The release ends `RolledBack` where a test speaks against the candidate, and where the scores alone decide
        `Undecided` as long as they do not.
    """
    champion = read_champion.fn(places.tracking, spec)
    if champion is None or champion.version == version or spec.scoring.candidates == "unscored":
        return Tried()
    versions = pin_versions.fn(places.tables, spec)
    given = (places.tables, places.tracking, spec)
    plan = plan_beside.fn(*given, version, champion, as_of, versions.data_version)
    scores = score_windows.fn(*given, plan, as_of)
    found = compare_beside.fn(places.tables, spec, version, champion, versions)
    ended = ENDS.get(found.outcome, "")
    if ended == "Undecided" and spec.scoring.candidates == "first":
        ended = ""
    return Tried(ended, (scores,), found, spec.scoring.candidates == "only")


@task(retries=2, retry_delay_seconds=2)
def compare_beside(
    tables: DeltaTables,
    spec: ModelSpec,
    version: int,
    champion: Champion,
    versions: Versions,
    start: date | None = None,
    end: date | None = None,
) -> Beside:
    """Hold a candidate's scores against the champion's and against the labels known by now, window by window.

    Args:
        tables: Where the tables are.
        spec: Its scoring says how often the two may differ, its rollout which chances the tests may take.
        version: The candidate.
        champion: The version in service.
        versions: Which versions of the tables are read.
        start: First UTC day of a span; all windows that both have scored by default.
        end: The day after its last one.
    """
    from prefect_mlops.blocks.scores import ScoreTable
    from prefect_mlops.core.scoring.beside import judge_beside, pair_up

    table = ScoreTable(tables, spec.name)
    ours, theirs = table.recorded("champion").windows, table.recorded("shadow").windows
    both = [
        Window(name, ours[name].rows)
        for name in sorted(ours.keys() & theirs.keys())
        if (ours[name].version, theirs[name].version) == (champion.version, version)
        and (start is None or name >= start.isoformat())
        and (end is None or name < end.isoformat())
    ]
    measured = champion.profile.measured("rmse")
    late = _late_labels(tables, spec, versions)
    pairs: list[Pairs] = []
    for group in grouped(both, ROWS_AT_ONCE):
        names = [window.name for window in group]
        pairs += pair_up(
            spec,
            table.read("champion", ANSWERS, names),
            table.read("shadow", ANSWERS, names),
            late if late is not None else _labels_with_rows(tables, spec, versions, names),
            measured.value if measured else None,
        )
    plan = spec.rollout
    return judge_beside(spec, version, champion.version, pairs, plan.alpha_rollback, plan.alpha_go_on)


def _late_labels(tables: DeltaTables, spec: ModelSpec, versions: Versions) -> pd.DataFrame | None:
    """All labels that came after their rows, the newest of a key last; None where labels come with the rows."""
    if spec.data.labels == "with-rows":
        return None
    columns = [*spec.data.key, spec.target.column, LABELLED_AT]
    if versions.labels_version < 0:
        return _keyed(spec, None)
    labels = tables.read(f"{spec.name}-labels", version=versions.labels_version, columns=columns)
    return _keyed(spec, labels.sort_values(LABELLED_AT, kind="stable"))


def _labels_with_rows(tables: DeltaTables, spec: ModelSpec, versions: Versions, windows: Sequence[str]) -> pd.DataFrame:
    """The labels of some windows' rows, the oldest window first."""
    from datetime import timedelta

    from prefect_mlops.core.columns import arrow_column
    from prefect_mlops.core.scoring.records import window_names

    clock, kind = clock_of(spec)
    tick = timedelta(microseconds=1)
    rows = tables.read(
        f"{spec.name}-accepted",
        version=versions.data_version,
        columns=[*dict.fromkeys([*spec.data.key, spec.target.column, clock, ACCEPTED_AT])],
        time=clock,
        after=window_ends(windows[0])[0] - tick,
        before=window_ends(windows[-1])[1] - tick,
    ).sort_values(ACCEPTED_AT, kind="stable")
    return _keyed(spec, rows, window_names(arrow_column(rows[clock]), kind).to_pandas())


def _keyed(spec: ModelSpec, labels: pd.DataFrame | None, windows: pd.Series | None = None) -> pd.DataFrame:
    """The newest label by the text of its key, of each window where they are told; labels come oldest first."""
    import pandas as pd

    from prefect_mlops.core.splits import key_text

    if labels is None or labels.empty:
        return pd.DataFrame({"key": pd.Series(dtype=object), "target": pd.Series(dtype=object)})
    known = labels[spec.target.column].notna().to_numpy()
    there = labels[known]
    named = {} if windows is None else {"window": windows.to_numpy()[known]}
    found = pd.DataFrame(
        {**named, "key": key_text(there, spec.data.key), "target": there[spec.target.column].to_numpy()}
    )
    return found.drop_duplicates([*named, "key"], keep="last")
