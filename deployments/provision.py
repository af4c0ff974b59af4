"""Makes on a Prefect server what the flows need on AWS, from Terraform's output; a second time it changes nothing."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.variables import Variable
from pydantic import SecretStr

from prefect_mlops.blocks import (
    BentoStore,
    DeltaSource,
    DeltaTables,
    EcsTarget,
    FileSource,
    LandingQueue,
    Ledger,
    LocalTarget,
    MlflowTracking,
    PersonalKey,
    PredictionLog,
    SqlSource,
    SuiteStore,
)
from prefect_mlops.core.errors import DataError, ServingError
from prefect_mlops.core.names import write_limit
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.deployments.bootstrap import make_standing_automation
from prefect_mlops.deployments.infrastructure import Infrastructure, Serving

__all__ = ["provision"]

SUITES = "/srv/project/suites"
"""Where a project lies in an image made from the worker's; whoever pulls code sets `suites`, which stays."""


def provision(told: Infrastructure, specs: Iterable[ModelSpec], environment: str = "default") -> Iterator[str]:
    """Make or update the work pool, limits, blocks and the variable; what stopped half-way is gone on with.

    Fields of a block that Terraform does not know keep what somebody set by hand.

    Args:
        told: What Terraform made.
        specs: The project's specs; each gets its `<model>-write` limit.
        environment: Name of the block documents, and of the variable `mlops_<environment>`.

    Yields:
        What was made, updated or found as it should be, a line each.

    Raises:
        DataError: The pool's name belongs to a pool of another kind.
        ServingError: The Prefect server does not answer.
    """
    known = {spec.name for spec in specs}
    try:
        with get_client(sync_client=True) as client:
            client.hello()
            yield _pool(client, told)
            for name in sorted(known):
                yield _limit(client, write_limit(name))
            yield make_standing_automation(client)
        for kind in (DeltaSource, EcsTarget, LandingQueue, SqlSource):
            kind.register_type_and_schema()
        for block in _blocks(told):
            yield _saved(block, environment)
        yield _target(told.serving, environment, told)
        yield _variable(told, environment)
    except httpx.HTTPError as error:
        cure = (
            f"Terraform says it is at {told.prefect.api_url}; where that is private, go through a VPN or a port "
            "forward and set PREFECT_API_URL. Run the command again then: it goes on where it stopped"
        )
        raise ServingError(f"The Prefect server does not answer ({error})", cure) from error
    if told.serving is None:
        yield "note: nothing serves models here; mlops-release has nowhere to release to until the output has `serving`"
    elif missing := sorted(known - set(told.serving.rules)):
        yield f"note: no service for {', '.join(missing)}; add it to the models of module serving and apply"


def _pool(client: SyncPrefectClient, told: Infrastructure) -> str:
    wanted = told.work_pool
    template, limit = dict(wanted.base_job_template), wanted.concurrency_limit
    try:
        found = client.read_work_pool(wanted.name)
    except ObjectNotFound:
        asked = WorkPoolCreate(name=wanted.name, type="ecs", base_job_template=template, concurrency_limit=limit)
        client.create_work_pool(asked)
        return f"work pool {wanted.name} made"
    if found.type != "ecs":
        cure = "Delete that pool in the Prefect UI, or give the worker module another `work_pool_name` and apply"
        raise DataError(f"There is a work pool {wanted.name!r} already, of type {found.type} and not ecs", cure)
    if found.base_job_template == template and found.concurrency_limit == limit:
        return f"work pool {wanted.name} is there"
    client.update_work_pool(wanted.name, WorkPoolUpdate(base_job_template=template, concurrency_limit=limit))
    return f"work pool {wanted.name} updated"


def _limit(client: SyncPrefectClient, name: str) -> str:
    try:
        found = client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        found = None
    if found is not None and found.limit == 1 and found.active:
        return f"limit {name} is there"
    client.upsert_global_concurrency_limit_by_name(name, limit=1)
    return f"limit {name} {'updated' if found else 'made'}"


def _blocks(told: Infrastructure) -> Iterator[Block]:
    """All but the target, each with the fields that Terraform decides."""
    data, options = told.buckets.data, {"aws_region": SecretStr(told.region)}
    yield FileSource(folder=f"s3://{data}/landing", storage_options=options)
    yield DeltaTables(root=f"s3://{data}/tables", storage_options=options)
    yield SuiteStore(folder=SUITES)
    yield MlflowTracking(
        tracking_uri=told.tracking.uri,
        ui_url=told.tracking.ui_url or told.tracking.uri,
        secret_arn=told.tracking.secret_arn or "",
    )
    yield PredictionLog(spool=f"s3://{data}/predictions", storage_options=options)
    yield BentoStore(bucket=f"s3://{told.buckets.artifacts}/bentos", storage_options=options)
    yield Ledger(url=SecretStr(told.ledger.url or ""), secret_arn=told.ledger.secret_arn)
    yield PersonalKey(secret_arn=told.personal_key_secret_arn)
    if told.landing_queue_url:
        yield LandingQueue(url=told.landing_queue_url, region=told.region)


def _target(serving: Serving | None, environment: str, told: Infrastructure) -> str:
    if serving is None:
        return _saved(LocalTarget(), environment)
    fields = serving.model_dump(exclude={"services"})
    fields["token_secret_arn"] = serving.token_secret_arn or ""
    return _saved(
        EcsTarget(
            **fields,
            region=told.region,
            bentos=f"s3://{told.buckets.artifacts}/bentos",
            personal_key_secret_arn=told.personal_key_secret_arn,
            predictions=cast("PredictionLog", PredictionLog.load(environment)),
            tables=cast("DeltaTables", DeltaTables.load(environment)),
        ),
        environment,
    )


def _saved(wanted: Block, environment: str) -> str:
    slug = f"{wanted.get_block_type_slug()}/{environment}"
    try:
        found = cast("Block", type(wanted).load(environment))
    except ValueError as error:
        if "Unable to find" not in str(error):
            raise
        wanted.save(environment)
        return f"block {slug} made"
    if isinstance(wanted, SuiteStore):
        return f"block {slug} is there"
    decided = {name: getattr(wanted, name) for name in wanted.model_fields_set if name in type(wanted).model_fields}
    if all(_plain(getattr(found, name)) == _plain(value) for name, value in decided.items()):
        return f"block {slug} is there"
    kept = {name: getattr(found, name) for name in type(found).model_fields}
    type(wanted)(**(kept | decided)).save(environment, overwrite=True)
    return f"block {slug} updated"


def _plain(value: Any) -> Any:
    """A field as it can be compared: secrets by what they hold, blocks by their fields."""
    if isinstance(value, Block):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value


def _variable(told: Infrastructure, environment: str) -> str:
    """Names and addresses for whoever writes a flow of their own: `{{ prefect.variables.mlops_default }}`."""
    name = f"mlops_{environment.replace('-', '_')}"
    value = {
        "name": told.name,
        "region": told.region,
        "image": told.image,
        "work_pool": told.work_pool.name,
        "data_bucket": told.buckets.data,
        "artifacts_bucket": told.buckets.artifacts,
        "mlflow": told.tracking.ui_url or told.tracking.uri,
        "log_groups": dict(told.log_groups),
    }
    found = Variable.get(name)
    if found == value:
        return f"variable {name} is there"
    Variable.set(name, value, overwrite=True)
    return f"variable {name} {'made' if found is None else 'updated'}"
