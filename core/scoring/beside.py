"""A candidate's scores beside the champion's, of the same rows: how often they differ, and which of both is right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.rollout.plan import SHARES_OF_LIMIT
from prefect_mlops.core.rollout.sequential import LOST, WORSE, paired_loss

if TYPE_CHECKING:
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["Beside", "Pairs", "judge_beside", "labelled_needed", "pair_up"]

TESTS = 2
"""Disagreement and loss share the alpha for stopping a candidate."""
LOSS = 0.02
"""Two points of accuracy: the loss that the report says how many rows would show."""


class Pairs(NamedTuple):
    """Rows of one window that both versions answered.

    Attributes:
        rows: How many.
        disagreed: On how many of them they differ.
        labelled: How many have a label and tell which of the two is right.
        champion_right: Of the labelled rows on which just one is right, whether it is the champion; shape `(told,)`.
    """

    rows: int
    disagreed: int
    labelled: int
    champion_right: np.ndarray


class Beside(Frozen):
    """What a candidate's scores say beside the champion's.

    Attributes:
        version: The candidate.
        champion: The champion.
        rows: Rows that both answered.
        disagreed: Rows on which they differ.
        labelled: Rows with a label.
        champion_alone: Labelled rows that only the champion has right.
        candidate_alone: Labelled rows that only the candidate has right.
        log_differs: log E of the test that they differ more often than the limit allows.
        log_worse: log E of the test that the candidate is less often right.
        rows_needed: Labelled rows that show a loss of two points, at the discordance seen; None where both are always
            right together.
        outcome: `roll back` where a test says so, `go on` where they are shown to differ less often than the limit.
        reason: One sentence.
    """

    version: int
    champion: int
    rows: int
    disagreed: int
    labelled: int
    champion_alone: int
    candidate_alone: int
    log_differs: float
    log_worse: float
    rows_needed: int | None
    outcome: Literal["go on", "roll back", "hold"]
    reason: str


def pair_up(
    spec: ModelSpec, champion: pd.DataFrame, candidate: pd.DataFrame, labels: pd.DataFrame, typical: float | None
) -> list[Pairs]:
    """Join two versions' scores of some windows, and the labels that are known.

    Args:
        spec: Says what is predicted.
        champion: Its scores: `window`, `key`, `accepted_at`, `prediction` and `score`.
        candidate: Likewise.
        labels: `key` and `target`, where it is known, each key once; each once a `window` where labels have one.
        typical: Of a regression: the champion's usual error; two values that differ by more disagree. All that differ
            do when None.

    Returns:
        One entry a window, the oldest first.
    """
    named = [name for name in ("window", "key") if name in labels]
    both = champion.merge(candidate, on=["window", "key", "accepted_at"], suffixes=("", "_beside")).merge(
        labels, on=named, how="left"
    )
    known = both["target"].notna().to_numpy()
    if spec.target.problem == "regression":
        ours, theirs = (both[name].to_numpy(np.float64) for name in ("score", "score_beside"))
        differ = np.abs(ours - theirs) > (typical or 0.0)
        truth = pd.to_numeric(both["target"]).to_numpy(np.float64)
        off, off_beside = np.abs(ours - truth), np.abs(theirs - truth)
        right, right_beside = off < off_beside, off_beside < off
    else:
        said, beside = both["prediction"].to_numpy(object), both["prediction_beside"].to_numpy(object)
        truth = both["target"].map(str).to_numpy(object)
        differ, right, right_beside = said != beside, said == truth, beside == truth
    told = known & (right != right_beside)
    places = both.groupby("window", sort=True).indices.values()
    return [
        Pairs(len(mine), int(differ[mine].sum()), int(known[mine].sum()), right[mine[told[mine]]]) for mine in places
    ]


def judge_beside(
    spec: ModelSpec, version: int, champion: int, pairs: Sequence[Pairs], alpha_back: float, alpha_on: float
) -> Beside:
    """Judge a candidate by the windows that both scored.

    Args:
        spec: Its scoring says how often they may differ.
        version: The candidate.
        champion: The champion.
        pairs: One entry a window, the oldest first.
        alpha_back: Chance that a candidate is stopped which neither differs too often nor is worse.
        alpha_on: Chance that one is let through which differs more often than the limit.
    """
    limit = spec.scoring.disagreement_limit
    rows, disagreed = sum(pair.rows for pair in pairs), sum(pair.disagreed for pair in pairs)
    labelled = sum(pair.labelled for pair in pairs)
    champion_right = np.concatenate([np.empty(0, dtype=bool), *(pair.champion_right for pair in pairs)])
    path = paired_loss(~champion_right, champion_right)
    worse = float(path.max(initial=0.0))
    higher = np.array([*(limit * WORSE)[limit * WORSE < 1], (1 + limit) / 2])
    counts = [_counted(pairs[: last + 1]) for last in range(len(pairs))]
    differs = max((_log_e(hits, seen, limit, higher) for hits, seen in counts), default=0.0)
    keeps = max((_log_e(hits, seen, limit, limit * np.array(SHARES_OF_LIMIT)) for hits, seen in counts), default=0.0)
    needed = labelled_needed(len(champion_right) / labelled, LOSS, alpha_back / TESTS) if labelled else None
    bound = math.log(TESTS / alpha_back)
    told = f"Of {rows:,} rows {disagreed:,} ({disagreed / max(rows, 1):.2%}) are answered otherwise"
    alone = int(champion_right.sum())
    right = (
        f"of {labelled:,} labelled ones {alone:,} are right by the champion alone, {len(champion_right) - alone:,} by "
    )
    right += f"version {version} alone"
    outcome: Literal["go on", "roll back", "hold"] = "hold"
    if worse >= bound:
        outcome, reason = "roll back", f"Version {version} is less often right than {champion}: {right}."
    elif differs >= bound:
        outcome, reason = "roll back", f"{told}, more than the limit of {limit:.0%}."
    elif keeps >= -math.log(alpha_on):
        outcome, reason = "go on", f"{told}, below the limit of {limit:.0%}; {right}."
    else:
        reason = f"{told}; too few rows to hold that against the limit of {limit:.0%}."
    return Beside(
        version=version,
        champion=champion,
        rows=rows,
        disagreed=disagreed,
        labelled=labelled,
        champion_alone=alone,
        candidate_alone=len(champion_right) - alone,
        log_differs=differs,
        log_worse=worse,
        rows_needed=needed,
        outcome=outcome,
        reason=reason,
    )


def labelled_needed(discordance: float, loss: float, alpha: float) -> int | None:
    """How many labelled rows the paired test is expected to take to show a loss of accuracy.

    Of rows on which one alone is right the champion has `1/2 + loss / (2 discordance)`; the best of the test's bets
    then grows by a known amount a row, and must reach `bets / alpha`.

    Args:
        discordance: Share of labelled rows on which just one of the two is right.
        loss: The loss of accuracy to find, such as 0.02.
        alpha: Of the test.

    Returns:
        Rows; None where the versions never differ. A loss above the discordance is taken to be all of it.

    Examples:
        A discordance as large as the loss: the champion has each of these rows. The boldest bet doubles the wealth by
        0.9 each time, ln(1.8) = 0.588; ln(5 / 0.05) = 4.605 takes 7.83 such rows, 392 in all at 2%.

        >>> labelled_needed(0.02, 0.02, 0.05)
        392
    """
    if discordance <= 0:
        return None
    share = min(0.5 + loss / (2 * discordance), 1.0)
    growth = float((share * np.log(2 * LOST) + (1 - share) * np.log(2 * (1 - LOST))).max())
    if growth <= 0:
        return None
    return math.ceil(math.log(len(LOST) / alpha) / growth / discordance)


def _counted(pairs: Sequence[Pairs]) -> tuple[int, int]:
    return sum(pair.disagreed for pair in pairs), sum(pair.rows for pair in pairs)


def _log_e(hits: int, rows: int, null: float, bets: np.ndarray) -> float:
    """`core.rollout.sequential`'s E after so many rows: it depends on their counts alone, whatever their order."""
    with np.errstate(divide="ignore", invalid="ignore"):
        won = np.where(hits > 0, hits * np.log(bets / null), 0.0)
    lost = (rows - hits) * np.log((1 - bets) / (1 - null))
    return float(logsumexp(won + lost) - math.log(len(bets)))
