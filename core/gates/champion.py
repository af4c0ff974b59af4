"""Gates that compare a candidate with another model on the same rows."""

from typing import Annotated, Literal

from pydantic import Field

from prefect_mlops.core.evidence import Evidence, Verdict
from prefect_mlops.core.gates.confidence import estimate_of, verdict_on
from prefect_mlops.core.parts import Frozen

__all__ = ["BetterThanBaseline", "BetterThanChampion", "NotWorseThanChampion"]


class _Paired(Frozen):
    metric: Annotated[str, Field(description="The metric's name; its direction is known.")]
    confidence: Annotated[float, Field(gt=0.5, lt=1.0, description="One-sided confidence of the bound.")] = 0.95
    effect: Annotated[
        float | None, Field(gt=0, description="The advantage worth finding; tells how many rows would show it.")
    ] = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric that must have been measured and compared."""
        return (self.metric,)

    def _judge(
        self, evidence: Evidence, kind: str, against: Literal["champion", "baseline"], bound: float, *, strict: bool
    ) -> Verdict:
        if against == "champion" and evidence.champion_version is None:
            reason = f"There is no champion yet, so {self.metric} has nothing to be compared with."
            return Verdict(gate=kind, metric=self.metric, outcome="pass", reason=reason)
        compared = evidence.compared(self.metric, against)
        return verdict_on(
            estimate_of(compared),
            kind=kind,
            metric=self.metric,
            subject=f"The advantage in {self.metric} over the {against}",
            bound=bound,
            sign=1,
            strict=strict,
            confidence=self.confidence,
            effect=self.effect,
        )


class BetterThanChampion(_Paired):
    """The candidate beats the champion by more than a margin; passes by default while there is no champion."""

    kind: Literal["better-than-champion"] = "better-than-champion"
    margin: Annotated[float, Field(ge=0, description="By how much it must be better.")] = 0.0

    def judge(self, evidence: Evidence) -> Verdict:
        """Pass when the lower bound of the paired advantage exceeds the margin."""
        return self._judge(evidence, self.kind, "champion", self.margin, strict=True)


class NotWorseThanChampion(_Paired):
    """The candidate is not worse than the champion by more than a margin (non-inferiority)."""

    kind: Literal["not-worse-than-champion"] = "not-worse-than-champion"
    margin: Annotated[float, Field(gt=0, description="How much worse still counts as equal.")]

    def judge(self, evidence: Evidence) -> Verdict:
        """Pass when the lower bound of the paired advantage reaches minus the margin."""
        return self._judge(evidence, self.kind, "champion", -self.margin, strict=False)


class BetterThanBaseline(_Paired):
    """The candidate beats a model that ignores the features."""

    kind: Literal["better-than-baseline"] = "better-than-baseline"
    margin: Annotated[float, Field(ge=0, description="By how much it must be better.")] = 0.0

    def judge(self, evidence: Evidence) -> Verdict:
        """Pass when the lower bound of the paired advantage exceeds the margin."""
        return self._judge(evidence, self.kind, "baseline", self.margin, strict=True)
