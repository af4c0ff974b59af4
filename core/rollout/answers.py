"""What the log of predictions tells of two versions side by side: who answered otherwise, and who was right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.rollout.judging import Requests

__all__ = ["LINE", "Pairs", "Sides", "pair_answers", "wrong_answers"]

LINE = ("request_id", "row", "version", "arm", "key", "prediction", "predicted_at")
"""The columns of the log that are read here."""
ROW = ["request_id", "row"]


class Sides(NamedTuple):
    """Which two versions are compared, and how their answers are.

    Attributes:
        champion: The version that callers are answered by.
        candidate: The version that is tried.
        regression: Whether answers are numbers; else they are classes, which are equal or not.
        tolerance: How far two numbers may lie apart and still be equal.
    """

    champion: int
    candidate: int
    regression: bool = False
    tolerance: float = 0.0


class Pairs(NamedTuple):
    """Answers of two versions to the same requests.

    Attributes:
        disagrees: For each request, whether its first row was answered otherwise, or by the champion alone because
            the shadow failed it; in the order of the shadow's answers, shape `(requests,)`.
        candidate_right: For each row with a label, whether the shadow was right; in the order of the labels' arrival,
            each key once, shape `(labelled,)`.
        champion_right: Likewise.
    """

    disagrees: npt.NDArray[np.bool_]
    candidate_right: npt.NDArray[np.bool_]
    champion_right: npt.NDArray[np.bool_]


def pair_answers(lines: pd.DataFrame, truths: pd.DataFrame, sides: Sides) -> Pairs:
    """Pair a shadow's answers with the champion's to the same row of the same request.

    A request that only one of them has logged so far tells nothing yet. The rows of one request lean together, so that
    its first row alone says whether it was answered otherwise.

    Args:
        lines: Of the log of predictions, with the columns of `LINE`; a prediction is null where an attempt failed.
        truths: Labels by now: `key`, `truth`, and `known_at`, which orders them. None is fine.
        sides: Which versions, and how they are compared.

    Examples:
        >>> import pandas as pd
        >>> said = [("r1", 0, 1, "champion", "k", "yes"), ("r1", 0, 2, "shadow", "k", "no")]
        >>> lines = pd.DataFrame(said, columns=LINE[:6]).assign(predicted_at=range(2))
        >>> truths = pd.DataFrame({"key": ["k"], "truth": ["yes"], "known_at": [0]})
        >>> [part.tolist() for part in pair_answers(lines, truths, Sides(champion=1, candidate=2))]
        [[True], [False], [True]]
    """
    named = lines[lines["request_id"].fillna("") != ""].sort_values("predicted_at", kind="stable")
    mirrored = named["arm"] == "shadow"
    first = named[(named["version"] == sides.champion) & ~mirrored & named["prediction"].notna()]
    second = named[(named["version"] == sides.candidate) & mirrored]
    pairs = second.drop_duplicates(ROW).merge(first.drop_duplicates(ROW), on=ROW, suffixes=("", "_champion"))
    opening = pairs.sort_values("row", kind="stable").drop_duplicates("request_id").sort_index()
    labelled = _labelled(pairs.assign(key=pairs["key_champion"]), truths)
    return Pairs(
        ~_equal(opening["prediction"], opening["prediction_champion"], sides),
        _equal(labelled["prediction"], labelled["truth"], sides),
        _equal(labelled["prediction_champion"], labelled["truth"], sides),
    )


def wrong_answers(
    requests: Requests, lines: pd.DataFrame, truths: pd.DataFrame, sides: Sides
) -> tuple[Requests, npt.NDArray[np.bool_]]:
    """Of a rollout's requests those with a label by now, and which of them were answered wrongly.

    What counts is the answer of the version that a request was assigned to; a failed attempt has none, and counts as
    an error already. Each key counts with its first request, whichever version got it.

    Args:
        requests: All since the rollout began.
        lines: Of the log of predictions, with the columns of `LINE`.
        truths: As in `pair_answers`.
        sides: Which versions, and how answers and labels are compared.

    Returns:
        The labelled ones in the order of their labels' arrival, a batch's rows each on its own; and for each whether
        its answer was wrong.
    """
    import pandas as pd

    assigned = pd.DataFrame(
        {
            "request_id": requests.chains,
            "version": np.where(requests.on_canary, sides.candidate, sides.champion),
            "place": np.arange(len(requests.chains)),
        }
    )
    assigned = assigned[assigned["request_id"] != ""].drop_duplicates("request_id")
    said = lines[(lines["arm"] != "shadow") & lines["prediction"].notna()]
    said = said.sort_values("predicted_at", kind="stable").drop_duplicates([*ROW, "version"])
    labelled = _labelled(assigned.merge(said, on=["request_id", "version"]), truths)
    return requests.at(labelled["place"].to_numpy(dtype=int)), ~_equal(labelled["prediction"], labelled["truth"], sides)


def _labelled(answers: pd.DataFrame, truths: pd.DataFrame) -> pd.DataFrame:
    """The answers whose label is known, in the order of the labels' arrival; each key with its first answer."""
    once = answers[answers["key"] != ""].sort_values("predicted_at", kind="stable").drop_duplicates("key")
    found = once.merge(truths.drop_duplicates("key", keep="first"), on="key")
    return found.sort_values(["known_at", "predicted_at"], kind="stable")


def _equal(one: pd.Series, other: pd.Series, sides: Sides) -> npt.NDArray[np.bool_]:
    """Whether two columns say the same; a missing one never does."""
    import pandas as pd

    if sides.regression:
        gaps = (pd.to_numeric(one, errors="coerce") - pd.to_numeric(other, errors="coerce")).abs()
        return np.asarray(gaps <= sides.tolerance, dtype=bool)
    same = [_text(a) == _text(b) for a, b in zip(one, other, strict=True)]
    return np.asarray(one.notna() & other.notna() & pd.Series(same, one.index, dtype=bool), dtype=bool)


def _text(label: Any) -> str:
    """A class as text: 1, 1.0 and "1" are one, true and True too."""
    return str(label).lower().removesuffix(".0")
