"""Names that others rely on: exports, events, errors, entry points."""

import importlib.util
import pickle
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from prefect import Flow
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite

from prefect_mlops import blocks, core, deployments, flows, tasks
from prefect_mlops.core import errors
from prefect_mlops.core.errors import MlopsError, SpecProblem
from prefect_mlops.core.events import Event

ROOT = Path(__file__).parents[2]
FLOORS = (core, blocks, tasks, flows, deployments)
SAMPLES: dict[str, tuple[object, ...]] = {
    "SpecError": ("specs/a.yaml", (SpecProblem("gates", "is empty.", "Name one."),)),
    "PartError": ("acme.gates:MaxLatency", "its module does not import", ("at-least",)),
    "DataError": ("The target has one class", "Wait for rows of the other"),
    "SchemaMismatch": ("flights-late-accepted", ("air_time: the table has int64, the batch double",)),
    "StorageError": ("flights-late-accepted", "No space left on device"),
    "NotFound": ("table", "flights-late-accepted", "Ingest a batch first"),
    "NotMeasured": ("roc_auc", ("rmse",)),
    "TrainingError": ("sklearn.tree.DecisionTreeClassifier", "ValueError: no rows"),
    "TrackingUnavailable": ("http://mlflow:5000", "connection refused"),
    "ServingError": ("The server did not become ready in 30 s", "Look at its log"),
    "PortInUse": (8780, "the gateway", "Choose another port in the target block"),
    "ModelBusy": ("wine-cultivar", "mlops-release 'calm-owl' since 2026-03-01 10:00 UTC", "30 minutes"),
    "LedgerBroken": (7, "its digest is another"),
}
TREE = [getattr(errors, name) for name in errors.__all__]
ERRORS = [kind for kind in TREE if isinstance(kind, type) and issubclass(kind, MlopsError) and kind is not MlopsError]


def modules_of(floor: ModuleType) -> list[str]:
    """A floor and everything in it, by import path, except what only a served bento can import."""
    found = pkgutil.walk_packages(floor.__path__, f"{floor.__name__}.")
    return [floor.__name__, *(module.name for module in found if "bento_service" not in module.name)]


MODULES = [name for floor in FLOORS for name in modules_of(floor)]
FLOWS = [name for name in modules_of(flows) if name != flows.__name__]


@pytest.mark.parametrize("name", MODULES)
def test_exported_names_are_sorted_and_exist(name: str) -> None:
    module = importlib.import_module(name)
    exported = list(getattr(module, "__all__", []))

    assert exported == sorted(exported) or exported == sorted(exported, key=_constants_first)
    assert not [public for public in exported if not hasattr(module, public)]


def _constants_first(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_survives_a_worker_process_and_says_what_to_do(kind: type[MlopsError]) -> None:
    error = kind(*SAMPLES[kind.__name__])

    arrived = pickle.loads(pickle.dumps(error))

    assert type(arrived) is kind
    assert vars(arrived) == vars(error)
    assert str(arrived) == str(error)
    assert re.match(r"[A-Z'a-z].{20,}[.]$", str(error), re.DOTALL), f"no sentence: {error}"


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_is_also_a_builtin_and_stands_in_the_tree_at_the_top_of_its_file(kind: type[MlopsError]) -> None:
    builtin = [base.__name__ for base in kind.__mro__[1:] if base.__module__ == "builtins"]

    assert builtin[0] not in ("Exception", "BaseException")
    assert re.search(rf"── {kind.__name__} +{builtin[0]} ", errors.__doc__ or "")


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_an_event_is_named_as_a_fact_about_a_noun(event: Event) -> None:
    assert re.fullmatch(r"mlops\.[a-z]+\.[a-z]+", event)


def test_every_event_in_prefect_yaml_is_one_that_we_emit() -> None:
    text = (ROOT / "deployments" / "prefect.yaml").read_text()
    resources = {f"mlops.model.{model}" for model in _models(text)}

    named = set(re.findall(r"\bmlops\.[a-z]+\.[a-z-]+", text)) - resources

    assert named
    assert named - set(Event) == set()


def _models(text: str) -> set[str]:
    parameters = [entry.get("parameters", {}) for entry in yaml.safe_load(text)["deployments"]]
    return {given["spec"]["name"] for given in parameters if "spec" in given}


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_module_really_imports_and_holds_the_flow_of_its_name(name: str) -> None:
    word = name.rpartition(".")[2]
    flow = getattr(importlib.import_module(name), word)

    assert isinstance(flow, Flow)
    assert flow.name == f"mlops-{word}"


def test_every_entrypoint_of_a_deployment_is_an_importable_flow() -> None:
    entries = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]

    for entrypoint in {entry["entrypoint"] for entry in entries}:
        module, _, name = entrypoint.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), name), Flow), entrypoint


def test_every_exported_block_is_held_to_prefects_own_suite() -> None:
    exported = {name for name in blocks.__all__ if _is_block(getattr(blocks, name))}
    spec = importlib.util.spec_from_file_location("suite_of_blocks", ROOT / "tests" / "blocks" / "test_blocks.py")
    assert spec is not None
    assert spec.loader is not None
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)

    assert issubclass(suite.TestEveryBlock, BlockStandardTestSuite)
    assert {block.__name__ for block in suite.ALL} == exported


def _is_block(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Block)
