"""What other checkers say of modules, images and workflows, and what the examples cost."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.process


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_checkers_find_nothing_in_modules_images_and_workflows() -> None:
    done = run("make", "scan")
    if "the packages could not be installed" in done.stderr:
        pytest.skip("the checkers are not installed and no index can be reached; run `make scan` where one can")

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Passed checks: [1-9]\d\d, Failed checks: 0", done.stdout)


def test_every_check_that_is_skipped_says_why() -> None:
    skips = [
        line
        for path in (ROOT / "terraform").rglob("*.tf")
        for line in path.read_text().splitlines()
        if "checkov:skip" in line
    ]

    assert skips
    assert not [line for line in skips if not re.search(r"#checkov:skip=CKV2?_AWS_\d+: .{20,}[.]$", line)]


def test_the_cheapest_example_costs_less_than_60_dollars_a_month_idle() -> None:
    done = run(sys.executable, "scripts/cost.py")

    (minimal,) = re.findall(r"^minimal: ([\d.]+)$", done.stdout, re.MULTILINE)
    (production,) = re.findall(r"^production: ([\d.]+)$", done.stdout, re.MULTILINE)

    # By hand: 0.045 + 0.005 + 0.25 * 0.04048 + 0.004445 = 0.064565 an hour, 730 hours, and 2.23 for what lies there.
    assert float(minimal) == pytest.approx(0.064565 * 730 + 1 + 0.5 + 0.5 + 0.23, abs=0.01)
    assert float(minimal) < 60 < float(production)


def test_every_price_is_used_and_has_a_date() -> None:
    table = tomllib.loads((ROOT / "terraform" / "prices.toml").read_text())

    used = {name for amounts in table["examples"].values() for name in amounts}

    assert used == set(table["prices"])
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", table["as_of"])
    assert set(table["examples"]) == {
        path.name for path in (ROOT / "terraform" / "examples").iterdir() if path.is_dir()
    }
