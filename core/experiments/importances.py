"""How much a model leans on each feature: what it loses once the feature's values are dealt out anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.experiments.intervals import LEVEL, from_influence
from prefect_mlops.core.experiments.records import Importance
from prefect_mlops.core.metrics.measuring import rests_on_enough
from prefect_mlops.core.search.results import Estimate
from prefect_mlops.core.studies.beside import Judged, said_by

if TYPE_CHECKING:
    from prefect_mlops.core.metrics import Metric
    from prefect_mlops.core.trainers.fitted import FittedModel, Predictions

__all__ = ["permutation_importances"]

MOST_ROWS, FEWEST_ROWS = 20_000, 1_000
MOST_PREDICTIONS = 500_000
"""Predictions of all features together; with many features fewer rows are looked at."""
NOTHING = Estimate(value=float("nan"), low=float("nan"), high=float("nan"))


def permutation_importances(
    model: FittedModel, judged: Judged, metric: Metric, *, repeats: int = 5, seed: int = 0
) -> tuple[Importance, ...]:
    """Deal the values of each feature out anew among the judging rows, and measure how much worse the model is.

    A row counts twice: for what it loses with another row's value, and for what its own value does to another row.
    Both are summed in its influence, and within its day where rows have a time, so that the interval holds for other
    rows of this kind. It is a little too wide, by the chance that so few repeats leave, and holds for all features
    together (Bonferroni). Of two features that say the same, each can look dispensable: an ablation of both tells.

    Args:
        model: The fitted model.
        judged: Rows that it never saw; at most 20,000 of them are used, drawn by the seed, fewer with many features.
        metric: What to measure.
        repeats: How often each feature is dealt out; at least 2.
        seed: Of the dealing.

    Returns:
        One entry a feature, what the model needs most first; without values where the rows are too few for the metric.

    Raises:
        DataError: There are fewer than two repeats, or a feature cannot be used.

    References:
        Breiman (2001), Machine Learning 45(1), 5-32; Fisher, Rudin and Dominici (2019), Journal of Machine Learning
        Research 20(177), 1-81, who show it to be a U-statistic, from which the two parts of a row's influence follow.
    """
    if repeats < 2:
        raise DataError(f"Features cannot be dealt out {repeats} time(s)", "Ask for 2 repeats or more; 5 are usual")
    chance = np.random.default_rng(seed)
    few = _drawn(judged, min(MOST_ROWS, MOST_PREDICTIONS // (repeats * max(len(model.features), 1))), chance)
    intact = said_by(model, few)
    enough = rests_on_enough(metric, few.target, intact, few.weight)
    deals = [chance.permutation(len(few.target)) for _ in range(repeats)]
    level = 1 - (1 - LEVEL) / max(len(model.features), 1)
    found = []
    for feature in model.features:
        dealt = [said_by(model, _dealt(few, feature, deal)) for deal in deals] if enough else []
        loss = _loss(metric, few, intact, dealt, deals, level) if enough else NOTHING
        found.append(Importance(feature=feature, loss=loss, rows=len(few.target)))
    return tuple(sorted(found, key=lambda one: -one.loss.value if enough else 0.0))


def _drawn(judged: Judged, most: int, chance: np.random.Generator) -> Judged:
    most = max(most, FEWEST_ROWS)
    if len(judged.target) <= most:
        return judged
    kept = np.sort(chance.choice(len(judged.target), most, replace=False))
    blocks = None if judged.blocks is None else judged.blocks[kept]
    weight = None if judged.weight is None else judged.weight[kept]
    return Judged(judged.rows.iloc[kept], judged.order, judged.target[kept], blocks, weight)


def _dealt(judged: Judged, feature: str, deal: np.ndarray) -> Judged:
    values = judged.rows[feature].take(deal).set_axis(judged.rows.index)
    return judged._replace(rows=judged.rows.assign(**{feature: values}))


def _loss(
    metric: Metric,
    judged: Judged,
    intact: Predictions,
    dealt: list[Predictions],
    deals: list[np.ndarray],
    level: float,
) -> Estimate:
    sign = -1.0 if metric.higher_is_better else 1.0
    y, weight = judged.target, judged.weight
    own, given, values = np.zeros(len(y)), np.zeros(len(y)), []
    for said, deal in zip(dealt, deals, strict=True):
        values.append(metric.value(y, said, weight))
        each = metric.influence(y, said, weight) / len(deals)
        own += each
        given[deal] += each
    value = sign * float(np.mean(values) - metric.value(y, intact, weight))
    influence = sign * (own + given - metric.influence(y, intact, weight))
    return from_influence(value, influence, judged.blocks, level=level)
