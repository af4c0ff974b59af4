"""Search for the parameters of a trainer, and say honestly how good the best of them is."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task
from pydantic import SecretStr

from prefect_mlops.core.errors import TrainingError
from prefect_mlops.core.search.results import Estimate, SearchResult, TrialRow
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import optuna
    import pandas as pd

    from prefect_mlops.core.search.scoring import Judge
    from prefect_mlops.core.search.space import Search

__all__ = ["search_candidate"]

PAUSE_SECONDS = 1.0
"""How long to wait before looking again at trials that another run makes."""
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


@task
def search_candidate(
    spec: ModelSpec,
    rows: pd.DataFrame,
    storage: SecretStr | str = "",
    workers: int = 1,
    tell: Callable[[int], None] | None = None,
) -> SearchResult:
    """Try parameters of the spec's trainer by cross-validation, in processes of their own.

    Its study is named after the spec and the rows: whoever asks the same again goes on where a killed search stopped,
    and asks nothing new of one that has finished. Several runs may work on one study at once. With one worker the
    same seed gives the same trials.

    Args:
        spec: With a `search`.
        rows: Labelled rows to learn from.
        storage: A folder for journals, `search` under the home by default, or a database's URL.
        workers: Processes that try at once.
        tell: Called with the number of finished trials whenever it has grown.

    Returns:
        The trials, the parameters chosen, and what they are worth. `result.applied(spec)` is the spec to fit.

    Raises:
        SpecError: The spec asks for no search, or for parameters that its trainer does not have.
        DataError: The rows cannot be learned from, or not be split into folds.
        PartError: The metric does not fit the problem, or the trainer's class cannot be used.
        TrainingError: Every trial failed, or the storage or Optuna is not there.
    """
    from prefect_mlops.core.lineage import digest_rows
    from prefect_mlops.core.search.parameters import refuse_unknown
    from prefect_mlops.core.search.scoring import Judge, folds_of, search_of
    from prefect_mlops.tasks.search_workers import memory_for_each, run_workers
    from prefect_mlops.tasks.trials import bury_dead, has_place, is_over, open_study

    search = search_of(spec)
    refuse_unknown(spec)
    judge = Judge(spec, rows, folds_of(spec, rows))
    named = hashlib.sha256(f"{spec.digest}{digest_rows(rows)}".encode()).hexdigest()[:16]
    name = f"{spec.name}-{named}"
    url, folder = _places(storage, name)
    study = open_study(url, name, search, judge.metric.higher_is_better)
    ends = _end(study, search, workers)
    while True:
        bury_dead(study, search)
        over = study.user_attrs.get("over", False) or is_over(study, search, ends)
        lost = [] if not over else _lost(study, search, folder)
        if over and not lost:
            break
        if not over and not has_place(study, search):
            time.sleep(PAUSE_SECONDS)  # another run makes the last trials; should it die, they come here
            continue
        job = {
            "spec": spec.model_dump_json(),
            "rows": rows,
            "folds": judge.folds,
            "storage": url,
            "study": name,
            "folder": str(folder),
            "memory": memory_for_each(search, workers),
            "ends": ends,
            "lost": lost,
        }
        run_workers(study, search, job, workers if not over else 1, tell)
    study.set_user_attr("over", True)
    return _result(spec, study, judge, folder)


def _places(storage: SecretStr | str, name: str) -> tuple[str, Path]:
    """Where the trials are written down, and where what they predicted is kept."""
    from prefect_mlops.blocks.settings import place

    plain = storage.get_secret_value() if isinstance(storage, SecretStr) else storage
    if "://" in plain:
        return plain, place("", f"search/{name}")
    home = place(plain, "search")
    return str(home / f"{name}.journal"), home / name


def _end(study: optuna.Study, search: Search, workers: int) -> float:
    """When the last trial may begin: what earlier runs of this study spent is taken off the budget."""
    from prefect_mlops.tasks.trials import finished

    if search.seconds is None:
        return float("inf")
    spent = sum(float(trial.user_attrs.get("found", {}).get("seconds", 0.0)) for trial in finished(study))
    return time.time() + max(0.0, search.seconds - spent / workers)


def _lost(study: optuna.Study, search: Search, folder: Path) -> list[tuple[int, dict[str, object]]]:
    """Complete trials whose predictions are not here, as after a move to another machine; they are made again."""
    from prefect_mlops.core.search.suggesting import read_parameters
    from prefect_mlops.tasks.trials import finished

    return [
        (trial.number, dict(read_parameters(trial.params, search.space)))
        for trial in finished(study)
        if trial.state.name == "COMPLETE" and not (folder / f"{trial.number}.npy").exists()
    ]


def _result(spec: ModelSpec, study: optuna.Study, judge: Judge, folder: Path) -> SearchResult:
    import numpy as np

    from prefect_mlops.core.search.choosing import choose, ranks
    from prefect_mlops.core.search.correcting import corrected_estimate
    from prefect_mlops.core.search.scoring import search_of

    search = search_of(spec)
    table = _table(study, search)
    complete = [trial for trial in table if trial.state == "complete" and trial.value is not None]
    if not complete:
        raise TrainingError(getattr(spec.trainer, "estimator", spec.trainer.kind), _why(table))
    worths = np.stack([_worths(folder, trial.number) for trial in complete], axis=1)
    complexity = ranks([search.complexity(trial.parameters) for trial in complete]) if search.simplest else None
    higher = judge.metric.higher_is_better
    values = np.array([trial.value for trial in complete], dtype=np.float64)
    errors = np.array([trial.standard_error for trial in complete], dtype=np.float64)
    signed = (values if higher else -values)[None]
    chosen, best = int(choose(signed, errors, complexity)[0]), int(choose(signed, errors)[0])
    corrected = corrected_estimate(
        worths,
        higher_is_better=higher,
        blocks=judge.blocks(),
        complexity=complexity,
        seed=spec.seed if search.seed is None else search.seed,
    )
    width = 1.959964 * float(errors[chosen])
    value = float(values[chosen])
    return SearchResult(
        study=study.study_name,
        metric=judge.metric.name,
        rows=len(worths),
        trials=table,
        chosen=complete[chosen].number,
        best=complete[best].number,
        naive=Estimate(value=value, low=value - width, high=value + width),
        corrected=corrected,
    )


def _table(study: optuna.Study, search: Search) -> tuple[TrialRow, ...]:
    from prefect_mlops.core.search.suggesting import read_parameters
    from prefect_mlops.tasks.trials import finished

    return tuple(
        TrialRow.model_validate(
            {
                "number": trial.number,
                "state": STATES[trial.state.name],
                "value": trial.value if trial.state.name == "COMPLETE" else None,
                **trial.user_attrs.get("found", {}),
                "parameters": read_parameters(trial.params, search.space),
                "reason": trial.user_attrs.get("reason", ""),
            }
        )
        for trial in finished(study)
    )


def _why(table: tuple[TrialRow, ...]) -> str:
    """Why there is no trial to choose, with the most common reason."""
    if not table:
        return "its search ended before a trial did; raise search.seconds"
    reasons = [trial.reason for trial in table if trial.state == "failed"]
    if not reasons:
        return f"all {len(table)} trials of its search were pruned; choose pruner: none"
    common = max(dict.fromkeys(reasons), key=reasons.count)
    return (
        f"all {len(table)} trials of its search failed, {reasons.count(common)} of them because: {common.rstrip('.')}"
    )


def _worths(folder: Path, number: int) -> np.ndarray:
    import numpy as np

    kept: np.ndarray = np.load(folder / f"{number}.npy", mmap_mode="r")
    return np.array(kept[:, 0])
