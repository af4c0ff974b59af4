"""The facts that a decision rests on, what each gate says of them, and what all say together."""

from typing import Literal

from pydantic import ConfigDict, Field

from prefect_mlops.core.errors import NotMeasured
from prefect_mlops.core.parts import Frozen

__all__ = [
    "Check",
    "Comparison",
    "Decision",
    "Evidence",
    "Examination",
    "HoldoutUse",
    "Measurement",
    "Scale",
    "Verdict",
    "Wager",
]

Subject = Literal["candidate", "champion", "anchor", "baseline", "linear"]
Other = Literal["champion", "anchor", "baseline", "linear"]
Outcome = Literal["pass", "fail", "undecided", "not applicable"]
Family = Literal["proof", "alarm", "limit"]
Scale = Literal["identity", "logit", "wilson"]


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
        scale: How its confidence bounds are found: symmetric as it is or in its logit, or Wilson's for a share.
        skewness: Of its sampling distribution, for bounds that lean; 0 where they do not.
        effective_rows: Rows that a share counts as, fewer than `rows` where rows weigh differently or come in blocks.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    metric: str
    subject: Subject
    value: float
    standard_error: float
    degrees_of_freedom: int
    higher_is_better: bool
    rows: int
    scale: Scale = "identity"
    skewness: float = 0.0
    effective_rows: float | None = None


class Comparison(Frozen):
    """How much better the candidate is than another model on the very same rows.

    Attributes:
        metric: The metric's name.
        against: The other model.
        advantage: The paired difference, positive where the candidate is better, whatever the metric's direction.
        standard_error: Of the advantage, from paired influence values summed over blocks.
        degrees_of_freedom: Blocks less one.
        rows: How many rows were compared.
        skewness: Of the advantage's sampling distribution.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    metric: str
    against: Other
    advantage: float
    standard_error: float
    degrees_of_freedom: int
    rows: int
    skewness: float = 0.0


class HoldoutUse(Frozen):
    """How often some judging rows have been looked at for a comparison with the champion, this time included.

    Attributes:
        digest: Of the judging rows.
        comparisons: How many comparisons they, or rows among them, have served.
    """

    digest: str
    comparisons: int = Field(ge=1)


class Wager(Frozen):
    """What betting against "the candidates are not better" has won since the champion took over.

    Every row newer than both models' training is bet on once, by whichever candidate was newest then.

    Attributes:
        metric: The metric bet on.
        champion_version: The champion that is bet against; another champion begins anew.
        e_value: The capital, 1 at the start; it is 20 or more in at most one case of 20 where nothing is better.
        looks: Trainings that added rows.
        rows: Rows or pairs bet on so far.
        wins: The sum of advantages among them.
        losses: The sum of disadvantages.
        squares: The sum of squared scores, so that their spread is known.
        unit: What a score of 1 is in the metric's own unit; 1 for shares, the clip for losses.
        until: Time of the newest row that was counted, ISO 8601; empty at the start.
        capital: The logarithm of each bet's capital, in the order of the grid of stakes.
        scored: What was bet on, in words.
        day_totals: Sums over days, from which it is known how far the rows of one day lean one way together.
        design_effect: How many times more a day's sum varies than so many independent rows, at least 1; the growth of
            every bet is divided by it.
        exact: Whether the bound holds for every number of rows; false where it holds for many rows.
        reason: Why nothing was bet, where nothing was.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    metric: str
    champion_version: int
    e_value: float = 1.0
    looks: int = 0
    rows: int = 0
    wins: float = 0.0
    losses: float = 0.0
    squares: float = 0.0
    unit: float = 1.0
    until: str = ""
    capital: tuple[float, ...] = ()
    scored: str = ""
    day_totals: tuple[float, ...] = ()
    design_effect: float = 1.0
    exact: bool = True
    reason: str = ""


class Check(Frozen):
    """One of the questions that an alarm gate asks, such as one slice.

    Attributes:
        name: What it is about, such as `carrier = AA`.
        metric: What was measured; empty where no metric is.
        value: The value, or the difference that is tested.
        bound: What it is held against.
        low: Lower end of its interval.
        high: Upper end.
        rows: How many rows it rests on.
        p_value: Chance of such a value, or a worse one, where all is fine; None where nothing is tested.
        adjusted_p: The same, corrected over the gate's own checks.
        minimum_detectable: The distance that these rows would show in 80% of cases.
        reason: One English sentence where there is something to say, such as why it is not applicable.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    name: str
    metric: str = ""
    value: float | None = None
    bound: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    p_value: float | None = None
    adjusted_p: float | None = None
    minimum_detectable: float | None = None
    reason: str = ""


class Examination(Frozen):
    """What one gate found when it looked at the rows themselves.

    Attributes:
        gate: Digest of the gate that asked, as `gate_digest` gives it.
        checks: What it looked at; empty where it does not apply.
        reason: Why it does not apply, or a sentence about the whole.
    """

    gate: str
    checks: tuple[Check, ...] = ()
    reason: str = ""


class Evidence(Frozen):
    """All that the gates of one decision may look at.

    Attributes:
        model: The model's name.
        candidate: What the candidate is called before it has a version, such as its MLflow run id.
        champion_version: The registry version that it asks to replace; None where nothing is trusted yet.
        judged_on: The judging rows in words, such as `11 days from 2013-05-21`.
        judged_until: Time of the newest judging row, ISO 8601; empty where rows have no time.
        holdout_digest: A digest over the judging rows, so that their use can be counted.
        measurements: One entry a metric and subject.
        comparisons: One entry a metric and other model.
        anchor_version: The version that stands still while champions come and go, so that small steps down add up.
        examinations: What gates that look at rows themselves found, one entry a gate.
        wagers: One entry a metric that candidates are bet on with fresh rows.
        holdout_use: How worn the judging rows are; None where no champion was compared.
        champion_days: For how long the champion has been in service; None where it is not known.
        champion_reported: The champion on rows that had no part in choosing it, one entry a metric.
    """

    model: str
    candidate: str
    champion_version: int | None = None
    judged_on: str
    judged_until: str = ""
    holdout_digest: str
    measurements: tuple[Measurement, ...] = Field(min_length=1)
    comparisons: tuple[Comparison, ...] = ()
    anchor_version: int | None = None
    examinations: tuple[Examination, ...] = ()
    wagers: tuple[Wager, ...] = ()
    holdout_use: HoldoutUse | None = None
    champion_days: float | None = None
    champion_reported: tuple[Measurement, ...] = ()

    def measured(self, metric: str, subject: Subject = "candidate") -> Measurement:
        """The measurement of one metric.

        Raises:
            NotMeasured: Nobody measured it.
        """
        for measurement in self.measurements:
            if (measurement.metric, measurement.subject) == (metric, subject):
                return measurement
        raise NotMeasured(metric, tuple(m.metric for m in self.measurements if m.subject == subject))

    def compared(self, metric: str, against: Other) -> Comparison:
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

    def examined(self, gate: str) -> Examination:
        """What the gate with a digest found.

        Raises:
            NotMeasured: It did not look.
        """
        for examination in self.examinations:
            if examination.gate == gate:
                return examination
        raise NotMeasured(f"the examination of gate {gate}", tuple(one.gate for one in self.examinations))

    def wager_on(self, metric: str) -> Wager | None:
        """What betting on a metric has won; None where nobody bets on it."""
        return next((wager for wager in self.wagers if wager.metric == metric), None)


class Verdict(Frozen):
    """What one gate says.

    Attributes:
        gate: The gate's kind.
        metric: What it looked at.
        outcome: `pass`, `fail`, `undecided` where the rows are too few to tell, or `not applicable`.
        reason: One English sentence.
        family: `proof` where the gate must show that the candidate is good, `alarm` where it must show that something
            is wrong, `limit` where a number is held against another without a test.
        value: The value or advantage that it judged.
        bound: What the value was held against.
        low: Lower confidence bound, one-sided.
        high: Upper confidence bound, one-sided.
        rows: How many rows it rests on.
        minimum_detectable: The smallest distance from the bound that these rows would show in 80% of cases.
        rows_needed: How many rows would show the distance that the gate's `effect` names; None where it names none.
        p_value: Chance of such a value, or a more extreme one, under what the gate has to disprove.
        adjusted_p: The same, corrected over the decision's alarm gates.
        e_value: Capital won by betting on fresh rows.
        checks: The questions that an alarm gate asked, those with the most evidence first.
    """

    gate: str
    metric: str
    outcome: Outcome
    reason: str
    family: Family = "proof"
    value: float | None = None
    bound: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    minimum_detectable: float | None = None
    rows_needed: int | None = None
    p_value: float | None = None
    adjusted_p: float | None = None
    e_value: float | None = None
    checks: tuple[Check, ...] = ()


class Decision(Frozen):
    """What all gates say together.

    Attributes:
        outcome: `rejected` if any gate fails, `accepted` if none does and every proof gate passes, else `undecided`.
        verdicts: One entry a gate.
        summary: One English sentence.
        alarm_level: The chance that any alarm gate fails where all is fine.
    """

    outcome: Literal["accepted", "rejected", "undecided"]
    verdicts: tuple[Verdict, ...]
    summary: str
    alarm_level: float = 0.05

    @property
    def accepted(self) -> bool:
        """Whether the candidate may become champion."""
        return self.outcome == "accepted"
