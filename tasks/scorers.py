"""What answers rows in batches: a version from the registry, by ONNX Runtime where it was converted, else by skops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.champions import load_champion
from prefect_mlops.tasks.registry import records_of
from prefect_mlops.tasks.runs import run_logger
from prefect_mlops.tasks.served_form import Form, read_form

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from prefect_mlops.blocks import MlflowTracking
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["OnnxModel", "Scorer", "answer_rows", "load_scorer"]


class Scorer(Protocol):
    """A version that answers rows."""

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that it looks at."""

    @property
    def classes(self) -> tuple[bool | int | str, ...]:
        """The labels it can say, in the order of its probabilities; empty for regression."""

    def predict(self, rows: pd.DataFrame) -> Predictions:
        """What it says of some rows."""


class OnnxModel(NamedTuple):
    """A converted pipeline: one matrix of numbers and one of texts go in, chances, quantiles or one value come out.

    Attributes:
        session: An ONNX Runtime session.
        form: The version's features, classes, threshold and quantiles.
        categories: Those of its features that go in as texts.
        positive: The place of the positive class, for the threshold.
    """

    session: Any
    form: Form
    categories: tuple[str, ...]
    positive: int = 1

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that it looks at, in order."""
        return self.form.features

    @property
    def classes(self) -> tuple[bool | int | str, ...]:
        """The labels it can say, in the order of its probabilities; empty for regression."""
        return self.form.classes

    def predict(self, rows: pd.DataFrame) -> Predictions:
        """What the model says of some rows; other columns than its features are ignored.

        Raises:
            DataError: A feature is not there, is not a number where one is expected, or is infinite.
        """
        import pyarrow as pa

        from prefect_mlops.core.trainers.fitted import prepare

        frame = prepare(rows, self.features, self.categories)
        return self.answer(pa.Table.from_pandas(frame, preserve_index=False))

    def answer(self, rows: pa.Table) -> Predictions:
        """What the model says of some rows of a table; other columns than its features are ignored.

        Raises:
            DataError: A feature is not a number where one is expected, or is infinite.
        """
        import numpy as np

        from prefect_mlops.core.runtimes.canonical import NUMBERS, TEXTS
        from prefect_mlops.core.trainers.fitted import Predictions, uncrossed
        from prefect_mlops.core.trainers.matrices import numbers_of, texts_of

        numbers = [name for name in self.features if name not in self.categories]
        texts = [name for name in self.features if name in self.categories]
        given = {NUMBERS: numbers_of(rows, numbers)} if numbers else {}
        given |= {TEXTS: texts_of(rows, texts)} if texts else {}
        said = [np.asarray(part, dtype=np.float64).reshape(len(rows), -1) for part in self.session.run(None, given)]
        told = said[0] if len(said) == 1 else np.hstack(said)
        if self.form.quantiles:
            middle = self.form.quantiles.index(0.5)
            told = uncrossed(told, middle)
            return Predictions(told[:, middle].copy(), None, told)
        if not self.classes:
            return Predictions(told[:, 0], None)
        return Predictions(self._labels(told), told)

    def _labels(self, shares: np.ndarray) -> np.ndarray:
        import numpy as np

        labels: np.ndarray = np.empty(len(self.classes), dtype=object)
        labels[:] = self.classes
        said = shares.argmax(axis=1)
        if self.form.threshold is not None:
            said = np.where(shares[:, self.positive] >= self.form.threshold, self.positive, 1 - self.positive)
        return np.asarray(labels[said])


def answer_rows(scorer: Scorer, rows: pa.Table) -> Predictions:
    """What a version says of some rows of a table, without pandas where it can be.

    Raises:
        DataError: A feature is not there, is not a number where one is expected, or is infinite.
    """
    from prefect_mlops.core.batches import as_frame

    if isinstance(scorer, OnnxModel):
        return scorer.answer(rows)
    return scorer.predict(as_frame(rows.select([*scorer.features])))


def load_scorer(tracking: MlflowTracking, spec: ModelSpec, version: int) -> Scorer:
    """A version from the registry, in the form that answers batches fastest.

    The ONNX file is taken where the version has one, unless the spec says `serving.runtime: skops`; it
    must answer the golden rows as the model did when it was trained, within `serving.tolerance`.

    Raises:
        NotFound: The registry has no such version.
    """
    folder = records_of(tracking, spec.name, version)
    form, content = read_form(folder)
    if content and spec.serving.runtime != "skops":
        reason = "onnxruntime is not installed; `prefect-mlops[onnx]` brings it"
        try:
            found = _converted(form, content, spec)
            reason = _unlike(found, folder, spec.serving.tolerance)
        except ImportError:
            pass
        except Exception as error:  # ONNX Runtime's own errors have no class in common
            reason = (str(error).splitlines() or [type(error).__name__])[0]
        if not reason:
            return found
        run_logger().warning("Version %s is read by skops, not by ONNX Runtime: %s", version, reason)
    return load_champion.fn(tracking, spec, version)


def _converted(form: Form, content: bytes, spec: ModelSpec) -> OnnxModel:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # as skops' models use one: a worker runs several flows
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    positive = form.classes.index(spec.target.positive) if spec.target.positive in form.classes else 1
    categories = tuple(name for name in form.features if name in spec.features.category)
    return OnnxModel(session, form, categories, positive)


def _unlike(found: OnnxModel, folder: Path, tolerance: float) -> str:
    """How it fails to answer the golden rows as the model did; empty where it does."""
    import numpy as np
    import pandas as pd

    from prefect_mlops.core.runtimes import largest_difference

    golden = json.loads((folder / "golden.json").read_text())
    said = found.predict(pd.DataFrame(golden["rows"]))
    told = said.probabilities if said.quantiles is None else said.quantiles
    offline = golden["probabilities"] or golden["quantiles"]
    if told is None or offline is None:
        told, offline = said.labels.reshape(-1, 1), np.asarray(golden["predictions"]).reshape(-1, 1)
    gap = largest_difference(offline, told)
    if not gap <= tolerance:
        return f"its answers to the golden rows are off by {gap:.3g}, {tolerance:g} is allowed"
    if said.probabilities is not None and said.labels.tolist() != golden["predictions"]:
        return "it says other classes of the golden rows"
    return ""
