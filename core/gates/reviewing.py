"""What is wrong with a spec's gates before anything was measured: gates that cannot pass, or cannot look."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from prefect_mlops.core.errors import MlopsError

if TYPE_CHECKING:
    from prefect_mlops.core.gates import Gate
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["gate_notes", "gate_problems"]

OF_CLASSES = ("fair-across", "calibrated")
ON_CHAMPIONS = ("better-than-champion", "not-worse-than-champion")
WITHIN_ONE = ("logit", "wilson")


def gate_problems(spec: ModelSpec) -> tuple[str, ...]:
    """Gates that cannot do their work, a sentence each, with what to do.

    Args:
        spec: A valid spec.

    Returns:
        Empty where every gate can pass and fail.
    """
    from prefect_mlops.core.gates.decision import Gate
    from prefect_mlops.core.plugins import resolve_part

    gates: list[tuple[int, Gate]] = []
    problems: list[str] = []
    for place, part in enumerate(spec.gates):
        try:
            gates.append((place, resolve_part(part, Gate)))  # type: ignore[type-abstract]  # a protocol
        except MlopsError as error:
            problems.append(f"gates[{place}]: {error}")
    known = _columns(spec)
    for place, gate in gates:
        problems += [f"gates[{place}] ({gate.kind}): {problem}" for problem in _problems(spec, gate, known)]
    problems += _twice(spec)
    if gates and len(gates) == len(spec.gates) and not any(_proves(gate) for _, gate in gates):
        problems.append("gates: none of them can prove a candidate good, so none is ever accepted. Add at-least or "
                        "better-than-baseline.")  # fmt: skip
    return tuple(problems)


def gate_notes(spec: ModelSpec) -> tuple[str, ...]:
    """What is allowed, and seldom meant."""
    notes = []
    if not any(gate.kind in ON_CHAMPIONS for gate in spec.gates):
        notes.append(
            "gates: none compares a candidate with the champion, so any that passes the others replaces it. Add "
            "better-than-champion."
        )
    for place, gate in enumerate(spec.gates):
        if getattr(gate, "on", None) == "point":
            notes.append(
                f"gates[{place}] ({gate.kind}): on: point judges the bare value, which has no known error rate. Leave "
                "`on` out to judge the confidence bound."
            )
    return tuple(notes)


def _problems(spec: ModelSpec, gate: Gate, known: frozenset[str] | None) -> Iterator[str]:
    yield from _metrics(spec, gate)
    margin = getattr(gate, "margin", 0.0)
    if isinstance(margin, int | float) and not margin >= 0:
        yield f"the margin is {margin:g}. Give one of 0 or more; the gate's name says the direction."
    if gate.kind in OF_CLASSES and spec.target.problem == "regression":
        yield "it is about classes, and the problem is a regression. Leave it out."
    if ":" not in gate.kind:
        yield from _looked_at(spec, getattr(gate, "looks_at", ()), known)


def _metrics(spec: ModelSpec, gate: Gate) -> Iterator[str]:
    from prefect_mlops.core.metrics import metric_named

    for name in gate.metrics:
        try:
            metric = metric_named(name, spec.target.problem, spec.purpose.costs)
        except MlopsError as error:
            yield str(error)
            continue
        bound = getattr(gate, "bound", None)
        if isinstance(bound, int | float) and metric.scale in WITHIN_ONE and not 0 < bound < 1:
            yield f"{name} lies between 0 and 1, so a bound of {bound:g} says nothing or asks too much."
        elif isinstance(bound, int | float) and not math.isfinite(bound):
            yield f"the bound is {bound}. Give a number."


def _looked_at(spec: ModelSpec, names: Iterable[str], known: frozenset[str] | None) -> Iterator[str]:
    from prefect_mlops.core.specfile import near_word

    for name in names:
        if name in spec.data.personal:
            yield f"column {name!r} is personal, and its values would stand in reports. Cut by another column."
        elif name == spec.target.column:
            yield f"column {name!r} is the target; rows are cut by what is known before it."
        elif known is not None and name not in known:
            hint = near_word(name, known)
            yield (
                f"the spec knows no column {name!r}. {hint + ' ' if hint else ''}Name it in the suite, so that rows "
                "are sure to have it."
            )


def _columns(spec: ModelSpec) -> frozenset[str] | None:
    """Every column that the spec names; None where its suite lies elsewhere, and may name more."""
    if spec.suite.stored is not None:
        return None
    data, split = spec.data, spec.split
    named: set[Any] = {*data.key, data.time, *data.later, data.weight, *spec.features.names}
    named |= {getattr(split, "stratify", None), getattr(split, "group", None)}
    for expectation in spec.suite.expectations:
        for key, value in expectation.kwargs.items():
            if key.startswith("column") and isinstance(value, str):
                named.add(value)
            elif key.startswith("column") and isinstance(value, list | tuple):
                named |= {name for name in value if isinstance(name, str)}
    return frozenset(name for name in named if isinstance(name, str))


def _twice(spec: ModelSpec) -> Iterator[str]:
    said: dict[str, int] = {}
    for place, gate in enumerate(spec.gates):
        first = said.setdefault(gate.model_dump_json(), place)
        if first != place:
            yield f"gates[{place}] ({gate.kind}): it says what gates[{first}] says. Leave one of them out."


def _proves(gate: Gate) -> bool:
    return getattr(gate, "family", "proof") == "proof"
