"""The examples in docstrings say what happens."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("core", "blocks", "tasks", "flows", "deployments")
TOLD = sorted(
    ".".join(("prefect_mlops", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for floor in FLOORS
    for path in (ROOT / floor).rglob("*.py")
    if ">>>" in path.read_text()
)


# Under its own name: read from its path a module would be a second one, whose classes are not those that others hold.
@pytest.mark.parametrize("name", TOLD)
def test_the_examples_of_a_module_are_true(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "bento_service" in name:  # In a bento its files lie at the top, and import each other from there.
        monkeypatch.syspath_prepend(ROOT / "tasks" / "bento_service")
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)

    assert done.attempted
    assert not done.failed
