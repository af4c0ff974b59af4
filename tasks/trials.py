"""Trials in Optuna's storage: who tries what, and how what a dead worker tried is tried again.

Run as a script it is one worker of a search, and imports nothing of Prefect, so that it starts fast.
"""

from __future__ import annotations

import functools
import os
import pickle
import resource
import socket
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import psutil

from prefect_mlops.core.errors import TrainingError
from prefect_mlops.tasks.trial_journal import open_journal

if TYPE_CHECKING:
    import numpy as np
    import optuna
    from optuna.trial import FrozenTrial, Trial

    from prefect_mlops.core.search.scoring import FoldScore, Judge
    from prefect_mlops.core.search.space import Search

__all__ = ["bury_dead", "fail_trial", "finished", "has_place", "is_over", "open_study"]

HOPELESS = 10
"""After so many failures and nothing else a search ends: what is wrong will not mend itself."""
UNNAMED_SECONDS = 10.0
"""A running trial that nobody has put his name on for so long was left by a worker that died at once."""
ABROAD_SECONDS = 60.0
"""How much longer than it may take a trial of another machine is waited for."""
MOST_DEATHS = 2
"""A trial whose worker died so often is to blame for it."""


def open_study(storage: str, name: str, search: Search, higher_is_better: bool) -> optuna.Study:
    """The study of a search, made where it is not there.

    Args:
        storage: A database's URL, or the path of a journal.
        name: The study's name.
        search: What the spec asks for.
        higher_is_better: The metric's direction.

    Raises:
        TrainingError: Optuna is not installed, or the storage cannot be opened.
    """
    try:
        import optuna
    except ImportError as error:
        raise TrainingError("the search", "it needs Optuna; install prefect-mlops[search] where flows run") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = optuna.pruners
    pruners = {"none": kinds.NopPruner, "median": kinds.MedianPruner, "halving": kinds.SuccessiveHalvingPruner}
    try:
        return optuna.create_study(
            storage=_storage(storage),
            study_name=name,
            direction="maximize" if higher_is_better else "minimize",
            sampler=optuna.samplers.TPESampler(),
            pruner=pruners[search.pruner](),
            load_if_exists=True,
        )
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise TrainingError("the search", f"what holds its trials cannot be opened ({said})") from error


def _storage(storage: str) -> Any:
    from optuna.storages import RDBStorage

    if "://" in storage:
        waits = {"connect_args": {"timeout": 60}} if storage.startswith("sqlite") else {}
        return RDBStorage(storage, engine_kwargs=waits)
    return open_journal(storage)


def occupied(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that count against the budget: finished, failed by their own fault, running, or to be tried again.

    What a dead worker tried does not count, its second try does, and of several second tries only the first.
    """
    found, again = [], set()
    for trial in trials:
        first = trial.user_attrs.get("again")
        if first is not None and first in again:
            continue
        again.add(first)
        if trial.state.name != "FAIL" or "reason" in trial.user_attrs:
            found.append(trial)
    return found


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that came to an end of their own, by number."""
    return [trial for trial in occupied(study.get_trials(deepcopy=False)) if trial.state.is_finished()]


def has_place(study: optuna.Study, search: Search) -> bool:
    """Whether a trial may begin: one waits for its second try, or the running ones do not fill the budget."""
    held = occupied(study.get_trials(deepcopy=False))
    return search.trials is None or len(held) < search.trials or any(t.state.name == "WAITING" for t in held)


def is_over(study: optuna.Study, search: Search, ends: float) -> bool:
    """Whether nothing more is to be tried: the budget is spent, one trial in any case, or nothing but failures came.

    Args:
        study: The study.
        search: What the spec asks for.
        ends: When the last trial may begin, in seconds since 1970.
    """
    done = finished(study)
    hopeless = len(done) >= HOPELESS and all(trial.state.name == "FAIL" for trial in done)
    spent = search.trials is not None and len(done) >= search.trials
    return hopeless or spent or (bool(done) and time.time() > ends)


def fail_trial(study: optuna.Study, number: int, reason: str) -> None:
    """End somebody else's trial, unless it has ended."""
    trial = study.get_trials(deepcopy=False)[number]
    if not trial.state.is_finished():
        study._storage.set_trial_user_attr(trial._trial_id, "reason", reason)
        study.tell(number, state=_state("FAIL"), skip_if_finished=True)


def bury_dead(study: optuna.Study, search: Search, suspects: Iterable[int] = ()) -> None:
    """Fail the trials whose worker is gone, and queue their parameters to be tried again.

    The second try is queued first: a death in between leaves two, of which only the first is ever made.

    Args:
        study: The study.
        search: What the spec asks for.
        suspects: Trials that may have ended their worker themselves; they get one more chance.
    """
    for trial in study.get_trials(deepcopy=False):
        if not _is_dead(trial, search):
            continue
        deaths = trial.user_attrs.get("deaths", 0) + (trial.number in suspects)
        if deaths >= MOST_DEATHS:
            fail_trial(study, trial.number, "its process was ended from outside each time, likely for want of memory")
            continue
        root = trial.user_attrs.get("root", trial.number)
        study.enqueue_trial(trial.params, user_attrs={"again": trial.number, "root": root, "deaths": deaths})
        study.tell(trial.number, state=_state("FAIL"), skip_if_finished=True)


def _is_dead(trial: FrozenTrial, search: Search) -> bool:
    if trial.state.name != "RUNNING":
        return False
    owner = trial.user_attrs.get("owner")
    began = trial.datetime_start
    age = time.time() - began.timestamp() if began else 0.0
    if owner is None:
        return age > UNNAMED_SECONDS
    if owner["host"] != socket.gethostname():
        return age > search.seconds_per_trial + ABROAD_SECONDS
    try:
        process = psutil.Process(owner["pid"])
        return process.create_time() != owner["born"] or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@functools.cache
def _myself() -> dict[str, Any]:
    """What tells this process from all others, also from a later one with its number."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "born": psutil.Process().create_time()}


def claim(study: optuna.Study, search: Search, seed: int, ends: float) -> Trial | None:
    """A trial to make now; None when there is none.

    Several workers may claim at once and find one place left: whoever then holds the higher number steps back.
    """
    import numpy as np

    while not is_over(study, search, ends):
        bury_dead(study, search)
        if not has_place(study, search):
            return None
        trial = study.ask()
        trial.set_user_attr("owner", _myself())
        everyone = study.get_trials(deepcopy=False)
        held = occupied(everyone)
        again = trial.user_attrs.get("again")
        before = [other for other in held if other.number < trial.number or "again" in other.user_attrs]
        if again is None and search.trials is not None and len(before) >= search.trials:
            trial.set_user_attr("stepped_back", True)
        elif any(other.number == trial.number for other in held):
            root = trial.user_attrs.get("root", trial.number)
            # Chance comes from the trial's place, so that a search goes on after a kill as it would have without.
            place = sum(not {"again", "stepped_back"} & {*other.user_attrs} for other in everyone[:root])
            _reseed(study, int(np.random.SeedSequence([seed, place]).generate_state(1)[0]))
            return trial
        study.tell(trial, state=_state("FAIL"))
    return None


def _reseed(study: optuna.Study, seed: int) -> None:
    """Give the sampler of a study a new seed; a new sampler would look through all trials again for their space."""
    sampler: Any = study.sampler
    for chance in (sampler._rng, sampler._random_sampler._rng):
        chance.rng.seed(seed)


def attempt(study: optuna.Study, trial: Trial, judge: Judge, search: Search, folder: Path) -> None:
    """Make one trial, and write down what came of it."""
    import numpy as np

    from prefect_mlops.core.search.correcting import standard_errors
    from prefect_mlops.core.search.suggesting import suggest

    began, scores = time.perf_counter(), []
    try:
        for step, score in enumerate(judge.scores(suggest(trial, search.space)), start=1):
            scores.append(score)
            if search.pruner != "none" and step < len(judge.folds):
                trial.report(float(np.concatenate([each.worths for each in scores]).mean(dtype=np.float64)), step)
                if trial.should_prune():
                    trial.set_user_attr("found", {"seconds": time.perf_counter() - began})
                    study.tell(trial, state=_state("PRUNED"))
                    return
    except Exception as error:
        trial.set_user_attr("found", {"seconds": time.perf_counter() - began})
        trial.set_user_attr("reason", _in_words(error))
        study.tell(trial, state=_state("FAIL"))
        return
    worths = write_predictions(folder, trial.number, scores)
    spread = float(standard_errors(worths[:, None], judge.blocks())[0])
    trial.set_user_attr("found", {"standard_error": spread, "seconds": time.perf_counter() - began})
    study.tell(trial, float(worths.mean(dtype=np.float64)))


def write_predictions(folder: Path, number: int, scores: list[FoldScore]) -> np.ndarray:
    """Keep what each row is worth to a trial, and what it said of it; whole or not at all. The worths are returned."""
    import numpy as np

    worths = np.concatenate([score.worths for score in scores])
    partial = folder / f".{number}.{os.getpid()}.npy"
    np.save(partial, np.column_stack([worths, np.concatenate([score.said for score in scores])]))
    partial.replace(folder / f"{number}.npy")
    return worths


def _in_words(error: Exception) -> str:
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        return "it needs more memory than a worker may have (search.memory_mib)"
    if isinstance(error, TrainingError):
        return error.reason[:500]
    return " ".join(str(error).split())[:500] or type(error).__name__


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]


def work(job: dict[str, Any], told: TextIO) -> None:
    """Make trials until there is nothing more to try."""
    if job["memory"]:
        resource.setrlimit(resource.RLIMIT_DATA, (job["memory"], job["memory"]))
    from prefect_mlops.core.search.scoring import Judge, search_of
    from prefect_mlops.core.spec import ModelSpec

    spec = ModelSpec.model_validate_json(job["spec"])
    search, folder = search_of(spec), Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    judge = Judge(spec, job["rows"], job["folds"])
    study = open_study(job["storage"], job["study"], search, judge.metric.higher_is_better)
    seed = spec.seed if search.seed is None else search.seed
    for number, parameters in job["lost"]:
        write_predictions(folder, number, list(judge.scores(parameters)))
    while (trial := claim(study, search, seed, job["ends"])) is not None:
        print(f"begin {trial.number}", file=told, flush=True)
        attempt(study, trial, judge, search, folder)
        print("end", file=told, flush=True)


def main() -> None:
    """Read the job, and end with whoever gave it: `python trials.py JOB PARENT`."""

    def end_with_parent() -> None:
        while os.getppid() == int(sys.argv[2]):
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what estimators print is no message
    with Path(sys.argv[1]).open("rb") as file:
        work(pickle.load(file), told)


if __name__ == "__main__":
    main()
