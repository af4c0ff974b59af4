"""A spec as the YAML that people review: only what is not a default, and comments where the writer knows a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel

from prefect_mlops.core.specfile import parse_spec

if TYPE_CHECKING:
    from prefect_mlops.core.spec import ModelSpec

__all__ = ["write_spec"]

WIDTH = 110


def write_spec(
    spec: ModelSpec,
    head: Sequence[str] = (),
    comments: Mapping[str, Sequence[str]] | None = None,
    reasons: Sequence[str] = (),
) -> str:
    """A spec as YAML that `parse_spec` reads back as it was.

    Args:
        spec: The spec.
        head: Lines of comment for the beginning.
        comments: Lines of comment above a section, by its name.
        reasons: A comment for each expectation of the suite.
    """
    from prefect_mlops.core.suites.proposed import write_suite

    lines = [f"# {line}".rstrip() for line in head]
    plain = _plain(spec)
    ordered = [name for name in plain if name != "suite"] + ["suite"] * ("suite" in plain)  # the longest comes last
    for name in ordered:
        value = plain[name]
        lines += [f"# {line}" if line else "" for line in (comments or {}).get(name, ())]
        if name == "suite":
            lines += ["suite:", *(f"  {line}".rstrip() for line in write_suite(spec.suite, reasons).splitlines())]
        else:
            lines += _section(name, value)
    text = "\n".join(lines) + "\n"
    if parse_spec(text, spec.name) != spec:
        raise AssertionError(f"the spec of {spec.name} does not come back from its own text")
    return text


def _section(name: str, value: Any) -> list[str]:
    """A section, with a line for each key or entry."""
    if isinstance(value, Mapping) and value:
        return [f"{name}:", *(line for key, each in value.items() for line in _flow(f"  {key}: ", each))]
    if isinstance(value, list) and value:
        return [f"{name}:", *(line for each in value for line in _flow("  - ", each))]
    return _flow(f"{name}: ", value)


def _flow(begin: str, value: Any) -> list[str]:
    text = yaml.safe_dump(value, sort_keys=False, default_flow_style=True, width=WIDTH, allow_unicode=True)
    first, *more = text.removesuffix("...\n").splitlines()
    return [f"{begin}{first}", *(f"    {line}" for line in more)]


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
