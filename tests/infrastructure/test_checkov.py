"""checkov finds nothing in modules and examples that is not skipped there with a reason."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TERRAFORM = ROOT / "terraform"


@pytest.mark.slow
def test_checkov_finds_nothing_in_modules_and_examples(tools: Path) -> None:
    words = ("--framework", "terraform", "--skip-download", "--quiet", "--output", "json")
    command = [tools / "checkov", "--directory", TERRAFORM, *words]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    reports = found if isinstance(found, list) else [found]
    failed = [
        f"{one['check_id']} {one['file_path']} {one['resource']}"
        for report in reports
        for one in report.get("results", {}).get("failed_checks", ())
    ]

    assert failed == []
    assert sum(report["summary"]["passed"] for report in reports) > 100


def test_every_skip_of_a_check_says_why() -> None:
    skips = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in TERRAFORM.rglob("*.tf")
        if ".terraform" not in path.parts
        for line in path.read_text().splitlines()
        if "checkov:skip" in line and not re.search(r"checkov:skip=CKV2?_\w+:\s*\S.{9,}", line)
    ]

    assert skips == []
