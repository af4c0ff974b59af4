"""Rows with the answers that serving must give: some from the data, and some that no data hold."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prefect_mlops.core.answers import edge_rows
from prefect_mlops.core.errors import MlopsError

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.trainers.fitted import FittedModel

__all__ = ["golden_rows"]

EDGE_PARTS = ("rows", "names", "predictions", "probabilities", "quantiles")


def golden_rows(model: FittedModel, rows: pd.DataFrame, categories: Sequence[str]) -> dict[str, Any]:
    """What `golden.json` holds: rows with the model's own answers, and `edge`, made rows with theirs.

    A made row that the model cannot answer offline, or not with finite numbers, is left out: nothing is known of it.

    Args:
        model: The model.
        rows: Examples with all its features, shape `(rows, columns)`; the first is what edge rows are made from.
        categories: The features that a request may hold as text.
    """
    import pandas as pd

    examples = json.loads(rows[list(model.features)].to_json(orient="records", double_precision=15))
    texts = [name for name in model.features if name in categories]
    numbers = [name for name in model.features if name not in categories]
    edges: dict[str, list[Any] | None] = {
        "rows": [],
        "names": [],
        "predictions": [],
        "probabilities": [],
        "quantiles": [],
    }
    for name, row in (edge_rows(examples[0], numbers, texts) if examples else {}).items():
        made = pd.DataFrame({feature: pd.Series([row[feature]], dtype=object) for feature in model.features})
        try:
            said = _offline(model, made)
        except (MlopsError, ArithmeticError, TypeError, ValueError):
            continue
        if all(math.isfinite(value) for value in _values(said)):
            for part, answers in {"rows": [row], "names": [name], **said}.items():
                edges[part] = None if answers is None else [*(edges[part] or ()), *answers]
    threshold = {} if model.threshold is None else {"threshold": model.threshold}
    return {"rows": examples, **_offline(model, rows), **threshold, "edge": {**edges, **threshold}}


def _offline(model: FittedModel, rows: pd.DataFrame) -> dict[str, Any]:
    said = model.predict(rows)
    return {
        "predictions": [label.item() if hasattr(label, "item") else label for label in said.labels],
        "probabilities": None if said.probabilities is None else said.probabilities.tolist(),
        "quantiles": None if said.quantiles is None else said.quantiles.tolist(),
    }


def _values(said: dict[str, Any]) -> list[float]:
    numbers = [value for part in ("probabilities", "quantiles") for row in said[part] or () for value in row]
    return numbers + [value for value in said["predictions"] if isinstance(value, float)]
