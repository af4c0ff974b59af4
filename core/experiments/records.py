"""What the report of an experiment holds, and what a comparison of runs finds."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from prefect_mlops.core.evidence import Decision, Evidence
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.search.results import Estimate
from prefect_mlops.core.studies.records import Baselines

__all__ = ["CurveNumber", "ExperimentReport", "Importance", "LearningPoint", "Report", "RunComparison", "Usage"]

CurveKind = Literal["roc", "precision-recall", "calibration", "residuals", "learning"]


class Usage(Frozen):
    """What an experiment cost.

    Attributes:
        seconds: By the clock on the wall.
        cpu_seconds: Of all processes together.
        peak_mib: The most memory that was held, MiB.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


class Importance(Frozen):
    """How much a model leans on one feature.

    Attributes:
        feature: Its name.
        loss: How much worse the metric is once the feature's values are dealt out anew; positive where the model
            needs them, whatever the metric's direction.
        rows: How many rows were judged.
    """

    feature: str
    loss: Estimate
    rows: int

    @property
    def verdict(self) -> Literal["needed", "misleads", "not shown"]:
        """What the interval shows: `misleads` where the model is better off without the feature's values."""
        if self.loss.low > 0:
            return "needed"
        return "misleads" if self.loss.high < 0 else "not shown"


class LearningPoint(Frozen):
    """The spec's trainer on a part of the training rows.

    Attributes:
        share: Of the training rows.
        learned: How many rows that are.
        value: The metric on the judging rows; None where nothing could be fitted.
        gain: How much better it is than the part before, paired on the same rows; None for the first.
        reason: Why nothing could be fitted; empty otherwise.
    """

    share: float
    learned: int
    value: Estimate | None = None
    gain: Estimate | None = None
    reason: str = ""


class CurveNumber(Frozen):
    """One number that sums up a curve.

    Attributes:
        curve: Which curve.
        of: Whose: `candidate`, `champion`, or the class that is held against the rest.
        measure: What it says, such as `area`.
        value: With its interval where it has one.
    """

    curve: CurveKind
    of: str
    measure: str
    value: Estimate


class Searched(Frozen):
    """What a search promised, without its trials.

    Attributes:
        metric: What was made best.
        trials: How many were tried.
        naive: The chosen trial's value as it stands.
        corrected: The same, corrected for having been chosen.
        summary: One English sentence.
    """

    metric: str
    trials: int
    naive: Estimate
    corrected: Estimate
    summary: str


class ExperimentReport(Frozen):
    """One training in numbers, as it lies beside its model.

    Attributes:
        metric: The main metric, of which importances and the learning curve are.
        evidence: Every metric of candidate, champion and baselines.
        decision: What the gates said.
        importances: One entry a feature, what the model needs most first.
        learning: The learning curve, from the smallest part; empty where it was not asked for.
        curves: What sums up the curves.
        baselines: What a dummy and a linear model reach; None where nobody fitted them.
        search: What a search promised; None without one.
        usage: What the training cost; None where nobody measured it.
        overlap: Which judging rows stand in training too, in a sentence.
    """

    metric: str
    evidence: Evidence
    decision: Decision
    importances: tuple[Importance, ...]
    learning: tuple[LearningPoint, ...] = ()
    curves: tuple[CurveNumber, ...] = ()
    baselines: Baselines | None = None
    search: Searched | None = None
    usage: Usage | None = None
    overlap: str = ""


class Report(NamedTuple):
    """A report with what people look at.

    Attributes:
        record: All numbers.
        pictures: PNG bytes by name, such as `roc`.
        page: One HTML page that needs nothing else.
    """

    record: ExperimentReport
    pictures: dict[str, bytes]
    page: str


class RunValue(Frozen):
    """One metric of one run on the rows that all runs share.

    Attributes:
        metric: The metric's name.
        run: The run.
        value: With its interval.
        advantage: How much better the run is than the first one, paired on the same rows, positive where it is better
            whatever the metric's direction; None for the first run. The intervals of one metric hold together.
    """

    metric: str
    run: str
    value: Estimate
    advantage: Estimate | None = None

    @property
    def verdict(self) -> Literal["better", "worse", "not shown", ""]:
        """What the interval shows against the first run; empty for the first run."""
        if self.advantage is None:
            return ""
        if self.advantage.low > 0:
            return "better"
        return "worse" if self.advantage.high < 0 else "not shown"


class RunComparison(Frozen):
    """Runs beside each other.

    Attributes:
        model: The model's name.
        runs: The runs, the one that the others are held against first.
        rows: How many rows all runs were judged on.
        left_out: How many hold-out rows of each run are not compared.
        changed: How many shared rows had another label when another run was judged; they are among those left out.
        values: One entry a metric and run.
    """

    model: str
    runs: tuple[str, ...]
    rows: int
    left_out: dict[str, int]
    changed: int = 0
    values: tuple[RunValue, ...] = Field(min_length=1)
