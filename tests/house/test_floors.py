"""The five floors: who may import whom, what importing costs, and how large a file may grow."""

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("core", "blocks", "tasks", "flows", "deployments")
HEAVY = ("pandas", "numpy", "great_expectations", "mlflow", "bentoml", "sklearn", "scipy", "deltalake", "pyarrow")
PREFECT_ALONE = "from prefect import flow, task"
TASKS, A_FLOW = "import prefect_mlops.tasks", "import prefect_mlops.flows.train"
# The first flow with a parameter makes Prefect load its own schema machinery, whoever defines it.
A_FLOW_ALONE = f"{PREFECT_ALONE}\n@flow\ndef one(number: int = 0) -> int:\n    return number\n"

MODULES = sorted(path.relative_to(ROOT) for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


@functools.cache
def loaded_after(statement: str) -> frozenset[str]:
    """The top-level modules that a fresh interpreter holds after a statement."""
    told = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", f"{statement}\n{told}"], capture_output=True, text=True, check=True)
    return frozenset(json.loads(done.stdout.splitlines()[-1]))


def cost_over(alone: Path, ours: str) -> float:
    """CPU seconds of one module and then of ours, both in one fresh interpreter, as a ratio to those of the first."""
    program = (
        f"import sys, time; sys.path.insert(0, {str(alone.parent)!r}); began = time.process_time()\n"
        f"import {alone.stem}; between = time.process_time()\n"
        f"{ours}; print((time.process_time() - began) / (between - began))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def test_every_floor_imports_only_what_stands_below_it() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_whole_core_imports_without_prefect() -> None:
    modules = [".".join(("prefect_mlops", *path.with_suffix("").parts)) for path in MODULES if path.parts[0] == "core"]
    imports = "; ".join(f"import {name.removesuffix('.__init__')}" for name in modules)

    assert "prefect" not in loaded_after(imports)


def test_what_specs_events_and_decisions_are_made_of_imports_nothing_heavy() -> None:
    rooms = ("spec", "errors", "events", "gates", "evidence", "rollout", "monitors", "splits")

    loaded = loaded_after("; ".join(f"import prefect_mlops.core.{room}" for room in rooms))

    assert not loaded & set(HEAVY)


def test_importing_tasks_and_flows_loads_no_heavy_module_that_prefect_does_not_load_itself() -> None:
    ours = loaded_after(f"{TASKS}; {A_FLOW}")

    assert not (ours - loaded_after(PREFECT_ALONE)) & set(HEAVY)


@pytest.mark.process
@pytest.mark.parametrize(("ours", "alone"), [(TASKS, PREFECT_ALONE), (A_FLOW, A_FLOW_ALONE)], ids=["tasks", "a flow"])
def test_importing_it_costs_at_most_a_tenth_over_prefect_alone(ours: str, alone: str, tmp_path: Path) -> None:
    path = tmp_path / "prefect_alone.py"
    path.write_text(alone)
    cost_over(path, ours)  # bytecode is compiled once

    ratio = median(cost_over(path, ours) for _ in range(7))

    assert ratio <= 1.10, f"`{ours}` costs {ratio:.2f} times what Prefect alone does"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_file_opens_with_a_sentence_and_can_be_read_in_one_sitting(path: Path) -> None:
    text = (ROOT / path).read_text()

    assert len(text.splitlines()) <= 330
    if text.strip() and path != Path("deployments/demo/__init__.py"):
        assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it knows"


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] == "flows"], ids=str)
def test_a_flow_file_defines_no_class(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text())

    assert not [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
