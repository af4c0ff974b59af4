"""What a survey of a table found."""

from __future__ import annotations

from typing import Literal

from prefect_mlops.core.parts import Frozen

__all__ = ["Column", "Leak", "Role", "Survey"]

Role = Literal[
    "target", "key", "time", "numeric", "category", "text", "identifier", "personal", "leak", "later", "useless"
]


class Column(Frozen):
    """One column and its part.

    Attributes:
        name: Its name.
        role: What it is for. Only `numeric` and `category` are features.
        reason: Why, in a few words.
    """

    name: str
    role: Role
    reason: str


class Leak(Frozen):
    """Columns that tell the target, or seem to.

    Attributes:
        columns: One column, or several that tell it together.
        certain: A finding where True, a suspect that people must look at otherwise.
        reason: What was seen, with its figure.
        left_out: Whether the columns were left out of the features: all findings, and suspects that are known too late.
    """

    columns: tuple[str, ...]
    certain: bool
    reason: str
    left_out: bool


class Survey(Frozen):
    """What a table is.

    Attributes:
        rows: Its rows.
        target: The column to predict.
        problem: What kind of prediction that is.
        positive: The value whose probability a binary model says; None otherwise.
        key: The columns that name a row; none where no few columns do.
        time: The column that says when a row happened; None without one.
        columns: Every column, in the table's order.
        leaks: Findings first.
        notes: Whatever else a reviewer should know, a sentence each.
    """

    rows: int
    target: str
    problem: Literal["binary", "multiclass", "regression"]
    positive: bool | int | float | str | None
    key: tuple[str, ...]
    time: str | None
    columns: tuple[Column, ...]
    leaks: tuple[Leak, ...]
    notes: tuple[str, ...] = ()

    def named(self, role: Role) -> tuple[str, ...]:
        """The columns of one role, in the table's order."""
        return tuple(column.name for column in self.columns if column.role == role)

    @property
    def features(self) -> tuple[str, ...]:
        """Numeric features, then categories."""
        return self.named("numeric") + self.named("category")
