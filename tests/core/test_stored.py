"""A model's file is written once, and read as any file of skops."""

from __future__ import annotations

import numpy as np
import pytest
import skops.io

from prefect_mlops.core.errors import TrainingError
from prefect_mlops.core.trainers import FittedModel, content_digest, trusted_types
from prefect_mlops.core.trainers.stored import stored
from tests.core.trainer_cases import KINDS, fitted, rows_for, spec_with


@pytest.mark.parametrize("name", KINDS)
def test_skops_reads_the_same_model_from_a_shorter_file(name: str) -> None:
    spec = spec_with(KINDS[name])
    model = fitted(spec)

    file = stored(model)

    loaded = FittedModel(skops.io.loads(file.content, trusted=list(file.trusted)), model.features, model.classes)
    assert content_digest(loaded) == content_digest(model)
    assert list(file.trusted) == trusted_types(model)
    assert len(file.content) < len(skops.io.dumps(model.pipeline))
    np.testing.assert_array_equal(loaded.predict(rows_for(spec)).labels, model.predict(rows_for(spec)).labels)


class Odd:
    """Nothing of scikit-learn."""


def test_a_strange_type_inside_is_named() -> None:
    model = fitted(spec_with(KINDS["linear"]))
    model.pipeline.steps[-1][1].odd_ = Odd()

    with pytest.raises(TrainingError, match="Odd, and a stored model may hold only types of scikit-learn"):
        stored(model)
