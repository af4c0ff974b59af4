"""The examples of CONTRIBUTING.md, each executed as the module that its first line names, and used by a spec."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.evidence import Evidence, Measurement
from prefect_mlops.core.gates import decide
from prefect_mlops.core.monitors import Seen
from prefect_mlops.core.spec import ModelSpec

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
EXAMPLES = {
    module: body
    for body in re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    for module in re.findall(r"^# (\w+)/(\w+)\.py\n", body)
}
FRAGMENTS = [yaml.safe_load(body) for body in re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)]


@pytest.fixture(scope="module")
def acme() -> Iterator[dict[str, ModuleType]]:
    """The examples as importable modules."""
    package = sys.modules["acme"] = ModuleType("acme")
    package.__path__ = []
    made = {}
    for (_, name), body in EXAMPLES.items():
        made[name] = sys.modules[f"acme.{name}"] = ModuleType(f"acme.{name}")
        exec(compile(body, f"acme/{name}.py", "exec"), made[name].__dict__)
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
        del sys.modules[name]


@pytest.fixture
def spec(acme: dict[str, ModuleType]) -> ModelSpec:
    """The wine spec with the parts of the examples in it."""
    keys: dict[str, Any] = yaml.safe_load((ROOT / "deployments" / "specs" / "wine-cultivar.yaml").read_text())
    for fragment in FRAGMENTS:
        keys |= fragment
    assert {"gates", "monitors", "trainers"} <= set(acme)
    return ModelSpec.model_validate(keys)


@pytest.mark.parametrize("body", EXAMPLES.values(), ids=[name for _, name in EXAMPLES])
def test_an_example_is_under_25_lines(body: str) -> None:
    assert len([line for line in body.splitlines() if line.strip()]) < 25


@pytest.mark.parametrize(("rows", "outcome"), [(49, "undecided"), (50, "accepted")])
def test_the_gate_decides(spec: ModelSpec, rows: int, outcome: str) -> None:
    accuracy = Measurement(
        metric="accuracy",
        subject="candidate",
        value=0.9,
        standard_error=0.01,
        degrees_of_freedom=rows - 1,
        higher_is_better=True,
        rows=rows,
    )
    evidence = Evidence(
        model=spec.name, candidate="run", judged_on="wines", holdout_digest="", measurements=(accuracy,)
    )

    assert decide(spec.resolved_gates(), evidence).outcome == outcome


@pytest.mark.parametrize(("missing", "state"), [(0.01, "healthy"), (0.10, "drifted")])
def test_the_monitor_finds_what_is_missing(spec: ModelSpec, missing: float, state: str) -> None:
    column = {
        "column": "hue",
        "population_stability_index": 0.0,
        "statistic": 0.0,
        "missing_share": missing,
        "missing_share_reference": 0.0,
    }
    seen = Seen.model_validate(
        {"as_of": "2026-01-01T00:00:00Z", "rows": 100, "labelled": 0, "metric": "accuracy", "columns": [column]}
    )

    (monitor,) = spec.resolved_monitors()

    assert monitor.judge(seen).state == state


def test_the_trainer_learns(spec: ModelSpec) -> None:
    from prefect_mlops.deployments.demo.datasets import wine

    rows = wine()

    model = spec.resolved_trainer().fit(spec, rows)

    assert (model.predict(rows).labels == rows[spec.target.column].to_numpy()).mean() > 0.95


def test_the_target_refuses_to_move_traffic(acme: dict[str, ModuleType], home: Path) -> None:
    target = acme["targets"].FrozenTarget(folder=str(home / "serving"))

    assert target.weights("wine-cultivar") == {}
    with pytest.raises(ServingError, match="season"):
        target.set_weights("wine-cultivar", {"a": 100})
