"""The numbers of a decision as people read them, the same in the Prefect UI, on the page and in the card."""

from __future__ import annotations

import math

__all__ = ["chance", "count", "interval", "named", "number"]

MOST_LETTERS = 80
"""A slice can be named after a value of any length."""


def number(value: float | None, sign: str = "") -> str:
    """A value to four digits; nothing where there is none, words where it is not finite.

    Examples:
        >>> number(0.123456), number(0.5, "+"), number(None), number(float("nan")), number(-0.0)
        ('0.1235', '+0.5', '', 'not known', '0')
    """
    if value is None:
        return ""
    if math.isinf(value):
        return "without limit"
    # A negative zero plus zero is zero.
    return "not known" if math.isnan(value) else f"{value + 0.0:{sign}.4g}"


def interval(low: float | None, high: float | None, sign: str = "") -> str:
    """Two ends.

    Examples:
        >>> interval(0.1, 0.2), interval(None, None)
        ('0.1 to 0.2', '')
    """
    if low is None and high is None:
        return ""
    return f"{number(low, sign) or 'open'} to {number(high, sign) or 'open'}"


def chance(p_value: float | None) -> str:
    """A p-value, of which digits below a ten-thousandth say nothing.

    Examples:
        >>> chance(0.04321), chance(1e-9), chance(None)
        ('0.043', '< 0.0001', '')
    """
    if p_value is None:
        return ""
    return "< 0.0001" if p_value < 1e-4 else number(float(f"{p_value:.2g}"))


def count(rows: int | None) -> str:
    """Rows with their thousands apart.

    Examples:
        >>> count(1234567), count(None), count(0)
        ('1,234,567', '', '')
    """
    return f"{rows:,}" if rows else ""


def named(name: str) -> str:
    """A name that is no longer than a table can bear.

    Examples:
        >>> named("carrier = AA"), len(named("x" * 500))
        ('carrier = AA', 80)
    """
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"
