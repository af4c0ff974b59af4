"""Gates that hold what a pipeline costs against the spec's limits, as it is and without a test."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from prefect_mlops.core.evidence import Check, Evidence, Examination, Verdict
from prefect_mlops.core.gates.alarms import limit_verdict
from prefect_mlops.core.gates.scored import gate_digest
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    from prefect_mlops.core.gates.scored import Scored

__all__ = ["FastEnough", "SmallEnough"]

UNTIMED = "Nobody measured the pipeline: pass what `time_candidate` returns to `evaluate_candidate`."


class _Cost(Frozen):
    @property
    def metrics(self) -> tuple[str, ...]:
        """None: it looks at the pipeline, not at what it says."""
        return ()

    @property
    def wants_timings(self) -> bool:
        """Whether the pipeline must be measured before this gate can judge."""
        return True


class FastEnough(_Cost):
    """The fitted pipeline answers in time, in the process that trained it: one row at a time, and many at once.

    It tells a slow pipeline before it is packaged; the served bento is measured when it is staged.
    """

    kind: Literal["fast-enough"] = "fast-enough"
    family: Literal["limit"] = "limit"
    p50_ms: Annotated[float | None, Field(gt=0, description="Milliseconds that half of single rows keep to.")] = None
    p99_ms: Annotated[float | None, Field(gt=0, description="Milliseconds that 99% of single rows keep to.")] = None
    rows_per_second: Annotated[float | None, Field(gt=0, description="Rows a second in one call with many.")] = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.p50_ms is None and self.p99_ms is None and self.rows_per_second is None:
            raise ValueError("name at least one of p50_ms, p99_ms and rows_per_second")
        return self

    def examine(self, scored: "Scored") -> Examination:
        """Compare the measured times with the limits."""
        if scored.timings is None:
            return Examination(gate=gate_digest(self), reason=UNTIMED)
        import numpy as np

        rows, checks = len(scored.timings.row_ms), []
        for name, share, limit in (("p50_ms", 50, self.p50_ms), ("p99_ms", 99, self.p99_ms)):
            if limit is not None:
                took = float(np.percentile(scored.timings.row_ms, share))
                said = f"{share}% of {rows:,} single rows took at most {took:.3g} ms; the limit is {limit:g} ms."
                checks.append(Check(name=name, value=took, bound=limit, rows=rows, reason=said))
        if self.rows_per_second is not None:
            found = scored.timings.batch_rows_per_second
            said = f"One call with many rows answers {found:,.0f} rows a second; {self.rows_per_second:,.0f} are asked."
            checks.append(Check(name="rows_per_second", value=found, bound=self.rows_per_second, reason=said))
        return Examination(gate=gate_digest(self), checks=tuple(checks))

    def judge(self, evidence: Evidence) -> Verdict:
        """Fail where a limit is broken."""
        return limit_verdict(self.kind, "", evidence.examined(gate_digest(self)), _too_slow)


class SmallEnough(_Cost):
    """The stored model is no larger than the machines that serve it allow."""

    kind: Literal["small-enough"] = "small-enough"
    family: Literal["limit"] = "limit"
    max_mb: Annotated[float, Field(gt=0, description="Megabytes (millions of bytes) of the stored model.")]

    def examine(self, scored: "Scored") -> Examination:
        """Compare the stored size with the limit."""
        if scored.timings is None:
            return Examination(gate=gate_digest(self), reason=UNTIMED)
        size = scored.timings.size_mb
        said = f"The stored model has {size:.3g} MB; the limit is {self.max_mb:g} MB."
        return Examination(
            gate=gate_digest(self), checks=(Check(name="size_mb", value=size, bound=self.max_mb, reason=said),)
        )

    def judge(self, evidence: Evidence) -> Verdict:
        """Fail where the model is too large."""
        return limit_verdict(self.kind, "", evidence.examined(gate_digest(self)))


def _too_slow(check: Check) -> bool:
    assert check.value is not None
    assert check.bound is not None
    return check.value < check.bound if check.name == "rows_per_second" else check.value > check.bound
