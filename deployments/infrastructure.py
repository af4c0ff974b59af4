"""What Terraform tells of the machines it made: the one output `mlops` of every example, read and checked."""

import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from prefect_mlops.core.errors import DataError, SpecError, SpecProblem
from prefect_mlops.core.parts import Frozen

__all__ = ["Infrastructure", "Serving", "WorkPool", "read_output"]

OUTPUT = "mlops"
CURE = "Run `terraform output -json` in the folder that was applied, and pass all of it"
SECRET = r"^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d+:secret:.+$"


class Prefect(Frozen):
    """Where the Prefect server is."""

    api_url: str = Field(pattern=r"^https?://", description="Its API.")
    ui_url: str = Field(pattern=r"^https?://", description="Where people open it.")


class WorkPool(Frozen):
    """The pool whose worker starts a task on ECS for every run."""

    name: str = Field(min_length=1, description="Its name.")
    base_job_template: Mapping[str, Any] = Field(description="What a run's task is made from; JSON or its text.")
    concurrency_limit: int | None = Field(default=None, ge=1, description="Runs at once; any number when null.")

    @field_validator("base_job_template", mode="before")
    @classmethod
    def _as_text_or_object(cls, template: Any) -> Any:
        """Terraform makes objects of one type only, so a module hands out the text."""
        if not isinstance(template, str):
            return template
        try:
            return json.loads(template)
        except ValueError as error:
            raise ValueError(f"base_job_template is no JSON ({error})") from error

    @model_validator(mode="after")
    def _is_a_template(self) -> Self:
        missing = sorted({"job_configuration", "variables"} - set(self.base_job_template))
        if missing:
            raise ValueError(f"base_job_template lacks {' and '.join(missing)}")
        return self


class Buckets(Frozen):
    """Where data and packages lie, by name."""

    data: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="Landing, tables and predictions.")
    artifacts: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="Bentos and MLflow's artifacts.")


class Tracking(Frozen):
    """Where MLflow is."""

    uri: str = Field(pattern=r"^https?://[^@]+$", description="Its address, without a password.")
    ui_url: str | None = Field(default=None, description="Where people open it; the address itself when null.")
    secret_arn: str | None = Field(
        default=None, pattern=SECRET, description="JSON with username and password, or token."
    )


class LedgerPlace(Frozen):
    """Where the record of decisions is."""

    url: str | None = Field(default=None, pattern=r"^[a-z+0-9]+://[^@]+$", description="Address without a password.")
    secret_arn: str = Field(pattern=SECRET, description="The login as RDS keeps it, or the whole address.")


class Serving(Frozen):
    """Where models are served: the fields of `EcsTarget`."""

    cluster: str
    image: str
    execution_role_arn: str
    task_role_arn: str
    subnets: list[str] = Field(min_length=1)
    security_groups: list[str] = Field(min_length=1)
    log_group: str
    token_secret_arn: str | None = Field(default=None, pattern=SECRET)
    address: str = Field(pattern=r"\{model\}")
    rules: Mapping[str, str]
    target_groups: Mapping[str, str]
    services: Mapping[str, str]
    tasks: int = Field(default=1, gt=0)
    cpu: int = Field(default=512, gt=0)
    memory: int = Field(default=1024, gt=0)
    port: int = Field(default=3000, ge=1, le=65535)

    @model_validator(mode="after")
    def _has_both_slots_of_each_model(self) -> Self:
        wanted = {f"{model}-{slot}" for model in self.rules for slot in ("a", "b")}
        for name in ("target_groups", "services"):
            found = set(getattr(self, name))
            if found != wanted:
                differing = ", ".join(sorted(found ^ wanted))
                raise ValueError(f"{name} must hold <model>-a and <model>-b of each model in rules; see {differing}")
        if odd := [slot for slot, service in self.services.items() if slot != service]:
            raise ValueError(f"the service of {odd[0]} must have its name, not {self.services[odd[0]]}")
        return self


class Infrastructure(Frozen):
    """The output `mlops`: names, addresses and ARNs, and never a secret's value.

    Attributes:
        contract: Number of the form in which it is written.
        name: Prefix of all names.
        region: The AWS region.
        image: The worker's image, in which flows run too.
        prefect: The Prefect server.
        work_pool: The pool to make.
        buckets: Where data and packages lie.
        tracking: MLflow.
        ledger: The record of decisions.
        personal_key_secret_arn: Key of the stand-ins for personal values.
        landing_queue_url: Queue on which the data bucket says what has landed.
        observer_queue_name: Queue on which ECS says which task has stopped.
        log_groups: CloudWatch log groups by what writes into them.
        alarm_topic_arn: Where alarms go.
        serving: Where models are served; nowhere when null.
    """

    contract: Literal[1]
    name: str
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    image: str
    prefect: Prefect
    work_pool: WorkPool
    buckets: Buckets
    tracking: Tracking
    ledger: LedgerPlace
    personal_key_secret_arn: str = Field(pattern=SECRET)
    landing_queue_url: str | None = Field(default=None, pattern=r"^https?://")
    observer_queue_name: str
    log_groups: Mapping[str, str]
    alarm_topic_arn: str | None = None
    serving: Serving | None = None


def read_output(text: str) -> Infrastructure:
    """Read what `terraform output -json` printed.

    Args:
        text: All of it.

    Raises:
        DataError: It is no JSON, or holds no output `mlops`.
        SpecError: The output lacks a field, or a field is not what it should be; each is named with its cure.

    Examples:
        >>> read_output("{}")
        Traceback (most recent call last):
        ...
        prefect_mlops.core.errors.DataError: Terraform has no outputs here. Run `terraform apply` first.
    """
    if not text.strip():
        raise DataError("Nothing came in", CURE)
    try:
        outputs = json.loads(text)
    except ValueError as error:
        raise DataError(f"What came in is no JSON ({error})", CURE) from error
    if outputs == {}:
        raise DataError("Terraform has no outputs here", "Run `terraform apply` first")
    found = outputs.get(OUTPUT) if isinstance(outputs, dict) else None
    if found is None:
        there = ", ".join(sorted(outputs)) if isinstance(outputs, dict) else "a list or a value"
        cure = f"Give the root module an output `{OUTPUT}`, as the examples under terraform/ have"
        raise DataError(f"There is no output `{OUTPUT}`, but {there}", cure)
    value = found.get("value", found) if isinstance(found, dict) else found
    try:
        return Infrastructure.model_validate(value)
    except ValidationError as error:
        raise SpecError(
            "terraform output", tuple(_problem(one) for one in error.errors()), f"output `{OUTPUT}`"
        ) from None


def _problem(error: Any) -> SpecProblem:
    key = ".".join(map(str, error["loc"])) or OUTPUT
    if error["type"] == "missing":
        return SpecProblem(key, "is missing.", "Add it to the output, as terraform/examples does, and apply.")
    if error["type"] == "extra_forbidden":
        return SpecProblem(key, "is not known.", "Take it out, or update prefect-mlops to the version of the modules.")
    if error["type"] == "literal_error" and key == "contract":
        return SpecProblem(key, "is another one than 1.", "Use the modules and the package of one version.")
    if error["type"] == "string_pattern_mismatch" and key.endswith("secret_arn"):
        return SpecProblem(key, "is no ARN of a secret.", "Put the value into Secrets Manager and output its ARN.")
    said = str(error["msg"]).removeprefix("Value error, ")
    return SpecProblem(key, f"{said[:1].lower()}{said[1:]}.", "Mend the output and apply.")
