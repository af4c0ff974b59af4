"""What studies find: baselines beside a candidate, what each feature group brings, and how a model ages."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from prefect_mlops.core.evidence import Comparison, Evidence, Measurement
from prefect_mlops.core.parts import Frozen

__all__ = ["Ablation", "Ageing", "Baselines", "Contribution", "Score", "Staleness"]


class Baselines(Frozen):
    """A model that knows only the prior (subject `baseline`) and a linear one (subject `linear`) beside a candidate.

    Attributes:
        estimators: The import path of each subject's estimator.
        learned: How many training rows the linear model learned from.
        measurements: One entry a metric and subject.
        comparisons: How much better the candidate is, one entry a metric and subject; none without a candidate.
    """

    estimators: dict[str, str]
    learned: int
    measurements: tuple[Measurement, ...]
    comparisons: tuple[Comparison, ...] = ()

    def within(self, evidence: Evidence) -> Evidence:
        """The evidence with what it lacks of these; what it holds already stays as it is."""
        held = {(found.metric, found.subject) for found in evidence.measurements}
        compared = {(found.metric, found.against) for found in evidence.comparisons}
        more = tuple(found for found in self.measurements if (found.metric, found.subject) not in held)
        gains = tuple(found for found in self.comparisons if (found.metric, found.against) not in compared)
        parts = {"measurements": evidence.measurements + more, "comparisons": evidence.comparisons + gains}
        return evidence.model_copy(update=parts)


class Contribution(Frozen):
    """What one group of columns brings, and what it costs.

    Attributes:
        group: Its name.
        columns: Its columns.
        advantage: How much better the whole model is than one trained without the group, on the same rows; positive
            where the group helps, whatever the metric's direction.
        standard_error: Of the advantage, paired, from whole days where rows have a time.
        low: Lower bound of the interval that holds for all groups of the study together.
        high: Its upper bound.
        milliseconds: How much longer 1,000 rows take with the group, CPU; below zero within the noise of the clock.
        missing_share: Share of cells without a value, among the judging rows.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    group: str
    columns: tuple[str, ...]
    advantage: float
    standard_error: float
    low: float
    high: float
    milliseconds: float
    missing_share: float

    @property
    def verdict(self) -> Literal["helps", "harms", "not shown"]:
        """What the interval shows: `not shown` where it holds zero, or where there is none."""
        if self.low > 0:
            return "helps"
        return "harms" if self.high < 0 else "not shown"


class Ablation(Frozen):
    """What each group of columns brings to one model.

    Attributes:
        model: The model's name.
        metric: What was measured.
        value: The metric of the whole model.
        milliseconds: What 1,000 rows cost the whole model, CPU.
        rows: How many rows judged.
        confidence: With which all intervals hold together.
        contributions: One entry a group, the most helpful first.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    model: str
    metric: str
    value: float
    milliseconds: float
    rows: int
    confidence: float
    contributions: tuple[Contribution, ...]


class Score(Frozen):
    """The model of one month on the rows of a later one.

    Attributes:
        trained: The last month that it learned from, such as `2013-04`.
        scored: The month of the rows.
        age: Months between the two, 1 for the next month.
        value: The metric.
        standard_error: Of the value, from whole days.
        rows: How many rows of the scored month.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    trained: str
    scored: str
    age: int
    value: float
    standard_error: float
    rows: int


class Ageing(Frozen):
    """What an age costs, over all months in which a model of this age could be compared with a fresh one.

    Attributes:
        age: Months since the model's last training month.
        months: How many months were compared.
        loss: How much worse the old model is than the fresh one (age 1) on the same rows, averaged over the months;
            positive where age costs something, whatever the metric's direction.
        standard_error: Of that mean, from the spread of the months; NaN below two months.
        low: Lower one-sided bound.
        high: Upper one-sided bound.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    age: int
    months: int
    loss: float
    standard_error: float
    low: float
    high: float


class Staleness(Frozen):
    """How fast a model ages, and how often it is worth training again.

    Attributes:
        model: The model's name.
        metric: What was measured.
        tolerance: The loss that the caller can live with.
        confidence: Of each one-sided bound.
        window_months: How many months a model learned from; None for all before.
        scores: Every model on every later month.
        curve: The decay, one entry an age.
        rhythm_months: The largest age up to which every upper bound lies within the tolerance: train at least this
            often. 1 is the shortest that a replay of months can tell.
        exceeded_months: The smallest age whose lower bound, corrected for all ages, lies above the tolerance; None
            where none is proved to.
        skipped: Months without a model or without scores, and why.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    model: str
    metric: str
    tolerance: float
    confidence: float
    window_months: int | None
    scores: tuple[Score, ...]
    curve: tuple[Ageing, ...]
    rhythm_months: int
    exceeded_months: int | None
    skipped: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What it means for the schedule."""
        limit = f"{self.metric} within {self.tolerance:g} of a fresh model's"
        if self.rhythm_months == 1:
            said = f"Train every month: no longer rhythm is shown to keep {limit}"
        else:
            said = f"Training every {self.rhythm_months} months keeps {limit}"
        if self.exceeded_months is not None:
            return f"{said}; at {self.exceeded_months} months the loss is proved to be larger."
        if self.rhythm_months >= max(point.age for point in self.curve):
            return f"{said}; no older model was compared."
        return f"{said}; whether more seldom would do, these months cannot tell."
