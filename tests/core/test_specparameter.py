"""A flow takes a spec as a value or as its mapping, and knows its schema from a file that is up to date."""

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specparameter import SCHEMA, SpecParameter, schema_text
from tests.core.trainer_cases import LOGISTIC, spec_with

SPEC = spec_with({"estimator": LOGISTIC})


def test_the_schema_that_is_shipped_is_that_of_specs() -> None:
    assert SCHEMA.read_text() == schema_text(), "run `make schema`"
    assert "$ref" not in SCHEMA.read_text()
    assert TypeAdapter(SpecParameter).json_schema() == json.loads(SCHEMA.read_text())


def test_a_value_and_its_mapping_are_the_same_parameter() -> None:
    parameter: TypeAdapter[ModelSpec] = TypeAdapter(SpecParameter)

    assert parameter.validate_python(SPEC) is SPEC
    assert parameter.validate_python(SPEC.model_dump(mode="json")) == SPEC


def test_a_mistake_is_told_with_its_key() -> None:
    wrong = {**SPEC.model_dump(mode="json"), "targets": 1}

    with pytest.raises(ValidationError, match="targets"):
        TypeAdapter(SpecParameter).validate_python(wrong)
