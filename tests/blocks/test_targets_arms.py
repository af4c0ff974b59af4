"""Three versions behind the real gateway: each user stays with one, and what an arm fails the champion answers."""

import json
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.envoy import Listening, Served, write_files
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.blocks.targets import LocalTarget

ARMS = {"a": 40, "b": 30, "c": 30}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, echoes: tuple[BentoStore, dict[int, str]]) -> Iterator[LocalTarget]:
    """Version 1 in slot a, version 2 in slots b and c, all traffic to a."""
    store, tags = echoes
    target = LocalTarget(folder=str(tmp_path_factory.mktemp("arms")), port=free_port())
    try:
        for slot, version in (("a", 1), ("b", 2), ("c", 2)):
            target.deploy("echo", slot, store, tags[version], version=version, spool=None)
            target.set_weights("echo", {"a": 100})
        yield target
    finally:
        target.stop()


def ask(client: httpx.Client, target: LocalTarget, user: int, **body: str) -> str:
    answer = client.post(f"{target.url('echo')}/predict", json=body, headers={"x-user": f"user-{user}"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["slot"])


@pytest.mark.process
def test_the_log_of_requests_says_which_arm_each_was_assigned_to(three: LocalTarget) -> None:
    three.set_weights("echo", ARMS, "x-user")
    with httpx.Client(timeout=20, trust_env=False) as client:
        answered = [ask(client, three, user) for user in range(40)]
        failed = next(user for user, slot in enumerate(answered) if slot == "b")
        ask(client, three, failed, fail_in="b")

        seen: tuple = ()
        for _ in range(50):
            seen = three.requests("echo", "c").requests
            if len(seen) == 41:
                break
            time.sleep(0.1)

    assert [request.slot for request in seen[:40]] == answered
    assert {request.percent for request in seen} == {30}
    assert (seen[40].slot, seen[40].failed, seen[40].user) == ("b", True, f"user-{failed}")


@pytest.mark.process
def test_users_of_three_arms_stay_with_theirs_and_hear_the_champion_where_it_fails(three: LocalTarget) -> None:
    three.set_weights("echo", ARMS, "x-user")
    with httpx.Client(timeout=20, trust_env=False) as client:
        first = {user: ask(client, three, user) for user in range(300)}
        again = {user: ask(client, three, user) for user in range(100)}
        mine = next(user for user, slot in first.items() if slot == "c")
        instead = ask(client, three, mine, fail_in="c")

        three.set_weights("echo", {"a": 100})
        for slot in ("b", "c"):
            three.remove("echo", slot)
        alone = {ask(client, three, user) for user in range(30)}

    assert again == {user: slot for user, slot in first.items() if user < 100}
    for slot, share in ARMS.items():
        interval = stats.binomtest(Counter(first.values())[slot], 300).proportion_ci(0.999, "exact")
        assert interval.low <= share / 100 <= interval.high
    assert instead == "a"
    assert (alone, set(three.slots("echo"))) == ({"a"}, {"a"})


@given(st.integers(0, 300), st.lists(st.integers(1, 30), min_size=2, max_size=3))
def test_each_arm_has_exactly_its_places_on_the_circle_of_users(
    tmp_path_factory: pytest.TempPathFactory, rollout: int, shares: list[int]
) -> None:
    weights = dict(zip("abcd", [100 - sum(shares), *shares], strict=False))
    served = Served(dict.fromkeys(weights, 1), weights, rollout, "x-user", trusted="a")
    folder = tmp_path_factory.getbasetemp()
    write_files(folder, {"echo": served}, Listening(port=1))

    route = json.loads((folder / "routes.json").read_text())["resources"][0]["virtual_hosts"][0]["routes"][0]
    found: Counter[str] = Counter()
    for arc in route["route"]["weighted_clusters"]["clusters"]:
        found[arc["name"]] += arc["weight"]
    assert found == {f"echo-{slot}-first": weight for slot, weight in weights.items()}
    clusters = {each["name"]: each for each in json.loads((folder / "clusters.json").read_text())["resources"]}
    seconds = {
        slot: clusters[f"echo-{slot}-first"]["cluster_type"]["typed_config"]["clusters"][1]["name"] for slot in weights
    }
    assert seconds == {"a": "echo-b"} | dict.fromkeys(list(weights)[1:], "echo-a")
