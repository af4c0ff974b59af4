"""What an idle month of the examples costs, by their own plans."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on the PATH")
def test_an_idle_month_of_the_cheapest_example_costs_less_than_sixty_dollars() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "cost.sh", "minimal"], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr

    assert re.search(r"list prices of \d{4}-\d\d-\d\d, USD", done.stdout)
    total = re.search(r"([\d.]+)  in all", done.stdout)
    assert total is not None
    assert 30 < float(total[1]) < 60
