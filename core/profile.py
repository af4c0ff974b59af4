"""What a model's reference rows look like, in a form small enough to keep."""

from prefect_mlops.core.evidence import Measurement
from prefect_mlops.core.parts import Frozen

__all__ = ["CategoryProfile", "NumericProfile", "ReferenceProfile"]


class NumericProfile(Frozen):
    """A column of numbers in bins of about equal counts.

    Attributes:
        edges: Inner edges, rising; a bin holds its upper edge.
        counts: Rows per bin, one more than edges.
        missing: Rows without a value.
        mean: Of the values there are.
        deviation: Standard deviation of the values there are.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int
    mean: float
    deviation: float


class CategoryProfile(Frozen):
    """A column of categories, its most frequent ones by name.

    Attributes:
        counts: Rows per category, at most 50 of them.
        other: Rows of all further categories.
        missing: Rows without a value.
    """

    counts: dict[str, int]
    other: int
    missing: int


class ReferenceProfile(Frozen):
    """What a model's reference rows look like, and how well it does on them. Personal columns are not in it.

    Attributes:
        model: The model's name.
        rows: Reference rows.
        classes: The labels that the model can say, in the order of its probabilities; empty for regression.
        numeric: One entry a numeric feature.
        category: One entry a categorical feature.
        measurements: The model's metrics on the reference rows.
    """

    model: str
    rows: int
    classes: tuple[bool | int | str, ...]
    numeric: dict[str, NumericProfile]
    category: dict[str, CategoryProfile]
    measurements: tuple[Measurement, ...]

    def measured(self, metric: str) -> Measurement | None:
        """One metric on the reference rows; None where it was not measured."""
        return next((found for found in self.measurements if found.metric == metric), None)
