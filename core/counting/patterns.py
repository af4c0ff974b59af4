"""Which regular expressions mean the same to Python's `re` and to Polars' engine, and how to say them there."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Pattern", "as_polars"]

ESCAPED = r"\\[.^$*+?()\[\]{}|\\/-]"
QUANTIFIER = r"(?:[*+?]|\{\d{1,2}(?:,\d{0,2})?\})?\??"
IN_SET = rf"(?:[A-Za-z0-9]-[A-Za-z0-9]|[^\\\[\]^&~|-]|{ESCAPED}|\\[dw])"
ATOM = rf"(?:[^\\.^$*+?()\[\]{{}}|]|{ESCAPED}|\\[dw]|\.|\[\^?-?{IN_SET}+-?\])"
SHARED = re.compile(rf"(?:{ATOM}{QUANTIFIER}|\((?:\?:)?|\){QUANTIFIER}|\||\^|\\b)+\$?|\$")
"""What both engines read alike: characters, sets, groups, alternatives, repetition and anchors. Not in it, on purpose:
look-around and back-references (Polars has none), white space (Python counts four control characters as such), flags,
named groups, possessive and large repetition, set operations, and `$` anywhere but at the end."""

ASCII_ONLY = re.compile(r"\\[dwb]")
"""Python's `\\d`, `\\w` and `\\b` know another version of Unicode than Polars'; on ASCII they agree."""


class Pattern(NamedTuple):
    """A regular expression as Polars reads it.

    Attributes:
        text: The expression.
        ascii_only: Whether it means the same only where every value is ASCII.
    """

    text: str
    ascii_only: bool


@lru_cache(maxsize=256)
def as_polars(pattern: str) -> Pattern | None:
    r"""The same expression in Polars' dialect, or None where nobody could prove that it is the same.

    Python's `$` also matches before a newline that ends the text; Polars has to be told so.

    Examples:
        >>> as_polars("^[A-Z]{2}-[0-9]+$")
        Pattern(text='^[A-Z]{2}-[0-9]+(?:\\n?\\z)', ascii_only=False)
        >>> as_polars("(?=a)b") is None
        True
    """
    import polars as pl

    if len(pattern) > 200 or not SHARED.fullmatch(pattern):
        return None
    end = re.search(r"(?<!\\)(?:\\\\)*\$\Z", pattern)
    text = f"{pattern[:-1]}(?:\\n?\\z)" if end else pattern
    try:
        re.compile(pattern)
        pl.select(pl.lit("").str.contains(text))
    except (re.error, RecursionError, OverflowError, pl.exceptions.PolarsError):
        return None
    return Pattern(text, ascii_only=bool(ASCII_ONLY.search(pattern)))
