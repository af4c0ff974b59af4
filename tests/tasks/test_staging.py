import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from prefect_mlops.blocks import BentoStore
from prefect_mlops.blocks.serving import MARK, BentoProcess
from prefect_mlops.core.contract import contract_of
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.staging import Staged
from prefect_mlops.tasks import build_bento, stage_bento
from prefect_mlops.tasks.packaging import Bento
from prefect_mlops.tasks.registry import Package
from prefect_mlops.tasks.requesting import Caller

pytestmark = pytest.mark.process

SERVICE = Path(__file__).with_name("staging_service.py")
FAULTS = {
    "does not boot": "ValueError: there is no model",
    "boots slowly": "was not ready in 8 s",
    "leaks memory": "memory growth",
    "answers otherwise": "golden rows: served and offline predictions differ by 0.001; 1e-05 is allowed",
    "answers in another form": "every prediction has an id",
    "answers 500": "The golden rows got 500",
    "hangs": "The golden rows were not answered: TimeoutError",
}
IN_EVERY_RUN = {"does not boot", "answers otherwise", "answers 500"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BentoStore:
    return BentoStore(home=str(tmp_path_factory.mktemp("bentos")))


@pytest.fixture(scope="module")
def spec(toy_spec) -> ModelSpec:
    return toy_spec(
        "binary",
        trainer={"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
        serving={"budget": {"cold_start_seconds": 30}, "timeout_seconds": 1},
    )


@pytest.fixture(scope="module")
def package(spec: ModelSpec, toy_package) -> Package:
    return toy_package(spec, 4)[1]


@pytest.fixture(scope="module")
def bento_with(
    store: BentoStore, spec: ModelSpec, package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Bento]:
    """A real bento whose service has one fault, or `none`."""

    def build(fault: str) -> Bento:
        folder = tmp_path_factory.mktemp("source")
        contract = contract_of(spec, package.version, package.features, package.classes, package.trusted)
        shutil.copy(SERVICE, folder / "service.py")
        (folder / "fault.txt").write_text(fault)
        (folder / "contract.json").write_text(contract.model_dump_json())
        (folder / "golden.json").write_text(package.golden)
        (folder / "requirements.txt").write_text("bentoml\n")
        return Bento(store.build(folder, spec.name), spec.name, package.version)

    return build


@pytest.fixture(scope="module")
def champion(
    store: BentoStore, bento_with: Callable[[str], Bento], package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[int]]:
    """The statuses that a champion gives to somebody who asks it all the while."""
    tag = bento_with("none").tag
    process = BentoProcess.launch(store, tag, slot="a", spool=None, log=tmp_path_factory.mktemp("champion") / "log")
    process.wait_serving(tag)
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with Caller(process.url) as caller:
            while not over.wait(0.05):
                statuses.append(caller.ask("/predict", json.loads(package.golden)["rows"][:1]).status)

    asking = threading.Thread(target=ask)
    asking.start()
    yield statuses
    over.set()
    asking.join()
    process.stop()


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=() if fault in IN_EVERY_RUN else pytest.mark.slow) for fault in FAULTS]
)
def test_a_bad_bento_is_refused_with_its_reason_while_the_champion_goes_on(
    store: BentoStore, spec: ModelSpec, bento_with: Callable[[str], Bento], champion: list[int], fault: str
) -> None:
    asked = _with_budget(spec, cold_start_seconds=2) if fault == "boots slowly" else spec
    before = len(champion)

    staged = stage_bento.fn(asked, bento_with(fault), store)

    assert not staged.fit
    assert FAULTS[fault] in staged.reason
    assert staged.tries == (2 if fault == "leaks memory" else 1)
    assert len(champion) > before
    assert set(champion) == {200}
    assert len(list(serving(store))) == 0


def test_a_good_bento_of_ours_is_staged_with_a_finding_for_everything(
    store: BentoStore, spec: ModelSpec, package: Package
) -> None:
    staged = stage_bento.fn(spec, build_bento.fn(spec, package, store), store)

    assert staged.fit, staged.reason
    assert staged.largest_difference is not None
    assert staged.largest_difference <= spec.serving.tolerance
    outcomes = {finding.name: finding.outcome for finding in staged.findings}
    assert outcomes["golden rows"] == outcomes["edge rows"] == "pass"
    assert outcomes["refuses an unknown field"] == outcomes["refuses too many rows"] == "pass"
    assert outcomes["latency p99"] == outcomes["requests per second"] == "told"
    assert outcomes["memory growth"] == outcomes["cold start"] == "pass"
    assert staged.reason.startswith("Staged: 36 rows answered as offline")
    assert list(serving(store)) == []
    assert list((store.folder() / "staging").glob(f"{spec.name}-*.spool")) == []


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_edge_rows_are_answered_as_offline_whatever_the_problem(
    store: BentoStore, toy_spec, toy_package, problem: str
) -> None:
    spec = toy_spec(problem)
    _, package, _ = toy_package(spec, 4)

    staged = stage_bento.fn(spec, build_bento.fn(spec, package, store), store)

    assert staged.fit, staged.reason
    assert len(json.loads(package.golden)["edge"]["names"]) == 11


@pytest.mark.slow
def test_a_budget_that_is_not_kept_is_measured_once_more_before_it_refuses(
    store: BentoStore, spec: ModelSpec, bento_with: Callable[[str], Bento]
) -> None:
    staged: Staged = stage_bento.fn(_with_budget(spec, latency_p50_ms=0.001), bento_with("none"), store)

    assert not staged.fit
    assert staged.tries == 2
    assert "latency p50" in staged.reason


@pytest.mark.slow
def test_a_bento_that_cannot_load_its_model_is_not_fit_and_says_why(store: BentoStore, toy_spec, toy_package) -> None:
    spec = toy_spec("binary", serving={"runtime": "skops"})
    _, package, _ = toy_package(spec, 6)
    bento = build_bento.fn(spec, package._replace(trusted=()), store)

    staged = stage_bento.fn(spec, bento, store)

    assert not staged.fit
    assert "Untrusted types found" in staged.reason
    assert list(serving(store)) == []


def _with_budget(spec: ModelSpec, **budget: Any) -> ModelSpec:
    serving = spec.serving.model_copy(update={"budget": spec.serving.budget.model_copy(update=budget)})
    return spec.model_copy(update={"serving": serving})


def serving(store: BentoStore) -> Iterator[psutil.Process]:
    """Processes that were started to try this store's bentos."""
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        staging = store.folder() / "staging"
        if MARK in environment and Path(environment.get("BENTOML_HOME", "/")).is_relative_to(staging):
            yield process
