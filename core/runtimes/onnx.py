"""A fitted model as an ONNX file, where ONNX Runtime says what the model says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prefect_mlops.core.runtimes.canonical import NUMBERS, TEXTS, joined
from prefect_mlops.core.trainers.fitted import MISSING, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from prefect_mlops.core.trainers.fitted import FittedModel

__all__ = ["Converted", "convert", "largest_difference"]

OPSETS = {"": 18, "ai.onnx.ml": 3}
COMPARED_ROWS = 2000
UNSEEN = "a category that nobody has seen"
EXTRA = "ONNX Runtime and skl2onnx are not installed: pip install 'prefect-mlops[onnx]'"


class Converted(NamedTuple):
    """What came of a conversion.

    Attributes:
        content: The ONNX file; empty where ONNX Runtime cannot stand for the model.
        reason: Why not; empty where it can.
        difference: The largest between both, as `largest_difference` measures it; None where it was not converted.
    """

    content: bytes
    reason: str
    difference: float | None = None


def convert(model: FittedModel, categories: Sequence[str], rows: pd.DataFrame, tolerance: float) -> Converted:
    """Convert a model, and hold both against each other on rows, on rows without values and on categories never seen.

    ONNX Runtime computes in single precision, which is how scikit-learn's trees compare a number with a threshold, so
    trees take the same way but for a number within 6e-8 of a threshold, relatively. Elsewhere it is the difference
    measured here that counts.

    Args:
        model: Fitted.
        categories: The columns that are categories.
        rows: Rows that serving must answer as the model does; the first 2,000 are compared.
        tolerance: The difference that is still fine.
    """
    try:
        import onnxruntime  # noqa: F401  # its absence is told before the conversion
        import skl2onnx  # noqa: F401
    except ModuleNotFoundError:
        return Converted(b"", EXTRA)
    try:
        content = _file(model, categories)
        frame = prepare(_asked(rows.head(COMPARED_ROWS), model.features, categories), model.features, tuple(categories))
        said = _answers(content, frame, categories)
    except Exception as error:  # whatever a converter of any estimator raises
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return Converted(b"", f"it does not convert: {lines[0].strip().rstrip('.')[:200]}")
    told = model.predict(frame)
    offline = told.probabilities if told.probabilities is not None else told.quantiles
    difference = largest_difference(told.labels.reshape(-1, 1) if offline is None else offline, said)
    if not difference <= tolerance:
        reason = f"ONNX Runtime differs from the model by {difference:.2g}, and serving.tolerance is {tolerance:g}"
        return Converted(b"", reason, difference)
    return Converted(content, "", difference)


def largest_difference(offline: Any, served: Any) -> float:
    """The largest gap between what a model said and what is served, relative where numbers are larger than 1.

    So a probability is compared as it is, and a price of 4,000,000 to so many digits. Infinite where the shapes differ
    or one of both is no number.

    Args:
        offline: What the model said, shape `(rows, numbers)`.
        served: The same from where it is served.

    Examples:
        >>> largest_difference([[0.25], [4000.0]], [[0.5], [4004.0]])
        0.25
        >>> largest_difference([[4000.0]], [[4004.0]])
        0.001
    """
    import numpy as np

    ours, theirs = np.asarray(offline, dtype=np.float64), np.asarray(served, dtype=np.float64)
    if ours.shape != theirs.shape or not np.isfinite(ours).all() or not np.isfinite(theirs).all():
        return float("inf")
    return float(np.max(np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours)), initial=0.0))


def _file(model: FittedModel, categories: Sequence[str]) -> bytes:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.pipeline import Pipeline

    columns, last = model.pipeline.steps[0], model.pipeline.steps[-1][1]
    if model.threshold is not None:
        last = last.estimator_  # the threshold is applied to its chances
    finals = list(last.estimators_) if model.quantiles else [last]
    kinds = [(name, StringTensorType if name in categories else FloatTensorType) for name in model.features]
    graphs = []
    for final in finals:
        made = to_onnx(
            Pipeline([columns, ("estimator", final)]),
            initial_types=[(name, kind([None, 1])) for name, kind in kinds],
            options={"zipmap": False} if model.classes else None,
            target_opset=OPSETS,
        )
        graphs.append((made, made.graph.output[-1].name))
    return joined(graphs, {name: name in categories for name in model.features})


def _asked(rows: pd.DataFrame, features: Sequence[str], categories: Sequence[str]) -> pd.DataFrame:
    """Rows, and some of them without one value or with a category never seen."""
    import pandas as pd

    first = rows[list(features)].head(1).astype(object)
    odd = [first.assign(**{name: None}) for name in features]
    unseen = [first.assign(**{name: value}) for name in categories for value in (UNSEEN, "", MISSING)]
    return pd.concat([rows[list(features)].astype(object), *odd, *unseen], ignore_index=True)


def _answers(content: bytes, frame: pd.DataFrame, categories: Sequence[str]) -> np.ndarray:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    numbers = [name for name in frame.columns if name not in categories]
    texts = [name for name in frame.columns if name in categories]
    given: dict[str, Any] = {}
    if numbers:
        given[NUMBERS] = frame[numbers].to_numpy(dtype=np.float32)
    if texts:
        given[TEXTS] = frame[texts].to_numpy(dtype=object)
    said = session.run(None, given)
    return np.hstack([np.asarray(part).reshape(len(frame), -1) for part in said])
