"""How a version is loaded where it serves: `form.json` among its records, and its ONNX file where it has one."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_mlops.core.errors import TrainingError
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.runtimes import Converted
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers import FittedModel

__all__ = ["Form", "OnnxFile", "converted_for", "form_of", "read_form"]

FORM, ONNX_FILE = "form.json", "model.onnx"
UNTRIED = "it was registered without an ONNX file"


class OnnxFile(Frozen):
    """What came of the conversion at training time.

    Attributes:
        fits: Whether ONNX Runtime says what the model says.
        reason: Why not.
        difference: The largest between both; None where it was not converted.
    """

    fits: bool = False
    reason: str = UNTRIED
    difference: float | None = None


class Form(Frozen):
    """What it takes to load a version and to read its answers.

    Attributes:
        features: The columns it takes, in order.
        classes: The labels it can say, in the order of its probabilities; empty for regression.
        trusted: Types that loading `model.skops` must trust.
        threshold: The chance from which on the positive class is said; None where the likelier class is said.
        quantiles: The quantiles that a regression says, rising; none for most.
        onnx: Whether `model.onnx` lies beside it.
    """

    features: tuple[str, ...]
    classes: tuple[bool | int | str, ...]
    trusted: tuple[str, ...]
    threshold: float | None = None
    quantiles: tuple[float, ...] = ()
    onnx: OnnxFile = OnnxFile()


def converted_for(spec: ModelSpec, candidate: FittedModel, reference: pd.DataFrame) -> Converted:
    """A candidate for ONNX Runtime, unless its spec wants none.

    Args:
        spec: Its `serving` says which runtime, and which difference is still fine.
        candidate: Fitted.
        reference: Rows that both must answer alike.

    Raises:
        TrainingError: The spec wants it, and it cannot be had.
    """
    from prefect_mlops.core.runtimes import Converted, convert

    if spec.serving.runtime == "skops":
        return Converted(b"", "the spec's serving.runtime is skops")
    converted = convert(candidate, spec.features.category, reference, spec.serving.tolerance)
    if spec.serving.runtime == "onnx" and not converted.content:
        estimator = str(getattr(spec.trainer, "estimator", spec.trainer.kind))
        raise TrainingError(estimator, f"the spec's serving.runtime is onnx, and {converted.reason}")
    if not converted.content:
        logging.getLogger(__name__).warning("%s will be served by skops: %s.", spec.name, converted.reason)
    return converted


def form_of(candidate: FittedModel, trusted: tuple[str, ...], converted: Converted | None) -> Form:
    """The form of a candidate; None stands for a conversion that nobody tried."""
    tried = OnnxFile()
    if converted is not None:
        tried = OnnxFile(
            fits=bool(converted.content), reason=converted.reason, difference=_finite(converted.difference)
        )
    return Form(
        features=candidate.features,
        classes=candidate.classes,
        trusted=trusted,
        threshold=candidate.threshold,
        quantiles=candidate.quantiles,
        onnx=tried,
    )


def read_form(folder: Path) -> tuple[Form, bytes]:
    """A version's form, and its ONNX file; empty where it has none."""
    form = Form.model_validate(json.loads((folder / FORM).read_text()))
    return form, (folder / ONNX_FILE).read_bytes() if form.onnx.fits else b""


def _finite(number: float | None) -> float | None:
    """JSON knows no infinity."""
    return None if number is None or number == float("inf") else number
