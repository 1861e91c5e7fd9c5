"""Booked payments on their way to Kafka; a broken broker never stops payments.

The outbox has a limited size. A payment that does not fit, or that a killed engine still had in memory, remains
unsettled in the payments table. The engine publishes these when it starts and when there is room again. So each
payment is published at least once, and the settlement accepts repeats.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

from aiokafka import AIOKafkaProducer

_log = logging.getLogger(__name__)

TOPIC = "transactions"
METADATA_MS = 30_000
"""How often a client looks for the brokers; by default every five minutes."""
_LIMIT = 20_000
_LINGER_SECONDS = 0.05
_BATCH_BYTES = 256 * 1024
_BATCH = 1000
_REQUEST_MS = 5_000
# A client may wait for ever for a broker that was killed; a new one does not.
_CONFIRMED_WITHIN_SECONDS, _STOPPED_WITHIN_SECONDS = 30.0, 10.0
_RETRY_SECONDS = 1.0

# Reads the unsettled payments after an id: [(id, message)], in the order of their ids.
Unsettled = Callable[[UUID, int], Awaitable[list[tuple[UUID, str]]]]


class Outbox:
    """Accepts messages at any time, and sends them in batches while a broker is available."""

    def __init__(self, servers: str, unsettled: Unsettled) -> None:
        self._servers = servers
        self._unsettled = unsettled
        self._waiting: deque[bytes] = deque()
        self._filled = asyncio.Event()
        # An earlier engine process may have left unsettled payments.
        self._has_unsent = True
        self.published = 0
        self.overflowed = 0
        self.failures = 0

    @property
    def pending(self) -> int:
        """The number of messages that no broker has confirmed yet."""
        return len(self._waiting)

    def add(self, message: bytes) -> None:
        """Accept a message; beyond the limit it stays in the payments table only, and is published later."""
        if len(self._waiting) >= _LIMIT:
            self.overflowed += 1
            self._has_unsent = True
            return
        self._waiting.append(message)
        self._filled.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                await self._publish()
            except Exception as error:  # noqa: BLE001 - any error of the Kafka client: payments continue
                self.failures += 1
                _log.warning("nothing can be published: %r", error)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _publish(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._servers,
            enable_idempotence=True,
            max_batch_size=_BATCH_BYTES,
            request_timeout_ms=_REQUEST_MS,
            metadata_max_age_ms=METADATA_MS,
        )
        try:
            await producer.start()
            await self._send_all(producer)
        finally:
            async with asyncio.timeout(_STOPPED_WITHIN_SECONDS):
                await producer.stop()

    async def _send_all(self, producer: AIOKafkaProducer) -> None:
        partitions = itertools.cycle(sorted(await producer.partitions_for(TOPIC)))
        while True:
            while self._waiting:
                sent = await _send(producer, next(partitions), itertools.islice(self._waiting, _BATCH))
                for _ in range(sent):
                    self._waiting.popleft()
                self.published += sent
            if self._has_unsent:
                await self._send_unsettled(producer)
            self._filled.clear()
            await self._filled.wait()
            await asyncio.sleep(_LINGER_SECONDS)

    async def _send_unsettled(self, producer: AIOKafkaProducer) -> None:
        """Publish every unsettled payment of the payments table."""
        last, partition = UUID(int=0), 0
        self._has_unsent = False
        try:
            while rows := await self._unsettled(last, _BATCH):
                messages = (message.encode() for _, message in rows)
                sent = await _send(producer, partition, messages)
                self.published += sent
                last = rows[sent - 1][0]
        except BaseException:
            self._has_unsent = True
            raise


async def _send(producer: AIOKafkaProducer, partition: int, messages: Iterable[bytes]) -> int:
    """Send as many messages as fit into a batch; returns how many the broker confirmed."""
    batch = producer.create_batch()
    for message in messages:
        if batch.append(key=None, value=message, timestamp=None) is None:
            break
    count = int(batch.record_count())
    async with asyncio.timeout(_CONFIRMED_WITHIN_SECONDS):
        await (await producer.send_batch(batch, TOPIC, partition=partition))
    return count
