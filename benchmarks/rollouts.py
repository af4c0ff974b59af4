"""How often a canary as good as its champion is rolled back, and how soon a worse one is, over simulated traffic.

`false_alarms` looks after every event at 20,000 requests to two equal versions, in four worlds of traffic, and holds a
test of shares that is peeked at and fixed thresholds beside ours. `power` counts the canary requests until a worse one
is rolled back, `going_on` those until a good one passes, and how often one passes that should not; `walks` follows
whole rollouts, `shadows` counts labelled rows. Everything is judged by the functions that a real rollout is judged by.
`make bench-rollouts` runs all.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm

from prefect_mlops.core.rollout import RolloutPlan, requests_needed
from prefect_mlops.core.rollout.judging import Requests, judge_kind
from prefect_mlops.core.rollout.machine import Look, Position, advance
from prefect_mlops.core.rollout.sequential import below_double, below_limit, paired_loss, worse

REQUESTS, RUNS, POWER_RUNS = 20_000, 2_000, 10_000
USERS = 3_000
ALPHA, GO_ON = 0.01, 0.05
RATE = 0.02
KINDS = {"errors": 0.02, "latency": 0.05, "wrong": 0.1, "refused": 0.005}
PLAN = RolloutPlan(alpha_rollback=ALPHA, alpha_go_on=GO_ON)
BY_USER = PLAN.model_copy(update={"user_key": "x-user"})
FLAT, RISING = (10,), (1, 10, 50)
Draw = Callable[[np.random.Generator, tuple[int, ...]], Requests]


class Found(NamedTuple):
    """One figure beside what was asked.

    Attributes:
        name: What was measured.
        ask: Such as `rate <= 0.01`.
        value: A rate or a number of requests.
        low: Lower end of the exact 99.9% interval of a rate; the value itself for a median.
        high: Its upper end.
        holds: Whether the interval meets what was asked; None where nothing was.
    """

    name: str
    ask: str
    value: float
    low: float
    high: float
    holds: bool | None


def rate_of(name: str, hits: int, runs: int, *, most: float | None = None, least: float | None = None) -> Found:
    """A simulated rate; "at most" fails when the interval lies above, "at least" when it lies below."""
    interval = binomtest(hits, runs).proportion_ci(0.999, "exact")
    holds = None if most is None and least is None else True
    if most is not None:
        holds = bool(interval.low <= most)
    if least is not None:
        holds = bool(interval.high >= least)
    ask = f"rate <= {most:g}" if most is not None else f"rate >= {least:g}" if least is not None else ""
    return Found(name, ask, hits / runs, float(interval.low), float(interval.high), holds)


def number_of(name: str, value: float, most: float) -> Found:
    """A quantile of a number of requests."""
    return Found(name, f"<= {most:g}", value, value, value, bool(value <= most))


def percents(steps: tuple[int, ...]) -> np.ndarray:
    """The canary's percent at each request; the steps share them equally."""
    return np.repeat(np.array(steps, dtype=float), math.ceil(REQUESTS / len(steps)))[:REQUESTS]


def independent(rng: np.random.Generator, steps: tuple[int, ...]) -> Requests:
    """Requests of nobody in particular."""
    share, own = percents(steps), np.arange(REQUESTS)
    return Requests(
        own, own, rng.random(REQUESTS) < share / 100, share, rng.random(REQUESTS) < RATE, np.zeros(REQUESTS)
    )


def sticky(rng: np.random.Generator, steps: tuple[int, ...]) -> Requests:
    """Users of very unequal diligence, Pareto(1.2), each on one version while its share does not pass them."""
    share, users = percents(steps), _users(rng)
    place = rng.random(USERS)[users]
    return Requests(
        users, np.arange(REQUESTS), place < share / 100, share, rng.random(REQUESTS) < RATE, np.zeros(REQUESTS)
    )


def unequal(rng: np.random.Generator, steps: tuple[int, ...]) -> Requests:
    """The same users, whose error rates are Beta(0.4, 19.6): most never fail, some fail often."""
    requests = sticky(rng, steps)
    rates = rng.beta(0.4, 19.6, USERS)
    return requests._replace(failed=rng.random(REQUESTS) < rates[requests.units])


def retried(rng: np.random.Generator, steps: tuple[int, ...]) -> Requests:
    """Each failed request is tried again, three times on average, and fails on the same version each time."""
    first = rng.random(REQUESTS) < RATE
    chains = np.repeat(np.arange(REQUESTS), 1 + np.where(first, rng.geometric(1 / 3, REQUESTS), 0))[:REQUESTS]
    share, place = percents(steps), rng.random(REQUESTS)
    return Requests(chains, chains, place[chains] < share / 100, share, first[chains], np.zeros(REQUESTS))


WORLDS: dict[str, Draw] = {each.__name__: each for each in (independent, sticky, unequal, retried)}


def false_alarms(runs: int) -> list[Found]:
    """Two equal versions, looked at after every event; a rollback is always false."""
    found = []
    for name, draw in WORLDS.items():
        for steps in (FLAT, RISING):
            hits = {"ours": 0, "every event counted": 0, "peeked z-test": 0, "fixed thresholds": 0}
            for seed in range(runs):
                requests = draw(np.random.default_rng([seed, len(steps), len(name)]), steps)
                one = judge_kind("errors", PLAN, requests, requests.failed, steps[-1], RATE)
                hits["ours"] += one.worse >= 1 / ALPHA
                arm, share = requests.on_canary[requests.failed], requests.percent[requests.failed] / 100
                hits["every event counted"] += worse(arm, share).max(initial=0.0) >= -math.log(ALPHA)
                peeked, fixed = peers(requests)
                hits["peeked z-test"] += peeked
                hits["fixed thresholds"] += fixed
            where = f"false rollback, {name}, {'/'.join(map(str, steps))}%"
            for rule, count in hits.items():
                found.append(rate_of(f"{where}: {rule}", int(count), runs, most=ALPHA if rule == "ours" else None))
    return [*found, *four_kinds(runs)]


def four_kinds(runs: int) -> list[Found]:
    """Four kinds of event at once, which the same users have more of: any one of them may roll back."""
    found = []
    for steps in (FLAT, RISING):
        hits = 0
        for seed in range(runs):
            rng = np.random.default_rng([seed, len(steps), 4])
            requests = sticky(rng, steps)
            factor = rng.gamma(0.5, 2.0, USERS)[requests.units]
            told = [
                judge_kind(kind, PLAN, requests, rng.random(REQUESTS) < rate * factor, steps[-1], 2 * rate)
                for kind, rate in KINDS.items()
            ]
            hits += max(one.worse for one in told) >= len(KINDS) / ALPHA
        name = f"false rollback, four kinds of the same users, {'/'.join(map(str, steps))}%: ours"
        found.append(rate_of(name, hits, runs, most=ALPHA))
    return found


def peers(requests: Requests) -> tuple[bool, bool]:
    """What others do every 100 requests from the 100th of the canary on: a z-test at 1%, and "twice as bad"."""
    looks = np.arange(99, REQUESTS, 100)
    n1, n0 = (arm.cumsum()[looks] for arm in (requests.on_canary, ~requests.on_canary))
    k1, k0 = ((requests.failed & arm).cumsum()[looks] for arm in (requests.on_canary, ~requests.on_canary))
    enough = (n1 >= 100) & (k0 > 0)
    n1, n0, k1, k0 = n1[enough], n0[enough], k1[enough], k0[enough]
    pooled = (k1 + k0) / (n1 + n0)
    z = (k1 / n1 - k0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
    return bool((z >= norm.ppf(1 - ALPHA)).any()), bool((k1 / n1 > 2 * k0 / n0).any())


def until_rollback(champion: float, canary: float, requests: int, kinds: int, runs: int) -> np.ndarray:
    """Canary requests at 10% until E against the canary reaches its bound; infinite where it does not."""
    rng, counts = np.random.default_rng([kinds, requests]), np.full(runs, np.inf)
    for run in range(runs):
        arm = rng.random(requests) < 0.1
        events = np.flatnonzero(rng.random(requests) < np.where(arm, canary, champion))
        reached = np.flatnonzero(worse(arm[events], np.full(len(events), 0.1)) >= math.log(kinds / ALPHA))
        if len(reached):
            counts[run] = arm[: events[reached[0]] + 1].sum()
    return counts


def power(runs: int) -> list[Found]:
    """How soon a worse canary is rolled back: alone, and as a real rollout is judged, with two kinds to share alpha."""
    found = []
    slow = float(1 - norm.cdf(norm.ppf(0.95) - math.log(1.3) / 0.5))  # log-normal, sigma 0.5, all 1.3 times as long
    for kinds in (1, 2):
        of = f"{kinds} kind{'s' * (kinds - 1)} of event"
        errors = until_rollback(0.02, 0.08, 12_000, kinds, runs)
        found.append(number_of(f"errors 2% -> 8%, {of}: median", float(np.quantile(errors, 0.5)), 150))
        found.append(number_of(f"errors 2% -> 8%, {of}: 90%", _quantile(errors, 0.9), 350))
        latency = until_rollback(0.05, slow, 12_000, kinds, runs)
        found.append(number_of(f"latency x1.3 at the p95, {of}: median", _quantile(latency, 0.5), 200))
        rare = until_rollback(0.002, 0.02, 18_000, kinds, runs)
        caught = int((rare <= 1_500).sum())
        found.append(rate_of(f"errors 0.2% -> 2% within 1,500, {of}", caught, runs, least=0.97))
    better = int(np.isfinite(until_rollback(0.02, 0.01, REQUESTS, 1, runs)).sum())
    return [*found, rate_of("half the errors, rolled back", better, runs, most=ALPHA)]


def going_on(runs: int) -> list[Found]:
    """Canary requests until a good canary passes, and how often one passes that is at its limit or twice as bad."""
    plan = PLAN.model_copy(update={"error_rate_limit": 0.005, "requests_per_step": 1})
    found = [number_of("faultless at a limit of 0.5%: canary requests", requests_needed(plan)[0].canary, 900)]
    rng, bound = np.random.default_rng(5), -math.log(GO_ON)
    at_limit = double = by_user = 0
    for _ in range(runs):
        at_limit += below_limit(rng.random(4_000) < RATE, RATE).max() >= bound
        arm = rng.random(REQUESTS) < 0.1
        events = np.flatnonzero(rng.random(REQUESTS) < np.where(arm, 2 * RATE, RATE))
        double += below_double(arm[events], np.full(len(events), 0.1)).max() >= bound
        requests = unequal(rng, (50,))
        by_user += judge_kind("errors", BY_USER, requests, requests.failed, 50, RATE).below_limit >= 1 / GO_ON
    found.append(rate_of("at the limit, passed by the absolute test", int(at_limit), runs, most=GO_ON))
    found.append(rate_of("twice as bad, passed by the relative test", int(double), runs, most=GO_ON))
    found.append(rate_of("unequal users at the limit, passed by the absolute test", int(by_user), runs, most=GO_ON))
    return found


def walks(runs: int) -> list[Found]:
    """Whole rollouts over 10/50%, whose steps end as their tests decide, with a look every 500 requests."""
    found = []
    for name, times in (("equal", 1.0), ("errors 2% -> 8%", 4.0)):
        ends = [walk(np.random.default_rng([seed, 7]), times) for seed in range(runs)]
        for end in ("roll back", "undecided", "whole"):
            most = ALPHA if (name, end) == ("equal", "roll back") else None
            hits = sum(position.ended == end for position, _ in ends)
            found.append(rate_of(f"whole rollout, unequal users, {name}: {end}", hits, runs, most=most))
        requests = [float(count) for _, count in ends]
        found.append(Found(f"whole rollout, {name}: median of requests", "", *[_quantile(requests, 0.5)] * 3, None))
    return found


def walk(rng: np.random.Generator, times: float) -> tuple[Position, int]:
    """One rollout of a canary that errs so many times as often: where it ends, and the requests until then."""
    plan = BY_USER.model_copy(update={"steps": (10, 50), "min_seconds_per_step": 0, "max_seconds_per_step": 60})
    place, rates = rng.random(USERS), rng.beta(0.4, 19.6, USERS)
    diligence = rng.pareto(1.2, USERS) + 1
    position, seconds, seen = Position(), 0, []
    while not position.ended:
        users = rng.choice(USERS, 500, p=diligence / diligence.sum())
        share = position.share(plan)
        arm = place[users] < share / 100
        failed = rng.random(500) < rates[users] * np.where(arm, times, 1.0)
        chains = np.arange(500) + 500 * len(seen)
        seen.append((users, chains, arm, np.full(500, float(share)), failed, np.zeros(500)))
        requests, seconds = Requests(*(np.concatenate(column) for column in zip(*seen, strict=True))), seconds + 1
        errors = judge_kind("errors", plan, requests, requests.failed, share, RATE)
        look = Look(requests=plan.requests_per_step, seconds=seconds, standings=(errors,))
        moved, _ = advance(plan, position, look)
        seconds = 0 if moved.step != position.step else seconds
        position = moved
    return position, 500 * len(seen)


def shadows(runs: int) -> list[Found]:
    """Labelled rows until a shadow that loses 2 points at 6% discordance is found, and one that loses none."""
    rng, rows = np.random.default_rng(6), 2_500
    until = {"lost": np.full(runs, np.inf), "equal": np.full(runs, np.inf)}
    for name, loss in (("lost", 0.04), ("equal", 0.03)):
        for run in range(runs):
            draw = rng.random(rows)
            path = paired_loss(draw >= loss, (draw < loss) | (draw >= 0.06))
            reached = np.flatnonzero(path >= -math.log(GO_ON))
            if len(reached):
                until[name][run] = reached[0] + 1
    lost, equal = (int(np.isfinite(until[name]).sum()) for name in ("lost", "equal"))
    return [
        rate_of("shadow, 2 points lost, found within 2,500 rows", lost, runs, least=0.9),
        number_of("shadow, 2 points lost: median of labelled rows", _quantile(until["lost"], 0.5), 1_000),
        rate_of("shadow, equal, found", equal, runs, most=GO_ON),
    ]


def _users(rng: np.random.Generator) -> np.ndarray:
    diligence = rng.pareto(1.2, USERS) + 1
    return rng.choice(USERS, REQUESTS, p=diligence / diligence.sum())


def _quantile(values: npt.ArrayLike, level: float) -> float:
    """A value that occurred, so that infinity is one."""
    return float(np.quantile(values, level, method="inverted_cdf"))


PARTS: dict[str, tuple[Callable[[int], list[Found]], int]] = {
    "false_alarms": (false_alarms, RUNS),
    "power": (power, POWER_RUNS),
    "going_on": (going_on, RUNS),
    "walks": (walks, RUNS // 4),
    "shadows": (shadows, POWER_RUNS),
}


def main() -> None:
    """Read the words of the command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("part", nargs="?", choices=[*PARTS, "all"], default="all")
    words.add_argument("--tenth", action="store_true", help="a tenth of the runs")
    words.add_argument("--results", type=Path)
    given = words.parse_args()
    told: dict[str, Any] = json.loads(given.results.read_text()) if given.results and given.results.exists() else {}
    for name, (part, runs) in PARTS.items():
        if given.part not in ("all", name):
            continue
        count = runs // 10 if given.tenth else runs
        found = part(count)
        told[name] = {"runs": count, "found": [one._asdict() for one in found]}
        for one in found:
            value = f"{one.value:8.0f}" if one.value > 1 else f"{one.value:8.2%} ({one.low:.2%}-{one.high:.2%})"
            held = {True: "holds", False: "FAILS", None: ""}[one.holds]
            print(f"{one.name:<75} {value:<28} {one.ask:<14} {held}", flush=True)
    if given.results:
        given.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
