"""A search loses no trial and doubles none, whatever is killed, and says what its best is worth."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from prefect_mlops.core.errors import TrainingError
from prefect_mlops.core.search import SearchResult
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.searching import search_candidate
from prefect_mlops.tasks.trials import finished, occupied, open_study

TRAINER = '''
import os, signal, time
import numpy as np
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.trainers import FittedModel


class Cut:
    def __init__(self, at, wrong):
        self.at, self.wrong = at, wrong

    def predict_proba(self, frame):
        sure = np.where(frame.to_numpy()[:, 0] > self.at, 0.9, 0.1)
        return np.stack([1 - sure, sure], axis=1) * (np.nan if self.wrong else 1)


class Cutting(Frozen):
    """Cuts one column in two, and does on demand what trainers should not."""

    kind: str = "cutting:Cutting"
    at: float = 0.0
    how: str = "well"
    seconds: float = 0.0

    def fit(self, spec, rows):
        if self.how == "fails":
            raise ValueError("it does not want to")
        if self.how == "for ever":
            time.sleep(1000)
        if self.how == "greedy":
            np.ones(2**36)
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        return FittedModel(Cut(self.at, self.how == "nothing"), ("x",), (False, True))
'''
SCRIPT = """
import sys
import pandas as pd
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.searching import search_candidate

spec = ModelSpec.model_validate_json(open(sys.argv[1]).read())
search_candidate.fn(spec, pd.read_parquet(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the trainer in it, from which this process and its workers import."""
    (tmp_path / "cutting.py").write_text(TRAINER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cutting", raising=False)
    return tmp_path


def spec_of(space: dict[str, Any] | None = None, seconds: float = 0.0, **search: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "cut",
            "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
            "data": {"key": ["row_id"]},
            "target": {"column": "y", "problem": "binary", "positive": True},
            "features": {"numeric": ["x"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "cutting:Cutting", "seconds": seconds},
            "gates": [{"kind": "better-than-baseline", "metric": "log_loss"}],
            "search": {
                "space": space or {"at": {"low": -2.0, "high": 2.0}},
                "metric": "accuracy",
                "folds": 2,
                **search,
            },
        }
    )


def rows_of(count: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=count)
    return pd.DataFrame({"row_id": range(count), "x": x, "y": x + random.normal(size=count) / 2 > 0.5})


def search(spec: ModelSpec, folder: Path, workers: int = 1) -> SearchResult:
    return search_candidate.fn(spec, rows_of(), str(folder), workers)


def search_elsewhere(spec: ModelSpec, folder: Path, storage: str, workers: int = 2) -> subprocess.Popen[bytes]:
    """The same search in a process that can be killed."""
    (folder / "spec.json").write_text(spec.model_dump_json())
    rows_of().to_parquet(folder / "rows.parquet")
    command = [sys.executable, "-c", SCRIPT, folder / "spec.json", folder / "rows.parquet", storage, str(workers)]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(folder)})


def wait_for(met: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


def states(result: SearchResult) -> list[str]:
    return [trial.state for trial in result.trials]


@pytest.mark.process
def test_a_search_finds_the_cut_and_a_rerun_asks_nothing_new(folder: Path) -> None:
    spec = spec_of(trials=30)

    result = search(spec, folder / "one")
    again = search(spec, folder / "one")

    assert states(result) == ["complete"] * 30
    assert 0.2 < result.parameters["at"] < 0.8
    assert result.applied(spec).trainer.model_dump()["at"] == result.parameters["at"]
    assert result.corrected.low < result.naive.value < result.corrected.high
    assert result.table()["at"].nunique() == 30
    assert again == result


@pytest.mark.process
def test_what_fails_for_ever_or_is_greedy_is_one_failed_trial_and_the_search_goes_on(folder: Path) -> None:
    bad = ["fails", "for ever", "greedy", "killed", "nothing"]
    space = {"how": {"choices": ["well", *bad]}, "at": {"low": -2.0, "high": 2.0}}
    spec = spec_of(space, trials=30, seconds_per_trial=2, memory_mib=2048)
    known = {
        "fails": "it does not want to",
        "for ever": "it took longer than 2 s (search.seconds_per_trial)",
        "greedy": "it needs more memory than a worker may have (search.memory_mib)",
        "killed": "its process was ended from outside each time, likely for want of memory",
        "nothing": "100 of 100 predictions are missing, not finite or of an unknown class",
    }

    result = search(spec, folder, workers=2)

    reasons = {trial.parameters["how"]: trial.reason for trial in result.trials}
    assert len(result.trials) == 30
    assert result.parameters["how"] == "well"
    assert reasons.pop("well") == ""
    assert {how: reason[: len(known[how])] for how, reason in reasons.items()} == {how: known[how] for how in reasons}
    assert len(reasons) >= 4


@pytest.mark.process
def test_a_search_without_a_single_success_ends_early_with_the_most_common_reason(folder: Path) -> None:
    spec = spec_of({"how": {"choices": ["fails", "nothing"]}}, trials=1000)

    with pytest.raises(TrainingError, match=r"all 1\d trials of its search failed, \d+ of them because: "):
        search(spec, folder)


@pytest.mark.process
def test_a_search_goes_on_after_kill_9_where_it_stopped(folder: Path) -> None:
    kill_and_go_on(folder, str(folder / "journal"), trials=12, kills=1)


@pytest.mark.slow
@pytest.mark.process
def test_ten_kills_leave_a_hundred_different_finished_trials(folder: Path) -> None:
    kill_and_go_on(folder, str(folder / "journal"), trials=100, kills=10)


def kill_and_go_on(folder: Path, storage: str, trials: int, kills: int) -> None:
    """Kill the search, or one of its workers, and start it anew where it is gone; then look at all that was stored."""
    random = np.random.default_rng(7)
    spec = spec_of(seconds=0.1, trials=trials)
    journal = Path(storage)
    running = search_elsewhere(spec, folder, storage)
    for kill in range(kills):
        before = said(journal)
        wait_for(lambda before=before: said(journal) >= before + 3)
        time.sleep(random.uniform(0, 0.3))
        crew = psutil.Process(running.pid).children()
        if kill % 3 == 2:
            crew[0].kill()
            continue
        running.kill()
        running.wait()
        if kill % 3 == 1:  # whoever is left ends by himself
            psutil.wait_procs(crew, timeout=10)
        running = search_elsewhere(spec, folder, storage)
    assert running.wait(120) == 0

    study = stored(spec, storage)
    ended = finished(study)
    assert len(ended) == len(occupied(study.get_trials())) == trials
    assert {trial.state.name for trial in ended} == {"COMPLETE"}
    assert len({trial.params["at"] for trial in ended}) == trials
    asked = {trial.params["at"] for trial in study.get_trials() if "at" in trial.params}
    assert asked == {trial.params["at"] for trial in ended}


def said(journal: Path) -> int:
    """How many trials have ended, by the journal's own lines."""
    return sum(text.read_text().count('"state":1') for text in journal.glob("*.journal"))


def stored(spec: ModelSpec, storage: str) -> Any:
    (journal,) = Path(storage).glob("*.journal")
    assert spec.search is not None
    return open_study(str(journal), journal.stem, spec.search, higher_is_better=True)
