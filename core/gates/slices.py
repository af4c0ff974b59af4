"""The gate that looks for a part of the rows on which the candidate is worse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from prefect_mlops.core.evidence import Check, Evidence, Examination, Verdict
from prefect_mlops.core.gates.alarms import alarm_verdict, level_of_one
from prefect_mlops.core.gates.scored import Scored, gate_digest
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    from prefect_mlops.core.metrics import Metric
    from prefect_mlops.core.scans.scanning import Against

__all__ = ["HoldsOnSlices"]


class HoldsOnSlices(Frozen):
    """The candidate is nowhere worse than the champion: on no slice of the rows is a loss proved.

    Every metric is compared on every slice on the same rows, and the p-values are corrected over all of them by
    step-down max-T, so that a candidate with which all is fine fails in one case of twenty at most, however many
    slices there are.
    """

    kind: Literal["holds-on-slices"] = "holds-on-slices"
    family: Literal["alarm"] = "alarm"
    metrics: Annotated[tuple[str, ...], Field(min_length=1, description="The metrics that must hold.")]
    columns: Annotated[tuple[str, ...], Field(min_length=1, description="The columns whose values make slices.")]
    bins: Annotated[int, Field(ge=2, le=20, description="Quantile bins of a column of numbers.")] = 4
    intersections: Annotated[bool, Field(description="Cut by each two columns at once too.")] = False
    against: Annotated[
        Literal["champion", "whole"],
        Field(description="Whom a slice is compared with: the champion on it, or the candidate on all rows."),
    ] = "champion"
    max_loss: Annotated[
        NonNegativeFloat | dict[str, NonNegativeFloat],
        Field(description="How much worse is no alarm, in the metric's units; one number, or one a metric."),
    ] = 0.0
    at_least: Annotated[
        float | None, Field(description="What the metric must reach on a slice while there is no champion.")
    ] = None
    at_most: Annotated[
        float | None, Field(description="What the metric must keep to on a slice while there is no champion.")
    ] = None
    effect: Annotated[
        PositiveFloat | dict[str, PositiveFloat] | None,
        Field(description="The loss worth finding, one number or one a metric; each check says how surely it would."),
    ] = None
    minimum_rows: Annotated[int, Field(ge=20, description="Rows without which a slice is left out.")] = 100

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for key, given in (("max_loss", self.max_loss), ("effect", self.effect)):
            strange = sorted({*given} - {*self.metrics}) if isinstance(given, dict) else []
            if strange:
                raise ValueError(f"{key}: {', '.join(strange)} is not among the gate's metrics")
        if self.against == "whole" and not all(_by_metric(self.max_loss, self.metrics, 0.0).values()):
            raise ValueError(
                "max_loss: half of all slices are worse than the whole; say how much worse is too much, such as 0.05"
            )
        if self.at_least is not None and self.at_most is not None:
            raise ValueError("at_least, at_most: give the one that fits the metric's direction")
        if (self.at_least is not None or self.at_most is not None) and len(self.metrics) > 1:
            raise ValueError("at_least, at_most: one bound fits one metric; give each metric a gate of its own")
        return self

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The columns that the judging rows must have, be they features or not."""
        return self.columns

    def examine(self, scored: Scored) -> Examination:
        """Compare every metric on every slice."""
        from prefect_mlops.core.metrics import metric_named
        from prefect_mlops.core.scans.losses import judging
        from prefect_mlops.core.scans.scanning import Held, scan
        from prefect_mlops.core.scans.slicing import slice_rows

        digest = gate_digest(self)
        problem, costs = scored.spec.target.problem, scored.spec.purpose.costs
        metrics = tuple(metric_named(name, problem, costs) for name in self.metrics)
        refused = self._refusal(scored, metrics)
        if refused:
            return Examination(gate=digest, reason=refused)
        rows = judging(scored)
        if isinstance(rows, str):
            return Examination(gate=digest, reason=f"The slices cannot be compared: {rows}.")
        cut = slice_rows(
            scored.rows.iloc[rows.kept],
            self.columns,
            personal=scored.spec.data.personal,
            categories=scored.spec.features.category,
            bins=self.bins,
            minimum_rows=self.minimum_rows,
            intersections=self.intersections,
        )
        against, bounds = self._held(scored)
        effects = {} if self.effect is None else _by_metric(self.effect, self.metrics)
        held = Held(against, bounds, effects, level_of_one(scored.spec), scored.seed)
        aside = (Check(name=one.name, rows=one.rows, reason=one.reason) for one in cut.aside)
        return Examination(gate=digest, checks=(*scan(rows, cut.slices, metrics, held), *aside))

    def judge(self, evidence: Evidence) -> Verdict:
        """Fail where a slice is proved worse, and name the worst."""
        return alarm_verdict(self.kind, ", ".join(self.metrics), evidence.examined(gate_digest(self)))

    def _held(self, scored: Scored) -> tuple[Against, dict[str, float]]:
        """What a slice is compared with, and each metric's number: a bound, or the loss that is no alarm."""
        if self.against == "champion" and "champion" not in scored.said:
            bound = self.at_most if self.at_least is None else self.at_least
            return "bound", {self.metrics[0]: float("nan") if bound is None else bound}
        return self.against, _by_metric(self.max_loss, self.metrics, 0.0)

    def _refusal(self, scored: Scored, metrics: tuple[Metric, ...]) -> str:
        """Why nothing can be compared; empty where it can."""
        if self._held(scored)[0] != "bound":
            return ""
        if self.at_least is None and self.at_most is None:
            return (
                "There is no champion yet to compare slices with, and the gate names no `at_least` or `at_most` that "
                "they must reach."
            )
        higher = metrics[0].higher_is_better
        if higher == (self.at_least is not None):
            return ""
        better, fitting = ("higher", "at_least") if higher else ("lower", "at_most")
        return f"{metrics[0].name} is better where it is {better}: name `{fitting}`."


def _by_metric(
    given: float | dict[str, float], metrics: tuple[str, ...], absent: float | None = None
) -> dict[str, float]:
    """A number for each metric; those without one get the default, or none."""
    if not isinstance(given, dict):
        return dict.fromkeys(metrics, given)
    return given if absent is None else dict.fromkeys(metrics, absent) | given
