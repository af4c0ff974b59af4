"""What changed between two suites, in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.spec import Expectation, Suite
from prefect_mlops.core.validation import action_of

__all__ = ["SuiteChange", "SuiteDiff", "diff_suites"]

Kind = Literal["added", "removed", "tightened", "loosened", "changed"]
WHERE = ("column", "column_A", "column_B", "column_list", "row_condition")
"""Two expectations of one type are the same one when these are equal."""
RISING = ("min_value", "mostly", "min_ratio")
"""A larger number allows less."""
FALLING = ("max_value", "tolerance", "threshold")
ORDER = ("warn", "quarantine", "block")


class SuiteChange(Frozen):
    """One expectation that is not as it was.

    Attributes:
        kind: `tightened` allows less than before, `loosened` more, `changed` is neither or both.
        expectation: GX's name.
        subject: The column or columns it looks at, or `table`.
        details: One phrase an argument, such as `max_value 120 -> 130`.
    """

    kind: Kind
    expectation: str
    subject: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        details = f" ({'; '.join(self.details)})" if self.details else ""
        return f"{self.kind}: {self.subject}: {self.expectation}{details}"


class SuiteDiff(Frozen):
    """All changes from one suite to another.

    Attributes:
        old: Digest of the suite as it was.
        new: Digest of the suite as it is.
        changes: In the new suite's order, what was removed at the end.
    """

    old: str
    new: str
    changes: tuple[SuiteChange, ...]

    @property
    def summary(self) -> str:
        """One sentence that counts the changes."""
        counts = {kind: sum(change.kind == kind for change in self.changes) for kind in Kind.__args__}  # type: ignore[attr-defined]
        said = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        return f"{said}." if said else "The suites ask the same."

    @property
    def markdown(self) -> str:
        """The summary and a table with one row a change."""
        lines = [f"{self.summary} `{self.old[:12]}` -> `{self.new[:12]}`"]
        if self.changes:
            lines += ["", "| change | subject | expectation | what |", "|---|---|---|---|"]
        for change in self.changes:
            what = "; ".join(change.details).replace("|", "\\|")
            subject = change.subject.replace("|", "\\|")
            lines.append(f"| {change.kind} | {subject} | {change.expectation} | {what} |")
        return "\n".join(lines) + "\n"


def diff_suites(old: Suite, new: Suite) -> SuiteDiff:
    """Compare two suites, expectation by expectation; their order does not count.

    Examples:
        >>> def ask(high): return Expectation(type="expect_column_values_to_be_between",
        ...                                   kwargs={"column": "age", "max_value": high})
        >>> diff_suites(Suite(expectations=(ask(120),)), Suite(expectations=(ask(130),))).changes[0].details
        ('max_value 120 -> 130',)
    """
    waiting: dict[str, list[Expectation]] = {}
    for each in old.expectations:
        waiting.setdefault(_identity(each), []).append(each)
    changes = []
    unmatched: list[Expectation] = []
    for each in new.expectations:  # those that stayed as they were are no partners for those that changed
        same = waiting.get(_identity(each), [])
        if each in same:
            same.remove(each)
        else:
            unmatched.append(each)
    for each in unmatched:
        before = waiting.get(_identity(each), [])
        changes.append(_compared(before.pop(0), each) if before else _named("added", each, _said(each.kwargs)))
    changes += [_named("removed", each, _said(each.kwargs)) for left in waiting.values() for each in left]
    return SuiteDiff(old=old.digest, new=new.digest, changes=tuple(change for change in changes if change is not None))


def _identity(each: Expectation) -> str:
    return repr((each.type, [(key, each.kwargs[key]) for key in WHERE if key in each.kwargs]))


def _compared(old: Expectation, new: Expectation) -> SuiteChange | None:
    details, ways = [], []
    for key in dict.fromkeys([*old.kwargs, *new.kwargs]):
        was, now = old.kwargs.get(key), new.kwargs.get(key)
        if was != now:
            way, said = _argument(new.type, key, was, now)
            ways.append(way)
            details.append(f"{key} {said}")
    was_action, now_action = action_of(old.severity, old.meta), action_of(new.severity, new.meta)
    if was_action != now_action:
        ways.append(1 if ORDER.index(now_action) > ORDER.index(was_action) else -1)
        details.append(f"action {was_action} -> {now_action}")
    if not details:  # a remark in `meta` changes no verdict, yet it changes the digest
        ways.append(0)
        details.append("only its severity or remarks")
    kind: Kind = "tightened" if min(ways) > 0 else "loosened" if max(ways) < 0 else "changed"
    return _named(kind, new, details)


def _argument(kind: str, key: str, was: Any, now: Any) -> tuple[int, str]:
    """1 where it allows less now, -1 where more, 0 where neither can be said; and the change in words."""
    if isinstance(was, list) and isinstance(now, list):
        out, into = [each for each in was if each not in now], [each for each in now if each not in was]
        said = ", ".join([*(f"+{each}" for each in into), *(f"-{each}" for each in out)]) or "in another order"
        if bool(out) == bool(into):
            return 0, said
        fewer = 1 if out else -1
        return (-fewer if "contain_set" in kind else fewer if key.endswith(("set", "list")) else 0), said
    numbers = all(
        each is None or (isinstance(each, (int, float)) and not isinstance(each, bool)) for each in (was, now)
    )
    if not numbers or key not in (*RISING, *FALLING):
        return 0, f"{_shown(was)} -> {_shown(now)}"
    rising = key in RISING
    # Without `mostly` every row must fit; without another bound there is none.
    absent = 1.0 if key == "mostly" else float("-inf") if rising else float("inf")
    before, after = absent if was is None else was, absent if now is None else now
    way = 0 if before == after else 1 if (after > before) is rising else -1
    return way, f"{_shown(was)} -> {_shown(now)}"


def _named(kind: Kind, each: Expectation, details: list[str]) -> SuiteChange:
    named = [each.kwargs[key] for key in ("column", "column_A", "column_B") if key in each.kwargs]
    subject = ", ".join(map(str, [*named, *(each.kwargs.get("column_list") or ())])) or "table"
    return SuiteChange(kind=kind, expectation=each.type, subject=subject, details=tuple(details))


def _said(kwargs: Mapping[str, Any]) -> list[str]:
    return [f"{key} {_shown(value)}" for key, value in kwargs.items() if key not in WHERE]


def _shown(value: Any) -> str:
    text = "absent" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
