"""A live drill on a local target: callers call all the while, and everything dies that may die beside them.

Weights walk 0, 10, 50, 100, 0; a candidate turns sick, a candidate is killed, the process that drives the rollout is
killed, the supervisor is killed and started again. `make bench-drill` writes what the callers saw.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from scipy import stats

from benchmarks.drill_ground import Ground, kill
from benchmarks.drill_parts import MODEL

__all__ = ["drill"]


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
    """The candidate is killed: the champion answers for it until the supervisor has started it again."""
    before = ground.target.counters(MODEL, "b").errors
    kill(ground.target.slots(MODEL)["b"].process)
    dead = time.time()
    ground.wait(20, lambda each: each.version == 2)
    again = next(each.began for each in ground.seen(dead) if each.version == 2)
    failed_over = ground.target.counters(MODEL, "b").errors - before
    return {"seconds_until_it_answers_again": round(again - dead, 2), "failed_over": failed_over}


def kill_promoted(ground: Ground) -> dict[str, Any]:
    """The candidate has all traffic and is killed: the former champion, which still runs, answers for it."""
    ground.weights(b=100)
    ground.wait(100)
    found = kill_candidate(ground)
    ground.weights(a=100)
    return found


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
            ("promoted killed", lambda: kill_promoted(ground)),
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
