"""A Prefect server on SQLite answers every event, though its services write at the same time."""

import asyncio
import contextlib
import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.server.utilities.messaging import StopConsumer
from prefect.server.utilities.messaging.memory import MemoryMessage
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.deployments.broker import Consumer, collect_aside
from prefect_mlops.deployments.demo.servers import start_server

RUNS = """
from prefect import flow, task

@task
def step(i):
    return i

@flow(name="drill")
def drill():
    for i in range(10):
        step(i)

for _ in range(5):
    drill()
"""


def locked() -> OperationalError:
    return OperationalError("INSERT", {}, Exception("database is locked"))


def handed_over(failures: list[Exception]) -> int:
    """How often a consumer hands over one message whose handler fails so, until it is taken."""
    attempts = 0

    async def handler(_: Any) -> None:
        nonlocal attempts
        attempts += 1
        if failures:
            raise failures.pop(0)
        raise StopConsumer(ack=True)

    async def consume() -> None:
        consumer = Consumer("drill", concurrency=1)
        await consumer.topic.publish(MemoryMessage(b"{}", {}))
        await consumer.run(handler)
        await consumer.cleanup()

    asyncio.run(asyncio.wait_for(consume(), 30))
    return attempts


def test_a_message_is_tried_again_while_the_database_is_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefect_mlops.deployments.broker.PAUSES_SECONDS", (0.001,) * 8)

    assert handed_over([locked() for _ in range(8)]) == 9


def test_what_else_fails_is_left_to_prefect_which_tries_four_times() -> None:
    assert handed_over([ValueError("broken")]) == 2


@pytest.fixture
def garbage_aside() -> Iterator[None]:
    collect_aside()
    yield
    gc.enable()


@pytest.mark.usefixtures("garbage_aside")
def test_what_a_failure_leaves_behind_stops_nobody_who_waits(tmp_path: Path) -> None:
    # Collected in the loop, the failed cursor waits for its connection: nobody can commit, and `second` fails.
    async def take_turns() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'turns.db'}")
        async with engine.connect() as holder, engine.connect() as waiting:
            await holder.exec_driver_sql("CREATE TABLE turn (who TEXT)")
            await holder.exec_driver_sql("BEGIN IMMEDIATE")
            await waiting.exec_driver_sql("PRAGMA busy_timeout = 1")
            with contextlib.suppress(OperationalError):
                await waiting.exec_driver_sql("INSERT INTO turn VALUES ('first')")
            await waiting.rollback()
            await waiting.exec_driver_sql("PRAGMA busy_timeout = 5000")
            second = asyncio.create_task(waiting.exec_driver_sql("INSERT INTO turn VALUES ('second')"))
            await asyncio.sleep(0.3)  # by now it waits in a thread

            assert [[] for _ in range(100_000)]  # enough for Python to collect garbage here and now
            await holder.commit()

            await second
        await engine.dispose()

    asyncio.run(take_turns())


@pytest.mark.process
def test_no_end_of_a_run_is_lost_on_sqlite(prefect_api: Any, tmp_path: Path) -> None:
    # Prefect's own broker loses 24 of 30 such ends (docs/decisions/0024).
    assert not any("PREFECT_MESSAGING_BROKER" in line for line in bootstrap([], tmp_path, environment="broker"))
    lost = prefect_api.home / "dlq"
    before = {file.name for file in lost.glob("*")}

    runs = [subprocess.Popen([sys.executable, "-c", RUNS], env=prefect_api.env, cwd=tmp_path) for _ in range(2)]

    assert [run.wait(timeout=240) for run in runs] == [0, 0]
    time.sleep(3)  # Prefect's broker has given a message up within a tenth of a second
    assert {file.name for file in lost.glob("*")} == before


@pytest.mark.process
def test_bootstrap_names_the_broker_where_a_server_has_prefects_own(
    prefect_server: Any, free_port: Callable[[], int], tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = {**prefect_server.env, "PREFECT_HOME": str(tmp_path / "prefect")}
    del env["PREFECT_MESSAGING_BROKER"]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = start_server("Prefect server", command, env, tmp_path / "server.log", f"{url}/health")
    try:
        with temporary_settings({PREFECT_API_URL: url}):
            said = bootstrap([], tmp_path / "home")
    finally:
        server.stop()

    assert "start it with `PREFECT_MESSAGING_BROKER=prefect_mlops.deployments.broker prefect server start`" in said[-1]
