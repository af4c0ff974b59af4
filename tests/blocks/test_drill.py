"""The live drill in small: callers notice nothing of all that dies. `make bench-drill` does it at full length."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    results = tmp_path_factory.mktemp("drill") / "results.json"
    command = ["-m", "benchmarks.drill", "--requests", "400", "--writes", "20", "--results", str(results)]
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, *command], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(results.read_text())
    return told


def test_no_request_fails_while_weights_walk_and_candidate_driver_and_supervisor_die(found: dict[str, Any]) -> None:
    assert found["failed"] == 0
    assert found["requests"] > 2000
    assert found["champion_untouched"]


def test_shares_of_first_seen_users_are_exact_and_nobody_goes_back_while_they_rise(found: dict[str, Any]) -> None:
    walk = found["scenes"]["walk"]

    assert min(level["binomial_p"] for level in walk["weights"].values()) > 0.0001
    assert walk["users_that_came_again"] > 50
    assert walk["users_that_went_back"] == 0
    assert walk["answered_after_0_percent_by_version"] == [1]


def test_a_sick_candidate_has_no_traffic_two_seconds_after_the_verdict(found: dict[str, Any]) -> None:
    sick = found["scenes"]["sick"]

    assert sick["outcome"] == "roll back"
    assert sick["seconds_from_verdict_to_its_last_request"] < 2
    assert sick["weights"] == {"a": 100}


def test_traffic_stays_as_it_was_when_whoever_drives_or_supervises_is_killed(found: dict[str, Any]) -> None:
    scenes = found["scenes"]

    assert scenes["driver killed"]["weights_after"] == {"a": 50, "b": 50}
    assert scenes["promoted killed"]["failed_over"] > 0
    assert scenes["candidate killed"]["failed_over"] > 0
    assert scenes["supervisor killed"]["answered_meanwhile_by_version"] == [1]
    assert scenes["supervisor killed"]["weights_after"] == {"a": 50, "b": 50}
    assert scenes["gone on with"]["outcome"] == "roll back"  # for the requests that the killed candidate failed
    assert scenes["gone on with"]["weights_after"] == {"a": 100}
