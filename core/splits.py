"""Which rows a model learns from, which give its reference, and which judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ByKey", "ByTime", "RowSets"]


class RowSets(NamedTuple):
    """The labelled rows of one training, in three disjoint sets (reference and judging may coincide).

    Attributes:
        training: Rows that the model learns from.
        reference: Rows from the same time that it never sees, for its reference profile.
        judging: Rows on which it is judged.
        judged_on: The judging rows in words.
        cutoff: The newest time among training and reference rows, ISO 8601; empty without a time column.
    """

    training: pd.DataFrame
    reference: pd.DataFrame
    judging: pd.DataFrame
    judged_on: str
    cutoff: str


class ByTime(Frozen):
    """Judge on the newest days, which neither model learned from; hold a random share of the rest as reference."""

    kind: Literal["by-time"] = "by-time"
    judge_days: Annotated[int, Field(gt=0, description="Days before the window's end that judge a candidate.")] = 10
    reference_share: Annotated[float, Field(gt=0, lt=0.9, description="Share of the older rows kept as reference.")] = 0.2


class ByKey(Frozen):
    """Hold out a share of the rows by a hash of their key: a row once held out is never trained on."""

    kind: Literal["by-key"] = "by-key"
    judge_share: Annotated[float, Field(gt=0, lt=0.9, description="Share of rows that judge a candidate.")] = 0.25
