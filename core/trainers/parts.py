"""A model that learns in parts: rows come piece by piece, as often as it wants, and are never all in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from prefect_mlops.core.errors import DataError, TrainingError
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.trainers.columns import categories_kept, category_counts, one_hot
from prefect_mlops.core.trainers.fitted import MISSING, FittedModel, prepare
from prefect_mlops.core.trainers.lessons import row_weights
from prefect_mlops.core.trainers.making import in_words, labels_as_text, made, seeded
from prefect_mlops.core.trainers.sklearn import fitting, refuse_nonsense
from prefect_mlops.core.trainers.target import known_classes, labels_of, learnable_target

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["PartialTrainer"]

CHECKED_ROWS = 10_000
MOST_COUNTED = 1_000_000
"""Distinct values of one category column whose rows are counted at once; the rarest are forgotten beyond."""


class PartialTrainer(Frozen):
    """Fits an estimator that has `partial_fit`, with one pass for the columns and as many as asked for the model.

    Numbers are standardised by means and deviations of all parts, a missing one becoming the mean; categories are
    one-hot encoded as `SklearnTrainer` does it.
    """

    kind: Literal["partial"] = "partial"
    estimator: Annotated[
        str, Field(description="Import path of a class with partial_fit, such as sklearn.linear_model.SGDClassifier.")
    ]
    parameters: Annotated[
        dict[str, Any], Field(default_factory=dict, description="Keyword arguments of the estimator.")
    ]
    passes: Annotated[int, Field(ge=1, description="How often the model sees all rows.")] = 1
    part_rows: Annotated[int, Field(ge=1, description="Rows of a part, where they come in one frame.")] = 65_536
    min_frequency: Annotated[int, Field(ge=1, description="Categories with fewer rows share one answer.")] = 20
    max_categories: Annotated[int, Field(ge=1, description="Categories of one feature that are told apart.")] = 100
    weight: Annotated[str | None, Field(description="The column that says how much a row counts.")] = None
    class_weight: Annotated[
        dict[str, Annotated[float, Field(ge=0)]] | None,
        BeforeValidator(labels_as_text),
        Field(description="How much a row of each class counts; 1 where it is not named."),
    ] = None

    def fit(self, spec: ModelSpec, rows: pd.DataFrame) -> FittedModel:
        """Learn from rows that are in memory, in parts of `part_rows`.

        Raises:
            DataError: The rows cannot be learned from.
            TrainingError: The estimator cannot be made, cannot learn in parts, or fails.
        """
        if rows.empty:
            raise DataError("There are no rows to learn from", "Ingest rows and their labels before training")
        learnable_target(spec, rows)
        starts = range(0, len(rows), self.part_rows)
        return self.fit_parts(spec, lambda: (rows.iloc[start : start + self.part_rows] for start in starts))

    def fit_parts(self, spec: ModelSpec, parts: Callable[[], Iterable[pd.DataFrame]]) -> FittedModel:
        """Learn from rows that come in parts.

        Args:
            spec: Names columns, problem and seed.
            parts: Gives all parts anew each time it is called, in one order.

        Raises:
            DataError: The rows cannot be learned from.
            TrainingError: The estimator cannot be made, cannot learn in parts, or fails.
        """
        from sklearn.pipeline import Pipeline

        found = made(self.estimator, self.parameters)
        estimator = seeded(fitting(self.estimator, found, spec.target.problem), spec.seed)
        if not hasattr(estimator, "partial_fit"):
            raise TrainingError(self.estimator, "it cannot learn in parts (no partial_fit with these parameters)")
        seen = _FirstPass(spec)
        for part in _filled(parts):
            seen.look(part)
        columns, classes = seen.columns(self.min_frequency, self.max_categories), seen.classes()
        given = {} if classes is None else {"classes": classes}
        first: pd.DataFrame | None = None
        for _ in range(self.passes):
            for part in _filled(parts):
                first = part.head(CHECKED_ROWS) if first is None else first
                self._teach(spec, estimator, columns, part, given, classes)
                given = {}
        labels = () if classes is None else tuple(classes.tolist())
        model = FittedModel(Pipeline([("columns", columns), ("estimator", estimator)]), spec.features.names, labels)
        if first is not None:
            refuse_nonsense(self.estimator, model, first)
        return model

    def _teach(
        self,
        spec: ModelSpec,
        estimator: Any,
        columns: Any,
        part: pd.DataFrame,
        given: Mapping[str, Any],
        classes: np.ndarray | None,
    ) -> None:
        target = labels_of(spec, part)
        weights = row_weights(spec, part, target, self.weight, self.class_weight, classes)
        weighed = {} if weights is None else {"sample_weight": weights}
        frame = prepare(part, spec.features.names, spec.features.category)
        try:
            estimator.partial_fit(columns.transform(frame), target, **given, **weighed)
        except Exception as error:
            raise TrainingError(self.estimator, in_words(error)) from error


def _filled(parts: Callable[[], Iterable[pd.DataFrame]]) -> Iterator[pd.DataFrame]:
    """Parts with rows in them."""
    return (part for part in parts() if len(part))


class _FirstPass:
    """What one look at all parts tells of columns and classes."""

    def __init__(self, spec: ModelSpec) -> None:
        import numpy as np

        self._spec, self._rows = spec, 0
        # Count, mean and squared deviations. StandardScaler's own update is NaN for ever after a part without a value.
        self._count, self._mean, self._squares = (np.zeros(len(spec.features.numeric)) for _ in range(3))
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in spec.features.category}
        self._present: Counter[str] = Counter()
        self._labels: set[Any] = set()
        self._range = [float("inf"), float("-inf")]

    def look(self, part: pd.DataFrame) -> None:
        """One part."""
        import numpy as np

        spec = self._spec
        self._rows += len(part)
        target = labels_of(spec, part)
        if spec.target.problem == "regression":
            self._range = [min(self._range[0], float(target.min())), max(self._range[1], float(target.max()))]
        else:
            self._labels |= set(np.unique(target).tolist())
        frame = prepare(part, spec.features.names, spec.features.category)
        self._present.update({name: int(part[name].notna().sum()) for name in spec.features.names})
        self._take(frame[list(spec.features.numeric)].to_numpy(dtype=np.float64))
        for name, counts in self._counts.items():
            counts.update(category_counts(frame[name]))
            if len(counts) > MOST_COUNTED:
                self._counts[name] = Counter(dict(counts.most_common(MOST_COUNTED // 2)))

    def _take(self, values: np.ndarray) -> None:
        """Add the numbers of one part (Chan, Golub and LeVeque 1983, The American Statistician 37(3), 242-247)."""
        import numpy as np

        there = np.isfinite(values)
        count = there.sum(axis=0)
        mean = np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1)
        squares = np.where(there, values - mean, 0.0)
        whole = np.maximum(self._count + count, 1)
        apart = mean - self._mean
        self._squares += (squares**2).sum(axis=0) + apart**2 * self._count * count / whole
        self._mean += apart * count / whole
        self._count += count

    def classes(self) -> np.ndarray | None:
        """All classes in order; None for regression.

        Raises:
            DataError: There are no rows, or there is one class or value only.
        """
        spec = self._spec
        if not self._rows:
            raise DataError("There are no rows to learn from", "Ingest rows and their labels before training")
        bare = [name for name in spec.features.names if not self._present[name]]
        if bare:
            raise DataError(
                f"Feature {', '.join(map(repr, bare))} has no value in any of {self._rows:,} training rows",
                "Mend it at its source, or leave it out of features in the spec",
            )
        if spec.target.problem == "regression":
            if self._range[0] == self._range[1]:
                cure = "Train on rows whose target varies"
                raise DataError(f"The target {spec.target.column!r} has one value in all {self._rows:,} rows", cure)
            return None
        return known_classes(spec, self._labels, self._rows)

    def columns(self, min_frequency: int, max_categories: int) -> Any:
        """A fitted ColumnTransformer that knows what was seen. Scaled, a mean is 0, which stands for missing."""
        import numpy as np
        import pandas as pd
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        spec = self._spec
        kept = {name: categories_kept(counts, min_frequency)[:max_categories] for name, counts in self._counts.items()}
        absent = SimpleImputer(missing_values="", strategy="constant", fill_value=MISSING)
        middle = SimpleImputer(strategy="constant", fill_value=0.0)
        parts = [
            ("numeric", Pipeline([("scale", StandardScaler()), ("fill", middle)]), list(spec.features.numeric)),
            ("category", Pipeline([("fill", absent), ("encode", one_hot(kept))]), list(spec.features.category)),
        ]
        whole = ColumnTransformer([part for part in parts if part[2]], verbose_feature_names_out=False)
        example = dict.fromkeys(spec.features.numeric, 0.0) | {name: found[0] for name, found in kept.items()}
        whole.fit(pd.DataFrame([example], columns=list(spec.features.names)))
        if spec.features.numeric:
            scale = whole.named_transformers_["numeric"].named_steps["scale"]
            scale.mean_, scale.var_ = self._mean.copy(), self._squares / self._count
            scale.scale_ = np.where(scale.var_ > 0, np.sqrt(scale.var_), 1.0)
            scale.n_samples_seen_ = self._count.astype(np.int64)
        return whole
