"""Tries a serving target, also one of your own, and says which of its promises it keeps."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from prefect_mlops.blocks.bentos import BentoStore
from prefect_mlops.blocks.echo import Answer, asker, build_echo
from prefect_mlops.blocks.serving_target import ServingTarget
from prefect_mlops.core.errors import MlopsError, NotFound, ServingError
from prefect_mlops.core.names import Slot
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.serving import Capabilities

__all__ = ["Finding", "Trial", "try_target"]

USER = "x-user"
OTHER = "nobody-here"
"""A model that the target does not serve."""


class Finding(Frozen):
    """One promise of a target, and what came of it.

    Attributes:
        promise: What every target does, or what this one declares.
        outcome: `refused` where it does not declare it and says so when it is asked.
        said: What happened instead, where it is broken.
    """

    promise: str
    outcome: Literal["kept", "refused", "broken"]
    said: str = ""


class Trial(NamedTuple):
    """A target with all that it takes to try it.

    Attributes:
        target: Serves nothing of the model before.
        model: The model's name; whatever the target must know of it beforehand is there.
        store: Where the bentos are.
        tags: Versions 1 and 2 of `blocks.echo`.
        ask: One request, with headers, that the slots named are to fail.
        sleep: Lets seconds pass.
        spool: Where predictions are logged; None for nowhere.
        personal: The key of the stand-ins for personal values; empty where no server needs one.
    """

    target: ServingTarget
    model: str
    store: BentoStore
    tags: Mapping[int, str]
    ask: Callable[[dict[str, str], str], Answer]
    sleep: Callable[[float], None] = time.sleep
    spool: str | Path | None = None
    personal: str = ""

    @classmethod
    def over_http(cls, target: ServingTarget, store: BentoStore, model: str = "echo") -> Trial:
        """The trial of a target that serves on the network, with bentos that are built here."""
        tags = {version: build_echo(store, model, version) for version in (1, 2)}
        return cls(target, model, store, tags, asker(target.url(model)))

    def deploy(self, version: int, slot: Slot) -> None:
        """Deploy a version into a slot."""
        tag = self.tags[version]
        self.target.deploy(self.model, slot, self.store, tag, version=version, spool=self.spool, personal=self.personal)

    def divide(self, b: int, user_key: str = "") -> None:
        """Give slot b a percent of the traffic and slot a the rest."""
        self.target.set_weights(self.model, {"a": 100 - b, "b": b}, user_key)

    def answers(self, requests: int, fail_in: str = "") -> Counter[int]:
        """How often which version answered; an answer that is not 200 counts as version 0."""
        found = (self.ask({}, fail_in) for _ in range(requests))
        return Counter(answer.version if answer.status == 200 else 0 for answer in found)


def try_target(trial: Trial) -> tuple[Finding, ...]:
    """Hold a target to what every target does, and to what it declares.

    What it does not declare it must refuse. Nothing is raised for a broken promise; each is tried from the same state,
    version 1 in slot a with all traffic and version 2 in slot b. Version 1 serves when this returns.

    Args:
        trial: The target and what it takes.

    Returns:
        A finding for each promise; only the first where no version comes into service at all.
    """
    first = _kept("a version that is deployed serves once it has the traffic", _serves, trial)
    if first.outcome == "broken":
        return (first,)
    can = trial.target.capabilities()
    found = [first, *(_kept(promise, check, trial) for promise, check in ALWAYS)]
    found += [
        _declared(promise, declared(can), check, refused, trial) for promise, declared, check, refused in DECLARED
    ]
    return (*found, _kept("a slot without traffic can be emptied, again and again", _removes, trial))


def _kept(promise: str, check: Callable[[Trial], str], trial: Trial) -> Finding:
    try:
        said = check(trial)
    except Exception as error:  # whatever a target of somebody else's raises is what is told
        said = f"it raised {type(error).__name__}: {error}"
    return Finding(promise=promise, outcome="broken" if said else "kept", said=said)


def _declared(
    promise: str,
    declared: bool,
    check: Callable[[Trial], str],
    refused: Callable[[Trial], object] | None,
    trial: Trial,
) -> Finding:
    found = _kept("it can be set back to version 1 alone", _back, trial)
    if found.outcome == "broken":
        return found
    if declared:
        return _kept(promise, check, trial)
    said = _raises(MlopsError, lambda: refused(trial)) if refused else ""
    before = trial.target.weights(trial.model).get("a")
    said = said or ("" if before == 100 else f"the refusal moved traffic: slot a has {before}%")
    return Finding(promise=promise, outcome="broken" if said else "refused", said=said)


def _back(trial: Trial) -> str:
    trial.divide(0)
    return ""


def _raises(kind: type[Exception], act: Callable[[], object]) -> str:
    try:
        act()
    except kind as error:
        return "" if str(error) else f"the {kind.__name__} says nothing"
    except Exception as error:
        return f"it raised {type(error).__name__} ({error}), where {kind.__name__} is due"
    return f"it passed in silence, where {kind.__name__} is due"


def _serves(trial: Trial) -> str:
    trial.deploy(1, "a")
    running = {slot: (found.version, found.tag) for slot, found in trial.target.slots(trial.model).items()}
    if running != {"a": (1, trial.tags[1])}:
        return f"its slots hold {running}"
    trial.target.set_weights(trial.model, {"a": 100})
    state = trial.target.weights(trial.model).get("a"), trial.target.trusted(trial.model), trial.answers(5)
    return "" if state == (100, "a", Counter({1: 5})) else f"weight, trusted slot and answers are {state}"


def _stands_beside(trial: Trial) -> str:
    trial.deploy(2, "b")
    if set(trial.target.slots(trial.model)) != {"a", "b"}:
        return f"its slots are {sorted(trial.target.slots(trial.model))}"
    weight, answers = trial.target.weights(trial.model).get("b", 0), trial.answers(20)
    return "" if (weight, answers) == (0, Counter({1: 20})) else f"slot b has {weight}%, and answered were {answers}"


def _divides(trial: Trial) -> str:
    requests, share = 200, 30
    trial.divide(share)
    answers = trial.answers(requests)
    off, far = abs(answers[2] - requests * share / 100), 4 * math.sqrt(requests * share / 100 * (1 - share / 100))
    if off > far or answers[0]:
        return f"at {share}% version 2 answered {answers[2]} of {requests}, and {answers[0]} failed"
    said = trial.target.weights(trial.model), trial.target.trusted(trial.model)
    return "" if said == ({"a": 70, "b": 30}, "a") else f"weights and trusted slot are {said}"


def _adds_up(trial: Trial) -> str:
    wrong: list[dict[Slot, int]] = [{"a": 60, "b": 60}, {"a": 110, "b": -10}]
    said = [_raises(ValueError, lambda each=each: trial.target.set_weights(trial.model, each)) for each in wrong]  # type: ignore[misc]
    return next(filter(None, said), "")


def _sends_nobody_nowhere(trial: Trial) -> str:
    return _raises(NotFound, lambda: trial.target.set_weights(OTHER, {"a": 100}))


def _guards_traffic(trial: Trial) -> str:
    trial.divide(0)
    said = _raises(ServingError, lambda: trial.target.remove(trial.model, "a"))
    said = said or _raises(ServingError, lambda: trial.deploy(2, "a"))
    answers = trial.answers(5)
    return said or ("" if answers == Counter({1: 5}) else f"answered were {answers}")


def _is_known_elsewhere(trial: Trial) -> str:
    other = trial.target.model_copy() if hasattr(trial.target, "model_copy") else trial.target
    seen = {slot: found.version for slot, found in other.slots(trial.model).items()}
    return "" if seen == {"a": 1, "b": 2} else f"another object of the same fields sees {seen}"


def _keeps_users(trial: Trial) -> str:
    users, before = range(120), set[int]()
    for share in (10, 50, 90):
        trial.divide(share, USER)
        now = {user for user in users if trial.ask({USER: f"user-{user}"}, "").version == 2}
        if before - now:
            return f"at {share}% {len(before - now)} users went back to version 1"
        before = now
    return "" if before else "nobody ever came to version 2"


def _fails_over(trial: Trial) -> str:
    trial.divide(50)
    answers = trial.answers(40, fail_in="b")
    return (
        "" if answers == Counter({1: 40}) else f"of 40 requests {answers[0]} failed and version 2 answered {answers[2]}"
    )


def _lists(trial: Trial) -> str:
    seconds = trial.target.capabilities().counters_within_seconds
    start = trial.target.requests(trial.model, "b").position
    trial.divide(40)
    trial.sleep(seconds)  # while a change spreads a target may leave requests out
    for number in range(30):
        trial.ask({"x-request-id": f"listed-{number}"}, "b" if number < 15 else "")
    trial.sleep(seconds)
    seen, end = trial.target.requests(trial.model, "b", start)
    ours = [request for request in seen if request.chain.startswith("listed-")]
    if len(ours) != 30:
        return f"of 30 requests {len(ours)} were listed after {seconds:g} s"
    wrong = [r for r in ours if r.percent != 40 or r.failed != (r.on_canary and int(r.chain.split("-")[1]) < 15)]
    if wrong:
        return f"{len(wrong)} of 30 requests are listed with another share or outcome, such as {wrong[0]}"
    again = trial.target.requests(trial.model, "b", end).requests
    return f"{len(again)} requests were listed twice" if again else ""


def _counts(trial: Trial) -> str:
    seconds, slots = trial.target.capabilities().counters_within_seconds, ("a", "b")
    trial.divide(50)
    trial.sleep(seconds)
    before = {slot: trial.target.counters(trial.model, slot) for slot in ("a", "b")}
    trial.answers(30, fail_in="b")
    trial.sleep(seconds)
    after = {slot: trial.target.counters(trial.model, slot) for slot in ("a", "b")}
    requests, errors = (
        {s: getattr(after[s], of) - getattr(before[s], of) for s in slots} for of in ("requests", "errors")
    )
    fine = sum(requests.values()) == 30 and errors == {"a": 0, "b": requests["b"]} and requests["b"]
    return "" if fine else f"of 30 requests, all failed in b, it counted {requests} with errors {errors}"


def _mirrors(trial: Trial) -> str:
    trial.divide(100)
    before = trial.ask({}, "").seen
    trial.divide(0)
    trial.target.mirror(trial.model, "b")
    answers = trial.answers(20)
    trial.sleep(trial.target.capabilities().counters_within_seconds)
    trial.target.mirror(trial.model, "b")  # a target that has only a log sends now what it holds
    trial.target.mirror(trial.model, None)
    trial.sleep(1)
    trial.answers(20)
    trial.divide(100)
    seen = trial.ask({}, "").seen
    if answers != Counter({1: 20}):
        return f"callers were answered by {answers}"
    copies = seen - before - 1
    return "" if 20 <= copies < 40 or seen < 0 else f"version 2 had {copies} of 20 copies"


def _removes(trial: Trial) -> str:
    trial.divide(0)
    trial.target.remove(trial.model, "b")
    trial.target.remove(trial.model, "b")
    state = sorted(trial.target.slots(trial.model)), trial.answers(5), trial.target.ensure(trial.model)
    return "" if state == (["a"], Counter({1: 5}), ()) else f"slots, answers and problems are {state}"


ALWAYS = (
    ("a version beside the champion gets no traffic", _stands_beside),
    ("traffic is divided by the weights, and trust stays", _divides),
    ("weights are percents that add up to 100", _adds_up),
    ("traffic goes only where something runs", _sends_nobody_nowhere),
    ("a slot with traffic is neither emptied nor given another version", _guards_traffic),
    ("another process finds what runs", _is_known_elsewhere),
)
Declared = tuple[str, Callable[[Capabilities], bool], Callable[[Trial], str], Callable[[Trial], object] | None]
DECLARED: tuple[Declared, ...] = (
    ("sticky_by_key", lambda can: can.sticky_by_key, _keeps_users, lambda trial: trial.divide(10, USER)),
    ("failover", lambda can: can.failover, _fails_over, None),
    ("requests_listed", lambda can: can.requests_listed, _lists, lambda t: t.target.requests(t.model, "b")),
    ("counters_within_seconds", lambda _: True, _counts, None),
    ("mirror", lambda can: can.mirror, _mirrors, lambda trial: trial.target.mirror(trial.model, "b")),
)
