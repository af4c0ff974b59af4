"""Bets on what real metrics give, row by row: equal models and one a point better, and real flights whose days lean.

`python -m benchmarks.wagers` prints how often 20 is won in 90 days, and writes it as JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.worlds import ALPHA, DAYS, Lived, share, soon, told
from prefect_mlops.core.betting.bets import begin, bet
from prefect_mlops.core.betting.dayspread import FEWEST_DAYS
from prefect_mlops.core.metrics import metric_named
from prefect_mlops.core.trainers.fitted import Predictions


def scored_world(
    metric_name: str, runs: int, rows: int, *, positives: float, better: float = 0.0, seed: int = 0
) -> Lived:
    """The real bet on probabilities, row by row: the first day on which 20 is won, whatever else a gate asks.

    Both models see the same signal with noise of their own; a better candidate's is smaller. At 0.25 less the area
    under its curve is 0.802 where the champion's is 0.792.
    """
    metric = metric_named(metric_name, "binary")
    first = np.zeros(runs, int)
    for run in range(runs):
        rng = np.random.default_rng([seed, run, rows])
        wager = begin(metric_name, 1)
        for day in range(1, DAYS + 1):
            ahead = 0 if wager.looks else FEWEST_DAYS
            size = rows * (1 + ahead)
            y = (rng.random(size) < positives).astype(np.int64)
            shared = 1.2 * y + rng.normal(0, 1.0, size)
            said = []
            for noise in (0.3 - better, 0.3):
                seen = shared + rng.normal(0, noise, size)
                chance = 1 / (1 + np.exp(-(1.2 * seen - 0.72 + np.log(positives / (1 - positives)))))
                said.append(Predictions((chance >= positives).astype(np.int64), np.column_stack([1 - chance, chance])))
            days = np.arange(size) // rows
            wager = bet(wager, metric, y, said[0], said[1], days, fresh=days == ahead, seed=run)
            if wager.e_value >= 1 / ALPHA:
                first[run] = day
                break
    return Lived((first > 0).astype(int), first, np.full(runs, np.nan))


def scored_metrics(runs: int) -> list[dict[str, Any]]:
    """Pairs for an area under the curve, and a metric without a score of its own, bet on for real."""
    found = []
    for name, rows, positives, less in (
        ("roc_auc", 500, 0.3, 0.0),
        ("roc_auc", 500, 0.1, 0.0),
        ("roc_auc", 500, 0.3, 0.25),
        ("roc_auc", 500, 0.1, 0.25),
        ("brier", 500, 0.1, 0.0),
        ("log_loss", 500, 0.1, 0.0),
        ("f1", 500, 0.1, 0.0),
        ("f1", 500, 0.1, 0.25),
        ("average_precision", 500, 0.1, 0.0),
    ):
        lived = scored_world(name, runs, rows, positives=positives, better=less)
        early = soon(lived)
        row = {"metric": name, "rows_a_day": rows, "positives": positives, "noise_less": less, **early}
        row["any"] = share(lived.promotions > 0)
        found.append(row)
        kind = "one point better" if less else "equal"
        print(
            f"  {name}, {rows} rows a day, {positives:.0%} positives, {kind}: 20 won in {told(row['any'])}, "
            f"within 30 days {told(early['within_30_days'])}, median day {early['median_days']}"
        )
    return found


def flights() -> list[dict[str, Any]]:
    """Real days lean: monthly candidates on the flights out of New York against the model of January to March."""
    import pandas as pd

    from prefect_mlops.core.metrics.encoding import class_order, encode_predictions, encode_target
    from prefect_mlops.core.metrics.measuring import days_of
    from prefect_mlops.core.specfile import load_spec
    from prefect_mlops.deployments.demo import datasets

    spec = load_spec("deployments/specs/flights-late.yaml")
    rows = datasets.flights().dropna(subset=["late"]).astype({"late": bool})
    times = rows["time_hour"]
    champion = spec.resolved_trainer().fit(spec, rows[times < pd.Timestamp("2013-03-22", tz="UTC")])
    order = class_order(spec, champion.classes)
    found: list[dict[str, Any]] = []
    for name in ("roc_auc", "accuracy", "brier"):
        metric, wager, naive = metric_named(name, "binary"), begin(name, 1), begin(name, 1)
        for month in range(4, 11):
            end = pd.Timestamp(2013, month + 1, 1, tz="UTC")
            cut = end - pd.Timedelta(days=10)
            candidate = spec.resolved_trainer().fit(spec, rows[times < cut])
            judging = rows[(times >= cut) & (times < end)]
            y = encode_target(judging["late"], order)
            said = [encode_predictions(model.predict(judging), model.classes, order) for model in (candidate, champion)]
            wager = bet(wager, metric, y, said[0], said[1], days_of(judging["time_hour"]))
            naive = bet(naive, metric, y, said[0], said[1])
            row = {
                "metric": name,
                "month": month,
                "e_value": float(f"{wager.e_value:.3g}"),
                "design_effect": round(wager.design_effect, 2),
                "e_value_of_rows_alone": float(f"{naive.e_value:.3g}"),
            }
            found.append(row)
            print(
                f"  {name}, month {month}: E {row['e_value']:.3g} at a design effect of {row['design_effect']}, "
                f"{row['e_value_of_rows_alone']:.3g} were rows to stand by themselves"
            )
    return found


def main() -> None:
    """Run all, print as it comes, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--results", type=Path)
    given = parser.parse_args()
    print("Flights out of New York:")
    results: dict[str, Any] = {"runs": given.runs, "flights": flights()}
    print(f"Bets on probabilities, {given.runs:,} runs of 90 days:")
    results["metrics"] = scored_metrics(given.runs)
    if given.results:
        given.results.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
