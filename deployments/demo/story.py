"""The demo's story: months of flights arrive one by one, and the deployed automations do the rest.

Nothing here calls a stage. It drops data and labels, sends requests, and tells what happened.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.deployments.demo.datasets import flight_labels, flight_rows
from prefect_mlops.deployments.demo.report import Stage
from prefect_mlops.deployments.demo.traffic import Caller
from prefect_mlops.deployments.demo.watch import RunSeen, RunWatcher
from prefect_mlops.deployments.land import land_batch

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Story"]

NEW_YORK = ZoneInfo("America/New_York")
HISTORY = (1, 2, 3)


@dataclass
class Story:
    """Plays the months and keeps what each stage cost.

    Attributes:
        spec: The flights spec.
        folder: Where batches are written before they are dropped.
        watcher: Sees the runs.
        caller: Sends the requests.
        scored_keys: The keys of all rows in the table of scores, as they stand there.
        cpu_seconds: CPU seconds spent so far by all that runs.
        tell: Says one line.
    """

    spec: ModelSpec
    folder: Path
    watcher: RunWatcher
    caller: Caller
    scored_keys: "Callable[[], pd.Series]"
    cpu_seconds: Callable[[], float]
    tell: Callable[[str], None]
    stages: list[Stage] = field(default_factory=list)

    def play(self, last_month: int) -> None:
        """History first, then April with its bad batch and its bad candidate, then month by month.

        Raises:
            ServingError: A stage did not end as the story goes.
        """
        self._history()
        for month in range(HISTORY[-1] + 1, last_month + 1):
            rows = flight_rows(month)
            if month == HISTORY[-1] + 1:
                broken = rows.assign(distance=rows["distance"] * -1.609344)
                self._drop(f"rows-2013-{month:02d}-broken.parquet", broken, _end_of(month))
                self._expect("mlops-ingest", "a broken batch", "Rejected")
            self._month(month, rows)
            if month == HISTORY[-1] + 1:
                self._worse_candidate(month)

    def _history(self) -> None:
        import pandas as pd

        as_of = _end_of(HISTORY[-1])
        self._drop("rows-2013-q1.parquet", pd.concat([flight_rows(month) for month in HISTORY]), as_of)
        self._expect("mlops-ingest", "January to March", "Accepted")
        self._expect("mlops-score", "January to March", "Unserved")
        self._drop("labels-2013-q1.parquet", pd.concat([flight_labels(month) for month in HISTORY]), as_of)
        self._expect("mlops-ingest", "their labels", "Accepted")
        self._expect("mlops-monitor", "is there a champion?", "Unserved")
        self._expect("mlops-retrain", "the first candidate", "Accepted")
        self._expect("mlops-release", "package, stage, serve", "Promoted")
        answer = self.caller.one(flight_rows(HISTORY[-1] + 1))
        self.tell(f"   the first champion answers over HTTP: {answer['predictions']}")

    def _month(self, month: int, rows: "pd.DataFrame") -> None:
        name = datetime(2013, month, 1, tzinfo=NEW_YORK).strftime("%B")
        as_of = _end_of(month)
        self._drop(f"rows-2013-{month:02d}.parquet", rows, as_of)
        self._expect("mlops-ingest", name, "Accepted")
        self._expect("mlops-score", name, "Scored")
        self._require_scored(name, rows)
        self._measure(f"{name}'s requests", lambda: self.caller.send(rows))
        self._drop(f"labels-2013-{month:02d}.parquet", flight_labels(month), as_of)
        self._expect("mlops-ingest", f"{name}'s labels", "Accepted")
        health = self._expect("mlops-monitor", f"{name}: how is the champion?")
        if health.state != "Degraded":
            return
        trained = self._expect("mlops-retrain", f"{name}: a new candidate")
        if trained.state == "Accepted":
            canary = rows.tail(5000)
            self._expect("mlops-release", f"{name}: canary", meanwhile=lambda: self.caller.trickle(canary, 2.0))

    def _require_scored(self, name: str, rows: "pd.DataFrame") -> None:
        """Each row of a month must stand in the table of scores, and once."""
        scored = self.scored_keys()
        found = int(scored.isin(set(rows["flight_id"])).sum())
        if found != len(rows) or not scored.is_unique:
            raise ServingError(
                f"{found:,} scores are on record of {name}'s {len(rows):,} rows", "Look at the run of mlops-score"
            )
        self.tell(f"   {name}: {len(rows):,} rows, {found:,} scores, each row once")

    def _worse_candidate(self, month: int) -> None:
        """Ask for a training that can only be worse, as a careless colleague would: on demand, by hand."""
        from prefect.deployments import run_deployment

        stump = {"estimator": "sklearn.tree.DecisionTreeClassifier", "parameters": {"max_depth": 1}}
        spec = {**self.spec.model_dump(mode="json"), "trainer": {"kind": "sklearn", **stump}}
        parameters = {"spec": spec, "as_of": _end_of(month).isoformat()}
        run_deployment(f"mlops-train/{self.spec.name}", parameters=parameters, timeout=0)
        self._expect("mlops-train", "a careless candidate", "Rejected")

    def _drop(self, name: str, rows: "pd.DataFrame", as_of: datetime) -> None:
        path = self.folder / name
        rows.to_parquet(path, index=False)
        land_batch(self.spec.name, path, batch=name, as_of=as_of)

    def _expect(
        self, flow: str, what: str, state: str | None = None, meanwhile: Callable[[], object] | None = None
    ) -> RunSeen:
        before = self.cpu_seconds()
        run = self.watcher.wait_for(flow, meanwhile=meanwhile)
        self._keep(
            Stage(f"{flow}: {what}", run.state, run.waited_seconds, run.ran_seconds, self.cpu_seconds() - before)
        )
        self.tell(f"   {_first_sentence(run.message)}")
        if run.failed or (state and run.state != state):
            is_incomplete = "ModuleNotFoundError" in run.message
            look = "Run `make demo KEEP=1` and look at the run in the Prefect UI"
            raise ServingError(
                f"{flow} ({what}) ended {run.state}, {state or 'a verdict'} was expected: {run.message}",
                "A package is missing; `make clean demo` builds the environment anew" if is_incomplete else look,
            )
        return run

    def _measure(self, what: str, act: Callable[[], object]) -> None:
        before, start, failed = self.cpu_seconds(), time.monotonic(), self.caller.failed
        act()
        failures = self.caller.failed - failed
        self._keep(Stage(what, f"{failures} failed", 0.0, time.monotonic() - start, self.cpu_seconds() - before))
        if failures:
            raise ServingError(f"{failures} of {what} failed", "Look at the logs under .demo/home/serving/logs")

    def _keep(self, stage: Stage) -> None:
        self.stages.append(stage)
        seconds = (
            f"waited {stage.waited_seconds:4.1f} s, ran {stage.ran_seconds:5.1f} s, {stage.cpu_seconds:5.1f} CPU s"
        )
        self.tell(f"{stage.what:<48} {stage.outcome:<11} {seconds}")


def _end_of(month: int) -> datetime:
    """The first moment after a month of 2013, New York time."""
    return datetime(2013 + month // 12, month % 12 + 1, 1, tzinfo=NEW_YORK)


def _first_sentence(text: str) -> str:
    return text if len(text) < 220 else text[:217] + "..."
