"""Learn a candidate: search for its parameters where the spec asks, fit it, and say what that took."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING, NamedTuple, cast

from prefect import runtime, task
from pydantic import SecretStr

from prefect_mlops.core.names import artifact_key
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.training import train_candidate

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    import pandas as pd

    from prefect_mlops.blocks import Ledger
    from prefect_mlops.core.experiments.records import Usage
    from prefect_mlops.core.search.results import SearchResult
    from prefect_mlops.core.trainers import FittedModel

__all__ = ["Learned", "learn_candidate"]


class Learned(NamedTuple):
    """A candidate and how it came to be.

    Attributes:
        spec: The spec with the parameters that were chosen; the spec itself without a search.
        model: The candidate.
        search: What the search found; None without one.
        usage: Seconds and memory of search and fit.
    """

    spec: ModelSpec
    model: FittedModel
    search: SearchResult | None
    usage: Usage


@task
def learn_candidate(spec: ModelSpec, rows: pd.DataFrame, ledger: Ledger | None = None, workers: int = 1) -> Learned:
    """Search where the spec asks for it, then fit the trainer with the chosen parameters on all rows.

    Trials lie in the ledger's database where that is PostgreSQL, so that a run on another machine goes on with a
    search that was killed; else in a file under the home.

    Args:
        spec: The model's spec.
        rows: Labelled rows to learn from.
        ledger: Says where the trials lie.
        workers: Processes that try at once.

    Raises:
        DataError: The rows cannot be learned from.
        SpecError: The search asks for parameters that the trainer does not have.
        PartError: The trainer's class or the search's metric cannot be used.
        TrainingError: The estimator failed, or every trial did.
    """
    from prefect_mlops.core.experiments.records import Usage

    before, begun = _cpu_seconds(), time.perf_counter()
    found = None
    if spec.search is not None:
        from prefect_mlops.tasks.searching import search_candidate

        address = ledger.address() if ledger else ""
        storage = SecretStr(address) if address.startswith("postgresql") else ""
        found = search_candidate.fn(spec, rows, storage, workers, _teller(spec, spec.search.trials))
        spec = found.applied(spec)
    model = train_candidate.fn(spec, rows)
    usage = Usage(seconds=time.perf_counter() - begun, cpu_seconds=_cpu_seconds() - before, peak_mib=_peak_mib())
    return Learned(spec, model, found, usage)


def _teller(spec: ModelSpec, trials: int | None) -> Callable[[int], None] | None:
    """Shows in the Prefect UI how far a search is; nothing outside of a run, or where only seconds limit it."""
    if trials is None or runtime.flow_run.id is None:
        return None
    from prefect.artifacts import create_progress_artifact, update_progress_artifact

    words = f"{spec.search.metric if spec.search else ''} over {trials} trials"
    made = cast("UUID", create_progress_artifact(0.0, key=artifact_key(spec.name, "search"), description=words))
    return lambda finished: cast("None", update_progress_artifact(made, progress=min(100.0, 100.0 * finished / trials)))


def _cpu_seconds() -> float:
    """Of this process and all that it has ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _peak_mib() -> float:
    """The most that this process, or any that it has ended, held since it started."""
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return most / 1024
