"""Try the real bento in a process of its own before it may see traffic."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task

from prefect_mlops.core.answers import Agreement, Offline, compare_answers
from prefect_mlops.core.contract import Contract
from prefect_mlops.core.errors import ServingError
from prefect_mlops.core.serving import Serving
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.staging import Refused, Staged, Trial, judge_trial
from prefect_mlops.tasks.requesting import Caller, Reply, load

if TYPE_CHECKING:
    from prefect_mlops.blocks import BentoStore
    from prefect_mlops.blocks.serving import BentoProcess
    from prefect_mlops.tasks.packaging import Bento

__all__ = ["stage_bento"]

BOOT_SECONDS = 90.0
PATIENCE = 4.0
"""How many times its budget a cold start may take before it is ended."""
SINGLES = 5
"""Golden rows that are asked one by one too."""
ROUNDS, ROUND_SECONDS, CONNECTIONS = 5, 0.3, 4
LEAST_REQUESTS = 20
LONGER = 3.0
"""How much longer the rounds of a second trial are."""


class _TrialEnded(Exception):
    """The server answers in a way that makes going on pointless."""


@task
def stage_bento(spec: ModelSpec, bento: Bento, store: BentoStore) -> Staged:
    """Boot the real bento in a process of its own, and hold answers, refusals and costs against the spec.

    Golden and edge rows must be answered as the model did offline, at once and one by one; requests that break the
    contract must be refused with a 4xx that names the field; speed and memory must keep the spec's budget. What is
    only too slow or too large is tried once more, longer, before it is refused: machines are busy at times. The process
    is ended in any case, and no other server is touched.

    Args:
        spec: Says what its serving may cost.
        bento: What is tried.
        store: Where it is.

    Returns:
        The verdict with a finding for each thing that was looked at.

    Raises:
        NotFound: The bento is not in the store.
        ServingError: It is damaged.
    """
    staged = judge_trial(_try(spec, bento, store, ROUND_SECONDS), spec.serving)
    if staged.only_costs:
        again = _try(spec, bento, store, LONGER * ROUND_SECONDS)
        staged = judge_trial(again, spec.serving, tries=2)
    return staged


def _try(spec: ModelSpec, bento: Bento, store: BentoStore, round_seconds: float) -> Trial:
    from prefect_mlops.blocks.footprints import footprint_of
    from prefect_mlops.blocks.serving import BentoProcess

    path = store.verified(bento.tag)
    log = store.folder() / "staging" / f"{bento.tag.replace(':', '-')}-{uuid.uuid4().hex[:8]}.log"
    spool = log.with_suffix(".spool")
    budget = spec.serving.budget.cold_start_seconds
    begun = time.monotonic()
    process = BentoProcess.launch(store, bento.tag, slot="staging", spool=spool, log=log)
    seen: dict[str, Any] = {}
    try:
        process.wait_serving(bento.tag, min(BOOT_SECONDS, PATIENCE * budget) if budget else BOOT_SECONDS)
        booted = footprint_of(process.pid)
        seen["boot_seconds"] = time.monotonic() - begun
        seen |= {"boot_cpu_seconds": booted.cpu_seconds, "boot_memory_mb": booted.memory_mb}
        for measured in _measured(process, path / "src", spec.serving, round_seconds):
            seen |= measured
    except ServingError as error:
        return Trial(fault=f"It did not boot: {error}", **seen)
    except _TrialEnded as ended:
        return Trial(fault=str(ended), **seen)
    finally:
        process.stop()
        for folder in (log.with_suffix(".home"), spool):
            shutil.rmtree(folder, ignore_errors=True)
    log.unlink()
    return Trial(**seen)


def _measured(process: BentoProcess, source: Path, serving: Serving, round_seconds: float) -> Iterator[dict[str, Any]]:
    """What each part of a trial adds to it; so that what was seen before a fault is kept."""
    contract = Contract.model_validate_json((source / "contract.json").read_text())
    kept = json.loads((source / "golden.json").read_text())
    golden, edges = (_offline(part, contract) for part in (kept, kept.get("edge")))
    with Caller(process.url, serving.timeout_seconds + 5) as caller:
        if golden is None:
            raise _TrialEnded("The bento holds no golden rows to hold its answers against")
        yield {"golden": _agree(caller, "golden rows", golden, contract, serving.tolerance)}
        if edges is not None:
            yield {"edges": _agree(caller, "edge rows", edges, contract, serving.tolerance)}
        nothing = caller.ask("/predict", [])
        if nothing.status != 200 or _predictions(nothing) != []:
            raise _TrialEnded(f"A request without rows got {nothing.status}: {nothing.quoted()}")
        yield {"refused": tuple(_refusals(caller, golden.rows[0], contract, serving))}
        bodies = [json.dumps({"rows": [row]}).encode() for row in golden.rows]
        rounds = [_round(caller, bodies, round_seconds) for _ in range(ROUNDS)]
    yield {
        "p50_ms": tuple(times[len(times) // 2] for times, _ in rounds),
        "p99_ms": tuple(times[int(0.99 * len(times))] for times, _ in rounds),
        "failed": sum(failed for _, failed in rounds),
    }
    yield _under_load(process, bodies, round_seconds, sum(failed for _, failed in rounds))


def _offline(part: dict[str, Any] | None, contract: Contract) -> Offline | None:
    """Rows with their offline answers; None where there are none."""
    if not part or not part["rows"]:
        return None
    known = {name: value for name, value in part.items() if name in Offline.model_fields}
    return Offline.model_validate({**known, "positive": contract.positive})


def _agree(caller: Caller, what: str, offline: Offline, contract: Contract, tolerance: float) -> Agreement:
    """How all rows were answered at once, and the first of them (of edge rows all) one by one."""
    alone = range(len(offline.rows) if offline.names else min(SINGLES, len(offline.rows)))
    met = [_compared(caller, what, offline, contract, tolerance)]
    for place in alone:
        cut = {
            name: value[place : place + 1]
            for name in ("rows", "names", "predictions", "probabilities", "quantiles")
            if (value := getattr(offline, name))
        }
        met.append(_compared(caller, what, offline.model_copy(update=cut), contract, tolerance))
    return Agreement(
        rows=len(offline.rows),
        difference=max(each.difference for each in met),
        fault=next((each.fault for each in met if each.fault), ""),
    )


def _compared(caller: Caller, what: str, offline: Offline, contract: Contract, tolerance: float) -> Agreement:
    reply = caller.ask("/predict", offline.rows)
    one = f" ({offline.names[0]})" if len(offline.names) == 1 else ""
    if reply.status != 200:
        said = f"got {reply.status}: {reply.quoted()}" if reply.status else f"were not answered: {reply.quoted()}"
        raise _TrialEnded(f"The {what}{one} {said}")
    told = reply.json()
    whose = (told.get("model"), told.get("version")) if isinstance(told, dict) else (None, None)
    if whose != (contract.model, contract.version):
        wanted = f"version {contract.version} of {contract.model}"
        raise _TrialEnded(f"The {what}{one} were not answered as by {wanted}: {reply.quoted()}")
    return compare_answers(offline, _predictions(reply), contract.classes, tolerance)


def _predictions(reply: Reply) -> Any:
    told = reply.json()
    return told.get("predictions") if isinstance(told, dict) else None


def _refusals(caller: Caller, row: dict[str, Any], contract: Contract, serving: Serving) -> Iterator[Refused]:
    """Send what breaks the contract, each in one way."""
    field = contract.fields[0].name
    wrong: dict[str, tuple[dict[str, Any], str]] = {
        "an unknown field": ({**row, "no_such_field": 1}, "no_such_field"),
        "a missing field": ({name: value for name, value in row.items() if name != field}, field),
        "a list where a value belongs": ({**row, field: [1]}, field),
    }
    number = next((each.name for each in contract.fields if each.type == "number"), None)
    if number is not None:
        wrong["text where a number belongs"] = ({**row, number: "many"}, number)
    for what, (sent, named) in wrong.items():
        reply = caller.ask("/predict", [sent])
        yield Refused(what=what, status=reply.status, field=named, named=named in _text(reply))
    yield Refused(what="a body that is not JSON", status=caller.post("/predict", b'{"rows": [').status)
    yield Refused(what="another body than rows", status=caller.post("/predict", b'{"lines": []}').status)
    many = caller.ask("/predict", [row] * (serving.most_rows + 1))
    yield Refused(what="too many rows", status=many.status)
    padded = json.dumps({"rows": [row]}).encode() + b" " * (1024 * serving.most_kilobytes)
    large = caller.post("/predict", padded)
    yield Refused(what="too large a body", status=large.status, asked=False)


def _text(reply: Reply) -> str:
    """What an answer says, with escapes of JSON read: a field's name may be in any script."""
    return reply.body.decode(errors="replace") + json.dumps(reply.json(), ensure_ascii=False).replace('\\"', '"')


def _round(caller: Caller, bodies: list[bytes], seconds: float) -> tuple[list[float], int]:
    """Milliseconds of single-row requests one after another, sorted, and how many failed."""
    times: list[float] = []
    failed, ends = 0, time.monotonic() + seconds
    while len(times) < LEAST_REQUESTS or time.monotonic() < ends:
        reply = caller.post("/predict", bodies[len(times) % len(bodies)])
        if reply.status == 0:
            raise _TrialEnded(f"A single-row request was not answered: {reply.quoted()}")
        failed += reply.status != 200
        times.append(reply.ms)
    return sorted(times), failed


def _under_load(process: BentoProcess, bodies: list[bytes], seconds: float, failed: int) -> dict[str, Any]:
    """Requests a second, and memory after each round; the first round warms up what several connections need."""
    from prefect_mlops.blocks.footprints import footprint_of

    load(process.url, "/predict", bodies, CONNECTIONS, seconds)
    answered, rates = 0, []
    memory = [(0, footprint_of(process.pid).memory_mb)]
    for _ in range(ROUNDS):
        good, bad, took = load(process.url, "/predict", bodies, CONNECTIONS, seconds)
        answered, failed = answered + good, failed + bad
        rates.append(good / took)
        memory.append((answered, footprint_of(process.pid).memory_mb))
    return {"per_second": tuple(rates), "memory": tuple(memory), "failed": failed}
