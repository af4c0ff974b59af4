"""What a monitor looks at, and how its findings become a state of the model."""

from collections.abc import Iterable
from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import Field

from prefect_mlops.core.parts import Frozen

__all__ = ["ColumnDrift", "DriftMonitor", "Finding", "Monitor", "PerformanceMonitor", "Seen", "worst_state"]

State = Literal["unknown", "healthy", "drifted", "degraded", "breached"]
GRAVITY: tuple[State, ...] = ("unknown", "healthy", "drifted", "degraded", "breached")
"""Of the states that monitors find, from the lightest to the gravest."""


class ColumnDrift(Frozen):
    """How far one column of the recent window has moved from the reference.

    Attributes:
        column: The feature.
        population_stability_index: Over the reference's bins and one more for missing values, in nats.
        statistic: Numbers: the largest gap between the two distribution functions at the bins' edges (a lower
            bound of Kolmogorov-Smirnov's). Categories: total variation, the share of rows that moved.
        missing_share: Of the recent rows.
        missing_share_reference: Of the reference rows.
    """

    column: str
    population_stability_index: float
    statistic: float
    missing_share: float
    missing_share_reference: float


class Seen(Frozen):
    """What a look at a model in service saw.

    Attributes:
        as_of: End of the recent window, ISO 8601.
        rows: Rows in the recent window.
        labelled: Those of them that were predicted and have a label by now.
        metric: The metric of true performance.
        value: Its value on the labelled rows; None without any.
        standard_error: Of that value; None where it rests on fewer than two days or rows.
        degrees_of_freedom: Of that error, days or rows less one.
        reference_value: Its value on the reference rows, when the champion was trained.
        reference_standard_error: Of that value.
        reference_degrees_of_freedom: Of that error.
        higher_is_better: The metric's direction.
        columns: How far each feature has moved.
    """

    as_of: str
    rows: int
    labelled: int
    metric: str
    value: float | None = None
    standard_error: float | None = None
    degrees_of_freedom: int | None = None
    reference_value: float | None = None
    reference_standard_error: float | None = None
    reference_degrees_of_freedom: int | None = None
    higher_is_better: bool = True
    columns: tuple[ColumnDrift, ...] = ()


class Finding(Frozen):
    """What one monitor says of what was seen, and since when where it can tell: ISO 8601, else empty."""

    monitor: str
    state: State
    reason: str
    began: str = ""


@runtime_checkable
class Monitor(Protocol):
    """Anything that looks at a model in service; bring one by `kind: "package.module:Class"`."""

    @property
    def kind(self) -> str:
        """The name under which a spec asks for it."""

    def judge(self, seen: Seen) -> Finding:
        """Say what the sight means."""


class PerformanceMonitor(Frozen):
    """True performance, once labels have arrived, against the reference of the champion's training."""

    kind: Literal["performance"] = "performance"
    metric: Annotated[str, Field(description="The metric's name, such as roc_auc or rmse.")]
    max_loss: Annotated[float, Field(gt=0, description="How much worse than on the reference is still healthy.")]
    min_labelled: Annotated[int, Field(gt=0, description="Labelled rows below which nothing is said.")] = 500
    confidence: Annotated[float, Field(gt=0.5, lt=1.0, description="One-sided confidence of the loss.")] = 0.99

    def judge(self, seen: Seen) -> Finding:
        """`degraded` when the loss is proved to exceed `max_loss`, `unknown` where the sight cannot tell.

        The loss is the difference of two independent values; its bound takes Student's t with the degrees of
        freedom of Welch (1947), Biometrika 34(1-2), 28-35.
        """
        if seen.metric != self.metric:
            reason = f"The look measured {seen.metric}, not {self.metric}; nothing is known of {self.metric}."
            return Finding(monitor=self.kind, state="unknown", reason=reason)
        if seen.labelled < self.min_labelled:
            reason = f"{seen.labelled:,} labelled rows are too few for {self.metric}; {self.min_labelled:,} are needed."
            return Finding(monitor=self.kind, state="unknown", reason=reason)
        if (
            seen.value is None
            or seen.standard_error is None
            or seen.reference_value is None
            or seen.reference_standard_error is None
        ):
            reason = (
                f"{self.metric} cannot be judged: the {seen.labelled:,} labelled rows or the reference hold too few "
                "of a class for a value, or fewer than two days or rows for its standard error."
            )
            return Finding(monitor=self.kind, state="unknown", reason=reason)
        sign = 1 if seen.higher_is_better else -1
        loss = sign * (seen.reference_value - seen.value)
        low = loss - self._allowance(
            (seen.standard_error, seen.degrees_of_freedom),
            (seen.reference_standard_error, seen.reference_degrees_of_freedom),
        )
        said = (
            f"{self.metric} is {seen.value:.4g} on {seen.labelled:,} labelled rows against {seen.reference_value:.4g} "
            f"on the reference: {'worse' if loss > 0 else 'better'} by {abs(loss):.4g}, a loss of at least {low:.4g} "
            f"with {self.confidence:.0%} confidence; {self.max_loss:g} is allowed."
        )
        return Finding(monitor=self.kind, state="degraded" if low > self.max_loss else "healthy", reason=said)

    def _allowance(self, *errors: tuple[float, int | None]) -> float:
        from scipy import stats

        variances = [error**2 for error, _ in errors]
        total = sum(variances)
        if total == 0.0:
            return 0.0
        spread = sum(v**2 / freedom for v, (_, freedom) in zip(variances, errors, strict=True) if freedom)
        quantile = stats.t.ppf(self.confidence, total**2 / spread) if spread else stats.norm.ppf(self.confidence)
        return float(quantile) * float(total**0.5)


class DriftMonitor(Frozen):
    """The features' distributions against the reference. It informs; harm, not drift, decides on retraining."""

    kind: Literal["drift"] = "drift"
    max_psi: Annotated[float, Field(gt=0, description="Population stability index that is still healthy.")] = 0.25
    min_rows: Annotated[int, Field(gt=0, description="Rows below which nothing is said.")] = 500

    def judge(self, seen: Seen) -> Finding:
        """`drifted` when any column moved further than `max_psi`."""
        if seen.rows < self.min_rows or not seen.columns:
            reason = f"{seen.rows:,} recent rows are too few to speak of drift; {self.min_rows:,} are needed."
            return Finding(monitor=self.kind, state="unknown", reason=reason)
        moved = [column for column in seen.columns if column.population_stability_index > self.max_psi]
        if not moved:
            return Finding(
                monitor=self.kind, state="healthy", reason=f"No column moved beyond a PSI of {self.max_psi:g}."
            )
        moved.sort(key=lambda column: -column.population_stability_index)
        named = ", ".join(f"{column.column} {column.population_stability_index:.2f}" for column in moved)
        return Finding(monitor=self.kind, state="drifted", reason=f"PSI beyond {self.max_psi:g}: {named}.")


def worst_state(findings: Iterable[Finding]) -> State:
    """The gravest state among the findings; `unknown` where there are none.

    Examples:
        >>> worst_state([])
        'unknown'
    """
    return max((finding.state for finding in findings), key=GRAVITY.index, default="unknown")
