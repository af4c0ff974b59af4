"""A search loses no trial and doubles none, whatever is killed, and says what its best is worth."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from pydantic import SecretStr

from prefect_mlops.core.errors import SpecError, TrainingError
from prefect_mlops.core.search.results import SearchResult
from prefect_mlops.core.search.suggesting import suggest
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.searching import search_candidate
from prefect_mlops.tasks.trials import bury_dead, claim, finished, occupied, open_study
from tests.waiting import until

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
    pause: float = 0.0
    gate: str = ""

    def fit(self, spec, rows):
        if self.how == "fails":
            raise ValueError("it does not want to")
        if self.how == "for ever":
            time.sleep(1000)
        if self.how == "greedy":
            np.ones(2**36)
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.pause)
        while self.gate and not os.path.exists(self.gate):
            time.sleep(0.05)
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


def spec_of(space: dict[str, Any] | None = None, pause: float = 0.0, gate: str = "", **search: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "cut",
            "purpose": {"decision": "d", "business_metric": "m", "owner": "o"},
            "data": {"key": ["row_id"]},
            "target": {"column": "y", "problem": "binary", "positive": True},
            "features": {"numeric": ["x"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "cutting:Cutting", "pause": pause, "gate": gate},
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
def test_what_fails_runs_for_ever_or_is_greedy_is_a_failed_trial_and_the_search_goes_on(folder: Path) -> None:
    known = {
        "fails": "it does not want to",
        "for ever": "it took longer than 2 s (search.seconds_per_trial)",
        "greedy": "it needs more memory than a worker may have (search.memory_mib)",
        "killed": "its process was ended from outside each time, likely for want of memory",
        "nothing": "predictions are missing, not finite or of an unknown class",
    }
    space = {"how": {"choices": ["well", *known]}, "at": {"low": -2.0, "high": 2.0}}
    spec = spec_of(space, trials=10, seed=3, seconds_per_trial=2, memory_mib=2048)  # a seed by which all are tried

    result = search(spec, folder, workers=2)

    reasons = {str(trial.parameters["how"]): trial.reason for trial in result.trials}
    assert len(result.trials) == 10
    assert result.parameters["how"] == "well"
    assert reasons.pop("well") == ""
    assert {how: known[how] for how, reason in reasons.items() if known[how] in reason} == known


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("kind", ["journal", "postgresql"])
def test_two_runs_on_one_storage_share_the_budget(
    kind: str, folder: Path, request: pytest.FixtureRequest, home: Path
) -> None:
    storage = str(home / "search") if kind == "journal" else request.getfixturevalue("postgres")
    spec = spec_of(gate=str(folder / "gate"), trials=30, pruner="median")

    runs = [search_elsewhere(spec, folder, storage, workers=1) for _ in range(2)]
    until(lambda: len(owners(spec, storage)) == 2, 240, pause=0.05)  # both wait at the gate
    (folder / "gate").touch()

    assert [run.wait(120) for run in runs] == [0, 0]
    result = search_candidate.fn(spec, rows_of(), storage)
    assert len(result.trials) == 30
    assert set(states(result)) == {"complete", "pruned"}
    assert len(owners(spec, storage)) == 2


@pytest.mark.slow
@pytest.mark.process
def test_predictions_that_are_lost_are_made_again_and_seconds_are_a_budget_too(folder: Path) -> None:
    spec = spec_of(trials=1000, seconds=1)
    result = search(spec, folder / "journal")
    kept = next((folder / "journal").glob("*/"))
    (kept / f"{result.chosen}.npy").unlink()

    assert search(spec, folder / "journal") == result
    assert 1 <= len(result.trials) < 500


def test_a_journal_cut_off_in_a_line_can_be_read_and_written(folder: Path) -> None:
    spec = spec_of(trials=5)
    assert spec.search is not None
    study = open_study(str(folder / "journal"), "s", spec.search, higher_is_better=True)
    study.ask()
    with (folder / "journal").open("ab") as file:
        file.write(b'{"op_code": 5, "trial')

    again = open_study(str(folder / "journal"), "s", spec.search, higher_is_better=True)
    again.ask()

    assert [trial.state.name for trial in again.get_trials()] == ["RUNNING", "RUNNING"]


def test_what_a_dead_worker_tried_is_tried_once_more_however_often_that_is_noticed(folder: Path) -> None:
    spec = spec_of(trials=5)
    assert spec.search is not None
    studies = [open_study(str(folder / "journal"), "s", spec.search, higher_is_better=True) for _ in range(2)]
    trial = studies[0].ask()
    trial.suggest_float("at", -2.0, 2.0)
    dead = subprocess.Popen(["true"])
    dead.wait()
    trial.set_user_attr("owner", {"host": os.uname().nodename, "pid": dead.pid, "born": 0.0})

    studies[1].enqueue_trial(trial.params, user_attrs={"again": 0, "root": 0, "deaths": 0})  # and then it died itself
    for study in (*studies, *studies):
        bury_dead(study, spec.search)

    held = occupied(studies[0].get_trials())
    assert [(each.number, each.state.name) for each in held] == [(1, "WAITING")]
    assert held[0].system_attrs["fixed_params"] == trial.params


def tried(folder: Path, seed: int, dies_at: int = -1) -> list[float]:
    """What a search without workers tries, where one trial's worker dies."""
    spec = spec_of(trials=15)
    assert spec.search is not None
    study = open_study(str(folder), "s", spec.search, higher_is_better=True)
    found = []
    while (trial := claim(study, spec.search, seed, float("inf"))) is not None:
        (at,) = suggest(trial, spec.search.space).values()
        if trial.number == dies_at:
            trial.set_user_attr("owner", {"host": os.uname().nodename, "pid": 2**22 + 1, "born": 0.0})
            continue
        assert isinstance(at, float)
        found.append(at)
        study.tell(trial, -abs(at - 0.5))
    return found


def test_the_same_seed_tries_the_same_and_a_death_changes_nothing_of_what_chance_gives(folder: Path) -> None:
    one, other, same = tried(folder / "1", 1), tried(folder / "2", 2), tried(folder / "3", 1)
    died = tried(folder / "4", 1, dies_at=4)

    assert one == same
    assert not set(one) & set(other)
    assert len(set(one)) == len(set(died)) == 15
    assert sorted(died[:10]) == sorted(one[:10])  # the first ten are chance, the others learn


def test_a_trial_of_another_machine_is_dead_when_it_takes_longer_than_it_may(folder: Path) -> None:
    spec = spec_of(trials=5, seconds_per_trial=1)
    assert spec.search is not None
    study = open_study(str(folder / "journal"), "s", spec.search, higher_is_better=True)
    for host in (os.uname().nodename, "elsewhere"):
        me = psutil.Process()
        study.ask().set_user_attr("owner", {"host": host, "pid": me.pid, "born": me.create_time()})

    bury_dead(study, spec.search)
    early = [trial.state.name for trial in study.get_trials()]
    text = (folder / "journal").read_text()
    (folder / "journal").write_text(text.replace('"datetime_start":"20', '"datetime_start":"19'))
    study = open_study(str(folder / "journal"), "s", spec.search, higher_is_better=True)
    bury_dead(study, spec.search)

    assert early == ["RUNNING", "RUNNING"]
    assert [trial.state.name for trial in study.get_trials()] == ["RUNNING", "FAIL", "WAITING"]


def test_a_search_that_asks_for_nothing_known_is_refused_before_anything_starts(folder: Path) -> None:
    with pytest.raises(SpecError, match=r"is not a parameter of cutting:Cutting\. Did you mean pause\?"):
        search(spec_of({"pauze": {"low": 1, "high": 3}}, trials=3), folder)
    with pytest.raises(SpecError, match="search: is missing"):
        search(spec_of(trials=3).model_copy(update={"search": None}), folder)


def test_a_database_that_does_not_answer_is_told_without_its_password() -> None:
    with pytest.raises(TrainingError, match="what holds its trials cannot be opened") as caught:
        search_candidate.fn(spec_of(trials=3), rows_of(), SecretStr("postgresql+psycopg://u:hunter2@127.0.0.1:9/db"))
    assert "hunter2" not in str(caught.value)


def test_without_optuna_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(TrainingError, match=r"install prefect-mlops\[search\]"):
        search(spec_of(trials=3), folder)


@pytest.mark.process
def test_a_search_without_a_single_success_ends_early_with_the_most_common_reason(folder: Path) -> None:
    spec = spec_of({"how": {"choices": ["fails", "nothing"]}}, trials=1000)

    with pytest.raises(TrainingError, match=r"all 1\d trials of its search failed, \d+ of them because: "):
        search(spec, folder)


@pytest.mark.slow
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
    spec = spec_of(pause=0.1, trials=trials)
    journal = Path(storage)
    running = search_elsewhere(spec, folder, storage)
    for kill in range(kills):
        before = said(journal)
        until(lambda before=before: said(journal) >= before + 3, 240, pause=0.05)
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
    """The study of the only search in a storage."""
    import optuna

    assert spec.search is not None
    if "://" in storage:
        (summary,) = optuna.get_all_study_summaries(storage)
        return open_study(storage, summary.study_name, spec.search, higher_is_better=True)
    (journal,) = Path(storage).glob("*.journal")
    return open_study(str(journal), journal.stem, spec.search, higher_is_better=True)


def owners(spec: ModelSpec, storage: str) -> set[int]:
    """The processes that made trials."""
    try:
        study = stored(spec, storage)
    except Exception:  # not yet made
        return set()
    return {trial.user_attrs["owner"]["pid"] for trial in study.get_trials() if "owner" in trial.user_attrs}
