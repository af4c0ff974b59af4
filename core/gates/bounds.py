"""Gates that hold a candidate's own metric against a number."""

from typing import Annotated, Literal

from pydantic import Field

from prefect_mlops.core.evidence import Evidence, Verdict
from prefect_mlops.core.gates.confidence import estimate_of, verdict_on
from prefect_mlops.core.parts import Frozen

__all__ = ["AtLeast", "AtMost"]


class _Bound(Frozen):
    metric: Annotated[str, Field(description="The metric's name, such as roc_auc or rmse.")]
    bound: Annotated[float, Field(description="What the metric is held against.")]
    on: Annotated[
        Literal["confidence-bound", "point"],
        Field(description="Judge the confidence bound (a proof), or the bare value."),
    ] = "confidence-bound"
    confidence: Annotated[float, Field(gt=0.5, lt=1.0, description="One-sided confidence of the bound.")] = 0.95

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric that must have been measured."""
        return (self.metric,)

    def _judge(self, evidence: Evidence, kind: str, sign: int) -> Verdict:
        measured = evidence.measured(self.metric)
        return verdict_on(
            estimate_of(measured),
            kind=kind,
            metric=self.metric,
            subject=f"{self.metric} of the candidate",
            bound=self.bound,
            sign=sign,
            confidence=self.confidence,
            point=self.on == "point",
        )


class AtLeast(_Bound):
    """The candidate's metric is at least a bound.

    Examples:
        >>> AtLeast(metric="roc_auc", bound=0.8).metrics
        ('roc_auc',)
    """

    kind: Literal["at-least"] = "at-least"

    def judge(self, evidence: Evidence) -> Verdict:
        """Pass when the lower confidence bound reaches the bound, fail when the upper one does not."""
        return self._judge(evidence, self.kind, sign=1)


class AtMost(_Bound):
    """The candidate's metric is at most a bound."""

    kind: Literal["at-most"] = "at-most"

    def judge(self, evidence: Evidence) -> Verdict:
        """Pass when the upper confidence bound keeps to the bound, fail when the lower one does not."""
        return self._judge(evidence, self.kind, sign=-1)
