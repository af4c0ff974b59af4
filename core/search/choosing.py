"""Which of several configurations is taken: the best, or the simplest that is as good within its standard error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["choose", "ranks"]


def choose(values: np.ndarray, errors: np.ndarray, complexity: np.ndarray | None = None) -> np.ndarray:
    """The configuration taken in each of many draws.

    Args:
        values: How good each is, the higher the better, shape `(draws, configurations)`.
        errors: Standard error of each, shape `(configurations,)`.
        complexity: Rank of each from the simplest, shape `(configurations,)`; None takes the best, whatever it is.

    Returns:
        Shape `(draws,)`, positions. Of equals the first is taken, of equally simple ones the best.

    References:
        Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees, section 3.4.3, the 1 SE rule.

    Examples:
        The second is best; the first is simpler, and within 0.02 of it in the first draw only.

        >>> values = np.array([[0.79, 0.80], [0.75, 0.80]])
        >>> choose(values, np.array([0.03, 0.02]), np.array([0, 1])).tolist()
        [0, 1]
    """
    best: np.ndarray = values.argmax(axis=1)
    if complexity is None:
        return best
    enough = np.take_along_axis(values, best[:, None], axis=1)[:, 0] - errors[best]
    fits = values >= enough[:, None]
    lowest = np.where(fits, complexity, np.inf).min(axis=1)
    simple = fits & (complexity == lowest[:, None])
    return np.asarray(np.where(simple, values, -np.inf).argmax(axis=1))


def ranks(complexities: Sequence[tuple[float, ...]]) -> np.ndarray:
    """Ranks from the simplest on; equals share one.

    Examples:
        >>> ranks([(3.0, 1.0), (2.0, 9.0), (3.0, 1.0)]).tolist()
        [1, 0, 1]
    """
    order = {complexity: rank for rank, complexity in enumerate(sorted(set(complexities)))}
    return np.array([order[complexity] for complexity in complexities])
