"""What a step may ask about the run it belongs to: its places, logger, time, name, and its model's lock."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prefect import runtime
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from prefect_mlops.core.errors import DataError, ModelBusy
from prefect_mlops.core.names import write_limit

if TYPE_CHECKING:
    from prefect_mlops.blocks import Places
    from prefect_mlops.blocks.sources import BatchSource

__all__ = [
    "first_writer",
    "load_places",
    "load_source",
    "one_writer",
    "publish_markdown",
    "run_key",
    "run_logger",
    "run_name",
    "time_of_run",
    "turn_to_write",
]

WAIT_SECONDS = 1800
POLITE_SECONDS = 15
LEASE_SECONDS = 90
"""For so long a model stays locked after the death of whoever held the lock; Prefect takes no less than 60."""


def load_places(environment: str) -> Places:
    """The blocks of an environment; the classes are imported here, so that importing a flow stays cheap.

    Raises:
        NotFound: One of the block documents does not exist.
    """
    from prefect_mlops.blocks import Places

    return Places.load(environment)


def load_source(places: Places, slug: str = "") -> BatchSource:
    """The source that a block slug names, such as `mlops-sql-source/warehouse`; the landing folder when empty.

    Raises:
        NotFound: No such block is saved.
        DataError: The slug is none, or names a block that gives no batches.
    """
    from prefect_mlops.blocks.places import load_source

    return load_source(slug, places)


def run_logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    """The run's logger, or the standard library's outside of a run."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("prefect_mlops")


def time_of_run(as_of: datetime | None) -> datetime:
    """The end of the window that a run looks at: `as_of`, or the run's scheduled time, never now().

    A late or repeated run thus sees the same rows.

    Raises:
        DataError: Outside of a flow run without `as_of`, or `as_of` has no time zone.
    """
    if as_of is None:
        if runtime.flow_run.id is None:
            raise DataError("There is no run whose scheduled time could end the window", "Give `as_of`")
        # Prefect's is a pendulum DateTime, which loses its zone when a day is taken from it.
        as_of = datetime.fromisoformat(runtime.flow_run.scheduled_start_time.isoformat())
    if as_of.tzinfo is None:
        raise DataError(
            f"as_of {as_of.isoformat()} has no time zone", "Write it with one, such as 2013-05-01T00:00:00Z"
        )
    return as_of.astimezone(UTC)


def run_name() -> str:
    """Who did it, for the ledger: the flow run's name, or the actor of the settings outside of one."""
    from prefect_mlops.blocks.settings import MlopsSettings

    return str(runtime.flow_run.name or MlopsSettings().actor)


def run_key() -> str:
    """A name for this very run that stays the same when the run is repeated; new every time outside of a run."""
    return str(runtime.flow_run.id or uuid.uuid4())


@contextlib.contextmanager
def one_writer(model: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Let one run at a time change a model, across all its flows.

    The limit `<model>-write` must exist (`prefect-mlops bootstrap` makes it). After the death of its holder it
    frees when the holder's lease ends, within two minutes. Outside of a flow run there is nobody to wait for.

    While a run holds the limit it has the limit's name as a tag: Prefect's API tells nobody whose a slot is. A run
    that must wait says for whom in its log before it does.

    Args:
        model: The model's name.
        wait_seconds: How long another writer is waited for, half an hour by default.

    Raises:
        ConcurrencySlotAcquisitionError: The limit does not exist.
        ModelBusy: The other writer took longer.
    """
    if runtime.flow_run.id is None:
        yield
        return
    from prefect.concurrency.sync import concurrency

    limit = write_limit(model)
    lock = concurrency(limit, occupy=1, timeout_seconds=wait_seconds, lease_duration=LEASE_SECONDS, strict=True)
    with contextlib.ExitStack() as stack:
        if holder := _holder(limit):
            run_logger().info("%s is held by %s: waiting %s at most.", model, holder, _span(wait_seconds))
        try:
            stack.enter_context(lock)
        except TimeoutError as error:
            raise ModelBusy(model, _holder(limit) or "another run", _span(wait_seconds)) from error
        stack.enter_context(_tagged(limit))
        yield


@contextlib.contextmanager
def turn_to_write(model: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[str]:
    """Lock a model as `one_writer` does; where another run keeps it, say so instead of failing.

    Yields:
        Who holds the model, a sentence; empty where this run does.

    Raises:
        ConcurrencySlotAcquisitionError: The limit does not exist.
    """
    with contextlib.ExitStack() as stack:
        busy = ""
        try:
            stack.enter_context(one_writer(model, wait_seconds))
        except ModelBusy as error:
            busy = f"{model} is held by {error.holder}, which was waited for {error.waited}."
        yield busy


@contextlib.contextmanager
def first_writer(model: str) -> Iterator[None]:
    """Lock a model as `one_writer` does, but wait for nobody longer than some seconds and then go on without the lock.

    For the one change that must not wait. Others are told of it beforehand, by the ledger, and give way.

    Raises:
        ConcurrencySlotAcquisitionError: The limit does not exist.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(one_writer(model, POLITE_SECONDS))
        except ModelBusy as error:
            run_logger().warning("%s still writes to %s; this one goes on beside it.", error.holder, model)
        yield


def publish_markdown(markdown: str, key: str, description: str = "") -> None:
    """Show a document in the Prefect UI, beside the run and under its key."""
    from prefect.artifacts import create_markdown_artifact

    create_markdown_artifact(markdown, key=key, description=description or None)


@contextlib.contextmanager
def _tagged(tag: str) -> Iterator[None]:
    """Give this run one tag more for a while."""
    known = {*runtime.flow_run.tags}
    _set_tags({*known, tag})
    try:
        yield
    finally:
        _set_tags(known)


def _set_tags(tags: set[str]) -> None:
    """A server that does not take them stops nobody."""
    import httpx
    from prefect.client.orchestration import get_client

    with contextlib.suppress(httpx.HTTPError), get_client(sync_client=True) as client:
        client.update_flow_run(uuid.UUID(runtime.flow_run.id), tags=tags)


def _holder(limit: str) -> str:
    """The run that has the limit's tag, and since when it runs; empty where none is known."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType

    running = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=[StateType.RUNNING]))
    tagged = filters.FlowRunFilter(state=running, tags=filters.FlowRunFilterTags(all_=[limit]))
    with contextlib.suppress(httpx.HTTPError), get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=tagged, limit=2):
            if str(run.id) == runtime.flow_run.id:  # tried again after a crash, which left the tag
                continue
            since = f" since {run.start_time:%Y-%m-%d %H:%M} UTC" if run.start_time else ""
            return f"{client.read_flow(run.flow_id).name} {run.name!r}{since}"
    return ""


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:g} seconds"
