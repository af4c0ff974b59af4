"""What `propose_suite` promises, on a year of flights: clean next batches pass, and faults are caught.

Each batch from the thirtieth day (the tenth week) on is held against a suite proposed from the batches before it, by
Great Expectations; then faults are put into every tenth of them. `make bench-suites` runs all of it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy import stats

from prefect_mlops.core.suites.propose import cut_into_batches, propose_from
from prefect_mlops.core.suites.summaries import summarise
from prefect_mlops.deployments.demo.datasets import flights
from prefect_mlops.tasks import validate_data

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import Suite

RATE, FIRST_DAY, FIRST_WEEK, EVERY = 0.01, 30, 10, 10
KEY = ["flight_id"]
NUMBERS = ["distance", "dep_minute", "temp", "dewp", "humid", "wind_speed", "pressure", "visib"]
UNITS = {
    "distance": lambda miles: miles * 1.609,
    "temp": lambda fahrenheit: (fahrenheit - 32) / 1.8,
    "dewp": lambda fahrenheit: (fahrenheit - 32) / 1.8,
    "wind_speed": lambda miles: miles * 0.447,
    "pressure": lambda hectopascal: hectopascal * 0.02953,
    "visib": lambda miles: miles * 1.609,
    "dep_minute": lambda minutes: minutes * 60,
    "humid": lambda percent: percent / 100,
}
SWAPPED = [
    ("temp", "humid"),
    ("dewp", "wind_speed"),
    ("distance", "dep_minute"),
    ("origin", "dest"),
    ("pressure", "temp"),
]
NAMED = ["carrier", "origin", "dest"]
BURSTS = {"a fifth": 5, "half": 2}


def faults(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """A batch with one fault each: its kind, where it is, and the rows."""
    for name, convert in UNITS.items():
        yield "unit change", name, rows.assign(**{name: convert(rows[name])})
    for one, other in SWAPPED:
        yield "swapped columns", f"{one}, {other}", rows.assign(**{one: rows[other], other: rows[one]})
    for name in NUMBERS[:-1]:  # on most clear days the visibility stands at 10 miles
        yield "stuck value", name, rows.assign(**{name: rows[name].dropna().iloc[0]})
    for name in NAMED:
        yield "truncated categories", name, rows.assign(**{name: rows[name].str[:1]})
        yield "missing categories", name, rows[rows[name] != rows[name].mode()[0]]
    for name in [*(name for name in NUMBERS if name != "pressure"), *NAMED]:  # clean days lack up to 66% of that
        for share, every in BURSTS.items():
            yield f"null burst of {share}", name, rows.assign(**{name: rows[name].mask(rows.index % every == 0)})


def failures(rows: pd.DataFrame, suite: Suite) -> list[str]:
    """What fails, warnings included."""
    return [f"{each.expectation}: {each.subject}" for each in validate_data.fn(rows, suite).failures]


def walk(batches: list[pd.DataFrame], first: int) -> dict[str, Any]:
    """Every batch against a suite of those before it, and every tenth with faults."""
    known = [summarise(batch, key=KEY, personal=[], seed=0) for batch in batches]
    alarms: list[dict[str, Any]] = []
    caught: dict[str, list[bool]] = defaultdict(list)
    missed: dict[str, int] = defaultdict(int)
    for place in range(first, len(batches)):
        suite = propose_from(known[:place], key=KEY, false_alarm_rate=RATE).suite
        found = failures(batches[place], suite)
        if found:
            alarms.append({"day": str(batches[place]["time_hour"].min())[:10], "failed": found})
        if place % EVERY == 0:
            for kind, where, rows in faults(batches[place].reset_index(drop=True)):
                caught[kind].append(bool(failures(rows, suite)))
                missed[f"{kind}: {where}"] += not caught[kind][-1]
    print(f"{len(alarms)} of {len(batches) - first} fail:", *alarms, sep="\n  ", flush=True)
    return {"looked": len(batches) - first, "alarms": alarms, "caught": dict(caught), "missed": dict(missed)}


def main() -> None:
    """Walk through days and through weeks; print, and write what was found."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--results", type=Path)
    words.add_argument("--days", type=int, default=365)
    given = words.parse_args()
    rows = flights().drop(columns=["late", "month"]).sort_values("time_hour", kind="stable")
    started = time.process_time()
    days = walk(cut_into_batches(rows, "time_hour", "day")[: given.days], FIRST_DAY)
    result: dict[str, Any] = {"stated_rate": RATE, "days": days}
    weeks = cut_into_batches(rows, "time_hour", "week")[1:-1]  # the first and the last are not whole
    result["weeks"] = walk(weeks[: given.days // 7], FIRST_WEEK)
    walks = [found for found in result.values() if isinstance(found, dict)]
    looked, alarmed = sum(each["looked"] for each in walks), sum(len(each["alarms"]) for each in walks)
    chance = float(stats.binom.sf(alarmed - 1, looked, RATE))
    result |= {"looked": looked, "alarms": alarmed, "chance_of_so_many": chance, "held": chance >= 0.001}
    print(f"{alarmed} of {looked} clean next batches fail ({alarmed / looked:.2%}; stated {RATE:.0%};", end=" ")
    print(f"so many or more at that rate: {chance:.3f}, asked: at least 0.001)")
    kinds: dict[str, list[bool]] = defaultdict(list)
    for each in walks:
        for kind, seen in each.pop("caught").items():
            kinds[kind] += seen
    for kind, seen in kinds.items():
        print(f"{kind}: {sum(seen)} of {len(seen)} caught ({sum(seen) / len(seen):.1%})")
    every = [one for seen in kinds.values() for one in seen]
    print(f"all faults: {sum(every)} of {len(every)} caught ({sum(every) / len(every):.1%}; asked: at least 95%)")
    result["caught"] = {kind: {"of": len(seen), "caught": sum(seen)} for kind, seen in kinds.items()}
    result["cpu_seconds"] = round(time.process_time() - started, 1)
    if given.results:
        given.results.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
