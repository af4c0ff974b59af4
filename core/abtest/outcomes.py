"""Who met which version first, and what became of it: requests, predictions and labels brought together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from prefect_mlops.core.abtest.intervals import Outcomes
from prefect_mlops.core.errors import DataError

if TYPE_CHECKING:
    from prefect_mlops.core.abtest.plan import Comparison
    from prefect_mlops.core.rollout.requests import Request
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["OWN_METRICS", "first_requests", "outcomes_of", "value_of"]

OWN_METRICS = ("wrong", "cost", "error")
"""Metrics that follow from prediction and target; any other one is a column of what is known later."""


def first_requests(requests: Sequence[Request], percent: int, slots: Sequence[str]) -> pd.DataFrame:
    """The first request of every user who is named, in the order in which they came.

    Args:
        requests: All since the arms began to share the traffic, in the order of their ends.
        percent: The last arm's share; requests at another one belong to no test.
        slots: Where the arms serve, in their order.

    Returns:
        `user`, `request_id` and `arm`, the place of its slot; 0 for the champion.

    Examples:
        >>> from prefect_mlops.core.rollout.requests import Request
        >>> asked = enumerate(["ann", "bob", "ann"])
        >>> slots = {"ann": "a", "bob": "b"}
        >>> seen = [Request(f"r{n}", user, user == "bob", 50, False, 1.0, slots[user]) for n, user in asked]
        >>> first_requests(seen, 50, ("a", "b"))[["request_id", "arm"]].to_numpy().tolist()
        [['r0', 0], ['r1', 1]]
    """
    places = {slot: place for place, slot in enumerate(slots)}
    mine = [
        (row.user, row.chain, places[row.slot])
        for row in requests
        if row.user and row.percent == percent and row.slot in places
    ]
    found = pd.DataFrame(mine, columns=["user", "request_id", "arm"])
    return found.drop_duplicates("user").reset_index(drop=True)


def value_of(spec: ModelSpec, metric: str, prediction: pd.Series, known: pd.Series) -> pd.Series:
    """The metric of each row.

    Args:
        spec: Says the target's problem and what errors cost.
        metric: `wrong`, `cost`, `error` (the distance of a regression), or a column.
        prediction: As logged, text.
        known: The target, or that column.

    Raises:
        DataError: The metric does not fit the problem, or the column holds no numbers.
    """
    problem = spec.target.problem
    fits = {"wrong": problem != "regression", "cost": problem == "binary", "error": problem == "regression"}
    if not fits.get(metric, True):
        cure = "Compare `error` of a regression, `wrong` of classes, `cost` of a binary model, or a column"
        raise DataError(f"{metric!r} is no metric of a {problem} model", cure)
    try:
        if metric == "error":
            return (prediction.astype(float) - known.astype(float)).abs()
        if metric not in OWN_METRICS:
            return known.astype(float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{metric!r} holds what is no number", "Name a numeric column") from error
    truth = known.map(_text)
    wrong = (prediction != truth).astype(float)
    if metric == "wrong":
        return wrong
    costs, positive = spec.purpose.costs, _text(spec.target.positive)
    return wrong * np.where(truth == positive, costs.false_negative, costs.false_positive)


def outcomes_of(
    spec: ModelSpec, plan: Comparison, first: pd.DataFrame, predictions: pd.DataFrame, known: pd.DataFrame
) -> Outcomes:
    """The outcome of each user's first request, once all of its rows are known.

    A request that the other version answered, since its own had failed, has no outcome: that is counted by the
    rollout's tests of errors, and seen here as a mismatch of the split where it is frequent.

    Args:
        spec: The model's spec.
        plan: The plan.
        first: From `first_requests`.
        predictions: `request_id`, `version`, `key` and `prediction` of the logged rows.
        known: `key`, `known` (target or column) and `at` (when it became known) of the labelled rows.
    """
    versions = {arm.version: place for place, arm in enumerate(plan.arms)}
    named = first.drop_duplicates("request_id", keep=False)  # an id that callers share names nobody's request
    asked = named.merge(predictions, on="request_id")
    asked = asked[asked["version"].map(versions) == asked["arm"]]
    rows = asked.merge(known, on="key", how="left")
    labelled = rows["known"].notna()
    rows["value"] = np.nan
    rows.loc[labelled, "value"] = value_of(
        spec, plan.metric, rows.loc[labelled, "prediction"], rows.loc[labelled, "known"]
    )
    rows["missing"] = ~labelled
    users = rows.groupby("user", sort=False).agg(
        arm=("arm", "first"), value=("value", "mean"), at=("at", "max"), missing=("missing", "any")
    )
    users = users[~users["missing"]].sort_values("at", kind="stable")
    return Outcomes(users["arm"].to_numpy(dtype=np.intp), users["value"].to_numpy(dtype=float))


def _text(value: Any) -> str:
    """As a server logs a class: a whole number may have come back from a table as a float."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
