"""Rows that arrived since the champion was chosen: bet on for its successor, and its own honest score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.acceptance import ACCEPTED_AT
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.metrics.measuring import days_of, rests_on_enough
from prefect_mlops.core.trainers.fitted import Predictions

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.evidence import Measurement, Wager
    from prefect_mlops.core.gates.decision import Gate
    from prefect_mlops.core.gates.scored import Scored
    from prefect_mlops.core.metrics import Metric
    from prefect_mlops.core.reign import Reign

__all__ = ["reported", "wagers_on"]


def wagers_on(scored: Scored, gates: Iterable[Gate], reign: Reign) -> tuple[Wager, ...]:
    """Bet on every metric that a gate compares on fresh rows, with the rows that have not been counted before.

    Rows count once: those newer than all that chose the champion or were bet on. A label that comes so late that
    newer rows were counted already is not counted. Rows that do not say when they happened go by when they arrived,
    where a gate asks for fresh rows by name.

    Args:
        scored: The judging rows, all newer than both models' training.
        gates: The spec's gates.
        reign: Where betting stands.
    """
    if "champion" not in scored.said:
        return ()
    from prefect_mlops.core.betting.bets import begin, bet

    earlier = {wager.metric: wager for wager in reign.wagers}
    found: dict[str, Wager] = {}
    for gate in gates:
        clock = _clock(scored, gate)
        if clock is None:
            continue
        name = gate.metrics[0]
        wager = earlier.get(name) or begin(name, reign.version)
        times = scored.rows[clock]
        fresh = _after(times, reign.unseen_after(name, arrived=clock == ACCEPTED_AT))
        if fresh.any():
            wager = bet(
                wager,
                metric_named(name, scored.spec.target.problem, scored.spec.purpose.costs),
                scored.y,
                scored.said["candidate"],
                scored.said["champion"],
                days_of(times),
                times[fresh].max().isoformat(),
                fresh=fresh,
                weight=scored.weight,
                seed=scored.seed,
                costs=scored.spec.purpose.costs,
                scale_of=_spread(scored),
                margin=float(getattr(gate, "margin", 0.0)),
            )
        found[name] = wager
    return tuple(found.values())


def reported(scored: Scored, metrics: Sequence[Metric], reign: Reign) -> tuple[Measurement, ...]:
    """The champion's metrics on the judging rows that had no part in choosing it; none where there are no such rows.

    Args:
        scored: The judging rows.
        metrics: What to measure.
        reign: Says which rows chose the champion.
    """
    from prefect_mlops.core.evaluation import measurement_of

    time = scored.spec.data.time
    if time is not None and reign.chosen_until:
        fresh = _after(scored.rows[time], reign.chosen_until)
    elif ACCEPTED_AT in scored.rows.columns and reign.since:
        fresh = _after(scored.rows[ACCEPTED_AT], reign.since)
    else:
        return ()
    if "champion" not in scored.said or not fresh.any():
        return ()
    y, champion = scored.y[fresh], _of(scored.said["champion"], fresh)
    blocks = None if scored.blocks is None else scored.blocks[fresh]
    weight = None if scored.weight is None else scored.weight[fresh]
    return tuple(
        measurement_of(metric, y, champion, blocks, "champion", weight)
        for metric in metrics
        if rests_on_enough(metric, y, champion)
    )


def _clock(scored: Scored, gate: Gate) -> str | None:
    """The column that tells which rows are newer for a gate; None where it does not bet, or nothing tells."""
    if not getattr(gate, "bets", False):
        return None
    if scored.spec.data.time is not None:
        return scored.spec.data.time
    by_arrival = getattr(gate, "rows", None) == "fresh" and ACCEPTED_AT in scored.rows.columns
    return ACCEPTED_AT if by_arrival else None


def _after(times: pd.Series, moment: str) -> np.ndarray:
    if not moment:
        return np.ones(len(times), dtype=bool)
    return np.asarray(times > datetime.fromisoformat(moment), dtype=bool)


def _of(predictions: Predictions, fresh: np.ndarray) -> Predictions:
    told, quantiles = predictions.probabilities, predictions.quantiles
    return Predictions(
        predictions.labels[fresh],
        None if told is None else told[fresh],
        None if quantiles is None else quantiles[fresh],
    )


def _spread(scored: Scored) -> float | None:
    """The distance between a regression's 1st and 99th percentile in training: known before any row is judged."""
    if scored.order or scored.training is None:
        return None
    low, high = np.nanpercentile(scored.training[scored.spec.target.column].to_numpy(dtype=np.float64), [1, 99])
    return float(high - low) or None
