"""What the requests of a rollout tell: which events count, and what the tests make of them."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from prefect_mlops.core.rollout.machine import Look, Standing
from prefect_mlops.core.rollout.plan import Quality, RolloutPlan
from prefect_mlops.core.rollout.requests import Request
from prefect_mlops.core.rollout.sequential import below_double, below_limit, worse

__all__ = ["Requests", "judge_kind", "judge_requests", "latency_budget"]

WARM_UP = 20
"""Requests of the canary before any latency counts, its own or the champion's: caches and connections are cold."""
OWN_BUDGET = 200
"""Requests of the champion that set the budget where the plan has none; no latency counts before."""
MOST = 690.0
"""E is cut at e to this power, the largest that JSON can hold in a float."""


class Requests(NamedTuple):
    """The requests of one rollout by column, in the order of their ends; each of shape `(requests,)`.

    Attributes:
        units: Whose they are: the user where one is named, else the chain of retries.
        chains: The chain of retries; a request that nobody repeats is one of its own.
        on_canary: Whether it was assigned to the canary, whoever answered in the end.
        percent: The canary's percent of the traffic when it was assigned.
        failed: Whether the version that it was assigned to failed it.
        milliseconds: From its arrival to its answer.
    """

    units: npt.NDArray[Any]
    chains: npt.NDArray[Any]
    on_canary: npt.NDArray[np.bool_]
    percent: npt.NDArray[np.float64]
    failed: npt.NDArray[np.bool_]
    milliseconds: npt.NDArray[np.float64]

    @classmethod
    def of(cls, seen: Iterable[Request]) -> Self:
        """The columns of some requests."""
        rows = list(seen)
        return cls(
            np.array([f"user {row.user}" if row.user else f"chain {row.chain}" for row in rows], dtype=str),
            np.array([row.chain for row in rows], dtype=str),
            np.array([row.on_canary for row in rows], dtype=bool),
            np.array([row.percent for row in rows], dtype=float),
            np.array([row.failed for row in rows], dtype=bool),
            np.array([row.milliseconds for row in rows], dtype=float),
        )

    def after(self, start: int) -> Self:
        """Those from a place on."""
        return self.at(np.arange(start, len(self.units)))

    def at(self, places: npt.NDArray[np.intp]) -> Self:
        """Those at some places, in that order; a place may be named again."""
        return type(self)(
            self.units[places],
            self.chains[places],
            self.on_canary[places],
            self.percent[places],
            self.failed[places],
            self.milliseconds[places],
        )


Labelled = tuple[Requests, npt.NDArray[np.bool_]]


def judge_requests(
    plan: RolloutPlan, requests: Requests, percent: int, seconds: float, labelled: Labelled | None = None
) -> Look:
    """Hold a canary against its champion and its limits by all requests of the rollout so far.

    Args:
        plan: The spec's plan.
        requests: All since the rollout began, those of earlier steps too.
        percent: The canary's percent of the traffic in the step that is judged.
        seconds: Since that step began.
        labelled: Those with a label by now, and whether they were answered wrongly; for plans that judge answers.

    Returns:
        What is known: errors and latency, each with its tests, and wrong answers where the plan judges them.
    """
    budget, start = latency_budget(plan, requests)
    slow = requests.milliseconds > budget
    errors = judge_kind("errors", plan, requests, requests.failed, percent, plan.error_rate_limit)
    latency = judge_kind("latency", plan, requests.after(start), slow[start:], percent, plan.slow_rate_limit)
    note = (
        f"over {f'{budget:,.1f}'.removesuffix('.0')} ms"
        if np.isfinite(budget)
        else f"no latency counts before {WARM_UP} requests to the canary and {OWN_BUDGET} to the champion"
    )
    here = requests.percent == percent
    counted = [len(np.unique(requests.chains[here & arm])) for arm in (requests.on_canary, ~requests.on_canary)]
    standings: tuple[Standing, ...] = (errors, latency.model_copy(update={"note": note}))
    if plan.quality:
        standings = (*standings, _judge_answers(plan, plan.quality, labelled or _none(requests), percent))
    return Look(requests=counted[0], champion_requests=counted[1], seconds=seconds, standings=standings)


def judge_kind(
    kind: str, plan: RolloutPlan, requests: Requests, happened: npt.NDArray[np.bool_], percent: int, limit: float
) -> Standing:
    """What the tests say of one kind of event; of any kind, such as answers that a late label shows to be wrong.

    Against the canary the first event of each unit counts, over the whole rollout. For it only this step counts: the
    relative test likewise; the absolute test each chain of retries once and, where users are named, also the first
    request of every user that the canary never saw before, and the smaller E of the two holds. Requests alone would
    pass a canary that one busy user happens to like, users alone one that fails at the second request.

    Args:
        kind: What it is called.
        plan: The spec's plan.
        requests: All since the rollout began.
        happened: Whether each went wrong in this way, shape `(requests,)`.
        percent: The canary's percent of the traffic in the step that is judged.
        limit: The share that is still fine.
    """
    here = requests.percent == percent
    first = _first(requests.units, happened)
    arm, share = requests.on_canary[first], requests.percent[first] / 100
    now = here[first]
    tried = _first(requests.chains, here & requests.on_canary)
    absolute = _end(below_limit(happened[tried], limit))
    if plan.user_key:
        met = _first(requests.units, requests.on_canary)
        absolute = min(absolute, _end(below_limit(happened[met[here[met]]], limit)))
    return Standing(
        kind=kind,
        canary=int(arm.sum()),
        champion=int((~arm).sum()),
        wrong=int(happened[tried].sum()),
        worse=_value(worse(arm, share).max(initial=0.0)),
        below_double=_value(_end(below_double(arm[now], share[now]))),
        below_limit=_value(absolute),
    )


def _judge_answers(plan: RolloutPlan, quality: Quality, labelled: Labelled, percent: int) -> Standing:
    """What labels say. A step waits for them only where the plan names how many; else they speak against alone."""
    requests, wrong = labelled
    here = int((requests.on_canary & (requests.percent == percent)).sum())
    asked = quality.labelled_per_step
    standing = judge_kind("wrong", plan, requests, wrong, percent, quality.wrong_rate_limit)
    note = f"{here:,} labelled canary answers in this step"
    if here < asked:  # what few labels say is not enough to go on
        standing = standing.model_copy(update={"below_double": 0.0, "below_limit": 0.0})
        note = f"{note} of {asked:,}"
    return standing.model_copy(update={"note": note, "holds": asked > 0})


def _none(requests: Requests) -> Labelled:
    return requests.at(np.arange(0)), np.zeros(0, dtype=bool)


def latency_budget(plan: RolloutPlan, requests: Requests) -> tuple[float, int]:
    """The milliseconds above which an answer is slow, and the first request that is held against them.

    Args:
        plan: Its own budget comes first.
        requests: All since the rollout began.

    Returns:
        Infinity and the number of requests while there are too few to begin.
    """
    warm, own = np.flatnonzero(requests.on_canary), np.flatnonzero(~requests.on_canary)
    if len(warm) < WARM_UP or (plan.latency_budget_ms is None and len(own) < OWN_BUDGET):
        return float("inf"), len(requests.units)
    start = int(warm[WARM_UP - 1]) + 1
    if plan.latency_budget_ms is not None:
        return plan.latency_budget_ms, start
    measured = own[:OWN_BUDGET]
    return float(np.quantile(requests.milliseconds[measured], 0.95)), max(start, int(measured[-1]) + 1)


def _first(units: npt.NDArray[Any], which: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Of the requests named, the places of the first of each unit, in their order."""
    places = np.flatnonzero(which)
    _, first = np.unique(units[places], return_index=True)
    found: npt.NDArray[np.intp] = np.sort(places[first])
    return found


def _end(path: npt.NDArray[np.float64]) -> float:
    return float(path[-1]) if len(path) else 0.0


def _value(log_e: float) -> float:
    return float(np.exp(min(log_e, MOST)))
