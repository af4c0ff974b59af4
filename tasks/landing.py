"""Watch where batches land, and tell which models have some waiting."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.events import Event, event_payload, model_resource
from prefect_mlops.core.lookout import Lookout
from prefect_mlops.tasks.runs import run_logger
from prefect_mlops.tasks.trouble import Trouble

if TYPE_CHECKING:
    from prefect_mlops.blocks import FileSource, LandingQueue
    from prefect_mlops.blocks.queues import Notice

__all__ = ["LandingWatch", "landing_watch"]

DISK_SECONDS, BUCKET_SECONDS = 0.5, 3.0
"""Between two looks at a folder; in a bucket each costs a request for every model."""
ROUND_SECONDS = 60.0
"""Between two looks at all models where a queue tells what has landed, and at what is wrong."""
WAITING = "waiting"


def landing_watch(environment: str, models: Sequence[str]) -> LandingWatch:
    """The watch over an environment's landing folder, and its landing queue where one is saved.

    Args:
        environment: Name of the block documents: the folder's, and the queue's where one is saved.
        models: The models to look for; each has a subfolder of its name.

    Raises:
        NotFound: The environment has no landing folder.
    """
    return LandingWatch(_source_of(environment), _queue_of(environment), models, _announce, _is_expected)


class LandingWatch:
    """One look after another, each told at most once.

    What stands against it (the folder, the queue or the server does not answer) is said once and tried again, after a
    pause that doubles up to a minute. A message leaves the queue when the server has taken the announcement that it
    led to, and stays there, for the queue's own dead letter queue, when it names nothing of ours.

    Args:
        source: The landing folder.
        queue: The landing queue; None where there is none.
        models: The models to look for.
        announce: Tells that so many batches wait for a model.
        is_expected: Whether a run that has not begun will take these batches of a model anyway.
    """

    def __init__(
        self,
        source: FileSource,
        queue: LandingQueue | None,
        models: Sequence[str],
        announce: Callable[[str, int], None],
        is_expected: Callable[[str, Collection[str]], bool],
    ) -> None:
        self._source, self._queue, self._models = source, queue, tuple(models)
        self._announce, self._is_expected = announce, is_expected
        self._lookout = Lookout()
        self._notices: dict[str, dict[str, Notice]] = {model: {} for model in models}
        self._said: set[str] = set()
        self._next_round = self._next_check = 0.0
        self._seconds = BUCKET_SECONDS if "://" in source.folder else DISK_SECONDS
        self._trouble = Trouble()

    def look(self) -> None:
        """Wait a moment, or for a message, then look once and announce what is due."""
        heard = self._queue is not None and self._trouble.survives("the landing queue", self._hear)
        if not heard:
            clock.sleep(self._seconds)
        self._trouble.survives("the landing folder", self._check)
        now = clock.monotonic()
        models = self._models
        if heard and now < self._next_round:
            models = tuple(model for model in models if self._notices[model])
        else:
            self._next_round = now + ROUND_SECONDS
        self._trouble.survives("the landing folder", partial(self._tell, models))

    def _hear(self) -> None:
        """Sort what the queue says: for a model, for nobody, or not ours."""
        assert self._queue is not None
        idle: list[Notice] = []
        for notice in self._queue.receive(BUCKET_SECONDS):
            models = self._models_of(notice)
            for model in models or ():
                self._notices[model][notice.id] = notice
            if models is not None and not models:
                idle.append(notice)
        self._queue.forget(idle)

    def _models_of(self, notice: Notice) -> set[str] | None:
        """The models that a message is about; none for what may be forgotten, None for what is not ours."""
        from prefect_mlops.core.notices import created_objects

        try:
            addresses = created_objects(notice.body)
        except DataError as error:
            self._say_once(notice.id, "%s Message %s is left on the queue.", error, notice.id)
            return None
        models: set[str] = set()
        foreign = []
        for address in addresses:
            batch = self._source.batch_at(address)
            model = batch.partition("/")[0]
            if model in self._models:
                models |= {model} if self._source.may_wait(batch) else set()
            else:
                foreign.append(address)
        if foreign:
            self._say_once(notice.id, "%s belongs to no model that is watched; it is left on the queue.", foreign[0])
        return None if foreign and not models else models

    def _tell(self, models: Sequence[str]) -> None:
        for model, waiting in self._source.waiting_by_model(models).items():
            now = clock.monotonic()
            due = self._lookout.is_due(model, waiting, now)
            if due and self._trouble.survives("Prefect", partial(self._tell_of, model, waiting)):
                self._lookout.announced(model, waiting, now)
            if self._lookout.is_told(model, waiting):
                self._forget(model)

    def _forget(self, model: str) -> None:
        """Take off the queue what led to an announcement; should that fail, it comes again and leads to none."""
        notices, self._notices[model] = list(self._notices[model].values()), {}
        if self._queue is not None and notices:
            self._trouble.survives("the landing queue", partial(self._queue.forget, notices))

    def _tell_of(self, model: str, waiting: Sequence[str]) -> None:
        if not self._is_expected(model, waiting):
            self._announce(model, len(waiting))
            run_logger().info("%d batches wait for %s, the oldest is %s", len(waiting), model, waiting[0])

    def _check(self) -> None:
        """Say, now and then, what nobody else would notice: no folder, and files that nobody will take."""
        if clock.monotonic() < self._next_check:
            return
        self._next_check = clock.monotonic() + ROUND_SECONDS
        if not self._source.is_there():
            self._say_once("folder", "The landing folder %s is not there.", self._source.folder)
        for name in self._source.passed_over(self._models):
            self._say_once(name, "%s is passed over: use .parquet, .csv or .jsonl.", name)

    def _say_once(self, key: str, message: str, *values: object) -> None:
        if key not in self._said:
            self._said.add(key)
            run_logger().warning(message, *values)


def _source_of(environment: str) -> FileSource:
    from prefect_mlops.blocks import FileSource

    try:
        return cast("FileSource", FileSource.load(environment))
    except ValueError as error:
        raise NotFound("block", f"mlops-source/{environment}", "Run `prefect-mlops bootstrap`") from error


def _queue_of(environment: str) -> LandingQueue | None:
    from prefect_mlops.blocks import LandingQueue

    try:
        return cast("LandingQueue", LandingQueue.load(environment))
    except ValueError as error:
        if "Unable to find" not in str(error):
            raise
        return None


def _announce(model: str, count: int) -> None:
    """Hand the event to the server and wait until it has it; `emit_event` may lose it when the server is away."""
    from prefect.client.orchestration import get_client
    from prefect.events import Event as Emitted

    payload = event_payload(reason=f"{count} batches wait")
    emitted = Emitted(event=Event.DATA_LANDED.value, resource=model_resource(model, WAITING), payload=payload)
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[emitted.model_dump(mode="json")])


def _is_expected(model: str, waiting: Collection[str]) -> bool:
    """Whether runs take these batches without being told: one that takes all has yet to begin, or each is named."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType

    live = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=["mlops-ingest"])),
            deployment_filter=filters.DeploymentFilter(name=filters.DeploymentFilterName(any_=[model])),
            flow_run_filter=filters.FlowRunFilter(
                state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=live))
            ),
        )
    named = {run.parameters.get("batch") or "" for run in runs}
    takes_all = any(not run.parameters.get("batch") and run.state_type != StateType.RUNNING for run in runs)
    return takes_all or named.issuperset(waiting)
