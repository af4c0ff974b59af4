"""How often an A/B test tells equal versions apart, misses the truth or blames a right split, and how soon it decides.

Everything is looked at after every user, of 20,000, and judged by the functions that a real test is judged by; a z-test
that is peeked at stands beside them. `traffic` begins earlier, with the requests of users who are unequally diligent,
unequally lucky or try again, and with outcomes that come the later the worse they are. `make bench-abtests` runs all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import rollouts
from benchmarks.rollouts import Found, rate_of
from prefect_mlops.core.abtest import Arm, Comparison
from prefect_mlops.core.abtest.intervals import Outcomes, effects_over_time, relative_evidence, split_evidence
from prefect_mlops.core.abtest.needed import users_for_rate

USERS, RUNS, POWER_RUNS = 20_000, 2_000, 1_000
PEEKED_RUNS = 200
"""Of the z-test that stands beside; nobody asks how wrong exactly it is."""
ALPHA = 0.05
Draw = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]
WORLDS: dict[str, Draw] = {
    "a rate of 10%": lambda random, users: (random.random(users) < 0.1).astype(float),
    "a rate of 1%": lambda random, users: (random.random(users) < 0.01).astype(float),
    "normal": lambda random, users: random.normal(10, 3, users),
    "log-normal, sigma 1": lambda random, users: random.lognormal(0, 1, users),
    "log-normal spent by 10%": lambda random, users: (random.random(users) < 0.1) * random.lognormal(3, 1, users),
}


def plan_of(percent: int = 50) -> Comparison:
    """Two arms; `percent` of the users meet the second one."""
    arms = (Arm(version=1, percent=100 - percent), Arm(version=2, percent=percent))
    return Comparison(arms=arms, metric="wrong", goal="less", user_key="x-user", alpha=ALPHA)


def outcomes_of(random: np.random.Generator, draw: Draw, percent: int, lift: float = 0.0) -> Outcomes:
    """Users in two arms whose values come from one world; `lift` multiplies those of the second arm."""
    arm = (random.random(USERS) < percent / 100).astype(np.intp)
    value = draw(random, USERS)
    return Outcomes(arm, np.where(arm == 1, value * (1 + lift), value))


def misses(plan: Comparison, outcomes: Outcomes, truth: float = 0.0, place: int = 1) -> bool:
    """Whether the interval of one arm ever leaves the truth out."""
    if not np.isin(outcomes.value, (0, 1)).all():
        path = effects_over_time(plan, outcomes, place)
        return bool(((path["low"] > truth) | (path["high"] < truth)).any())
    return bool((_against(plan, outcomes, truth, place)[1] >= -np.log(plan.level)).any())


def peeked(plan: Comparison, outcomes: Outcomes) -> bool:
    """Whether a two-sided z-test that is done after every user ever finds a difference."""
    arms = [outcomes.arm == place for place in (0, 1)]
    users = np.stack([arm.cumsum() for arm in arms])
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.stack([(outcomes.value * arm).cumsum() for arm in arms]) / users
        squares = np.stack([(outcomes.value**2 * arm).cumsum() for arm in arms]) / users
        z = (means[1] - means[0]) / np.sqrt(((squares - means**2) / users).sum(axis=0))
    return bool((np.abs(z[users.min(axis=0) >= plan.least_users]) > 1.96).any())


def equal_arms(runs: int = RUNS) -> list[Found]:
    """False findings between equal versions."""
    found = []
    for number, (name, draw) in enumerate(WORLDS.items()):
        for percent in (50, 10):
            plan, random = plan_of(percent), np.random.default_rng([number, percent])
            drawn = [outcomes_of(random, draw, percent) for _ in range(runs)]
            ours = sum(misses(plan, each) for each in drawn)
            found.append(rate_of(f"equal, {name}, {percent}%", ours, runs, most=ALPHA))
            some = drawn[:PEEKED_RUNS]
            told = sum(peeked(plan, each) for each in some)
            found.append(rate_of(f"equal, {name}, {percent}%, peeked at", told, len(some)))
    return found


def traffic(runs: int = RUNS) -> list[Found]:
    """False findings between equal versions, from 20,000 requests on, of which each user's first one counts."""
    found = []
    for name, draw in rollouts.WORLDS.items():
        for percent in (50, 10):
            plan, hits = plan_of(percent), {"ours": 0, "every request counted": 0, "every request, peeked at": 0}
            for seed in range(runs):
                random = np.random.default_rng([23, seed, percent, len(name)])
                requests = draw(random, (percent,))
                arm, value = requests.on_canary.astype(np.intp), requests.failed.astype(float)
                first = np.sort(np.unique(requests.units, return_index=True)[1])
                hits["ours"] += misses(plan, late(random, Outcomes(arm[first], value[first]), first))
                hits["every request counted"] += misses(plan, Outcomes(arm, value))
                hits["every request, peeked at"] += seed < PEEKED_RUNS and peeked(plan, Outcomes(arm, value))
            where = f"equal, {name} requests, {percent}%"
            for rule, count in hits.items():
                counted = min(runs, PEEKED_RUNS) if "peeked" in rule else runs
                found.append(rate_of(f"{where}: {rule}", int(count), counted, most=ALPHA if rule == "ours" else None))
    return found


def late(random: np.random.Generator, outcomes: Outcomes, asked: npt.NDArray[np.intp]) -> Outcomes:
    """The outcomes in the order in which they become known: what is bad comes three times as late, as defaults do."""
    known = asked + random.exponential(2_000 * (1 + 2 * (outcomes.value > 0)))
    return Outcomes(*(each[np.argsort(known, kind="stable")] for each in outcomes))


def three_arms(runs: int = RUNS) -> list[Found]:
    """Of three equal versions one is ever told apart from the first."""
    arms = tuple(Arm(version=version, percent=percent) for version, percent in ((1, 40), (2, 30), (3, 30)))
    plan = Comparison(arms=arms, metric="wrong", goal="less", user_key="x-user", alpha=ALPHA)
    random, told = np.random.default_rng(29), 0
    for _ in range(runs):
        outcomes = Outcomes(random.choice(3, USERS, p=[0.4, 0.3, 0.3]), (random.random(USERS) < 0.1).astype(float))
        told += any(misses(plan, outcomes, place=place) for place in (1, 2))
    return [rate_of("equal, three arms, a rate of 10%", told, runs, most=ALPHA)]


def coverage(runs: int = RUNS) -> list[Found]:
    """How often the interval holds the truth at every look, where the versions differ by a fifth."""
    found, plan = [], plan_of()
    for number, (name, draw) in enumerate(WORLDS.items()):
        random, kept = np.random.default_rng([7, number]), 0
        for _ in range(runs):
            if name.startswith("a rate"):
                kept += not misses(plan, _fewer(random, draw), -0.2)
            else:
                mean = {"normal": 10.0, "log-normal, sigma 1": np.exp(0.5)}.get(name, 0.1 * np.exp(3.5))
                kept += not misses(plan, outcomes_of(random, draw, 50, 0.2), 0.2 * mean)
        found.append(rate_of(f"coverage, {name}", kept, runs, least=1 - ALPHA))
    random, kept = np.random.default_rng(31), 0
    for _ in range(runs):
        known = late(random, _fewer(random, WORLDS["a rate of 10%"]), np.arange(USERS))
        kept += not misses(plan, known, -0.2)
    return [*found, rate_of("coverage, a rate of 10%, what is bad comes late", kept, runs, least=1 - ALPHA)]


def power(runs: int = POWER_RUNS) -> list[Found]:
    """Users until a difference is told, at half the traffic; the median, and the share told by 20,000."""
    found, plan = [], plan_of()
    cases = {
        "a rate of 10% that falls to 8%": lambda random: _fewer(random, WORLDS["a rate of 10%"]),
        "a rate of 10% that falls to 5%": lambda random: _fewer(random, WORLDS["a rate of 10%"], 0.5),
        "normal, a sixth of its deviation": lambda random: outcomes_of(random, WORLDS["normal"], 50, 0.05),
        "log-normal, 10% more": lambda random: outcomes_of(random, WORLDS["log-normal, sigma 1"], 50, 0.1),
    }
    for number, (name, make) in enumerate(cases.items()):
        random = np.random.default_rng([11, number])
        when = np.array([_told(plan, make(random)) for _ in range(runs)])
        median = float(np.median(when))
        found.append(Found(f"users until told, {name}", "", median, median, median, None))
        found.append(rate_of(f"told by {USERS:,} users, {name}", int((when < np.inf).sum()), runs))
    for matters in (0.2, 0.5):
        said = float(users_for_rate(plan.model_copy(update={"matters": matters}), 0.1))
        found.append(Found(f"users foreseen, a rate of 10% and {matters:.0%} less", "", said, said, said, None))
    return found


def splits(runs: int = RUNS) -> list[Found]:
    """How often a right split is blamed, and how soon a wrong one is."""
    found, asked = [], np.array([0.5, 0.5])
    for percent in (50, 10):
        random, shares = np.random.default_rng([13, percent]), np.array([1 - percent / 100, percent / 100])
        arms = ((random.random(USERS) < percent / 100).astype(np.intp) for _ in range(runs))
        blamed = sum(bool((split_evidence(arm, shares) >= np.log(2 / 0.001)).any()) for arm in arms)
        found.append(rate_of(f"a right split of {percent}% is blamed", blamed, runs, most=0.001))
    for wrong in (0.52, 0.55):
        random = np.random.default_rng([17, int(100 * wrong)])
        when = []
        for _ in range(runs // 10):
            over = split_evidence((random.random(USERS) < wrong).astype(np.intp), asked) >= np.log(2 / 0.001)
            when.append(float(over.argmax() + 1) if over.any() else np.inf)
        median = float(np.median(when))
        found.append(Found(f"users until {wrong:.0%} instead of 50% is blamed", "", median, median, median, None))
    return found


def _told(plan: Comparison, outcomes: Outcomes) -> float:
    if np.isin(outcomes.value, (0, 1)).all():
        users, evidence = _against(plan, outcomes)
        told = evidence >= -np.log(plan.level)
    else:
        path = effects_over_time(plan, outcomes, 1)
        users, told = path["users"], (path["low"] > 0) | (path["high"] < 0)
    return float(users[told.argmax()]) if told.any() else np.inf


def _against(
    plan: Comparison, outcomes: Outcomes, truth: float = 0.0, place: int = 1
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """After how many users the evidence against a ratio changes, and what it is then: a "no" changes nothing."""
    two = np.stack([(outcomes.arm == each) for each in (0, place)])
    enough = two.cumsum(axis=1).min(axis=0) >= plan.least_users
    at = np.flatnonzero(enough & ((outcomes.value > 0) | (enough.cumsum() == 1)))
    first, mine = (two * outcomes.value).cumsum(axis=1)[:, at]
    share = plan.arms[place].percent / (plan.arms[0].percent + plan.arms[place].percent)
    return at + 1.0, relative_evidence(mine, first, share, 1 + truth)


def _fewer(random: np.random.Generator, draw: Draw, less: float = 0.2) -> Outcomes:
    """Of the second arm's users with a "yes" a share has none."""
    plain = outcomes_of(random, draw, 50)
    gone = (plain.arm == 1) & (random.random(USERS) < less)
    return plain._replace(value=np.where(gone, 0.0, plain.value))


def main() -> None:
    """Run all, print each figure, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="Part of the runs.")
    options = parser.parse_args()
    found: list[Found] = []
    parts = ((splits, RUNS), (equal_arms, RUNS), (traffic, RUNS), (three_arms, RUNS), (coverage, RUNS))
    for part, runs in (*parts, (power, POWER_RUNS)):
        for each in part(max(1, int(runs * options.share))):
            print(
                f"{each.name:60} {each.value:10.4g} ({each.low:.4g}-{each.high:.4g}) {each.ask} {each.holds}",
                flush=True,
            )
            found.append(each)
    if options.results:
        rows: list[dict[str, Any]] = [each._asdict() for each in found]
        options.results.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
