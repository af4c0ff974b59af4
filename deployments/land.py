"""Let a batch land: copy its file into the landing folder and say so."""

import difflib
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound

from prefect_mlops.blocks import FileSource
from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.events import Event, event_payload, model_resource

__all__ = ["land_batch"]


def land_batch(
    model: str, file: Path, batch: str = "", as_of: datetime | None = None, environment: str = "default"
) -> str:
    """Copy a file into the model's landing folder and announce it, which starts `mlops-ingest/<model>`.

    A file that is copied there in any other way is announced by the watch, `mlops-watch/operations`.

    Args:
        model: The model that the batch is for.
        file: A Parquet, CSV or JSON-lines file.
        batch: The file's name there; its own by default. One that starts with `labels-` holds labels.
        as_of: The time that the batch belongs to, with a zone; now by default.
        environment: Name of the block documents to use.

    Returns:
        The batch's name, `<model>/<file's name>`.

    Raises:
        NotFound: There is no such file or model, or no landing folder in the environment.
        DataError: The ending is unknown, another batch waits under this name, or `as_of` has no zone.
        ServingError: The landing folder does not answer.
    """
    if not file.is_file():
        raise NotFound("file", str(file), "Give the path of a Parquet, CSV or JSON-lines file")
    moment = as_of or datetime.now(UTC)
    if moment.tzinfo is None:
        cure = "Write it with one, such as 2013-05-01T00:00:00Z"
        raise DataError(f"as_of {moment.isoformat()} has no time zone", cure)
    _refuse_unknown(model)
    try:
        source = cast(FileSource, FileSource.load(environment))
    except ValueError as error:
        raise NotFound("block", f"mlops-source/{environment}", "Run `prefect-mlops bootstrap`") from error
    # Beside the others: the watch would announce it too, and without `as_of`.
    name = source.put(file, f"{model}/{(batch or file.name).removeprefix(f'{model}/')}", announced=True)
    payload = event_payload(as_of=moment.isoformat(), batch=name)
    emit_event(event=Event.DATA_LANDED.value, resource=model_resource(model, name), payload=payload)
    return name


def _refuse_unknown(model: str) -> None:
    """A batch for a model that is not deployed would lie there unseen, and nobody would be told."""
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(f"mlops-ingest/{model}")
        except ObjectNotFound as error:
            ingest = FlowFilter(name=FlowFilterName(any_=["mlops-ingest"]))
            known = sorted(deployment.name for deployment in client.read_deployments(flow_filter=ingest))
            near = difflib.get_close_matches(model, known, n=1)
            said = f"Did you mean {near[0]}? " if near else ""
            cure = f"{said}Deploy it with `prefect deploy --all`; deployed are {', '.join(known) or 'none'}"
            raise NotFound("deployment", f"mlops-ingest/{model}", cure) from error
