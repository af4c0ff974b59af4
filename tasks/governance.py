"""Write every stage into the ledger, ask it what was done before, and name what a version was made from."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task

from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.retraining import Due, Situation, judge_due
from prefect_mlops.core.spec import ModelSpec, Suite
from prefect_mlops.tasks.runs import run_key, run_name

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import Ledger
    from prefect_mlops.core.ledger import Record
    from prefect_mlops.core.lineage import Lineage
    from prefect_mlops.core.spec import TrainerPart
    from prefect_mlops.core.splits import RowSets
    from prefect_mlops.tasks.champions import Champion
    from prefect_mlops.tasks.data import Versions

__all__ = ["check_due", "record_stage", "render_model_card", "trace_lineage"]


@task(retries=3, retry_delay_seconds=1)
def record_stage(
    ledger: Ledger,
    spec: ModelSpec,
    stage: str,
    subject: str,
    as_of: datetime,
    body: Mapping[str, object],
    key: str = "",
) -> Record:
    """Append one record to the ledger; the same key twice is one record.

    Args:
        ledger: The ledger.
        spec: The model's spec.
        stage: What happened, such as `candidate.accepted`.
        subject: The batch or version that it happened to.
        as_of: The time it belongs to.
        body: Facts; records are written as JSON.
        key: Names this very happening, such as the batch; by default the run.
    """
    facts: dict[str, Any] = {
        name: value.model_dump(mode="json") if isinstance(value, Frozen) else value for name, value in body.items()
    }
    return ledger.append(
        model=spec.name,
        stage=stage,
        subject=subject,
        body=facts,
        as_of=as_of.isoformat(),
        actor=run_name(),
        key=f"{spec.name}:{stage}:{key or run_key()}",
    )


@task
def check_due(
    ledger: Ledger,
    spec: ModelSpec,
    labelled: pd.DataFrame,
    champion: Champion | None,
    as_of: datetime,
    versions: Versions,
) -> Due:
    """Say whether the model is due to be trained again.

    Args:
        ledger: Knows the trainings so far.
        spec: The model's spec; `retraining` is the policy.
        labelled: The labelled rows that the training would read.
        champion: The version in service, if any.
        as_of: Says which month's budget is spent.
        versions: Which versions of the tables the training would read.
    """
    trainings = [record for record in ledger.records(model=spec.name) if record.stage.startswith("candidate.")]
    seen = [int(record.body["labels_version"]) for record in trainings if record.body.get("labels_version") is not None]
    month = as_of.isoformat()[:7]
    situation = Situation(
        fresh_labels=len(_newer(spec, labelled, champion)),
        trained_this_month=sum(record.as_of[:7] == month for record in trainings),
        trained_on=max(seen, default=None),
        labels_version=versions.labels_version,
        champion=champion is not None,
    )
    return judge_due(spec.retraining, situation)


def _newer(spec: ModelSpec, labelled: pd.DataFrame, champion: Champion | None) -> pd.DataFrame:
    """The labelled rows that the champion cannot have learned from."""
    import pandas as pd

    from prefect_mlops.core.acceptance import ACCEPTED_AT

    if champion is None:
        return labelled
    if spec.data.time:
        return labelled[labelled[spec.data.time] > pd.Timestamp(champion.lineage.cutoff)]
    return labelled[labelled[ACCEPTED_AT] > pd.Timestamp(champion.lineage.as_of)]


@task
def trace_lineage(
    spec: ModelSpec,
    sets: RowSets,
    as_of: datetime,
    versions: Versions,
    suite: Suite | None = None,
    trainer: TrainerPart | None = None,
) -> Lineage:
    """Name everything that a version is made from: rows, suite, code, environment, spec, seed and parameters.

    Args:
        spec: The model's spec.
        sets: The rows; the version learns from `training`.
        as_of: End of the window that was read.
        versions: Which versions of the tables were read.
        suite: What its rows have to fit, from `load_suite`; by default the spec's own expectations. Without it the
            digest of a suite that the spec only names stays empty.
        trainer: The trainer with the parameters that a search chose; the spec's own by default.
    """
    from prefect_mlops.core.evaluation import holdout_digest
    from prefect_mlops.core.lineage import DataVersion, Lineage

    asked = suite or spec.suite
    return Lineage(
        model=spec.name,
        data=DataVersion.of(sets.training, f"{spec.name}-accepted", versions.data_version, spec.data.time),
        labels_version=versions.labels_version,
        commit=_commit(),
        spec_digest=spec.digest,
        suite_digest="" if asked.stored else asked.digest,
        lock_digest=_installed_digest(),
        seed=spec.seed,
        parameters=(trainer or spec.trainer).model_dump(mode="json"),
        holdout_digest=holdout_digest(spec, sets.judging),
        cutoff=sets.cutoff,
        as_of=as_of.isoformat(),
    )


@task
def render_model_card(ledger: Ledger, spec: ModelSpec) -> str:
    """The model card as Markdown, from nothing but the ledger's records and the spec."""
    from prefect_mlops.core.cards import render_card

    return render_card(ledger.records(model=spec.name), spec)


def _commit() -> str:
    """The commit of the code that runs: from the settings, else from git; empty where neither knows."""
    from prefect_mlops.blocks.settings import MlopsSettings

    named = MlopsSettings().commit
    if named:
        return named
    answer = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _installed_digest() -> str:
    """SHA-256 over the name and version of every installed distribution, sorted.

    They are read from the names of their folders: opening every METADATA file takes ten times as long.
    """
    import hashlib
    import re
    import sys

    ending = re.compile(r"(.+)-([^-]+)\.(?:dist|egg)-info")
    found = (ending.fullmatch(path.name) for folder in sys.path for path in Path(folder or ".").glob("*-info"))
    installed = sorted({f"{re.sub(r'[-_.]+', '-', hit[1]).lower()}=={hit[2]}" for hit in found if hit})
    return hashlib.sha256("\n".join(installed).encode()).hexdigest()
