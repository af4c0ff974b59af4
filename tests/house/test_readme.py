"""The README and the documents that promise code: their Python runs, their commands are ones that CI runs."""

import json
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.tables import REAL_TABLES

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELLS = {"sh", "bash", "shell", "console"}


def blocks_of(document: str, languages: set[str]) -> list[str]:
    """The fenced blocks of a document in some languages."""
    return [body for language, body in FENCE.findall((ROOT / document).read_text()) if language in languages]


def commands_of(document: str) -> list[str]:
    """The commands of its shell blocks, without prompts, comments and output."""
    lines = [
        line.split(" #")[0].strip().removeprefix("$ ")
        for body in blocks_of(document, SHELLS)
        for line in body.splitlines()
    ]
    return [line for line in lines if line and not line.startswith("#")]


def targets() -> set[str]:
    """The words that the Makefile knows."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("block", blocks_of("README.md", {"python"}))
def test_python_in_the_readme_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("guide", ["docs/data.md", "docs/gates.md"])
def test_python_in_a_guide_runs(guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    exec(compile("\n".join(blocks_of(guide, {"python"})), guide, "exec"), {"__name__": Path(guide).stem})


def test_the_guide_to_gates_names_every_kind_that_a_spec_knows() -> None:
    text = (ROOT / "docs" / "gates.md").read_text()
    schema = json.loads((ROOT / "core" / "spec-schema.json").read_text())
    known = [one["properties"]["kind"].get("const") for one in schema["properties"]["gates"]["items"]["oneOf"]]

    assert known
    assert {kind for kind in known if kind and f"`{kind}`" not in text} == set()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_word_in_a_document_is_a_target(document: str) -> None:
    words = [word for command in commands_of(document) if command.startswith("make ") for word in command.split()[1:]]

    assert {word for word in words if "=" not in word} <= targets()


def test_ci_runs_the_readmes_own_commands() -> None:
    steps = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")]

    assert steps == ["make lint types", "make test", "make test-slow"]
    assert set(steps) <= set(commands_of("README.md"))


@pytest.mark.process
@pytest.mark.process
def test_the_readmes_first_steps_work_in_a_folder_that_holds_rows_alone(tmp_path: Path) -> None:
    rows = REAL_TABLES["credit"].rows().head(1_500).rename(columns={"default": "churned"})
    times = pd.date_range("2025-01-01", periods=len(rows), freq="h", tz="UTC")
    rows.assign(at=times).to_parquet(tmp_path / "rows.parquet", index=False)
    script = [line for line in commands_of("README.md") if line.startswith("prefect-mlops ")]

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert script
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_other_command_of_the_readme_is_run_by_a_test() -> None:
    steps = (ROOT / ".ci" / "run").read_text()
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py") if path.name != "test_readme.py")
    others = [line for line in commands_of("README.md") if not line.startswith("prefect-mlops ") and line not in steps]

    assert not [command for command in others if not _is_run(command, tests)]


def _is_run(command: str, tests: str) -> bool:
    """Whether the program and its first word stand in a test, as one text or as a list of arguments."""
    if command.startswith("make "):
        command = _recipe(command.split()[1])
    words = [word for word in command.split()[:2] if not word.startswith("-")]
    return re.search(r"\W{1,6}".join(map(re.escape, words)), tests) is not None


def _recipe(word: str) -> str:
    """The last command behind a word of the Makefile, without the folder of its program."""
    found = re.search(rf"^{word}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found, word
    return found[1].splitlines()[-1].strip().removeprefix("@").removeprefix("$(BIN)/")
