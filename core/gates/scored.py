"""The judging rows as gates see them that look at rows themselves: features, truth, and what each model said."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from prefect_mlops.core.evidence import Examination, Subject
    from prefect_mlops.core.metrics.encoding import Label
    from prefect_mlops.core.parts import Frozen
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.fitted import FittedModel, Predictions

__all__ = ["Examining", "Scored", "Timings", "gate_digest"]


class Timings(NamedTuple):
    """What the fitted pipeline costs in process, measured by a task.

    Attributes:
        row_ms: Milliseconds that each of some single rows took, shape `(rows,)`.
        batch_rows_per_second: Rows a second in one call with many.
        size_mb: Megabytes of the stored model.
    """

    row_ms: np.ndarray
    batch_rows_per_second: float
    size_mb: float


class Scored(NamedTuple):
    """All that a gate may look at beyond numbers.

    Attributes:
        spec: The model's spec.
        rows: The judging rows with features, key, time and target.
        training: The candidate's training rows; None where they are not at hand.
        y: Encoded truth, shape `(rows,)`: the index into `order`, or the value of a regression.
        order: The classes, `(negative, positive)` in a binary problem; empty for regression.
        said: Encoded predictions by subject; `candidate` always, `champion` where there is one.
        blocks: A number a row, equal for rows that depend on each other; None where none do.
        weight: What each row counts, shape `(rows,)`; None where all count the same.
        candidate: The model itself.
        timings: What the pipeline costs; None where nobody measured.
        seed: All chance comes from it.
    """

    spec: ModelSpec
    rows: pd.DataFrame
    training: pd.DataFrame | None
    y: np.ndarray
    order: tuple[Label, ...]
    said: Mapping[Subject, Predictions]
    blocks: np.ndarray | None
    weight: np.ndarray | None
    candidate: FittedModel
    timings: Timings | None
    seed: int


@runtime_checkable
class Examining(Protocol):
    """A gate that looks at rows; its `judge` then finds what it saw by `evidence.examined(gate_digest(self))`."""

    def examine(self, scored: Scored) -> Examination:
        """Look at the rows; what it cannot look at is a reason in the examination, never an exception."""


def gate_digest(gate: Frozen) -> str:
    """Twelve digits that tell one gate of a spec from another: equal keys, equal digest."""
    return hashlib.sha256(f"{type(gate).__qualname__} {gate.model_dump_json()}".encode()).hexdigest()[:12]
