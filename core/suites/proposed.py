"""A suite as YAML that people review: one expectation a paragraph, with what it rests on above it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from prefect_mlops.core.spec import Suite
from prefect_mlops.core.yamltext import WORDS

__all__ = ["flow_lines", "write_suite"]

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]*( [A-Za-z0-9_.@-]+)*")
WIDTH = 118


def write_suite(suite: Suite, reasons: Sequence[str] = (), about: Sequence[str] = ()) -> str:
    """A suite as YAML that `parse_suite` reads back as it was.

    Args:
        suite: The suite; one that is `stored` elsewhere has no expectations to write.
        reasons: A comment an expectation, in order; fewer leave the last ones bare.
        about: Lines of comment for the head.

    Examples:
        >>> from prefect_mlops.core.spec import Expectation
        >>> exists = Expectation(type="expect_column_to_exist", kwargs={"column": "on"}, severity="warning")
        >>> print(write_suite(Suite(expectations=(exists,)), ["It was always there."]), end="")
        expectations:
          # It was always there.
          - type: expect_column_to_exist
            kwargs: {column: on}
            severity: warning
    """
    lines = [f"# {line}".rstrip() for text in about for line in text.splitlines() or [""]]
    if suite.stored is not None:
        lines.append(f"stored: {_flow(suite.stored)}")
    if suite.data_docs:
        lines.append("data_docs: true")
    lines.append("expectations:" if suite.expectations else "expectations: []")
    for position, each in enumerate(suite.expectations):
        if position < len(reasons):
            lines.append(f"  # {' '.join(reasons[position].split())}")
        lines.append(f"  - type: {each.type}")
        lines += flow_lines("    kwargs: ", each.kwargs)
        if each.severity != "critical":
            lines.append(f"    severity: {each.severity}")
        if each.meta:
            lines += flow_lines("    meta: ", each.meta)
    return "\n".join(lines) + "\n"


def flow_lines(head: str, value: Any) -> list[str]:
    """A value in flow style, broken after commas; every further line is indented below its key."""
    lines, line = [], head
    for piece in _pieces(value):
        if len(line) + len(piece.rstrip()) > WIDTH and line.strip() and line != head:
            lines.append(line.rstrip())
            line = " " * 6
        line += piece
    return [*lines, line.rstrip()]


def _pieces(value: Any) -> list[str]:
    """The text of a value in parts that a line may end after."""
    if isinstance(value, dict):
        inner = [[f"{_flow(key)}: {first}", *rest] for key, each in value.items() for first, *rest in [_pieces(each)]]
        return _joined("{", inner, "}")
    if isinstance(value, (list, tuple)):
        return _joined("[", [_pieces(each) for each in value], "]")
    return [_flow(value)]


def _joined(begin: str, inner: list[list[str]], end: str) -> list[str]:
    pieces = [piece for part in inner for piece in (*part[:-1], part[-1] + ", ")]
    if not pieces:
        return [begin + end]
    pieces[0] = begin + pieces[0]
    pieces[-1] = pieces[-1].removesuffix(", ") + end
    return pieces


def _flow(value: Any) -> str:
    if isinstance(value, str) and PLAIN.fullmatch(value) and value not in WORDS:
        return value
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    # JSON leaves characters alone that YAML folds or refuses.
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in text)
