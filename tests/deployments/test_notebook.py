"""The notebook of the docs runs from its first cell to its last."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "from-a-notebook.ipynb"


@pytest.mark.process
def test_the_notebook_leads_to_an_accepted_candidate(tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    program = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")

    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )

    assert ended.returncode == 0, ended.stderr
    assert "put it into a module" in ended.stdout
    assert "gate: accepted" in ended.stdout
    assert "package: tumours:" in ended.stdout
