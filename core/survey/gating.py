"""The gates of a drafted spec, from a first candidate judged on rows that it did not learn from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.errors import DataError, TrainingError
from prefect_mlops.core.evaluation import evaluate
from prefect_mlops.core.gates.decision import decide
from prefect_mlops.core.gates.suggesting import Suggestion, suggest_gates
from prefect_mlops.core.splits import ByTime

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["choose_gates"]

ROWS = 10_000
"""Rows that a first candidate learns from; more of them change its metrics by less than its successors will."""
JUDGED = 100_000


def choose_gates(spec: ModelSpec, rows: pd.DataFrame) -> tuple[tuple[Suggestion, ...], tuple[str, ...]]:
    """Fit the spec's trainer once, and propose gates above the noise of the rows that judged it.

    Where the spec splits by time the newest days judge, as they will judge every later candidate.

    Args:
        spec: A drafted spec; its gates give way.
        rows: Labelled rows, with key and time.

    Returns:
        The gates, and a sentence for each alarm that was left out because this very candidate raises it. No gates where
        the rows cannot be split, learned from or judged on.
    """
    try:
        training, judging, judged_on = _sets(spec, rows)
        candidate = spec.resolved_trainer().fit(spec, training)
        first = evaluate(
            spec, candidate=candidate, rows=judging, training=training, candidate_name="first", judged_on=judged_on
        )
        found = suggest_gates(spec, first, judging)
        asked = spec.model_copy(update={"gates": tuple(one.gate for one in found)})
        again = evaluate(
            asked, candidate=candidate, rows=judging, training=training, candidate_name="first", judged_on=judged_on
        )
    except (DataError, TrainingError):
        return (), ()
    verdicts = decide(asked.resolved_gates(), again, spec.alarm_level).verdicts
    raised = {
        place: verdict
        for place, verdict in enumerate(verdicts)
        if verdict.family == "alarm" and verdict.outcome == "fail"
    }
    kept = tuple(one for place, one in enumerate(found) if place not in raised)
    return kept, tuple(f"Left out, for a first candidate fails it: {one.gate}. {one.reason}" for one in raised.values())


def _sets(spec: ModelSpec, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    moment, after = datetime.now(UTC), None
    if isinstance(spec.split, ByTime) and spec.data.time is not None:
        moment = rows[spec.data.time].max().to_pydatetime()
        after = moment - timedelta(days=spec.split.judge_days + spec.split.embargo_days)
    sets = spec.split.split(rows, key=spec.data.key, time=spec.data.time, as_of=moment, after=after)
    return _drawn(sets.training, ROWS, spec.seed), _drawn(sets.judging, JUDGED, spec.seed), sets.judged_on


def _drawn(rows: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    if len(rows) <= most:
        return rows
    chosen = np.random.default_rng(seed).choice(len(rows), most, replace=False)
    return rows.iloc[np.sort(chosen)]
