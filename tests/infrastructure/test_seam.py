"""What the examples hand out is what the Python side reads, field by field."""

import re
from pathlib import Path

import pytest

from prefect_mlops.deployments.infrastructure import Infrastructure, Serving

EXAMPLES = Path(__file__).parents[2] / "terraform" / "examples"
SERVING = EXAMPLES.parent / "modules" / "serving" / "outputs.tf"
NOT_OF_THE_CONTRACT = {"bentos", "personal_key_secret_arn", "region"}


def output_mlops(example: str) -> str:
    text = (EXAMPLES / example / "outputs.tf").read_text()
    found = re.search(r'^output "mlops" \{$.*?^  value = \{$(.*?)^  \}$', text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("example", ["minimal", "production"])
def test_an_example_hands_out_every_field_and_no_other(example: str) -> None:
    fields = set(re.findall(r"^    (\w+) +=", output_mlops(example), re.MULTILINE))

    assert fields == set(Infrastructure.model_fields)


@pytest.mark.parametrize("example", ["minimal", "production"])
@pytest.mark.parametrize("part", ["prefect", "work_pool", "buckets", "tracking", "ledger"])
def test_a_part_of_it_has_the_fields_of_its_record(example: str, part: str) -> None:
    (line,) = re.findall(rf"^    {part} += \{{ (.*) \}}$", output_mlops(example), re.MULTILINE)
    fields = set(re.findall(r"(?:^|, )(\w+) = ", line))
    record = Infrastructure.model_fields[part].annotation

    assert record is not None
    assert fields == set(record.model_fields)


def test_the_module_serving_hands_out_what_its_record_reads() -> None:
    (value,) = re.findall(r'output "target" \{.*?value = \{\n(.*?)\n  \}', SERVING.read_text(), re.DOTALL)
    fields = set(re.findall(r"^    (\w+) +=", value, re.MULTILINE))

    assert fields - NOT_OF_THE_CONTRACT | {"services"} == set(Serving.model_fields)
    assert str(sorted(NOT_OF_THE_CONTRACT)).replace("'", '"') in (EXAMPLES / "production" / "outputs.tf").read_text()
