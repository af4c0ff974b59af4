"""How large a loss is on some rows, with what each row adds to its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from prefect_mlops.core.metrics.answered import Answered
from prefect_mlops.core.metrics.measuring import MINIMUM_ROWS
from prefect_mlops.core.metrics.sampling import Drawn, drawn
from prefect_mlops.core.scans.maxt import Loss
from prefect_mlops.core.trainers.fitted import Predictions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefect_mlops.core.evidence import Subject
    from prefect_mlops.core.gates.scored import Scored
    from prefect_mlops.core.metrics import Metric

__all__ = ["Judging", "drawn_on", "judging", "loss_between", "loss_from"]

HANDS = 1_000
"""Into so many hands rows are dealt, for their joint distribution; blocks stay whole."""


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

    def answered(self, predictions: Predictions) -> Answered:
        """The rows with what somebody said of them, as metrics look at them."""
        return Answered(self.y, predictions, self.weight, self.blocks)

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


def drawn_on(metric: Metric, answered: Answered) -> Drawn | str:
    """A metric with what each row adds to it; or the reason why it has no value on these rows.

    Raises:
        PartError: A metric of somebody else's failed, or gave no number.
    """
    if len(answered) < MINIMUM_ROWS:
        return f"{len(answered):,} rows, fewer than {MINIMUM_ROWS}"
    counted = metric.rests(answered)
    if counted < MINIMUM_ROWS:
        return f"{metric.name} rests on {counted:,} rows of the class that counts, fewer than {MINIMUM_ROWS}"
    with np.errstate(divide="ignore", invalid="ignore"):
        found = drawn(metric, answered)
    if np.isfinite(found.value) and np.isfinite(found.influence).all():
        return found
    if answered.probabilities is not None and np.isnan(answered.probabilities).any():
        return f"{metric.name} has no value where scores are missing"
    return f"{metric.name} has no value, or none whose error is known, on these rows"


def loss_between(metric: Metric, rows: Judging, one: Drawn, other: Drawn | None) -> Loss | str:
    """How much worse some predictions are than others on the same rows; or the reason why that cannot be told.

    Args:
        metric: In which the loss is counted.
        rows: The rows.
        one: What is judged.
        other: What it is held against; None for the metric's own value, whose loss is its negative where higher is
            better.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    value = one.value - (0.0 if other is None else other.value)
    influence = one.influence if other is None else one.influence - other.influence
    rested = min(metric.rests(found.answered) for found in ((one,) if other is None else (one, other)))
    loss = loss_from(-sign * value, -sign * influence, rows, one.units, rested)
    return loss if isinstance(loss, str) else loss._replace(own=one.value)


def loss_from(
    value: float, influence: np.ndarray, rows: Judging, units: np.ndarray | None, rested: int | None = None
) -> Loss | str:
    """A loss with its error, from what each row adds to it.

    Args:
        value: The loss.
        influence: Shape `(rows,)`, summing to zero; the loss strays by its mean.
        rows: The rows, for their hands.
        units: What varies as a whole, a number a row; None where each row does.
        rested: How many rows the loss rests on, where these are fewer. Fifty positive rows among five hundred tell of
            recall what fifty rows can tell: with the degrees of freedom of all of them its tail at 1 in 4,000 is too
            thin by half, and that of average precision by four fifths.

    Returns:
        The loss, whose error comes from sums over units with the factor `B / (B - 1)`; or the reason why there is
        none.
    """
    sums = influence
    if units is not None:
        codes = np.unique(units, return_inverse=True)[1]
        sums = np.bincount(codes, weights=influence)
    count = len(sums)
    if count < 2:
        return "all rows lie in one block of rows that depend on each other, which tells nothing of chance"
    apart = sums - sums.mean()
    squares = float(apart @ apart)
    error = float(np.sqrt(squares * count / (count - 1))) / len(influence)
    # What rounding leaves of two models that say the same is no error.
    if error <= 1e-13 * (1.0 + abs(value)):
        return Loss(value, 0.0, count - 1, 0.0, len(influence), np.zeros(HANDS))
    skewness = float(np.sum(apart**3)) / squares**1.5
    hands = np.bincount(rows.hands, weights=influence, minlength=HANDS)
    freedom = count - 1
    if rested is not None and 2 <= rested <= freedom:
        error, freedom = error * (rested / (rested - 1)) ** 0.5, rested - 1
    return Loss(value, error, freedom, skewness, len(influence), hands)


def _at(predictions: Predictions, rows: np.ndarray) -> Predictions:
    told, between = predictions.probabilities, predictions.quantiles
    return Predictions(
        predictions.labels[rows], None if told is None else told[rows], None if between is None else between[rows]
    )
