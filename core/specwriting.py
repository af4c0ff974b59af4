"""A spec as the YAML that people review: only what is not a default, and comments where the writer knows a reason."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from prefect_mlops.core.specfile import parse_spec
from prefect_mlops.core.suites.proposed import flow_lines, write_suite

if TYPE_CHECKING:
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["write_gates", "write_spec"]

WIDTH = 118


def write_spec(
    spec: ModelSpec,
    head: Sequence[str] = (),
    comments: Mapping[str, Sequence[str]] | None = None,
    reasons: Sequence[str] = (),
    gate_reasons: Sequence[str] = (),
) -> str:
    """A spec as YAML that `parse_spec` reads back as it was.

    Args:
        spec: The spec.
        head: Lines of comment for the beginning.
        comments: Lines of comment above a section, by its name.
        reasons: A comment for each expectation of the suite.
        gate_reasons: A comment for each gate.
    """
    lines = [_comment(line) for line in head]
    plain = _plain(spec)
    ordered = [name for name in plain if name != "suite"] + ["suite"] * ("suite" in plain)  # the longest comes last
    for name in ordered:
        value = plain[name]
        lines += [_comment(line) for line in (comments or {}).get(name, ())]
        if name == "suite":
            lines += ["suite:", *(f"  {line}".rstrip() for line in write_suite(spec.suite, reasons).split("\n"))]
        elif name == "gates":
            lines += _gates(value, gate_reasons)
        else:
            lines += _section(name, value)
    text = "\n".join(lines) + "\n"
    if parse_spec(text, spec.name) != spec:
        raise AssertionError(f"the spec of {spec.name} does not come back from its own text")
    return text


def write_gates(gates: Sequence[BaseModel], reasons: Sequence[str] = (), head: Sequence[str] = ()) -> str:
    """The section `gates` of a spec alone, with what each rests on above it.

    Args:
        gates: Parts of a spec.
        reasons: A comment a gate, in order; fewer leave the last ones bare.
        head: Lines of comment for the beginning.

    Examples:
        >>> from prefect_mlops.core.gates import AtLeast
        >>> print(write_gates([AtLeast(metric="roc_auc", bound=0.7)], ["Measured 0.74."]), end="")
        gates:
          # Measured 0.74.
          - {kind: at-least, metric: roc_auc, bound: 0.7}
    """
    lines = [_comment(line) for line in head] + _gates([_plain(gate) for gate in gates], reasons)
    return "\n".join(lines) + "\n"


def _gates(gates: Sequence[Any], reasons: Sequence[str]) -> list[str]:
    lines = ["gates:"]
    for place, gate in enumerate(gates):
        if place < len(reasons):
            lines += textwrap.wrap(" ".join(reasons[place].split()), WIDTH, initial_indent="  # ",
                                   subsequent_indent="  # ")  # fmt: skip
        lines += flow_lines("  - ", gate)
    return lines


def _section(name: str, value: Any) -> list[str]:
    """A section, with a line for each key or entry."""
    if isinstance(value, Mapping) and value:
        return [f"{name}:", *(line for key, each in value.items() for line in flow_lines(f"  {key}: ", each))]
    if isinstance(value, list) and value:
        return [f"{name}:", *(line for each in value for line in flow_lines("  - ", each))]
    return flow_lines(f"{name}: ", value)


def _comment(line: str) -> str:
    return f"# {' '.join(line.split())}" if line else ""


def _plain(value: Any) -> Any:
    """Values that YAML can hold, without defaults; a part keeps its kind."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        held = {name: getattr(value, name) for name in fields}
        ordered = sorted(held.items(), key=lambda pair: pair[0] != "kind")
        return {
            name: _plain(each)
            for name, each in ordered
            if name == "kind"
            or fields[name].is_required()
            or each != fields[name].get_default(call_default_factory=True)
        } | {name: _plain(each) for name, each in (value.model_extra or {}).items()}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
