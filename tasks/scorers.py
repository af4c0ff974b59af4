"""What answers rows in batches: a version from the registry, by ONNX Runtime where it was converted, else by skops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.champions import load_champion
from prefect_mlops.tasks.registry import records_of
from prefect_mlops.tasks.runs import run_logger

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from prefect_mlops.blocks import MlflowTracking
    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["OnnxModel", "Scorer", "load_scorer"]

ONNX_FILE = "model.onnx"


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
    """A converted pipeline; its inputs are the features by name, or one matrix of numbers.

    Attributes:
        session: An ONNX Runtime session.
        features: The columns that it looks at, in order.
        classes: The labels it can say, in the order of its probabilities; empty for regression.
        threshold: The chance from which on a binary model says its positive class; None where the likelier one is said.
        positive: The place of the positive class, for the threshold.
    """

    session: Any
    features: tuple[str, ...]
    classes: tuple[bool | int | str, ...]
    threshold: float | None = None
    positive: int = 1

    def predict(self, rows: pd.DataFrame) -> Predictions:
        """What the model says of some rows; other columns than its features are ignored.

        Raises:
            DataError: A feature is not there, is not a number where one is expected, or is infinite.
        """
        import numpy as np

        from prefect_mlops.core.trainers.fitted import Predictions, prepare

        inputs = self.session.get_inputs()
        texts = tuple(each.name for each in inputs if "string" in each.type)
        frame = prepare(rows, self.features, texts)
        kinds = {"tensor(double)": np.float64, "tensor(string)": object, "tensor(int64)": np.int64}
        if len(inputs) == 1 and inputs[0].name not in self.features:
            given = {inputs[0].name: frame.to_numpy(dtype=kinds.get(inputs[0].type, np.float32))}
        else:
            given = {each.name: frame[[each.name]].to_numpy(kinds.get(each.type, np.float32)) for each in inputs}
        told = self.session.run(None, given)
        if not self.classes:
            return Predictions(np.asarray(told[0], dtype=np.float64).reshape(-1), None)
        shares = np.asarray(told[-1], dtype=np.float64)
        return Predictions(self._labels(shares), shares)

    def _labels(self, shares: np.ndarray) -> np.ndarray:
        import numpy as np

        labels: np.ndarray = np.empty(len(self.classes), dtype=object)
        labels[:] = self.classes
        said = shares.argmax(axis=1)
        if self.threshold is not None:
            said = np.where(shares[:, self.positive] >= self.threshold, self.positive, 1 - self.positive)
        return np.asarray(labels[said])


def load_scorer(tracking: MlflowTracking, spec: ModelSpec, version: int) -> Scorer:
    """A version from the registry, in the form that answers batches fastest.

    `model.onnx` is taken where it lies among the version's records, unless the spec says `serving.runtime: skops`; it
    must answer the golden rows as the model did when it was trained, within `serving.tolerance`.

    Raises:
        NotFound: The registry has no such version.
    """
    folder = records_of(tracking, spec.name, version)
    if (folder / ONNX_FILE).exists() and spec.serving.runtime != "skops":
        reason = "onnxruntime is not installed; `prefect-mlops[onnx]` brings it"
        try:
            found = _converted(folder, spec)
            reason = _unlike(found, folder, spec.serving.tolerance)
        except ImportError:
            pass
        except (RuntimeError, ValueError) as error:  # ONNX Runtime's own are of these two
            reason = str(error).splitlines()[0]
        if not reason:
            return found
        run_logger().warning("Version %s is read by skops, not by ONNX Runtime: %s", version, reason)
    return load_champion.fn(tracking, spec, version)


def _converted(folder: Path, spec: ModelSpec) -> OnnxModel:
    import onnxruntime

    form = json.loads((folder / "form.json").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # as skops' models use one: a worker runs several flows
    session = onnxruntime.InferenceSession(str(folder / ONNX_FILE), options, providers=["CPUExecutionProvider"])
    classes = tuple(form["classes"])
    positive = classes.index(spec.target.positive) if spec.target.positive in classes else 1
    return OnnxModel(session, tuple(form["features"]), classes, form.get("threshold"), positive)


def _unlike(found: OnnxModel, folder: Path, tolerance: float) -> str:
    """How it fails to answer the golden rows as the model did; empty where it does."""
    import numpy as np
    import pandas as pd

    golden = json.loads((folder / "golden.json").read_text())
    said = found.predict(pd.DataFrame(golden["rows"]))
    offline = golden["predictions"] if said.probabilities is None else golden["probabilities"]
    told = said.labels if said.probabilities is None else said.probabilities
    gap = float(np.max(np.abs(told - np.asarray(offline, dtype=np.float64)), initial=0.0))
    if not gap <= tolerance:
        return f"its answers to the golden rows are off by {gap:.3g}, {tolerance:g} is allowed"
    if said.probabilities is not None and said.labels.tolist() != golden["predictions"]:
        return "it says other classes of the golden rows"
    return ""
