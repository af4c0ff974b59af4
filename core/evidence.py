"""The facts that a decision rests on, what each gate says of them, and what all say together."""

from typing import Literal

from pydantic import ConfigDict, Field

from prefect_mlops.core.errors import NotMeasured
from prefect_mlops.core.parts import Frozen

__all__ = ["Comparison", "Decision", "Evidence", "Measurement", "Verdict"]

Subject = Literal["candidate", "champion", "baseline", "linear"]


class Measurement(Frozen):
    """One metric of one model on the judging rows, with its standard error.

    A value or error that the rows cannot give is NaN, and gates say `not applicable` of it.

    Attributes:
        metric: The metric's name, such as `roc_auc`.
        subject: Whose metric it is.
        value: The point value, equal to scikit-learn's.
        standard_error: Of the value; from whole blocks where rows are not independent.
        degrees_of_freedom: Of that standard error, blocks or rows less one.
        higher_is_better: The metric's direction.
        rows: How many rows it was measured on.
        scale: Where its confidence bounds are symmetric: `logit` for metrics between 0 and 1.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    metric: str
    subject: Subject
    value: float
    standard_error: float
    degrees_of_freedom: int
    higher_is_better: bool
    rows: int
    scale: Literal["identity", "logit"] = "identity"


class Comparison(Frozen):
    """How much better the candidate is than another model on the very same rows.

    Attributes:
        metric: The metric's name.
        against: The other model.
        advantage: The paired difference, positive where the candidate is better, whatever the metric's direction.
        standard_error: Of the advantage, from paired influence values summed over blocks.
        degrees_of_freedom: Blocks less one.
        rows: How many rows were compared.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    metric: str
    against: Literal["champion", "baseline", "linear"]
    advantage: float
    standard_error: float
    degrees_of_freedom: int
    rows: int


class Evidence(Frozen):
    """All that the gates of one decision may look at.

    Attributes:
        model: The model's name.
        candidate: What the candidate is called before it has a version, such as its MLflow run id.
        champion_version: The registry version that it asks to replace; None where nothing is trusted yet.
        judged_on: The judging rows in words, such as `11 days from 2013-05-21`.
        holdout_digest: A digest over the judging rows, so that their use can be counted.
        measurements: One entry a metric and subject.
        comparisons: One entry a metric and other model.
    """

    model: str
    candidate: str
    champion_version: int | None = None
    judged_on: str
    holdout_digest: str
    measurements: tuple[Measurement, ...] = Field(min_length=1)
    comparisons: tuple[Comparison, ...] = ()

    def measured(self, metric: str, subject: Subject = "candidate") -> Measurement:
        """The measurement of one metric.

        Raises:
            NotMeasured: Nobody measured it.
        """
        for measurement in self.measurements:
            if (measurement.metric, measurement.subject) == (metric, subject):
                return measurement
        raise NotMeasured(metric, tuple(m.metric for m in self.measurements if m.subject == subject))

    def compared(self, metric: str, against: Literal["champion", "baseline", "linear"]) -> Comparison:
        """The comparison of one metric against one other model.

        Raises:
            NotMeasured: Nobody compared it.
        """
        for comparison in self.comparisons:
            if (comparison.metric, comparison.against) == (metric, against):
                return comparison
        raise NotMeasured(
            f"{metric} against the {against}",
            tuple(f"{c.metric} against the {c.against}" for c in self.comparisons),
        )


class Verdict(Frozen):
    """What one gate says.

    Attributes:
        gate: The gate's kind.
        metric: What it looked at.
        outcome: `pass`, `fail`, or `undecided` where the rows are too few to tell.
        reason: One English sentence.
        value: The value or advantage that it judged.
        bound: What the value was held against.
        low: Lower confidence bound, one-sided.
        high: Upper confidence bound, one-sided.
        rows: How many rows it rests on.
        minimum_detectable: The smallest distance from the bound that these rows would show in 80% of cases.
        rows_needed: How many rows would show the distance that the gate's `effect` names; None where it names none.
    """

    gate: str
    metric: str
    outcome: Literal["pass", "fail", "undecided", "not applicable"]
    reason: str
    value: float | None = None
    bound: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    minimum_detectable: float | None = None
    rows_needed: int | None = None


class Decision(Frozen):
    """What all gates say together.

    Attributes:
        outcome: `rejected` if any gate fails, `accepted` if every gate passes, else `undecided`.
        verdicts: One entry a gate.
        summary: One English sentence.
    """

    outcome: Literal["accepted", "rejected", "undecided"]
    verdicts: tuple[Verdict, ...]
    summary: str

    @property
    def accepted(self) -> bool:
        """Whether the candidate may become champion."""
        return self.outcome == "accepted"
