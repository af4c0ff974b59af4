"""Great Expectations' results in this package's words, without the values of personal columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect_mlops.core.spec import Expectation
from prefect_mlops.core.validation import ExpectationResult, action_of
from prefect_mlops.tasks.expectations.compiled import columns_of

__all__ = ["hides", "raised", "read_result"]

EXAMPLES = 3
UNSAID = "Great Expectations raised; what it said is not shown, since it may quote personal values"
"""Instead of the message of an expectation about personal columns."""


def read_result(expectation: Expectation, result: Any, personal: Sequence[str]) -> ExpectationResult:
    """One of GX's results as an entry of the report.

    Args:
        expectation: What was asked.
        result: What GX answered.
        personal: Columns whose values are never quoted.
    """
    hidden = hides(expectation, personal)
    error = raised(result)
    details = {} if error else result.result or {}
    observed = details.get("observed_value")
    values = details.get("partial_unexpected_list") or ()
    return ExpectationResult(
        expectation=expectation.type,
        subject=_subject(expectation),
        success=bool(result.success) and not error,
        action=action_of(expectation.severity, expectation.meta),
        observed="" if observed is None or hidden else _one_line(observed),
        unexpected_count=int(details.get("unexpected_count") or 0),
        unexpected_share=float(details.get("unexpected_percent") or 0.0) / 100,
        examples=() if hidden else tuple(dict.fromkeys(str(value) for value in values))[:EXAMPLES],
        error=UNSAID if error and hidden and not error.startswith("the batch has no column") else error,
    )


def hides(expectation: Expectation, personal: Sequence[str]) -> bool:
    """Whether what was seen must not be told: the expectation looks at a personal column, or nobody knows at what."""
    if not personal or expectation.type.startswith("expect_table_") or expectation.type == "expect_column_to_exist":
        return False
    named = columns_of(expectation)
    condition = str(expectation.kwargs.get("row_condition") or "")
    return not named or any(column in named or column in condition for column in personal)


def raised(result: Any) -> str:
    """What an expectation raised inside GX, on one line; empty where it raised nothing.

    The information is flat, or nested by metric, and there on passing results too.
    """
    information = result.exception_info or {}
    for entry in (information, *(entry for entry in information.values() if isinstance(entry, dict))):
        if entry.get("raised_exception"):
            return _one_line(entry.get("exception_message")) or "no reason given"
    return ""


def _subject(expectation: Expectation) -> str:
    columns = columns_of(expectation) or [
        str(expectation.kwargs[key]) for key in ("column",) if key in expectation.kwargs
    ]
    return ", ".join(columns) or "table"


def _one_line(value: object) -> str:
    return " ".join(str(value).split())[:300]
