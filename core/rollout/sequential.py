"""Tests that may be looked at after every event: each is a bet whose stake tells, at any time, against its null.

All are one formula. Where an event is a hit with a probability of at most `p0` under the null, whatever came before,
the product of `p1 / p0` for hits and `(1 - p1) / (1 - p0)` for misses is a wealth that no strategy can expect to grow;
so is its mean over several `p1`. That it ever reaches `1 / alpha` has a probability of at most alpha (Ville 1939).
Each function returns the logarithm of that mean after every event, E for short: reject where it reaches
`log(1 / alpha)`. The bets are fixed before any event is seen, so nothing is tuned to the data.

References:
    Lindon and Malek (2022), Anytime-valid inference for multinomial count data, NeurIPS 35.
    Waudby-Smith and Ramdas (2024), J. R. Stat. Soc. B 86(1), 1-27.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from prefect_mlops.core.rollout.plan import SHARES_OF_LIMIT

__all__ = ["above_limit", "below_double", "below_limit", "bets_above", "paired_loss", "worse"]

Hits = npt.NDArray[np.bool_]
Path = npt.NDArray[np.float64]
WORSE = np.array([1.25, 1.5, 2.0, 3.0, 5.0, 10.0])
"""How many times as often as the champion a worse canary errs; none below 1, or a better one would be rolled back."""
FINE = np.array([0.5, 0.75, 1.0, 1.25])
LOST = np.array([0.58, 0.64, 0.7, 0.8, 0.9])
"""Of the rows on which just one of two models is right, the share that a worse candidate gets wrong."""


def worse(on_canary: Hits, share: npt.NDArray[np.float64]) -> Path:
    """Bet that events fall on the canary more often than its share of the traffic.

    An event of a canary that errs `rho` times as often as the champion lands on it with a probability of
    `w rho / (w rho + 1 - w)`; under the null, `rho` at most 1, that is at most `w`. It must hold given all earlier
    events: count the first event of each user, or of each chain of retries.

    Args:
        on_canary: For each event, in the order of their ends, whether it fell on the canary; shape `(events,)`.
        share: The canary's share of the traffic when the request was assigned, between 0 and 1, shape `(events,)`.

    Returns:
        log E after each event, shape `(events,)`; empty where there is none.

    Examples:
        At half the traffic an event on a canary twice as bad has a probability of 2/3: each one weighs 4/3. With all
        six bets three such events weigh (1.111**3 + 1.2**3 + 1.333**3 + 1.5**3 + 1.667**3 + 1.818**3) / 6 = 3.25.

        >>> path = worse(np.array([True, True, True]), np.array([0.5, 0.5, 0.5]))
        >>> float(np.exp(path[-1]).round(2))
        3.25
    """
    w = _column(share)
    return _log_mean(on_canary, w[:, 0], w * WORSE / (w * WORSE + 1 - w))


def below_double(on_canary: Hits, share: npt.NDArray[np.float64]) -> Path:
    """Bet that the canary errs less than twice as often as the champion; the mirror of `worse`.

    Args:
        on_canary: As in `worse`.
        share: As in `worse`.

    Returns:
        log E against "at least twice as often", after each event.

    Examples:
        One event on the champion at half the traffic: its null probability is 1/3, and under the bets it is 2/3, 4/7,
        1/2 and 4/9, so it weighs (2 + 12/7 + 3/2 + 4/3) / 4 = 1.637.

        >>> float(np.exp(below_double(np.array([False]), np.array([0.5]))[-1]).round(3))
        1.637
    """
    w = _column(share)
    return _log_mean(on_canary, 2 * w[:, 0] / (1 + w[:, 0]), w * FINE / (w * FINE + 1 - w))


def below_limit(hits: Hits, limit: float) -> Path:
    """Bet that a rate keeps below a limit, on requests of one version alone.

    Args:
        hits: For each request, whether it went wrong; shape `(requests,)`.
        limit: Between 0 and 1.

    Returns:
        log E against "at the limit or above", after each request.

    Examples:
        Two faultless requests at a limit of 50%: (2**2 + 1.8**2 + 1.6**2 + 1.4**2 + 1.2**2) / 5 = 2.64.

        >>> float(np.exp(below_limit(np.array([False, False]), 0.5)[-1]).round(2))
        2.64
    """
    return _log_mean(hits, np.full(len(hits), limit), limit * np.array(SHARES_OF_LIMIT))


def above_limit(hits: Hits, limit: float) -> Path:
    """Bet that a rate is above a limit, such as the share of rows on which a shadow says something else.

    Args:
        hits: For each row, whether it went wrong; shape `(rows,)`.
        limit: Between 0 and 1; bets of 1 or more are left out, and one half-way to 1 is always there.

    Returns:
        log E against "at the limit or below", after each row.

    Examples:
        One hit at a limit of 50% is bet on with 62.5 and 75% twice: (1.25 + 1.5 + 1.5) / 3 = 1.42.

        >>> float(np.exp(above_limit(np.array([True]), 0.5)[-1]).round(2))
        1.42
    """
    return _log_mean(hits, np.full(len(hits), limit), bets_above(limit))


def bets_above(limit: float) -> npt.NDArray[np.float64]:
    """The rates above a limit on which is bet, shape `(bets,)`: some multiples of it, and half-way to 1.

    Examples:
        >>> bets_above(0.5).tolist()
        [0.625, 0.75, 0.75]
    """
    return np.array([*(limit * WORSE)[limit * WORSE < 1], (1 + limit) / 2])


def paired_loss(candidate_right: Hits, champion_right: Hits) -> Path:
    """Bet that a candidate is right less often than the champion, on labelled rows which both predicted.

    Rows on which both are right or both wrong tell nothing; of the others at least half go to the candidate under the
    null.

    Args:
        candidate_right: For each row, in the order of its label's arrival, shape `(rows,)`.
        champion_right: Likewise.

    Returns:
        log E against "as often right", after each row.

    Examples:
        One row that the champion alone has right: 2 * (0.58 + 0.64 + 0.7 + 0.8 + 0.9) / 5 = 1.448.

        >>> path = paired_loss(np.array([True, False]), np.array([True, True]))
        >>> [float(value) for value in np.exp(path).round(3)]
        [1.0, 1.448]
    """
    told = candidate_right != champion_right
    even = np.full(len(told), 0.5)
    bets = np.where(told[:, None], LOST, 0.5)
    return _log_mean(champion_right & told, even, bets)


def _log_mean(hits: Hits, null: npt.NDArray[np.float64], bets: npt.NDArray[np.float64]) -> Path:
    with np.errstate(divide="ignore"):  # a bet on a rate of nothing is lost with the first hit
        won = np.log(bets) - np.log(_column(null))
    lost = np.log1p(-bets) - np.log1p(-_column(null))
    wealth = np.where(_column(hits), won, lost).cumsum(axis=0)
    path: Path = logsumexp(wealth, axis=1) - np.log(bets.shape[-1])
    return path


def _column(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(values)[:, None]
