"""What a validation found, expectation by expectation, and what follows for the batch and its rows."""

from typing import Any, Literal

from pydantic import Field

from prefect_mlops.core.parts import Frozen

__all__ = ["Action", "ExpectationResult", "ValidationReport", "action_of"]

Action = Literal["block", "quarantine", "warn"]


class ExpectationResult(Frozen):
    """What one expectation found.

    Attributes:
        expectation: GX's name, such as `expect_column_values_to_be_between`.
        subject: The column or columns it looked at, or `table`.
        success: Whether it holds.
        action: What its failure does: `block` the batch, `quarantine` the rows that do not fit, or `warn`.
        observed: What was seen, in words.
        unexpected_count: Rows that do not fit; 0 where it does not count rows.
        unexpected_share: Their share of the rows looked at, from 0 to 1.
        examples: A few of the values that do not fit, as text.
        error: Why it could not be computed; empty where it could. An error is never a pass.
    """

    expectation: str
    subject: str
    success: bool
    action: Action
    observed: str = ""
    unexpected_count: int = 0
    unexpected_share: float = 0.0
    examples: tuple[str, ...] = ()
    error: str = ""

    @property
    def blocks(self) -> bool:
        """Whether the batch must not be accepted because of it.

        A failure that should set rows aside blocks all the same when it could not be computed or counts no rows: no
        row can be named then.
        """
        named = self.action == "quarantine" and self.unexpected_count > 0 and not self.error
        return not self.success and self.action != "warn" and not named

    @property
    def rule(self) -> str:
        """What it asks, without a word of what was seen: the reason why a single row is set aside."""
        return f"{self.subject}: {self.expectation} does not hold"

    @property
    def reason(self) -> str:
        """One phrase that says why it does not hold."""
        if self.error:
            return f"{self.subject}: {self.expectation} could not be computed ({self.error})"
        count = f"{self.unexpected_count:,} rows ({self.unexpected_share:.1%}) do not fit"
        seen = f"such as {', '.join(self.examples)}" if self.examples else self.observed and f"observed {self.observed}"
        details = ", ".join(part for part in (count if self.unexpected_count else "", seen) if part)
        return self.rule + (f" ({details})" if details else "")


class ValidationReport(Frozen):
    """What all expectations of a suite say about one batch.

    Attributes:
        rows: Rows in the batch.
        suite_digest: SHA-256 of the suite that was asked.
        results: One entry an expectation, in the suite's order.
    """

    rows: int = Field(ge=0)
    suite_digest: str
    results: tuple[ExpectationResult, ...]

    @property
    def failures(self) -> tuple[ExpectationResult, ...]:
        """The expectations that do not hold."""
        return tuple(result for result in self.results if not result.success)

    @property
    def blocked(self) -> bool:
        """Whether the batch must not be accepted."""
        return any(result.blocks for result in self.results)

    @property
    def summary(self) -> str:
        """One sentence: how many hold, and what does not."""
        held = len(self.results) - len(self.failures)
        said = f"{held} of {len(self.results)} expectations hold on {self.rows:,} rows"
        if not self.failures:
            return f"{said}."
        return f"{said}; {'; '.join(failure.reason for failure in self.failures)}."


def action_of(severity: str, meta: dict[str, Any]) -> Action:
    """What the failure of an expectation does: `meta.action`, else GX's severity (critical blocks).

    Examples:
        >>> action_of("critical", {}), action_of("critical", {"action": "quarantine"}), action_of("info", {})
        ('block', 'quarantine', 'warn')
    """
    named: Any = meta.get("action")
    if named in ("block", "quarantine", "warn"):
        return named  # type: ignore[no-any-return]
    return "block" if severity == "critical" else "warn"
