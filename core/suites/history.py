"""Expectations about a batch against those before it: what they need to know, and the plain GX ones they become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError

from prefect_mlops.core.errors import SpecError, SpecProblem
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.spec import Expectation, Suite
from prefect_mlops.core.specfile import near_word

__all__ = ["History", "HistoryWanted", "Resolved", "history_wanted", "resolve_history"]

PREFIX = "expect_batch_"
Scalar = bool | int | float | str


class History(Frozen):
    """What was accepted before, as far as a suite asks.

    Attributes:
        rows: Rows of the last accepted batches, newest last.
        known: The different values of a column in all accepted rows.
        nulls: The share of accepted rows in which a column has no value.
    """

    rows: tuple[Annotated[int, Field(ge=0)], ...] = ()
    known: Annotated[dict[str, tuple[Scalar, ...]], Field(default_factory=dict)]
    nulls: Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], Field(default_factory=dict)]


class HistoryWanted(NamedTuple):
    """What a suite must know of the past: how many batches' rows, and which columns."""

    batches: int
    known: tuple[str, ...]
    nulls: tuple[str, ...]


class Resolved(NamedTuple):
    """A suite that GX understands, and a sentence for each expectation that too short a history left out."""

    suite: Suite
    left_out: tuple[str, ...]


class RowCountLikeLast(Frozen):
    """`expect_batch_row_count_to_be_like_last`: as many rows as usual, by the median of the last batches."""

    batches: Annotated[int, Field(gt=0)] = 8
    at_least: Annotated[int, Field(gt=0)] = 3
    tolerance: Annotated[float, Field(gt=0)] = 0.5

    def become(self, history: History) -> tuple[str, dict[str, Any]] | str:
        """GX's expectation, or why there is none yet."""
        last = history.rows[-self.batches :]
        if len(last) < self.at_least:
            return f"{len(last)} batches were accepted, {self.at_least} are needed"
        from statistics import median

        usual = median(last)
        low, high = int(max(usual * (1 - self.tolerance), 0)), int(usual * (1 + self.tolerance))
        return "expect_table_row_count_to_be_between", {"min_value": low, "max_value": high}


class ValuesKnown(Frozen):
    """`expect_batch_column_values_to_be_known`: no value that no accepted row had."""

    column: str
    mostly: Annotated[float, Field(ge=0, le=1)] = 1.0

    def become(self, history: History) -> tuple[str, dict[str, Any]] | str:
        """GX's expectation, or why there is none yet."""
        values = history.known.get(self.column, ())
        if not values:
            return f"no accepted row has a value of {self.column}"
        kwargs = {"column": self.column, "value_set": list(values), "mostly": self.mostly}
        return "expect_column_values_to_be_in_set", kwargs


class NullsLikeReference(Frozen):
    """`expect_batch_column_nulls_to_be_like_reference`: not many more nulls than accepted rows have."""

    column: str
    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.05

    def become(self, history: History) -> tuple[str, dict[str, Any]] | str:
        """GX's expectation, or why there is none yet."""
        if self.column not in history.nulls:
            return f"no row with {self.column} was accepted"
        mostly = max(round(1 - history.nulls[self.column] - self.tolerance, 6), 0.0)
        return "expect_column_values_to_not_be_null", {"column": self.column, "mostly": mostly}


OURS: Mapping[str, type[RowCountLikeLast | ValuesKnown | NullsLikeReference]] = {
    "expect_batch_column_nulls_to_be_like_reference": NullsLikeReference,
    "expect_batch_column_values_to_be_known": ValuesKnown,
    "expect_batch_row_count_to_be_like_last": RowCountLikeLast,
}


def history_wanted(suite: Suite) -> HistoryWanted:
    """What the suite's expectations about earlier batches need; nothing where it has none.

    Raises:
        SpecError: There is no such expectation, or its arguments are not allowed.

    Examples:
        >>> asked = Expectation(type="expect_batch_column_values_to_be_known", kwargs={"column": "carrier"})
        >>> history_wanted(Suite(expectations=(asked,)))
        HistoryWanted(batches=0, known=('carrier',), nulls=())
    """
    found = [part for part in _ours(suite) if part is not None]
    return HistoryWanted(
        batches=max((part.batches for part in found if isinstance(part, RowCountLikeLast)), default=0),
        known=_columns(part.column for part in found if isinstance(part, ValuesKnown)),
        nulls=_columns(part.column for part in found if isinstance(part, NullsLikeReference)),
    )


def resolve_history(suite: Suite, history: History) -> Resolved:
    """The suite with its expectations about earlier batches turned into plain ones of GX.

    Severity and action stay; `meta.asked` keeps the name that the suite has. An expectation for which too little was
    accepted is left out and told: it can neither pass nor fail.

    Raises:
        SpecError: There is no such expectation, or its arguments are not allowed.

    Examples:
        The median of 90, 100 and 120 is 100; half less and half more.

        >>> asked = Expectation(type="expect_batch_row_count_to_be_like_last")
        >>> resolve_history(Suite(expectations=(asked,)), History(rows=(90, 120, 100))).suite.expectations[0].kwargs
        {'min_value': 50, 'max_value': 150}
        >>> resolve_history(Suite(expectations=(asked,)), History()).left_out
        ('expect_batch_row_count_to_be_like_last was not asked: 0 batches were accepted, 3 are needed.',)
    """
    made: list[Expectation] = []
    left_out: list[str] = []
    for each, part in zip(suite.expectations, _ours(suite), strict=True):
        if part is None:
            made.append(each)
            continue
        became = part.become(history)
        if isinstance(became, str):
            left_out.append(f"{each.type} was not asked: {became}.")
        else:
            meta = {**each.meta, "asked": each.type}
            made.append(each.model_copy(update={"type": became[0], "kwargs": became[1], "meta": meta}))
    return Resolved(suite.model_copy(update={"expectations": tuple(made)}), tuple(left_out))


def _ours(suite: Suite) -> list[RowCountLikeLast | ValuesKnown | NullsLikeReference | None]:
    """Each expectation of ours with its arguments, None for GX's."""
    parts: list[RowCountLikeLast | ValuesKnown | NullsLikeReference | None] = []
    problems = []
    for position, each in enumerate(suite.expectations):
        if not each.type.startswith(PREFIX):
            parts.append(None)
            continue
        where = f"expectations[{position}]"
        if each.type not in OURS:
            cure = f"{near_word(each.type, OURS)} There are {', '.join(OURS)}.".strip()
            problems.append(SpecProblem(f"{where}.type", f"there is no expectation {each.type!r}.", cure))
            continue
        try:
            parts.append(OURS[each.type].model_validate(each.kwargs))
        except ValidationError as error:
            problems += [_refused(f"{where}.kwargs", OURS[each.type], found) for found in error.errors()]
    if problems:
        raise SpecError("<suite>", tuple(problems), "suite")
    return parts


def _refused(where: str, part: type[Frozen], found: Any) -> SpecProblem:
    key, known = str(found["loc"][0]), tuple(part.model_fields)
    if found["type"] == "extra_forbidden":
        return SpecProblem(
            f"{where}.{key}", "is not a key here.", near_word(key, known) or f"Allowed: {', '.join(known)}."
        )
    if found["type"] == "missing":
        return SpecProblem(f"{where}.{key}", "is missing.")
    return SpecProblem(f"{where}.{key}", f"{found['msg']}.")


def _columns(names: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
