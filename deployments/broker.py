"""Messages that wait while the server's database is busy, for a Prefect server on SQLite.

`PREFECT_MESSAGING_BROKER=prefect_mlops.deployments.broker prefect server start` makes the server use it. A trigger's
transaction begins by reading, so a commit of another service in between is "database is locked" at once, however long
SQLite may wait. Prefect's own broker in memory then tries four times within a tenth of a second and gives the event up:
the automation that waits for it starts nothing, and what follows it is held back for 15 minutes.

Such a failure also leaves a cursor behind, in a cycle with its own traceback. Where garbage is collected in the
server's loop while the cursor's connection waits for the database's lock, the loop waits too, and with it whoever holds
the lock: nothing is answered for a minute, until SQLite gives up. So garbage is collected in a thread of its own.
"""

import asyncio
import gc
import random
import threading
import time
from functools import cache

from prefect.server.utilities.messaging import Message, MessageHandler
from prefect.server.utilities.messaging.memory import Consumer as MemoryConsumer
from prefect.server.utilities.messaging.memory import Publisher, break_topic, ephemeral_subscription
from sqlalchemy.exc import OperationalError

__all__ = ["Consumer", "Publisher", "break_topic", "ephemeral_subscription"]

PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
COLLECT_SECONDS = 0.5


class Consumer(MemoryConsumer):
    """Prefect's own consumer in memory, which tries a message again for some twelve seconds before it fails."""

    async def run(self, handler: MessageHandler) -> None:
        """Hand each message to the handler, again after a pause while the database does not take what it writes.

        Args:
            handler: Takes a message; whatever else it raises is Prefect's to answer.
        """

        async def patient(message: Message) -> None:
            for pause in PAUSES_SECONDS:
                try:
                    return await handler(message)
                except OperationalError:
                    await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # two must not meet again
            return await handler(message)

        collect_aside()
        await super().run(patient)


@cache  # once in a process
def collect_aside() -> None:
    """Collect this process's garbage in a thread of its own, as often as Python would but twice a second at most."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    while True:
        time.sleep(COLLECT_SECONDS)
        counts = zip(gc.get_count(), gc.get_threshold(), strict=True)
        due = [generation for generation, (count, threshold) in enumerate(counts) if count > threshold]
        if due:
            gc.collect(due[-1])
