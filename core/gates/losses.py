"""How large a loss is on some rows, with what each row adds to its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from prefect_mlops.core.gates.maxt import Loss
from prefect_mlops.core.trainers.fitted import Predictions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefect_mlops.core.evidence import Subject
    from prefect_mlops.core.gates.scored import Scored
    from prefect_mlops.core.metrics import Metric

__all__ = ["MINIMUM_OF_A_CLASS", "Judging", "judging", "loss_from", "loss_of"]

HANDS = 1_000
"""Into so many hands rows are dealt, for their joint distribution; blocks stay whole."""
MINIMUM_OF_A_CLASS = 20


class Judging(NamedTuple):
    """Rows that count, with what was said of them.

    Attributes:
        y: Encoded truth, shape `(rows,)`.
        said: Encoded predictions by subject.
        weight: What each row counts, none of them zero; None where all count the same.
        blocks: A number a row, equal for rows that depend on each other; None where none do.
        hands: The hand that each row was dealt to.
        kept: The positions of these rows among all.
    """

    y: np.ndarray
    said: Mapping[Subject, Predictions]
    weight: np.ndarray | None
    blocks: np.ndarray | None
    hands: np.ndarray
    kept: np.ndarray

    def at(self, rows: np.ndarray) -> Judging:
        """Some of the rows, by position."""
        return Judging(
            self.y[rows],
            {subject: _at(predictions, rows) for subject, predictions in self.said.items()},
            None if self.weight is None else self.weight[rows],
            None if self.blocks is None else self.blocks[rows],
            self.hands[rows],
            self.kept[rows],
        )


def judging(scored: Scored, most: int | None = None) -> Judging | str:
    """The rows with a weight above zero, dealt into hands; or the reason why they cannot be judged.

    Args:
        scored: The judging rows.
        most: So many of them at most, drawn by the seed; all where None.
    """
    weight = scored.weight
    if weight is not None:
        wrong = int(np.count_nonzero(~(np.isfinite(weight) & (weight >= 0))))
        if wrong:
            return f"{wrong:,} of {len(weight):,} rows have a weight that is missing, negative or infinite"
    kept = np.arange(len(scored.y)) if weight is None else np.flatnonzero(weight > 0)
    chance = np.random.default_rng(scored.seed)
    if most is not None and len(kept) > most:
        kept = np.sort(chance.choice(kept, most, replace=False))
    blocks = None if scored.blocks is None else np.unique(scored.blocks[kept], return_inverse=True)[1]
    units = len(kept) if blocks is None else int(blocks.max(initial=-1)) + 1
    hands = chance.permutation(units) % HANDS
    whole = weight is None and len(kept) == len(scored.y)
    return Judging(
        scored.y if whole else scored.y[kept],
        {subject: predictions if whole else _at(predictions, kept) for subject, predictions in scored.said.items()},
        None if weight is None else weight[kept],
        blocks,
        hands if blocks is None else hands[blocks],
        kept,
    )


def loss_of(metric: Metric, rows: Judging, said: Predictions, other: Predictions | None) -> Loss | str:
    """How much worse some predictions are than others on the same rows; or the reason why that cannot be told.

    Args:
        metric: In which the loss is counted.
        rows: The rows.
        said: What is judged.
        other: What it is held against; None for the metric's own value, whose loss is its negative where higher is
            better.
    """
    weight = () if rows.weight is None else (rows.weight,)
    sign = 1.0 if metric.higher_is_better else -1.0
    for predictions in (said,) if other is None else (said, other):
        enough = _enough(metric, rows, predictions)
        if enough:
            return enough
    with np.errstate(divide="ignore", invalid="ignore"):
        own, influence = metric.value(rows.y, said, *weight), metric.influence(rows.y, said, *weight)
        value = own
        if other is not None:
            value = own - metric.value(rows.y, other, *weight)
            influence = influence - metric.influence(rows.y, other, *weight)
    if not np.isfinite(value) or not np.isfinite(influence).all():
        return f"{metric.name} has no value on these rows: scores are missing, or nobody says one of the classes"
    loss = loss_from(-sign * value, -sign * influence, rows)
    return loss if isinstance(loss, str) else loss._replace(own=own)


def loss_from(value: float, influence: np.ndarray, rows: Judging) -> Loss | str:
    """A loss with its error, from what each row adds to it.

    Args:
        value: The loss.
        influence: Shape `(rows,)`, summing to zero; the loss strays by its mean.
        rows: The rows, for their blocks and hands.

    Returns:
        The loss, whose error comes from sums over blocks with the factor `B / (B - 1)`; or the reason why there is
        none.
    """
    hands = np.bincount(rows.hands, weights=influence, minlength=HANDS)
    sums = influence
    if rows.blocks is not None:
        held = np.bincount(rows.blocks)
        sums = np.bincount(rows.blocks, weights=influence)[held > 0]
    units = len(sums)
    if units < 2:
        return "all rows lie in one block of rows that depend on each other, which tells nothing of chance"
    apart = sums - sums.mean()
    squares = float(np.dot(apart, apart))
    error = np.sqrt(squares * units / (units - 1)) / len(influence)
    # What rounding leaves of two models that say the same is no error.
    if error <= 1e-13 * (1.0 + abs(value)):
        return Loss(value, 0.0, units - 1, 0.0, len(influence), np.zeros(HANDS))
    skewness = float(np.sum(apart**3)) / squares**1.5
    return Loss(value, float(error), units - 1, skewness, len(influence), hands)


def _enough(metric: Metric, rows: Judging, predictions: Predictions) -> str:
    """Why there are too few rows; empty where there are enough."""
    if len(rows.y) < MINIMUM_OF_A_CLASS:
        return f"{len(rows.y):,} rows, fewer than {MINIMUM_OF_A_CLASS}"
    counted = metric.rests_on(rows.y, predictions)
    if counted >= MINIMUM_OF_A_CLASS:
        return ""
    return f"{metric.name} rests on {counted:,} rows of the class that counts, fewer than {MINIMUM_OF_A_CLASS}"


def _at(predictions: Predictions, rows: np.ndarray) -> Predictions:
    told, between = predictions.probabilities, predictions.quantiles
    return Predictions(
        predictions.labels[rows], None if told is None else told[rows], None if between is None else between[rows]
    )
