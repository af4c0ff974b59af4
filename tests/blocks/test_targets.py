import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.envoy import Listening, Served, write_files
from prefect_mlops.blocks.placements import read_placements
from prefect_mlops.blocks.requestlog import read_requests, requests_file
from prefect_mlops.blocks.serving import MARK, ServingProcess, free_port
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.core.errors import NotFound, PortInUse, ServingError
from prefect_mlops.core.rollout.requests import Request

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BentoStore:
    return BentoStore(home=str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def tags(store: BentoStore, echo_folder) -> dict[int, str]:
    return {version: store.build(echo_folder(version), "echo") for version in (1, 2)}


@pytest.fixture
def target(tmp_path: Path) -> Iterator[LocalTarget]:
    target = LocalTarget(folder=str(tmp_path / "serving"), port=free_port())
    yield target
    target.stop()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, store: BentoStore, tags: dict[int, str]) -> Iterator[LocalTarget]:
    """Version 1 in slot a, version 2 in slot b, all traffic to a."""
    target = LocalTarget(folder=str(tmp_path_factory.mktemp("pair")), port=free_port())
    try:
        target.deploy("echo", "a", store, tags[1], version=1, spool=None)
        target.deploy("echo", "b", store, tags[2], version=2, spool=None)
        target.set_weights("echo", {"a": 100})
        yield target
    finally:
        target.stop()


class Load:
    """Clients that call all the time and write down what they get."""

    def __init__(self, url: str, clients: int = 2) -> None:
        self.answers: list[tuple[int, int | None]] = []
        self._url, self._going = url, True
        self._threads = [threading.Thread(target=self._call) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._going = False
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> list[int]:
        return [status for status, _ in self.answers if status != 200]

    def versions(self, since: int = 0) -> set[int | None]:
        return {version for _, version in self.answers[since:]}

    def wait(self, requests: int) -> int:
        wanted, deadline = len(self.answers) + requests, time.monotonic() + 30
        while len(self.answers) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        return len(self.answers)

    def _call(self) -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while self._going:
                try:
                    answer = client.post(f"{self._url}/predict", json={})
                except httpx.HTTPError:
                    self.answers.append((0, None))
                else:
                    self.answers.append((answer.status_code, answer.json().get("version")))


def call(target: LocalTarget, **body: object) -> httpx.Response:
    return httpx.post(f"{target.url('echo')}/predict", json=body, timeout=10, trust_env=False)


def kill_all(process: ServingProcess) -> None:
    """As the kernel would, when memory is short: the supervisor and its worker at once."""
    for member in process._family():
        member.send_signal(signal.SIGKILL)
    psutil.wait_procs(process._family(), timeout=5)


def test_no_request_is_lost_while_the_weights_walk_and_nobody_else_answers_at_the_ends(pair: LocalTarget) -> None:
    pair.set_weights("echo", {"a": 100, "b": 0})
    with Load(pair.url("echo")) as load:
        load.wait(100)
        assert load.versions() == {1}
        pair.set_weights("echo", {"a": 50, "b": 50})
        start = load.wait(2)
        load.wait(100)
        assert load.versions(start) == {1, 2}
        pair.set_weights("echo", {"a": 0, "b": 100})
        start = load.wait(2)  # two clients may have been under way
        load.wait(100)
        assert load.versions(start) == {2}

    assert load.failed == []
    assert pair.weights("echo") == {"a": 0, "b": 100}
    assert pair.trusted("echo") == "b"


def test_a_canary_that_fails_is_counted_and_the_caller_sees_the_champion(pair: LocalTarget) -> None:
    pair.set_weights("echo", {"a": 100})
    pair.set_weights("echo", {"a": 50, "b": 50})
    before = {slot: pair.counters("echo", slot) for slot in ("a", "b")}
    assert pair.trusted("echo") == "a"

    answers = [call(pair, fail_in="b") for _ in range(40)]

    after = {slot: pair.counters("echo", slot) for slot in ("a", "b")}
    assert {(answer.status_code, answer.json()["version"]) for answer in answers} == {(200, 1)}
    assert sum(after[slot].requests - before[slot].requests for slot in after) == 40
    assert after["b"].errors - before["b"].errors == after["b"].requests - before["b"].requests > 0
    assert after["a"].errors == before["a"].errors


def requests_of(target: LocalTarget, at_least: int) -> list[Request]:
    """What the gateway wrote of this rollout on slot b; it flushes its lines a moment later."""
    deadline = time.monotonic() + 5
    while len(target.requests("echo", "b").requests) < at_least and time.monotonic() < deadline:
        time.sleep(0.05)
    return list(target.requests("echo", "b").requests)


def test_each_divided_request_is_written_with_its_share_and_charged_to_whom_it_was_assigned(pair: LocalTarget) -> None:
    pair.set_weights("echo", {"a": 100})
    call(pair)
    pair.set_weights("echo", {"a": 70, "b": 30})
    for _ in range(30):
        call(pair, fail_in="b")
    pair.set_weights("echo", {"a": 50, "b": 50})
    call(pair, fail_in="ab")

    seen = requests_of(pair, 31)

    assert [request.percent for request in seen] == [30] * 30 + [50]
    assert [request.failed for request in seen] == [request.on_canary for request in seen[:30]] + [True]
    assert {request.on_canary for request in seen[:30]} == {True, False}
    assert len({request.chain for request in seen}) == 31
    assert min(request.milliseconds for request in seen) > 0
    pair.set_weights("echo", {"a": 100})
    assert requests_of(pair, 0) == []


def test_a_repetition_is_known_by_its_id_and_a_user_by_the_header_that_the_target_was_told(pair: LocalTarget) -> None:
    spoof = {"x-mlops-user": "eve", "x-mlops-rollout": "{}", "x-mlops-slot": "b"}
    url = f"{pair.url('echo')}/predict"
    pair.set_weights("echo", {"a": 50, "b": 50}, user_key="x-user")
    for headers in ({"x-user": "ann", "x-request-id": "again"}, {"x-request-id": "again"}, spoof):
        httpx.post(url, json={}, headers=headers, trust_env=False)
    pair.set_weights("echo", {"a": 50, "b": 50})
    httpx.post(url, json={}, headers={"x-user": "ann"} | spoof, trust_env=False)

    seen = requests_of(pair, 4)

    assert [request.user for request in seen] == ["ann", "", "", ""]
    assert [request.chain == "again" for request in seen] == [True, True, False, False]


def test_a_user_on_the_canary_stays_on_it_while_its_share_rises(pair: LocalTarget) -> None:
    places: list[dict[int, str]] = []
    with httpx.Client(base_url=pair.url("echo"), trust_env=False) as client:
        for share in (10, 50, 90):
            pair.set_weights("echo", {"a": 100 - share, "b": share}, user_key="x-user")
            asked = {user: client.post("/predict", json={}, headers={"x-user": str(user)}) for user in range(150)}
            places.append({user: answer.json()["slot"] for user, answer in asked.items()})

    moved_back = [
        user
        for one, next_one in itertools.pairwise(places)
        for user in one
        if (one[user], next_one[user]) == ("b", "a")
    ]
    counts = [sum(slot == "b" for slot in each.values()) for each in places]
    assert moved_back == []
    for count, share in zip(counts, (0.1, 0.5, 0.9), strict=True):
        interval = stats.binomtest(count, 150).proportion_ci(0.999, "exact")
        assert interval.low <= share <= interval.high


def users_on_b(folder: Path, rollout: int, share: int) -> set[int]:
    """Of the hundred places of users on the gateway's circle, those that a share of slot b covers."""
    served = Served({"a": 1, "b": 2}, {"a": 100 - share, "b": share}, rollout, "x-user")
    write_files(folder, {"echo": served}, Listening(port=1))
    route = json.loads((folder / "routes.json").read_text())["resources"][0]["virtual_hosts"][0]["routes"][0]
    arcs = route["route"]["weighted_clusters"]["clusters"]
    return {
        place for place, name in enumerate(arc["name"] for arc in arcs for _ in range(arc["weight"])) if "-b" in name
    }


@given(st.integers(0, 500), st.integers(1, 99), st.integers(1, 99))
def test_a_rising_share_keeps_the_users_that_it_has_whatever_the_rollout(
    tmp_path_factory: pytest.TempPathFactory, rollout: int, one: int, other: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    small, large = (users_on_b(folder, rollout, share) for share in sorted((one, other)))

    assert small <= large
    assert (len(small), len(large)) == tuple(sorted((one, other)))


def test_another_rollout_begins_with_other_users(tmp_path: Path) -> None:
    assert not users_on_b(tmp_path, 4, 10) & users_on_b(tmp_path, 5, 10)


def test_a_reader_goes_on_where_it_stopped_and_half_a_line_waits(tmp_path: Path) -> None:
    told = json.dumps({"model": "echo", "rollout": 3, "shares": {"a": 90, "b": 10}})
    old = told.replace("3", "2")
    fields = {"slot": "b", "user": None, "chain": "c", "status": 200, "attempts": 1, "flags": "-", "microseconds": 2500}
    left = {**fields, "status": 0, "flags": "DC"}
    lines = [json.dumps({**one, "rollout": text}) for one, text in ((fields, told), (fields, old), (left, told))]
    file = requests_file(tmp_path)
    file.write_text("\n".join(lines)[:-5])

    first = read_requests(tmp_path, "echo", 3, "b")
    file.write_text("\n".join(lines) + "\n")
    second = read_requests(tmp_path, "echo", 3, "b", first.position)

    assert first.requests == (Request("c", "", True, 10, False, 2.5, "b"),)
    assert second.requests == (Request("c", "", True, 10, False, 2.5, "b"),)  # who went away did not see a failure
    assert read_requests(tmp_path, "echo", 3, "b", second.position).requests == ()
    assert file.stat().st_mode & 0o077 == 0


def test_what_both_slots_fail_reaches_the_caller_and_counts_once_for_the_first(pair: LocalTarget) -> None:
    pair.set_weights("echo", {"a": 1, "b": 99})
    before = {slot: pair.counters("echo", slot) for slot in ("a", "b")}

    answers = [call(pair, fail_in="ab") for _ in range(20)]

    after = {slot: pair.counters("echo", slot) for slot in ("a", "b")}
    assert {answer.status_code for answer in answers} == {500}
    assert sum(after[slot].requests - before[slot].requests for slot in after) == 20
    assert sum(after[slot].errors - before[slot].errors for slot in after) == 20


def test_a_slot_alone_counts_its_own_failures(pair: LocalTarget) -> None:
    pair.set_weights("echo", {"a": 100})
    before = pair.counters("echo", "a")

    statuses = [call(pair, fail_in=slot).status_code for slot in ("a", "b", "")]

    after = pair.counters("echo", "a")
    assert statuses == [500, 200, 200]
    assert (after.requests - before.requests, after.errors - before.errors) == (3, 1)


def test_a_slot_with_traffic_is_neither_emptied_nor_given_another_version(
    pair: LocalTarget, store: BentoStore, tags: dict[int, str]
) -> None:
    pair.set_weights("echo", {"a": 100})

    with pytest.raises(ServingError, match="100% of the traffic"):
        pair.remove("echo", "a")
    with pytest.raises(ServingError, match="100% of the traffic"):
        pair.deploy("echo", "a", store, tags[2], version=2, spool=None)
    assert call(pair).json() == {"version": 1, "slot": "a"}


@pytest.mark.parametrize("weights", [{"a": 60, "b": 60}, {"a": 110, "b": -10}])
def test_weights_are_percents_that_add_up(pair: LocalTarget, weights: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="add up to 100"):
        pair.set_weights("echo", weights)


def test_traffic_goes_only_where_something_runs(pair: LocalTarget) -> None:
    with pytest.raises(NotFound, match="other-a"):
        pair.set_weights("other", {"a": 100})
    assert httpx.post(f"{pair.url('other')}/predict", json={}, trust_env=False).status_code == 404


def test_another_process_finds_what_runs(pair: LocalTarget) -> None:
    code = (
        "from prefect_mlops.blocks.targets import LocalTarget; import sys;"
        "target = LocalTarget(folder=sys.argv[1], port=int(sys.argv[2]));"
        "versions = {slot: found.version for slot, found in target.slots('echo').items()};"
        "print(versions, target.counters('echo', 'a').requests > 0)"
    )
    call(pair)

    done = subprocess.run(
        [sys.executable, "-c", code, pair.folder, str(pair.port)], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "{'a': 1, 'b': 2} True"


def test_a_damaged_bento_changes_nothing(pair: LocalTarget, tmp_path: Path, echo_folder) -> None:
    other = BentoStore(home=str(tmp_path / "bentos"))
    tag = other.build(echo_folder(5), "echo")
    (other.path(tag) / "src" / "version.txt").write_text("6")
    pair.set_weights("echo", {"a": 100})
    before = pair.slots("echo")

    with pytest.raises(ServingError, match="damaged"):
        pair.deploy("echo", "b", other, tag, version=5, spool=None)

    assert (pair.slots("echo"), pair.weights("echo")["a"]) == (before, 100)


def test_a_port_in_use_is_told_with_the_cure_and_starts_nothing(
    target: LocalTarget, store: BentoStore, tags: dict[int, str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", target.port))
        other.listen()
        with pytest.raises(PortInUse, match=rf"Port {target.port}.*set another `port`"):
            target.deploy("echo", "a", store, tags[1], version=1, spool=None)

    assert target.slots("echo") == {}


def test_two_gateways_never_share_a_port(
    pair: LocalTarget, tmp_path: Path, store: BentoStore, tags: dict[int, str]
) -> None:
    twin = LocalTarget(folder=str(tmp_path / "twin"), port=pair.port)

    with pytest.raises(PortInUse):
        twin.deploy("echo", "a", store, tags[1], version=1, spool=None)


def test_a_canary_killed_at_half_the_traffic_costs_no_request_and_what_died_starts_again(pair: LocalTarget) -> None:
    pair.set_weights("echo", {"a": 100})
    canary = pair.slots("echo")["b"]
    with Load(pair.url("echo")) as load:
        pair.set_weights("echo", {"a": 50, "b": 50})
        load.wait(60)
        before = pair.counters("echo", "b")
        kill_all(canary.process)
        start = load.wait(10)
        load.wait(100)
        assert load.versions(start) == {1}
    assert load.failed == []
    assert pair.counters("echo", "b").errors - before.errors >= 30
    assert set(pair.slots("echo")) == {"a"}

    gateway = read_placements(Path(pair.folder)).gateway
    assert gateway is not None
    psutil.Process(gateway.pid).kill()
    assert pair.ensure() == ()
    assert set(pair.slots("echo")) == {"a", "b"}
    assert {call(pair).json()["version"] for _ in range(40)} == {1, 2}


def test_a_bento_that_never_loads_is_ended_and_its_last_words_are_quoted(
    target: LocalTarget, tmp_path: Path, echo_folder
) -> None:
    broken = BentoStore(home=str(tmp_path / "bentos"))
    folder = echo_folder(14)
    (folder / "service.py").write_text(
        (folder / "service.py")
        .read_text()
        .replace("@bentoml.api", "def __init__(self): raise OSError('no model')\n    @bentoml.api")
    )
    tag = broken.build(folder, "echo")

    with pytest.raises(ServingError, match="no model"):
        target.deploy("echo", "a", broken, tag, version=14, spool=None)

    assert target.slots("echo") == {}
    assert not [p for p in psutil.process_iter() if _carries(p, str(target.folder))]


def test_stopping_and_removing_twice_is_as_good_as_once(
    target: LocalTarget, store: BentoStore, tags: dict[int, str]
) -> None:
    target.remove("echo", "a")
    occupied = target.deploy("echo", "a", store, tags[1], version=1, spool=None)
    os.kill(occupied.process.pid, signal.SIGKILL)  # its worker lives on

    target.remove("echo", "a")
    target.remove("echo", "a")

    assert occupied.process._family() == []
    gateway = read_placements(Path(target.folder)).gateway
    target.stop()
    target.stop()
    assert gateway is not None
    assert not gateway.alive()


def _carries(process: psutil.Process, folder: str) -> bool:
    try:
        environment = process.environ()
    except psutil.Error:
        return False
    return MARK in environment and folder in environment.get("BENTOML_HOME", "")
