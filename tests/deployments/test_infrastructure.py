"""What Terraform prints is read whole, or refused with the name of the field and the cure."""

import json
from typing import Any

import pytest

from prefect_mlops.core.errors import DataError, SpecError
from prefect_mlops.deployments.infrastructure import read_output
from tests.deployments.outputs import SECRET, output_of, printed

RENAMED = output_of()["serving"]["services"] | {"wine-cultivar-a": "x"}


def test_what_the_contract_says_is_read() -> None:
    told = read_output(printed())

    assert told.work_pool.name == "mlops-ecs"
    assert told.serving is not None
    assert set(told.serving.target_groups) == {
        f"{model}-{slot}" for model in ("bike-demand", "flights-late", "wine-cultivar") for slot in "ab"
    }


def test_the_base_job_template_may_come_as_the_text_of_its_json() -> None:
    pool = output_of()["work_pool"]

    told = read_output(printed(work_pool=pool | {"base_job_template": json.dumps(pool["base_job_template"])}))

    assert told.work_pool == read_output(printed()).work_pool
    with pytest.raises(SpecError, match="base_job_template: base_job_template is no JSON"):
        read_output(printed(work_pool=pool | {"base_job_template": "{"}))


def test_an_example_that_serves_nothing_leaves_serving_and_queue_out() -> None:
    told = read_output(printed(serving=None, landing_queue_url=None))

    assert told.serving is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Nothing came in.*terraform output -json"),
        ("Error: no state", "is no JSON.*terraform output -json"),
        ("{}", "no outputs here.*terraform apply"),
        ('{"vpc": {"value": 1}}', "no output `mlops`, but vpc.*Give the root module"),
        ("[1]", "no output `mlops`, but a list"),
    ],
)
def test_what_is_no_output_is_told_with_its_cure(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_output(text)


@pytest.mark.parametrize("field", sorted(set(output_of()) - {"landing_queue_url", "alarm_topic_arn", "serving"}))
def test_a_field_that_is_missing_is_named(field: str) -> None:
    value = output_of()
    del value[field]

    with pytest.raises(SpecError, match=rf"(?s)terraform output.*- {field}: is missing. Add it to the output"):
        read_output(json.dumps({"mlops": {"value": value}}))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"contract": 2}, "contract: is another one than 1"),
        ({"colour": "red"}, "colour: is not known"),
        ({"personal_key_secret_arn": "hunter2hunter2hunter2"}, "personal_key_secret_arn: is no ARN of a secret"),
        ({"tracking": {"uri": "http://ada:hunter2@mlflow"}}, "tracking.uri: string should match"),
        ({"ledger": {"url": "postgresql://ada:hunter2@db/x", "secret_arn": f"{SECRET}x"}}, "ledger.url: string"),
        ({"work_pool": {"name": "p", "base_job_template": {}}}, "work_pool: base_job_template lacks job_config"),
        ({"buckets": {"data": "s3://data", "artifacts": "ab-c"}}, "buckets.data: string should match"),
        ({"serving": output_of()["serving"] | {"address": "http://x"}}, "serving.address: string should match"),
        ({"serving": output_of()["serving"] | {"target_groups": {}}}, "serving: target_groups must hold <model>-a"),
        (
            {
                "serving": output_of()["serving"]
                | {"services": output_of()["serving"]["services"] | {"wine-cultivar-a": "x"}}
            },
            "serving: the service of wine-cultivar-a must have its name, not x",
        ),
    ],
)
def test_a_field_that_cannot_be_used_is_named_and_no_secret_is_quoted(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as told:
        read_output(printed(**changed))

    assert said in str(told.value)
    assert "hunter2" not in str(told.value)
