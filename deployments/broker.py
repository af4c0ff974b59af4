"""Messages that wait while the server's database is busy, for a Prefect server on SQLite.

`PREFECT_MESSAGING_BROKER=prefect_mlops.deployments.broker prefect server start` makes the server use it. A trigger's
transaction begins by reading, so a commit of another service in between is "database is locked" at once, however long
SQLite may wait. Prefect's own broker in memory then tries four times within a tenth of a second and gives the event up:
the automation that waits for it starts nothing, and what follows it is held back for 15 minutes.
"""

import asyncio
import random

from prefect.server.utilities.messaging import Message, MessageHandler
from prefect.server.utilities.messaging.memory import Consumer as MemoryConsumer
from prefect.server.utilities.messaging.memory import Publisher, break_topic, ephemeral_subscription
from sqlalchemy.exc import OperationalError

__all__ = ["Consumer", "Publisher", "break_topic", "ephemeral_subscription"]

PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)


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

        await super().run(patient)
