"""Ninety days of retraining in three worlds, judged by `>=`, by a 5% test without memory, and by ours.

(a) One hold-out, the champion replaced on promotion; (b) the same, the champion frozen; (c) fresh rows every day.
`python -m benchmarks.worlds` prints false promotions, the optimism of the champion's reported score, and how soon a
gain of one point is found, and writes them as JSON.

Every model is right where a shared base is right, but for a few rows of its own, so that two models differ in 6% of
rows. What a candidate does on rows depends on the base alone, so that counts of four kinds of rows (base right or
wrong, champion right or wrong) are the whole state of a run, and a day of a thousand runs is a few binomial draws.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

from prefect_mlops.core.betting.dayspread import FEWEST_DAYS, design_effect
from prefect_mlops.core.betting.stakes import STAKES, advance, worth
from prefect_mlops.core.gates.champion import WORSE_SHARE, BetterThanChampion

GateName = Literal[">=", "5%", "ours"]
GATES: tuple[GateName, ...] = (">=", "5%", "ours")
DAYS, WINDOW, HOLDOUT = 90, 10, 2_000
BASE = 0.85
"""How often the base is right, and every model that is as good as the champion."""
FEWER_RIGHT = 0.01881
"""How often a model is wrong where the base is right; with `MORE_RIGHT` two equal models differ in 6% of rows."""
MORE_RIGHT = FEWER_RIGHT * BASE / (1 - BASE)
NEW_ROWS = 100
"""Rows a day that a hold-out by key gains, and that report the champion without having chosen it."""
DEFAULTS = BetterThanChampion(metric="accuracy")
ALPHA = 1.0 - DEFAULTS.confidence


class Lived(NamedTuple):
    """What came of some runs.

    Attributes:
        promotions: How many candidates were let through, shape `(runs,)`.
        first: The day of the first, from 1; 0 where there was none.
        optimism: The champion's reported score less its true one, in points; NaN where nothing is reported.
    """

    promotions: np.ndarray
    first: np.ndarray
    optimism: np.ndarray


def chances(effect: np.ndarray | float) -> tuple[Any, Any]:
    """How often a model with an effect is right where the base is right, and where it is wrong."""
    return 1 - FEWER_RIGHT + effect / 2 / BASE, MORE_RIGHT + effect / 2 / (1 - BASE)


def drawn(rng: np.random.Generator, rows: int, effect: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of new days by base and champion: right and right, right and wrong, wrong and right, wrong and wrong."""
    right, rescued = chances(effect)
    base = rng.binomial(rows, BASE, shape)
    both, saved = rng.binomial(base, right), rng.binomial(rows - base, rescued)
    return np.stack([both, base - both, saved, rows - base - saved], axis=-1)


def answered(rng: np.random.Generator, cells: np.ndarray, effect: Any) -> np.ndarray:
    """Of each cell, the rows that a candidate is right on."""
    right, rescued = chances(np.asarray(effect))
    return rng.binomial(cells, np.stack([right, right, rescued, rescued], axis=-1))


def counts_of(cells: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that the candidate wins and loses against the champion."""
    return hits[..., 1] + hits[..., 3], (cells - hits)[..., 0] + (cells - hits)[..., 2]


def crowned(cells: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """The cells, once the candidate is champion."""
    right, saved = hits[..., 0] + hits[..., 1], hits[..., 2] + hits[..., 3]
    base, other = cells[..., 0] + cells[..., 1], cells[..., 2] + cells[..., 3]
    return np.stack([right, base - right, saved, other - saved], axis=-1)


def rowwise(wins: np.ndarray, losses: np.ndarray, rows: int, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Both bounds of the paired advantage from rows that stand by themselves, as the hold-out's gate has them."""
    mean = (wins - losses) / rows
    error = np.sqrt(((wins + losses) / rows - mean**2) / (rows - 1))
    far = stats.t.ppf(confidence, rows - 1) * error
    return mean - far, mean + far


def daywise(gained: np.ndarray, rows: int, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Both bounds from days as blocks, as the gate on fresh rows has them; `gained` of shape `(runs, days)`."""
    days = gained.shape[1]
    error = np.sqrt(days / (days - 1) * ((gained - gained.mean(axis=1, keepdims=True)) ** 2).sum(axis=1))
    error = error / (days * rows)
    far, mean = stats.t.ppf(confidence, days - 1) * error, gained.mean(axis=1) / rows
    return mean - far, mean + far


def holdout_world(gate: GateName, runs: int, *, frozen: bool, seed: int = 0, effect: float = 0.0) -> Lived:
    """Ninety candidates on the same 2,000 rows."""
    rng = np.random.default_rng([seed, GATES.index(gate), frozen])
    cells = drawn(rng, HOLDOUT, 0.0, (runs,))
    promotions, first, since = np.zeros(runs, int), np.zeros(runs, int), np.zeros(runs, int)
    truth = np.full(runs, BASE)
    for day in range(1, DAYS + 1):
        hits = answered(rng, cells, np.full(runs, effect))
        wins, losses = counts_of(cells, hits)
        if gate == ">=":
            passed = wins >= losses
        else:
            planned = 1 if gate == "5%" else DEFAULTS.planned
            passed = rowwise(wins, losses, HOLDOUT, 1 - ALPHA / planned)[0] > 0
            passed &= gate == "5%" or day <= DEFAULTS.planned
        promotions += passed
        first[passed & (first == 0)] = day
        if not frozen:
            cells[passed], truth[passed], since[passed] = crowned(cells, hits)[passed], BASE + effect, day
    if gate == "ours":
        fresh = NEW_ROWS * (DAYS - since)
        reported = rng.binomial(fresh, truth) / np.where(fresh, fresh, np.nan)
    else:
        reported = (cells[:, 0] + cells[:, 2]) / HOLDOUT
    return Lived(promotions, first, 100 * (reported - truth))


def fresh_world(
    gate: GateName,
    runs: int,
    rows: int,
    *,
    seed: int = 0,
    effect: float = 0.0,
    onset: int = 1,
    sway: float = 0.0,
    mended: bool = True,
) -> Lived:
    """A candidate a day, on rows that are new every day.

    Args:
        gate: Who judges.
        runs: How many worlds.
        rows: Labelled rows a day.
        seed: Of everything.
        effect: By how much every candidate from the onset on is better than the first champion.
        onset: The first day of the effect.
        sway: How far a day leans towards the candidate or away from it, one standard deviation.
        mended: Divide the growth by the design effect, as the product does.
    """
    rng = np.random.default_rng([seed, GATES.index(gate), rows])
    window = drawn(rng, rows, 0.0, (runs, WINDOW))
    promotions, first, since = np.zeros(runs, int), np.zeros(runs, int), np.zeros(runs, int)
    gain, reported = np.zeros(runs), (window[:, -1, 0] + window[:, -1, 2]) / rows
    capital, totals = np.full((runs, len(STAKES)), -np.inf), np.zeros((runs, 7))
    looks = np.zeros(runs, int)
    for day in range(1, DAYS + 1):
        lean = _within(rng, sway, (runs, WINDOW))
        window = np.concatenate([window[:, 1:], drawn(rng, rows, gain, (runs,))[:, None]], axis=1)
        now = effect if day >= onset else 0.0
        hits = answered(rng, window, now + lean)
        wins, losses = counts_of(window, hits)
        if gate == ">=":
            passed = wins[:, -1] >= losses[:, -1]
        elif gate == "5%":
            passed = rowwise(wins[:, -1], losses[:, -1], rows, 1 - ALPHA)[0] > 0
        else:
            begun = looks == 0
            totals[begun] = _totals(wins[begun, :-1], losses[begun, :-1], rows)
            today = _totals(wins[:, -1:], losses[:, -1:], rows)
            known = np.where(totals[:, :1] >= FEWEST_DAYS, totals, totals + today)
            growth = wins[:, -1:] * np.log1p(STAKES) + losses[:, -1:] * np.log1p(-np.array(STAKES))
            looks += 1
            capital = _advance(capital, growth / (design_effect(known)[:, None] if mended else 1.0), looks)
            totals += today
            low, high = daywise((wins - losses).astype(float), rows, 1 - ALPHA)
            passed = (_worth(capital, looks) >= 1 / ALPHA) & (day - since > DEFAULTS.tenure_days)
            passed &= (low >= -WORSE_SHARE) & (high > 0)
            looks[passed], capital[passed] = 0, -np.inf
        promotions += passed
        first[passed & (first == 0)] = day
        since[passed], gain[passed] = day, now
        window[passed] = crowned(window, hits)[passed]
        reported[passed] = (hits[passed, -1].sum(axis=-1)) / rows
    if gate == "ours":
        seen = np.minimum(DAYS - since, WINDOW)
        mask = np.arange(WINDOW) >= WINDOW - seen[:, None]
        right = ((window[..., 0] + window[..., 2]) * mask).sum(axis=1)
        reported = right / np.where(seen, seen * rows, np.nan)
    return Lived(promotions, first, 100 * (reported - BASE - gain))


def _within(rng: np.random.Generator, sway: float, shape: tuple[int, ...]) -> np.ndarray:
    """Leanings that leave every chance between 0 and 1."""
    return np.clip(sway * rng.standard_normal(shape), -2 * BASE * FEWER_RIGHT, 1.9 * BASE * FEWER_RIGHT)


def _totals(wins: np.ndarray, losses: np.ndarray, rows: int) -> np.ndarray:
    """`day_totals` of every run's days."""
    gained, days = (wins - losses).astype(float), np.full(len(wins), float(wins.shape[1]))
    squares = (wins + losses).sum(axis=1).astype(float)
    sums = [days, days * rows, gained.sum(axis=1), squares, (gained**2).sum(axis=1)]
    return np.stack([*sums, gained.sum(axis=1) * rows, days * rows**2], axis=1)


def _advance(capital: np.ndarray, growth: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """`advance` of runs that are at different looks."""
    new = np.empty_like(capital)
    for look in np.unique(looks):
        new[looks == look] = advance(capital[looks == look], growth[looks == look], int(look))
    return new


def _worth(capital: np.ndarray, looks: np.ndarray) -> np.ndarray:
    value = np.empty(len(capital))
    for look in np.unique(looks):
        value[looks == look] = worth(capital[looks == look], int(look))
    return value


def share(hits: np.ndarray) -> dict[str, float]:
    """A rate with its exact 99.9% interval."""
    interval = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(0.999, "exact")
    return {"rate": _short(hits.mean()), "low": _short(interval.low), "high": _short(interval.high)}


def mean(values: np.ndarray) -> dict[str, float]:
    """A mean over runs with its normal 99.9% interval."""
    values = values[np.isfinite(values)]
    far = 3.2905 * values.std(ddof=1) / np.sqrt(len(values))
    return {"mean": _short(values.mean()), "low": _short(values.mean() - far), "high": _short(values.mean() + far)}


def soon(lived: Lived, onset: int = 1) -> dict[str, Any]:
    """How soon a gain is found, in days from its onset."""
    waited = np.where(lived.first >= onset, lived.first - onset + 1, 10_000)
    middle, late = np.quantile(waited, [0.5, 0.9])
    return {
        "within_30_days": share(waited <= 30),
        "median_days": int(middle) if middle <= DAYS else None,
        "day_of_90_percent": int(late) if late <= DAYS else None,
        "promoted_before": share((lived.first > 0) & (lived.first < onset)),
    }


def false_promotions(runs: int, rows: int = 500) -> list[dict[str, Any]]:
    """All three worlds with all three gates, where no candidate is better."""
    found = []
    for world in ("a", "b", "c"):
        for gate in GATES:
            lived = fresh_world(gate, runs, rows) if world == "c" else holdout_world(gate, runs, frozen=world == "b")
            row = {
                "world": world,
                "gate": gate,
                "false_promotions": mean(lived.promotions),
                "any": share(lived.promotions > 0),
                "optimism_points": mean(lived.optimism),
            }
            found.append(row)
            print(
                f"  ({world}) {gate:4} false promotions {told(row['false_promotions'])}  any {told(row['any'])}  "
                f"optimism {told(row['optimism_points'])} points"
            )
    return found


def gains(runs: int) -> list[dict[str, Any]]:
    """How soon ours finds a point, and what it does where nothing is to be found."""
    cases: list[tuple[str, int, dict[str, Any]]] = [
        ("one point from the first day", 500, {"effect": 0.01}),
        ("one point from the first day", 200, {"effect": 0.01}),
        ("one point from day 30", 500, {"effect": 0.01, "onset": 30}),
        ("one point from day 30", 200, {"effect": 0.01, "onset": 30}),
        ("half a point worse", 500, {"effect": -0.005}),
        ("equal", 200, {}),
        ("equal, days lean to a design effect of 2", 500, {"sway": 0.011}),
        ("the same, design effect not mended", 500, {"sway": 0.011, "mended": False}),
        ("equal, days lean to a design effect of 3", 500, {"sway": 0.0155}),
        ("the same, design effect not mended", 500, {"sway": 0.0155, "mended": False}),
    ]
    found = []
    for name, rows, given in cases:
        lived = fresh_world("ours", runs, rows, seed=1, **given)
        early = soon(lived, given.get("onset", 1))
        row = {"candidates": name, "rows_a_day": rows, "any": share(lived.promotions > 0), **early}
        found.append(row)
        print(
            f"  {name}, {rows} rows a day: within 30 days {told(early['within_30_days'])}, median day "
            f"{early['median_days']}, 90% by day {early['day_of_90_percent']}, any in 90 days {told(row['any'])}, "
            f"before the onset {early['promoted_before']['rate']}"
        )
    return found


def _short(number: float) -> float:
    return round(float(number), 4)


def told(found: dict[str, float]) -> str:
    """A figure with its interval."""
    first = next(iter(found.values()))
    return f"{first:.4g} [{found['low']:.4g}, {found['high']:.4g}]"


def main() -> None:
    """Run all, print as it comes, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--results", type=Path)
    given = parser.parse_args()
    print(f"No candidate is better, 90 days, {given.runs:,} runs:")
    results: dict[str, Any] = {"runs": given.runs, "worlds": false_promotions(given.runs)}
    print("Fresh rows, ours:")
    results["gains"] = gains(given.runs)
    if given.results:
        given.results.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
