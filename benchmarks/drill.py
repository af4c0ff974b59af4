"""A live drill on a local target: callers call all the while, and everything dies that may die beside them.

Weights walk 0, 10, 50, 100, 0; a candidate turns sick, a candidate is killed, the process that drives the rollout is
killed, the supervisor is killed and started again. `make bench-drill` writes what the callers saw.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from scipy import stats

from benchmarks.drill_parts import MODEL, SERVICE, USER
from prefect_mlops.blocks import BentoStore, LocalTarget
from prefect_mlops.blocks.serving import ServingProcess, free_port

__all__ = ["Seen", "drill"]

PATIENCE_SECONDS = 120.0


class Seen(NamedTuple):
    """What a caller saw of one request."""

    began: float
    ended: float
    user: str
    status: int
    version: int


class Ground:
    """Where the drill takes place: the target, its supervisor and its callers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.notes = folder, folder / "notes"
        self.notes.mkdir(parents=True)
        self.store = BentoStore(home=str(folder / "bentos"))
        self.target = LocalTarget(folder=str(folder / "serving"), port=free_port())
        self.tags = {version: self._build(version) for version in (1, 2)}
        self._ours: list[subprocess.Popen[str]] = []
        self._file, self._read, self._seen = folder / "calls.jsonl", 0, list[Seen]()

    def _build(self, version: int) -> str:
        made = self.folder / f"version-{version}"
        made.mkdir()
        (made / "service.py").write_text(SERVICE)
        (made / "version.txt").write_text(str(version))
        (made / "requirements.txt").write_text("bentoml\n")
        return self.store.build(made, MODEL)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a process of the drill, to be ended with it."""
        log = (self.folder / "processes.log").open("a")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        started = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True, env=kept
        )
        self._ours.append(started)
        return started

    def supervise(self) -> subprocess.Popen[str]:
        """`prefect-mlops serve`, when it says that it supervises."""
        program = str(Path(sys.executable).parent / "prefect-mlops")
        folder, port = str(self.target.folder), str(self.target.port)
        started = self.start(program, "serve", "--folder", folder, "--port", port)
        said = started.stdout.readline() if started.stdout else ""
        if "supervising" not in said:
            raise RuntimeError(f"The supervisor did not start: {said} {started.poll()}")
        return started

    def drive(self, *steps: int) -> subprocess.Popen[str]:
        """The process that drives a rollout of version 2."""
        told = [str(self.folder), str(self.target.port), self.tags[2], ",".join(map(str, steps))]
        return self.start("-m", "benchmarks.drill_parts", "drive", *told)

    def call(self) -> None:
        """Let callers begin."""
        self.start("-m", "benchmarks.drill_parts", "call", self.target.url(MODEL), str(self._file))

    def seen(self, since: float = 0.0, until: float = float("inf")) -> list[Seen]:
        """What callers saw of requests that lie wholly between two times."""
        if self._file.exists():
            with self._file.open("rb") as file:
                file.seek(self._read)
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read += len(whole)
            self._seen += (Seen(*json.loads(line)) for line in whole.splitlines())
        return [each for each in self._seen if each.began >= since and each.ended <= until]

    def wait(self, requests: int, like: Callable[[Seen], bool] = lambda _: True) -> None:
        """Until callers have seen so many more requests, of some kind."""
        since, deadline = time.time(), time.monotonic() + PATIENCE_SECONDS
        while sum(like(each) for each in self.seen(since)) < requests:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Callers saw no {requests} such requests in {PATIENCE_SECONDS:g} s")
            time.sleep(0.1)

    def weights(self, **weights: int) -> float:
        """Divide the traffic, and say when it was live."""
        self.target.set_weights(MODEL, weights, USER)  # type: ignore[arg-type]
        return time.time()

    def end(self) -> None:
        """End all that was started."""
        for process in self._ours:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        self.target.stop()


def kill(process: ServingProcess) -> None:
    """As the kernel does it: the server and whatever it started, at once."""
    leader = psutil.Process(process.pid)
    family = [*leader.children(recursive=True), leader]
    for member in family:
        member.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=5)


def walk(ground: Ground, requests: int) -> dict[str, Any]:
    """Weights go 0, 10, 50, 100, 0: who meets whom, and does anybody go back while they rise."""
    ground.target.deploy(MODEL, "b", ground.store, ground.tags[2], version=2, spool=ground.notes)
    levels: dict[str, Any] = {}
    known = {each.user for each in ground.seen()}
    rising = time.time()
    for share in (10, 50, 100):
        live = ground.weights(a=100 - share, b=share)
        ground.wait(requests)
        new: dict[str, int] = {}
        for each in ground.seen(live):
            if each.user not in known:
                new.setdefault(each.user, each.version)
        known |= {each.user for each in ground.seen()}
        on, users = sum(version == 2 for version in new.values()), len(new)
        p = stats.binomtest(on, users, share / 100).pvalue
        levels[str(share)] = {"first_seen_users": users, "on_the_candidate": on, "binomial_p": round(p, 4)}
    risen = ground.seen(rising)
    live = ground.weights(a=100)
    ground.wait(requests // 4)
    after = {each.version for each in ground.seen(live)}
    met: dict[str, list[int]] = {}
    for each in sorted(risen):
        met.setdefault(each.user, []).append(each.version)
    came_again = sum(len(versions) > 1 for versions in met.values())
    back = sum(2 in versions and sorted(versions) != versions for versions in met.values())
    return {
        "weights": levels,
        "users_that_came_again": came_again,
        "users_that_went_back": back,
        "answered_after_0_percent_by_version": sorted(after),
    }


def write_often(ground: Ground, writes: int) -> dict[str, Any]:
    """How long a change of weights takes, from its file's writing and as a whole call."""
    routes, from_write, whole = Path(ground.target.folder) / "routes.json", [], []
    for number in range(writes):
        began = time.time()
        live = ground.weights(a=60 - number % 20, b=40 + number % 20)
        whole.append((live - began) * 1000)
        from_write.append((live - routes.stat().st_mtime_ns / 1e9) * 1000)
    ground.weights(a=100)
    return {"writes": writes, "live_after_the_write_ms": _spread(from_write), "whole_call_ms": _spread(whole)}


def turn_sick(ground: Ground, share: int) -> dict[str, Any]:
    """A candidate that begins to fail half of its requests: when does the last one reach it."""
    sick = ground.notes / "sick-2"
    driver = ground.drive(share, share + 40)
    _told(driver, "placed")
    ground.wait(15, lambda each: each.version == 2)
    sick.touch()
    fell = time.time()
    _, outcome, reason, verdict = _told(driver, "verdict")
    _told(driver, "done")
    sick.unlink()
    asked = [float(line) for line in (ground.notes / "asked-2.txt").read_text().split()]
    ground.wait(50)
    return {
        "outcome": outcome,
        "reason": reason,
        "seconds_from_sick_to_verdict": round(verdict - fell, 2),
        "candidate_requests_until_verdict": sum(fell < at < verdict for at in asked),
        "seconds_from_verdict_to_its_last_request": round(max(0.0, max(asked) - verdict), 3),
        "weights": ground.target.weights(MODEL),
    }


def kill_driver(ground: Ground) -> dict[str, Any]:
    """Whoever drives the rollout is killed at 50%: traffic stays as it was."""
    driver = ground.drive(50)
    _told(driver, "placed")
    ground.wait(40, lambda each: each.version == 2)
    driver.kill()
    driver.wait()
    ground.wait(100)
    return {"weights_after": ground.target.weights(MODEL)}


def kill_candidate(ground: Ground) -> dict[str, Any]:
    """The candidate is killed at 50%: the champion answers for it until the supervisor has started it again."""
    before = ground.target.counters(MODEL, "b").errors
    kill(ground.target.slots(MODEL)["b"].process)
    dead = time.time()
    ground.wait(20, lambda each: each.version == 2)
    again = next(each.began for each in ground.seen(dead) if each.version == 2)
    failed_over = ground.target.counters(MODEL, "b").errors - before
    return {"seconds_until_it_answers_again": round(again - dead, 2), "failed_over": failed_over}


def kill_supervisor(ground: Ground, supervisor: subprocess.Popen[str]) -> dict[str, Any]:
    """The supervisor is killed, then the candidate: it stays down until there is a supervisor again."""
    supervisor.kill()
    supervisor.wait()
    ground.wait(50)
    kill(ground.target.slots(MODEL)["b"].process)
    time.sleep(0.5)  # what was under way is answered
    dead = time.time()
    ground.wait(100)
    alone = sorted({each.version for each in ground.seen(dead)})
    ground.supervise()
    ground.wait(20, lambda each: each.version == 2)
    return {"answered_meanwhile_by_version": alone, "weights_after": ground.target.weights(MODEL)}


def resume(ground: Ground) -> dict[str, Any]:
    """Another process goes on with the rollout whose driver was killed, with all that was seen."""
    driver = ground.drive(50)
    _, outcome, reason, _verdict = _told(driver, "verdict")
    _told(driver, "done")
    ground.wait(50)
    return {"outcome": outcome, "reason": reason, "weights_after": ground.target.weights(MODEL)}


def drill(folder: Path, requests: int, writes: int) -> dict[str, Any]:
    """All of it.

    Args:
        folder: Empty; everything lies there.
        requests: Of each level of the walk.
        writes: Changes of weights whose time is taken.

    Returns:
        What callers saw, in all and scene by scene.
    """
    ground, scenes = Ground(folder), {}
    try:
        supervisor = ground.supervise()
        ground.target.deploy(MODEL, "a", ground.store, ground.tags[1], version=1, spool=ground.notes)
        ground.target.set_weights(MODEL, {"a": 100})
        champion = ground.target.slots(MODEL)["a"].process
        ground.call()
        ground.wait(requests // 4)
        for name, scene in (
            ("walk", lambda: walk(ground, requests)),
            ("writes", lambda: write_often(ground, writes)),
            ("sick", lambda: turn_sick(ground, 10)),
            ("driver killed", lambda: kill_driver(ground)),
            ("candidate killed", lambda: kill_candidate(ground)),
            ("supervisor killed", lambda: kill_supervisor(ground, supervisor)),
            ("gone on with", lambda: resume(ground)),
        ):
            began = time.time()
            found = scene()
            seen = ground.seen(began)
            lost = [each for each in seen if each.status != 200]
            told = [
                {
                    "status": each.status,
                    "after_s": round(each.began - began, 2),
                    "ms": round(1000 * (each.ended - each.began)),
                }
                for each in lost
            ]
            scenes[name] = {"requests": len(seen), "failed": len(lost), "failures": told, **found}
        left = ground.target.slots(MODEL)
        everything = ground.seen()
        return {
            "requests": len(everything),
            "failed": sum(each.status != 200 for each in everything),
            "requests_per_second": round(len(everything) / (everything[-1].ended - everything[0].began), 1),
            "request_ms": _spread([(each.ended - each.began) * 1000 for each in everything]),
            "champion_untouched": left["a"].process == champion and champion.alive(),
            "scenes": scenes,
        }
    finally:
        ground.end()


def _told(driver: subprocess.Popen[str], what: str) -> list[Any]:
    """The next line in which a driver says what is asked for."""
    for line in driver.stdout or ():
        if line.startswith("[") and (said := json.loads(line))[0] == what:
            return list(said)
    raise RuntimeError(f"The driver ended without a word about {what}")


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{part}": round(ordered[min(len(ordered) - 1, len(ordered) * part // 100)], 1) for part in (50, 95, 99)}


def main() -> None:
    """Drill, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3000, help="of each level of the walk")
    parser.add_argument("--writes", type=int, default=100)
    parser.add_argument("--results", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = drill(Path(made) / "drill", asked.requests, asked.writes)
    told = json.dumps({"load_average": round(os.getloadavg()[0], 1), "cores": os.cpu_count(), **found}, indent=1)
    print(told)
    if asked.results:
        asked.results.write_text(told + "\n")


if __name__ == "__main__":
    main()
