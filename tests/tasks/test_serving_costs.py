"""The reduced form of `make bench-serving`: ratios of processor time, measured side by side."""

import pytest

from benchmarks.serving.processor import per_request
from benchmarks.serving.servers import NAIVE, OURS

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_a_row_costs_at_most_a_tenth_of_what_a_naive_service_takes_and_both_say_the_same() -> None:
    found = per_request("mixed", peers=(NAIVE,), rounds=3, requests=400, of_peers=60)

    assert found["largest_difference_of_answers"] < 1e-5
    assert found["share_of_naive"] <= 0.10
    assert found["cpu_ms_per_request"][OURS] < found["cpu_ms_per_request"][NAIVE]
