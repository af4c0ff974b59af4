"""What a monitor looks at, and how its findings become a state of the model."""

from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import Field

from prefect_mlops.core.parts import Frozen

__all__ = ["DriftMonitor", "Finding", "Monitor", "PerformanceMonitor", "Seen"]


class ColumnDrift(Frozen):
    """How far one column of the recent window has moved from the reference."""

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
        standard_error: Of that value.
        reference_value: Its value on the reference rows, when the champion was trained.
        reference_standard_error: Of that value.
        higher_is_better: The metric's direction.
        columns: How far each feature has moved.
    """

    as_of: str
    rows: int
    labelled: int
    metric: str
    value: float | None = None
    standard_error: float | None = None
    reference_value: float | None = None
    reference_standard_error: float | None = None
    higher_is_better: bool = True
    columns: tuple[ColumnDrift, ...] = ()


class Finding(Frozen):
    """What one monitor says of what was seen."""

    monitor: str
    state: Literal["healthy", "drifted", "degraded", "unknown"]
    reason: str


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
        """`degraded` when the loss is proved to exceed `max_loss`."""
        from scipy import stats

        if seen.value is None or seen.reference_value is None or seen.labelled < self.min_labelled:
            reason = f"{seen.labelled:,} labelled rows are too few for {self.metric}; {self.min_labelled:,} are needed."
            return Finding(monitor=self.kind, state="unknown", reason=reason)
        sign = 1 if seen.higher_is_better else -1
        loss = sign * (seen.reference_value - seen.value)
        error = ((seen.standard_error or 0.0) ** 2 + (seen.reference_standard_error or 0.0) ** 2) ** 0.5
        low = loss - float(stats.norm.ppf(self.confidence)) * error
        said = (
            f"{self.metric} is {seen.value:.4g} on {seen.labelled:,} labelled rows against {seen.reference_value:.4g} "
            f"on the reference: worse by {loss:.4g}, at least {low:.4g} with {self.confidence:.0%} confidence"
        )
        if low > self.max_loss:
            return Finding(monitor=self.kind, state="degraded", reason=f"{said}; {self.max_loss:g} is allowed.")
        return Finding(monitor=self.kind, state="healthy", reason=f"{said}; {self.max_loss:g} is allowed.")


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
            return Finding(monitor=self.kind, state="healthy", reason=f"No column moved beyond a PSI of {self.max_psi:g}.")
        moved.sort(key=lambda column: -column.population_stability_index)
        named = ", ".join(f"{column.column} {column.population_stability_index:.2f}" for column in moved)
        return Finding(monitor=self.kind, state="drifted", reason=f"PSI beyond {self.max_psi:g}: {named}.")
