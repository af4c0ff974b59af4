"""A model with three registered versions, a champion behind a real gateway, and users whose labels come later."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import numpy as np
import pandas as pd

from prefect_mlops.blocks import Places
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.flows.compare import compare
from prefect_mlops.tasks import (
    accept_labels,
    build_bento,
    deploy_bento,
    evaluate_candidate,
    fetch_package,
    finish_rollout,
    judge_candidate,
    log_candidate,
    profile_candidate,
    promote_version,
    split_rows,
    time_candidate,
    train_candidate,
)
from prefect_mlops.tasks.data import Versions
from prefect_mlops.tasks.governance import trace_lineage
from tests.waiting import until

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SPEC = ModelSpec.model_validate(
    {
        "spec_version": 1,
        "name": "visits",
        "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
        "data": {"key": ["visit"], "time": "at", "labels": "later"},
        "target": {"column": "buys", "problem": "binary", "positive": True},
        "features": {"numeric": ["pages", "minutes"]},
        "split": {"kind": "by-time", "judge_days": 2},
        "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
        "gates": [{"kind": "better-than-baseline", "metric": "accuracy"}],
        "rollout": {"user_key": "x-user"},
    }
)


def visits(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "visit": np.arange(count) + 1_000_000 * seed,
            "at": pd.date_range(START, periods=count, freq=timedelta(minutes=10), tz="UTC"),
            "pages": random.normal(size=count),
            "minutes": random.normal(size=count),
        }
    )
    return frame.assign(buys=frame["pages"] + frame["minutes"] + random.normal(size=count) / 3 > 0)


def register(places: Places, rows: pd.DataFrame, name: str) -> int:
    """What mlops-train does with these rows, accepted whatever the gates say."""
    sets = split_rows.fn(SPEC, rows, NOW, "")
    model = train_candidate.fn(SPEC, sets.training)
    timings = time_candidate.fn(SPEC, model, sets.judging)
    evidence = evaluate_candidate.fn(SPEC, model, sets, timings=timings, candidate_name=name)
    decision = judge_candidate.fn(SPEC, evidence).model_copy(update={"outcome": "accepted"})
    profile, lineage = (
        profile_candidate.fn(SPEC, model, sets.reference),
        trace_lineage.fn(SPEC, sets, NOW, Versions(1, 1)),
    )
    return log_candidate.fn(places.tracking, SPEC, model, evidence, decision, lineage, profile, sets.reference).version


class Arena(NamedTuple):
    """Version 1 is champion and guesses; version 2 knows; version 3 is version 1 again."""

    places: Places
    environment: str
    env: dict[str, str]

    @classmethod
    def open(cls, places: Places, environment: str, env: dict[str, str]) -> Arena:
        rows = visits(1500, seed=1)
        guessing = rows.assign(minutes=rows["minutes"].sample(frac=1, random_state=0).to_numpy(), pages=0.0)
        for name, learned in (("guesses", guessing), ("knows", rows), ("guesses-again", guessing)):
            register(places, learned, name)
        bento = build_bento.fn(SPEC, fetch_package.fn(places.tracking, SPEC, 1), places.bentos)
        placed = deploy_bento.fn(SPEC, bento, places.bentos, places.target, places.predictions, places.personal)
        finish_rollout.fn(SPEC, places.target, placed)
        promote_version.fn(places.tracking, SPEC, 1, NOW)
        return cls(places, environment, env)

    def compare(self, days: float = 0, **asked: Any) -> Any:
        moment = NOW + timedelta(days=days)
        return compare(SPEC, environment=self.environment, as_of=moment, return_state=True, **asked)

    def begin_compare(self, **asked: Any) -> subprocess.Popen[bytes]:
        """The same in a process of its own, which may be killed."""
        said = json.dumps({"environment": self.environment, "as_of": NOW.isoformat(), **asked})
        script = (
            "import json, sys\n"
            "from prefect_mlops.core.spec import ModelSpec\n"
            "from prefect_mlops.flows.compare import compare\n"
            f"compare(ModelSpec.model_validate_json(sys.argv[1]), **json.loads({said!r}))\n"
        )
        return subprocess.Popen([sys.executable, "-c", script, SPEC.model_dump_json()], env=self.env)

    def visit(self, rows: pd.DataFrame, prefix: str) -> dict[str, int]:
        """Each row is the one visit of a user of its own; says which version met whom."""
        met = {}
        with httpx.Client(timeout=30, trust_env=False) as client:
            for row in json.loads(rows.drop(columns=["buys", "at"]).to_json(orient="records")):
                user = f"{prefix}-{row['visit']}"
                answer = client.post(
                    f"{self.places.target.url('visits')}/predict", json={"rows": [row]}, headers={"x-user": user}
                )
                assert answer.status_code == 200, answer.text
                met[user] = answer.json()["version"]
        self.places.predictions.collect("visits", self.places.tables)
        return met

    def label(self, rows: pd.DataFrame, batch: str) -> None:
        """The users' labels, which come later."""
        accept_labels.fn(self.places.tables, SPEC, rows[["visit", "buys"]], batch, NOW)

    def stages(self) -> list[str]:
        records = self.places.ledger.records(model="visits")
        return [record.stage for record in records if record.stage.startswith("comparison.")]

    def wait_for(self, stage: str, count: int, seconds: float = 120) -> None:
        until(lambda: self.stages().count(stage) >= count, seconds, lambda: f"only {self.stages()}", pause=0.02)

    def wait_locked(self, url: str, seconds: float = 120) -> None:
        """Until a run has the model's lock."""
        limit = f"{url}/v2/concurrency_limits/visits-write"
        until(lambda: httpx.get(limit, timeout=60).raise_for_status().json()["active_slots"], seconds, pause=0.02)

    def unlock(self, url: str) -> None:
        """What the server does by itself minutes after a run was killed: its lock is free again."""
        httpx.patch(
            f"{url}/v2/concurrency_limits/visits-write", json={"active_slots": 0}, timeout=60
        ).raise_for_status()

    def traffic(self) -> tuple[dict[str, int], dict[str, int]]:
        """Who has which share, and which version runs where."""
        target = self.places.target
        shares = {slot: weight for slot, weight in target.weights("visits").items() if weight}
        return shares, {slot: occupied.version for slot, occupied in target.slots("visits").items()}


def page_of(url: str) -> str:
    """The newest artifact of the test."""
    wanted = {"artifacts": {"key": {"any_": ["visits-comparison"]}}, "sort": "CREATED_DESC", "limit": 1}
    (found,) = httpx.post(f"{url}/artifacts/filter", json=wanted, timeout=60).raise_for_status().json()
    return str(found["data"])
