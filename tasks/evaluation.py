"""Measure a candidate beside the champion, the anchor and simple models, all on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.evidence import Evidence
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.gates.scored import Timings
    from prefect_mlops.core.reign import Reign
    from prefect_mlops.core.splits import RowSets
    from prefect_mlops.core.trainers import FittedModel
    from prefect_mlops.tasks.champions import Anchor

__all__ = ["evaluate_candidate", "time_candidate"]

SINGLE_ROWS = 200
BATCH_ROWS = 10_000
WARM_UP = 5


@task
def evaluate_candidate(
    spec: ModelSpec,
    candidate: FittedModel,
    sets: RowSets,
    champion: FittedModel | None = None,
    champion_version: int | None = None,
    anchor: Anchor | None = None,
    reign: Reign | None = None,
    timings: Timings | None = None,
    candidate_name: str = "candidate",
) -> Evidence:
    """Measure what the gates will judge.

    Args:
        spec: The model's spec.
        candidate: The model that asks to be trusted.
        sets: Its rows; nobody learned from those that judge.
        champion: The model trusted now, reloaded from the registry; None where there is none.
        champion_version: Its registry version.
        anchor: The version that stands still while champions come and go; None where there is none yet.
        reign: What has happened since the champion took over.
        timings: What the fitted pipeline costs, where a gate asks for it.
        candidate_name: What the candidate is called before it has a version.

    Raises:
        DataError: The rows cannot be judged on.
        PartError: A gate names a metric that the problem does not have.
    """
    from prefect_mlops.core.evaluation import evaluate

    apart = anchor is not None and anchor.version != champion_version
    return evaluate(
        spec,
        candidate=candidate,
        rows=sets.judging,
        training=sets.training,
        candidate_name=candidate_name,
        judged_on=sets.judged_on,
        champion=champion,
        champion_version=champion_version,
        anchor=anchor.model if anchor and apart else None,
        anchor_version=anchor.version if anchor else None,
        reign=reign,
        timings=timings,
    )


@task
def time_candidate(spec: ModelSpec, candidate: FittedModel, rows: pd.DataFrame) -> Timings | None:
    """Measure what one row and many cost the fitted pipeline in this process, and how large it is on disk.

    Args:
        spec: The model's spec; nothing is measured unless one of its gates asks.
        candidate: The model.
        rows: Rows to predict, at least one; 200 of them one by one, at most 10,000 in one call.
    """
    if not any(getattr(gate, "wants_timings", False) for gate in spec.resolved_gates()):
        return None
    import time

    import numpy as np

    from prefect_mlops.core.gates.scored import Timings
    from prefect_mlops.core.trainers.stored import stored

    for start in range(WARM_UP):
        candidate.predict(rows.iloc[start % len(rows) :][:1])
    single = []
    for place in range(SINGLE_ROWS):
        one = rows.iloc[place % len(rows) :][:1]
        began = time.perf_counter()
        candidate.predict(one)
        single.append(1000.0 * (time.perf_counter() - began))
    many = rows.head(BATCH_ROWS)
    began = time.perf_counter()
    candidate.predict(many)
    took = time.perf_counter() - began
    return Timings(np.asarray(single), len(many) / took, len(stored(candidate).content) / 1e6)
