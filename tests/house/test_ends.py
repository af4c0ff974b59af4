"""Where flows end is known to the automation that ends dead runs."""

import re
from pathlib import Path

from prefect_mlops.deployments.bootstrap import ENDS

ROOT = Path(__file__).parents[2]


def test_every_end_state_of_a_flow_is_one_that_the_crash_watch_knows() -> None:
    files = [path for floor in ("flows", "tasks") for path in sorted((ROOT / floor).glob("*.py"))]
    named = {end for path in files for end in re.findall(r'Completed\(\s*name="(\w+)"', path.read_text())}

    assert {"Scored", "Unserved"} < named
    assert named - set(ENDS) == set()
