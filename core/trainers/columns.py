"""What stands before an estimator: imputation and encoding by the columns' roles, or a guard for somebody's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.trainers.fitted import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = [
    "categories_kept",
    "category_counts",
    "columns_by_role",
    "columns_of_its_own",
    "has_columns_of_its_own",
    "refuse_bare",
]

UNSCALED = (
    "sklearn.tree.",
    "sklearn.ensemble._gb.",
    "sklearn.ensemble._hist",
    "sklearn.ensemble._forest.",
    "lightgbm.",
)
"""Trees split on order alone; scaling would only add rounding where a served copy computes in single precision."""
MISSING_AS_THEY_ARE = ("sklearn.ensemble._hist_gradient_boosting.", "lightgbm.")
"""They learn at each split where rows without a value go, which says more than a median."""


def columns_by_role(
    spec: ModelSpec, frame: pd.DataFrame, estimator: Any, *, min_frequency: int, max_categories: int
) -> Any:
    """The unfitted ColumnTransformer that the roles of the columns build.

    Missing numbers become the median, but stay missing for those who learn from them; numbers are standardised except
    for trees. Categories are one-hot encoded: missing and empty ones are one of their own, and those with too few rows
    are told by zeros in all columns, as are categories never seen. A column of more categories than may stand side by
    side is encoded by the target's mean in each, learned out of fold; with several classes it keeps its most frequent.

    Args:
        spec: Names the columns and the problem.
        frame: Prepared training rows, for the categories.
        estimator: What will learn from the columns.
        min_frequency: Rows that a category needs for a column of its own.
        max_categories: Columns that one feature may become.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler, TargetEncoder

    module = f"{type(estimator).__module__}."
    numeric: list[tuple[str, Any]] = []
    if not module.startswith(MISSING_AS_THEY_ARE):
        numeric.append(("fill", SimpleImputer(strategy="median")))
    if not module.startswith(UNSCALED):
        numeric.append(("scale", StandardScaler()))
    kept = {name: categories_kept(category_counts(frame[name]), min_frequency) for name in spec.features.category}
    encoded = spec.target.problem != "multiclass"
    crowded = [name for name, found in kept.items() if encoded and len(found) > max_categories]
    shown = {name: found[:max_categories] for name, found in kept.items() if name not in crowded}
    fill = SimpleImputer(missing_values="", strategy="constant", fill_value=MISSING)
    folds = KFold if spec.target.problem == "regression" else StratifiedKFold
    encode = TargetEncoder(cv=folds(5, shuffle=True, random_state=spec.seed))
    parts = [
        ("numeric", Pipeline(numeric) if numeric else "passthrough", list(spec.features.numeric)),
        ("category", Pipeline([("fill", fill), ("encode", one_hot(shown))]), list(shown)),
        ("crowded", encode, crowded),
    ]
    return ColumnTransformer([part for part in parts if part[2]], verbose_feature_names_out=False)


def columns_of_its_own(spec: ModelSpec, *, fill: bool) -> Any:
    """The unfitted guard before a pipeline that builds its own columns: it takes rows as they are, in the spec's order.

    Args:
        spec: Names the columns.
        fill: Whether missing numbers become the median, because the pipeline cannot answer rows that lack one.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer

    parts = [
        ("numeric", SimpleImputer(strategy="median") if fill else "passthrough", list(spec.features.numeric)),
        ("category", "passthrough", list(spec.features.category)),
    ]
    guard = ColumnTransformer([part for part in parts if part[2]], verbose_feature_names_out=False)
    return guard.set_output(transform="pandas")


def has_columns_of_its_own(estimator: Any) -> bool:
    """Whether an estimator is a pipeline, or holds something that looks at columns by name."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    held = estimator.get_params(deep=True).values()
    return isinstance(estimator, Pipeline) or any(isinstance(part, ColumnTransformer) for part in held)


def categories_kept(counts: Mapping[str, int], min_frequency: int) -> list[str]:
    """Categories with enough rows, the most frequent first; the most frequent of all in any case.

    Examples:
        >>> categories_kept({"UA": 7, "B6": 9, "OO": 1, "AA": 7}, 5)
        ['B6', 'AA', 'UA']
    """
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return [name for place, name in enumerate(ordered) if not place or counts[name] >= min_frequency]


def one_hot(kept: Mapping[str, Sequence[str]]) -> Any:
    """An unfitted encoder with a column for each category kept, and zeros in all of them for every other.

    The list is explicit because skl2onnx does not convert scikit-learn's own grouping of rare categories, nor its
    answer to unknown ones.
    """
    import numpy as np
    from sklearn.preprocessing import OneHotEncoder

    listed: list[np.ndarray] = [np.array(sorted(names), dtype=object) for names in kept.values()]
    return OneHotEncoder(categories=listed, handle_unknown="ignore", sparse_output=False, dtype=np.float64)


def refuse_bare(rows: pd.DataFrame, features: Sequence[str]) -> None:
    """Refuse features from which nothing can be learned.

    Raises:
        DataError: One has no value at all.
    """
    bare = [name for name in features if rows[name].isna().all()]
    if bare:
        raise DataError(
            f"Feature {', '.join(map(repr, bare))} has no value in any of {len(rows):,} training rows",
            "Mend it at its source, or leave it out of features in the spec",
        )


def category_counts(column: pd.Series) -> dict[str, int]:
    """Rows of each category in a prepared column; an empty text is a missing one."""
    found = column.replace("", MISSING).value_counts()
    return dict(zip(found.index.astype(str).tolist(), found.tolist(), strict=True))
